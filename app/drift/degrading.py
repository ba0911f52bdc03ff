"""Mathematical drift: which metrics have left what was promised of them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from typing import Any, Literal

from app.telemetry import METRICS, Performance

SIGMAS = 3.0
Watched = Literal[
    "accuracy", "auc", "bias", "brier", "ece", "f1", "log_loss", "mae", "precision", "recall",
    "rmse",
]  # fmt: skip
"""What may be watched: that which a baseline may promise."""
WATCHED: tuple[Watched, ...] = ("accuracy", "auc", "ece", "mae", "bias")
"""Discrimination and calibration of a classifier; size and sign of a regressor's errors."""


_OF_BOTH = frozenset({"auc", "ece", "f1", "precision", "recall"})
_FEWEST = 20
"""So many of each class are needed: of a handful of positives, errors are no normal ones."""


def judged(
    done: Performance, promised: Mapping[str, Mapping[str, float]], min_rows: int
) -> list[dict[str, Any]]:
    """Return each promised metric as the window's outcomes have it, and whether it is beyond.

    Beyond is worse than promised by more than 3·√(σ² + SE² + SE₀²): how it wandered by itself in
    the baseline, what the window's sampling and what the baseline's explains. ``None`` of fewer
    than ``min_rows`` outcomes: nothing can be said.
    """
    rows = []
    for name, was in promised.items():
        found = done.measure(name)
        if found is None:
            continue
        chance = done.ece_by_chance if name == "ece" else None
        row = beside(name, *found, was, min_rows, by_chance=chance)
        if name in _OF_BOTH and min(done.positives, done.labelled - done.positives) < _FEWEST:
            row["beyond"] = None
        rows.append(row)
    return rows


def beside(
    name: str,
    value: float,
    standard_error: float,
    rows: int,
    was: Mapping[str, float],
    min_rows: int,
    *,
    by_chance: float | None = None,
) -> dict[str, Any]:
    """Return a metric beside its promise: the room it has, and whether it is beyond that.

    Of what chance alone makes so large, the room is reckoned from what a window of so many rows
    would show on average that kept the promise: more than was promised of fewer rows, less of more.
    """
    errors = (was["sigma"], standard_error, was["standard_error"])
    room = SIGMAS * sqrt(sum(error**2 for error in errors))
    if by_chance is not None:
        room += _expected(by_chance, was) - was["value"]
    worse = _worse(name, value - was["value"])
    return {
        "name": name,
        "value": value,
        "standard_error": standard_error,
        "rows": rows,
        "promised": was["value"],
        "room": room,
        "beyond": worse > room if rows >= min_rows else None,
    }


def beyond(metrics: Iterable[Mapping[str, Any]], watched: Sequence[str]) -> set[str]:
    """Return the watched metrics that are beyond."""
    return {one["name"] for one in metrics if one["beyond"] and one["name"] in watched}


def degraded(metrics: Sequence[Mapping[str, Any]]) -> bool | None:
    """Say whether the version does worse than promised: by its accuracy, or a number's errors.

    ``None`` where it cannot be said: nothing was promised, or too few outcomes are known.
    """
    found = {one["name"]: one["beyond"] for one in metrics}
    if "accuracy" in found:
        answer: bool | None = found["accuracy"]
        return answer
    said = [found[name] for name in ("mae", "bias") if found.get(name) is not None]
    return any(said) if said else None


def _expected(by_chance: float, was: Mapping[str, float]) -> float:
    """Return the ECE that a window shows on average if scores are as far off as was promised.

    Chance and error add up as squares do: of true scores all is chance, of a large error chance
    hides in it. A promise of an earlier release does not say what of it was chance: nothing, then.
    """
    own = max(was["value"] ** 2 - was.get("by_chance", 0.0) ** 2, 0.0)
    return sqrt(own + by_chance**2)


def _worse(name: str, change: float) -> float:
    better = METRICS[name].better
    return abs(change) if better == 0 else -better * change
