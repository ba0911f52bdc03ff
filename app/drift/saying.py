"""Saying: what windows say that alerts are made of, of the whole and of each segment."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, NamedTuple

from app.drift import alert_rules as rules
from app.drift import degrading, lapsed
from app.drift.alert_rules import ACCURACY, AlertKind, Ending, Seen, Severity, Subject, Voice
from app.drift.alert_tables import Episode
from app.drift.regimes import CALIBRATION, LOSS
from app.drift.rules import Thresholds
from app.drift.subjects import parted, subject_of
from app.drift.tables import Window
from app.drift.tenure import Tenure
from app.telemetry import SCORE

_GRAVE = frozenset({ACCURACY, "mae", "rmse"})
"""Metrics that say how often, or how far, answers are wrong."""
Says = dict[Voice, Severity | None]
"""How far what can be told of is out of its bounds; nothing, where it is not."""


def look(window: Window, limits: Thresholds) -> Seen:
    """Return of a window what alerts are made of.

    Each item by itself: of a window's metrics one may be beyond of which another can say nothing.
    """
    # Before there were other metrics, a window said only whether the accuracy had fallen.
    metrics = window.metrics or [{"name": ACCURACY, "beyond": window.degraded}]
    says = _worse(metrics, limits) | _unequal(window.fairness or ()) | _missed(window.kpis)
    if window.n >= _fewest(window, limits):
        says |= _expected(window.estimated, metrics, limits) | _changed(window.concept)
        if window.compared_with is not None:
            says |= _moved(window.variables)
    return _seen(window, says)


def histories(windows: Sequence[Window], limits: Thresholds) -> dict[str, list[Seen]]:
    """Return what windows say of the whole, under no name, and of each segment."""
    parts = [{one["segment"]: one for one in window.segments or ()} for window in windows]
    placed = [frozenset(map(_variable, window.variables)) for window in windows]
    return {
        "": [look(window, limits) for window in windows],
        **{
            name: [
                _look_at(window, own.get(name), limits, known)
                for window, own, known in zip(windows, parts, placed, strict=True)
            ]
            for name in sorted(set().union(*parts))
        },
    }


def _look_at(
    window: Window,
    part: Mapping[str, Any] | None,
    limits: Thresholds,
    placed: AbstractSet[Voice],
) -> Seen:
    """Return what a window says of one segment; of one without events nothing."""
    if part is None:
        return _seen(window, {})
    says = _worse(part["metrics"], limits)
    if min(part["n"], part["before"]) < _fewest(window, limits):
        return _seen(window, says)
    # Of a segment only what moved is kept, of all that the whole has.
    return _seen(window, says | _moved(part["variables"]), placed)


def lasting(
    seen: Mapping[str, Sequence[Seen]], limits: Thresholds, *, agreed: set[str]
) -> dict[Subject, Severity]:
    """Return what is out of bounds for good, of what is looked at still."""
    return {
        (kind, subject_of(name, segment)): severity
        for segment, history in seen.items()
        for (kind, name), severity in rules.lasting(history, limits).items()
        if lapsed.why(kind, name, segment, limits, declared=None, agreed=agreed) is None
    }


def about(seen: Mapping[str, Sequence[Seen]], subject: Subject) -> tuple[Sequence[Seen], Subject]:
    """Return whose history an alert's subject is part of, and under which name."""
    kind, name = subject
    own, segment = parted(name, seen)
    return seen[segment], (kind, own)


class Begun(NamedTuple):
    """What begins an episode: how far it is out of its bounds, and since which window."""

    severity: Severity
    since: datetime


