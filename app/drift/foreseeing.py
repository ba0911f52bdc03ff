"""What a window probably comes to before its labels do: estimates beside promises. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from app.drift.degrading import beside
from app.drift.estimating import Estimate, Losses, estimate, expected_loss
from app.drift.isotonic import calibrator
from app.drift.scored import Scored
from app.telemetry import Layout, Tally

Promised = Mapping[str, Mapping[str, float]]


def estimated(
    layout: Layout,
    window: Tally,
    curve: Sequence[Sequence[float]],
    promised: Promised,
    min_rows: int,
) -> list[dict[str, Any]]:
    """Return the promised metrics as the window's scores alone let them be expected.

    ``curve`` is the baseline's, a row a bin of the score: rows, positives, sum of scores, Σ|e|,
    Σe². Of probabilities by CBPE, of numbers the size of errors by direct loss estimation. An
    estimate may be as far off as its own error says, beside what the promise itself may.
    """
    bins, span = layout.spans()[-1]
    table = np.asarray(curve, np.float64)
    counts, sums = window.counts[span][: bins.bins], window.sums[span][: bins.bins]
    rows = int(counts.sum())
    if not rows or table.shape[:1] != counts.shape or not table[:, 0].any():
        return []
    found: dict[str, Estimate] = {}
    if "accuracy" in promised:
        found = estimate(counts, sums, calibrator(Scored.of_curve(curve)))
    elif (loss := expected_loss(counts, _losses(table))) is not None:
        found = {"mae": loss}
    return [
        beside(name, one.value, one.standard_error, rows, promised[name], min_rows)
        for name, one in found.items()
        if name in promised
    ]


def _losses(table: "np.ndarray[Any, np.dtype[np.float64]]") -> Losses:
    return Losses(table[:, 0].astype(np.int64), table[:, 3], table[:, 4])
