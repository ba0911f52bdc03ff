"""What a version promised: how well it did on its baseline, and how far that wanders. Pure."""

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np

from app.kit.arrays import Floats
from app.telemetry.layout import Bins
from app.telemetry.outcomes import fold_columns, performance
from app.telemetry.performance import Performance

CHUNKS = 20
SORTED = 0.25
"""Where chunks explain so much of how scores, or labels, vary, rows are in no order of time."""
WANDERS = 2.0
"""Then at most so many sampling errors of ``WINDOW`` rows is a metric held to wander by itself…"""
WINDOW = 500
"""…which is the least window that is judged."""
OF_PROBABILITIES = (
    "accuracy", "precision", "recall", "f1", "auc", "log_loss", "brier", "ece",
)  # fmt: skip
OF_NUMBERS = ("mae", "rmse", "bias")


def promise(
    scores: Floats, labels: Floats, bins: Bins, *, probability: bool, chunks: int = CHUNKS
) -> dict[str, Any] | None:
    """Return a version's metrics on the rows that have both, or nothing of no such row.

    ``sigma`` is the spread between consecutive chunks beyond what sampling explains, so that a
    window is not alarmed by variation the development data already showed. Of rows in the order of
    their time, that is; a file that is sorted by score, label or customer wanders all the way, and
    no window ever would be beyond: there, more than ``WANDERS`` is not believed. ``curve`` has a
    row a bin of the score: rows, positives, sum of scores, of the errors' sizes, of their squares.
    """
    known = np.isfinite(scores) & np.isfinite(labels)
    scores, labels = scores[known], labels[known]
    names = OF_PROBABILITIES if probability else OF_NUMBERS
    whole = _performance(scores, labels)
    size = len(scores) // chunks
    parts = [
        _performance(scores[at * size : (at + 1) * size], labels[at * size : (at + 1) * size])
        for at in range(chunks if size else 0)
    ]
    out_of_time = max(_explained(column, chunks) for column in (scores, labels)) > SORTED
    metrics = {}
    for name in names:
        found = whole.measure(name)
        if found is not None:
            sigma = _sigma(name, parts)
            if out_of_time:
                sigma = min(sigma, WANDERS * found.standard_error * sqrt(len(scores) / WINDOW))
            metrics[name] = {**found._asdict(), "sigma": sigma}
    if "ece" in metrics:
        metrics["ece"]["by_chance"] = whole.ece_by_chance
    if not metrics:
        return None
    promised: dict[str, Any] = {"rows": len(scores), "metrics": metrics}
    if "accuracy" in metrics:
        promised |= {
            "accuracy": metrics["accuracy"]["value"],
            "sigma": metrics["accuracy"]["sigma"],
            "rows": metrics["accuracy"]["rows"],
        }
    return promised | {"curve": _curve(scores, labels, bins)}


def _performance(scores: Floats, labels: Floats) -> Performance:
    nothing = np.full(len(scores), np.nan)
    return performance(fold_columns(scores, nothing, labels, nothing, nothing))


def _explained(column: Floats, chunks: int) -> float:
    """Return the share of a column's variance that lies between its chunks."""
    apart = float(((column - column.mean()) ** 2).sum()) if len(column) else 0.0
    if not apart:
        return 0.0
    parts = np.array_split(column, min(chunks, max(len(column) // 10, 1)))
    between = sum(len(part) * (part.mean() - column.mean()) ** 2 for part in parts)
    return float(between) / apart


def _sigma(name: str, parts: Sequence[Performance]) -> float:
    found = [one for part in parts if (one := part.measure(name)) is not None]
    if len(found) < 2:  # noqa: PLR2004 - one chunk has no spread
        return 0.0
    values = np.array([one.value for one in found])
    noise = np.mean([one.standard_error**2 for one in found])
    return float(np.sqrt(max(values.var(ddof=1) - noise, 0.0)))


def _curve(scores: Floats, labels: Floats, bins: Bins) -> list[list[float]]:
    """Return the sums by bin of the score that calibration and losses are read from."""
    codes, values = bins.place(scores.tolist())
    errors = values - labels
    columns = (np.ones(len(codes)), labels == 1.0, values, np.abs(errors), errors * errors)
    found: list[list[float]] = np.stack(
        [np.bincount(codes, np.asarray(one, np.float64), bins.slots) for one in columns], axis=1
    )[: bins.bins].tolist()
    return found