def begun(
    history: Sequence[Seen],
    subject: Subject,
    limits: Thresholds,
    last: Episode | None,
    tenure: Tenure,
) -> Begun | None:
    """Return what another episode after the last begins with, if windows ask for one.

    Of who has a seat again, what was before it says nothing. What nothing looked at for a while is
    looked at afresh: what windows said before has lapsed. What was ended by a word had been seen up
    to then: only a later window that is itself beyond says more.
    """
    if tenure.since is not None:
        history = [one for one in history if one.until > tenure.since]
    ending = rules.ending_of(last.ending, last.resolved_by) if last is not None else None
    if last is not None and ending is Ending.LAPSED:
        history = [one for one in history if _later(one.examined_at, last.resolved_at)]
    severity = rules.lasts(history, subject, limits)
    since = rules.spoken(history, subject, beyond=True)
    if severity is None or since is None:
        return None
    by_word = last is not None and ending in {Ending.BY_HAND, Ending.VERSION_LEFT}
    if last is not None and by_word and since <= (last.through or last.since):
        return None
    return Begun(severity, since)


def through(seen: Mapping[str, Sequence[Seen]], subject: Subject) -> datetime | None:
    """Return the end of the newest window that says anything of an alert's subject."""
    return rules.spoken(*about(seen, subject))


def _later(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and (other is None or one > other)


def _seen(window: Window, says: Says, more: AbstractSet[Voice] = frozenset()) -> Seen:
    beyond = {voice: severity for voice, severity in says.items() if severity is not None}
    return Seen(window.until, more | says.keys(), beyond, window.examined_at)


def _far(*, beyond: bool, grave: bool = False) -> Severity | None:
    if not beyond:
        return None
    return Severity.CRITICAL if grave else Severity.WARNING


def _fewest(window: Window, limits: Thresholds) -> int:
    """Return how many rows a window was judged by: what it says it said by those."""
    found: int = (window.basis or {}).get("monitor", {}).get("min_rows", limits.min_rows)
    return found


def _variable(item: Mapping[str, Any]) -> Voice:
    kind = AlertKind.PREDICTION if item["name"] == SCORE else AlertKind.DATA
    return Voice(kind, item["name"])


def _moved(variables: Iterable[Mapping[str, Any]]) -> Says:
    return {
        _variable(item): _far(beyond=item["drifts"], grave=item["severe"])
        or (Severity.NOTICE if item.get("shifts") else None)
        for item in variables
        if item["drifts"] is not None
    }


def _watched(items: Iterable[Mapping[str, Any]], limits: Thresholds) -> dict[str, bool]:
    """Return of the watched metrics that something is said of whether they are beyond."""
    items = list(items)
    far = degrading.beyond(items, limits.metrics)
    return {
        item["name"]: item["name"] in far
        for item in items
        if item["beyond"] is not None and item["name"] in limits.metrics
    }


def _worse(metrics: Iterable[Mapping[str, Any]], limits: Thresholds) -> Says:
    return {
        Voice(AlertKind.MATHEMATICAL, name): _far(beyond=beyond, grave=name in _GRAVE)
        for name, beyond in _watched(metrics, limits).items()
    }


def _expected(
    estimated: Iterable[Mapping[str, Any]],
    metrics: Iterable[Mapping[str, Any]],
    limits: Thresholds,
) -> Says:
    # What outcomes say is not estimated any more.
    known = dict.fromkeys(_watched(metrics, limits), False)
    return {
        Voice(AlertKind.ESTIMATED, name): _far(beyond=beyond)
        for name, beyond in (_watched(estimated, limits) | known).items()
    }


def _changed(concept: Iterable[Mapping[str, Any]]) -> Says:
    stands = {item["subject"] for item in concept if item["stands"]}
    return {
        Voice(AlertKind.CONCEPT, name): _far(beyond=name in stands) for name in (LOSS, CALIBRATION)
    }


def _unequal(fairness: Iterable[Mapping[str, Any]]) -> Says:
    return {
        Voice(AlertKind.FAIRNESS, item["name"], item.get("rate", "")): _far(beyond=item["beyond"])
        for item in fairness
    }


def _missed(kpis: Iterable[Mapping[str, Any]]) -> Says:
    return {
        Voice(AlertKind.BUSINESS, row["key"]): _far(beyond=row["missed"], grave=row["gravely"])
        for row in kpis
        if row["missed"] is not None
    }
