"""The detectors on a folded stream, each as the row of production at which it speaks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from river.drift import ADWIN

from app.drift.concept import DELTA, changes
from app.drift.estimating import estimate
from app.drift.isotonic import calibrator
from app.drift.levels import REACH, Earlier, sways
from app.drift.rhythms import turns
from app.drift.rules import Thresholds, compare, inputs_of, persistent
from app.drift.scored import Scored
from app.kit.arrays import Floats, Ints
from tests.bench.folded import Folded
from tests.bench.streams import HOUR, WINDOW, Stream

LIMITS = Thresholds()
_WIDTH = timedelta(hours=WINDOW // HOUR)


def raised(history: Sequence[set[str]]) -> list[int]:
    """Return when alerts are raised: each subject's once, at the window that makes it last."""
    known: set[str] = set()
    found = []
    for upto in range(1, len(history) + 1):
        fresh = persistent(history[:upto], LIMITS) - known
        known |= fresh
        found += [upto * WINDOW] * bool(fresh)
    return found


def compared(seen: Folded) -> list[list[dict[str, Any]]]:
    """Compare windows with the baseline, each beside those before it, as production does."""
    found: list[list[dict[str, Any]]] = []
    for at, window in enumerate(seen.windows):
        before = [
            Earlier(
                _WIDTH * (at - place), seen.windows[place].n, {row["name"]: row for row in rows}
            )
            for place, rows in enumerate(found)
        ]
        rows = compare(seen.layout, seen.baseline, window, LIMITS, sways=sways(before[-REACH:]))
        found.append(inputs_of(rows))
    return found


def by_drift(seen: Folded) -> list[int]:
    return raised([{one["name"] for one in rows if one["drifts"]} for rows in compared(seen)])


def by_shift(seen: Folded) -> list[int]:
    return raised([{one["name"] for one in rows if one["shifts"]} for rows in compared(seen)])


def by_estimate(seen: Folded) -> list[int]:
    """CBPE of the accuracy against what was promised."""
    bins, span = seen.layout.spans()[-1]
    inside = slice(span.start, span.start + bins.bins)
    calibrated = calibrator(Scored.of_curve(seen.promised["curve"]))
    was = seen.promised["metrics"]["accuracy"]
    history = []
    for window in seen.windows:
        found = estimate(window.counts[inside], window.sums[inside], calibrated)["accuracy"]
        off = found.beyond(was["value"], was["sigma"], was["standard_error"])
        history.append({"accuracy"} if off else set())
    return raised(history)


def _hourly(seen: Folded) -> tuple[Ints, Floats, Floats]:
    """Of each hour the rows, their losses and these squared: of 0 and 1 the same."""
    n = np.array([one.labelled for one in seen.hours], np.int64)
    losses = (n - np.array([one.hits for one in seen.hours])).astype(np.float64)
    return n, losses, losses


def by_hours(seen: Folded, *, strict: bool = False) -> list[int]:
    """ADWIN over hours of 0/1 loss."""
    return [(one.found + 1) * HOUR for one in changes(*_hourly(seen), strict=strict)]


def by_hours_strictly(seen: Folded) -> list[int]:
    return by_hours(seen, strict=True)


def by_rhythm(seen: Folded) -> list[int]:
    """ADWIN that compares like hours of a week, by which windows and alerts go."""
    return [(one.found + 1) * HOUR for one in turns(*_hourly(seen))]


def by_river(seen: Folded) -> list[int]:
    """river's ADWIN, a loss at a time."""
    return [at for at, _ in river(seen.losses)]


def river(values: Floats) -> list[tuple[int, int]]:
    """Return when river's ADWIN spoke, and from which place on it kept its window."""
    detector = ADWIN(delta=DELTA)
    found = []
    for at, value in enumerate(values.tolist(), 1):
        detector.update(value)
        if detector.drift_detected:
            found.append((at, at - detector.width))
    return found


@dataclass(frozen=True)
class Detector:
    """A detector, and which change of a stream it is there for."""

    name: str
    alarms: Callable[[Folded], list[int]]
    meant: Callable[[Stream], bool | None]


DETECTORS = (
    Detector("data drift", by_drift, lambda s: s.inputs),
    Detector("shift", by_shift, lambda s: s.inputs),
    Detector("CBPE", by_estimate, lambda s: s.mix),
    Detector("ADWIN by hours", by_hours, lambda s: s.loss),
    Detector("ADWIN by hours, strict", by_hours_strictly, lambda s: s.loss),
    Detector("ADWIN, hours of a week alike", by_rhythm, lambda s: s.loss),
    Detector("river's ADWIN by rows", by_river, lambda s: s.loss),
)
