"""What a window probably comes to before its labels do: estimates beside promises. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from app.drift.degrading import beside
from app.drift.estimating import Estimate, Losses, estimate, expected_loss
from app.drift.isotonic import calibrator
from app.drift.scored import Scored
from app.kit.arrays import Floats, Ints
from app.telemetry import Layout, Tally

EXTRAPOLATED = 0.05
_ROUNDING = 1e-9
Promised = Mapping[str, Mapping[str, float]]


def estimated(
    layout: Layout,
    window: Tally,
    curve: Sequence[Sequence[float]],
    promised: Promised,
    min_rows: int,
    *,
    reference: Tally | None = None,
) -> list[dict[str, Any]]:
    """Return the promised metrics as the window's scores alone let them be expected.

    ``curve`` is the baseline's, a row a bin of the score: rows, positives, sum of scores, Σ|e|,
    Σe². Of probabilities by CBPE, of numbers the size of errors by direct loss estimation. An
    estimate may be as far off as its own error says, beside what the promise itself may. Of scores
    beyond all that the ``reference`` had, nobody knows how they err: of more than a few nothing is
    said to be beyond.
    """
    bins, span = layout.spans()[-1]
    table = np.asarray(curve, np.float64)
    counts, sums = window.counts[span][: bins.bins], window.sums[span][: bins.bins]
    unseen = bins.slot("unseen")
    strange = int(window.counts[span][unseen]) if unseen is not None else 0
    rows = int(counts.sum())
    if not rows or table.shape[:1] != counts.shape or not table[:, 0].any():
        return []
    found: dict[str, Estimate] = {}
    if "accuracy" in promised:
        found = estimate(counts, sums, calibrator(Scored.of_curve(curve)))
    elif (loss := expected_loss(counts, _losses(table))) is not None:
        found = {"mae": loss}
    ends = None if reference is None else reference.moments[-1, :2]
    outside = (strange + _outside(counts, sums, table, ends)) / (strange + rows)
    said = [
        beside(name, one.value, one.standard_error, rows, promised[name], min_rows)
        for name, one in found.items()
        if name in promised
    ]
    for row in said:
        row["extrapolated"] = outside
        if outside >= EXTRAPOLATED:
            row["beyond"] = None
    return said


def _outside(counts: Ints, sums: Floats, table: Floats, ends: Floats | None) -> float:
    """Return how many rows' scores lie beyond those of the reference.

    All of bins that lie beyond its outermost. Those are open, and of a window's rows in them only
    the mean is known: were the others where the reference's are, and those beyond at its ends,
    they would be so many at most.
    """
    places = np.flatnonzero(table[:, 0])
    first, last = int(places[0]), int(places[-1])
    found = float(counts[:first].sum() + counts[last + 1 :].sum())
    if ends is None:
        return found
    for place, end, sign in ((first, ends[0], -1.0), (last, ends[1], 1.0)):
        if not counts[place]:
            continue
        mean, was = sums[place] / counts[place], table[place, 2] / table[place, 0]
        away = max(sign * float(mean - was), 0.0)
        room = max(sign * float(end - was), _ROUNDING * max(abs(float(was)), 1.0))
        found += min(away / room, 1.0) * float(counts[place])
    return found


def _losses(table: "np.ndarray[Any, np.dtype[np.float64]]") -> Losses:
    return Losses(table[:, 0].astype(np.int64), table[:, 3], table[:, 4])
