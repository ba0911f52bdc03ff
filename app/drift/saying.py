"""Saying: what windows say that alerts are made of, of the whole and of each segment."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from app.drift import alert_rules as rules
from app.drift import business, degrading, lapsed
from app.drift.alert_rules import ACCURACY, Ending, Seen, Severity
from app.drift.alert_tables import Episode
from app.drift.rules import Thresholds
from app.drift.subjects import parted, subject_of
from app.drift.tables import Window


def look(window: Window, limits: Thresholds) -> Seen:
    """Return of a window what alerts are made of."""
    # Before there were other metrics, a window said only whether the accuracy had fallen.
    metrics = window.metrics or [{"name": ACCURACY, "beyond": window.degraded}]
    said = {item["name"] for item in metrics if item["beyond"] is not None}
    return Seen(
        until=window.until,
        n=window.n,
        drifting=frozenset(window.alerting),
        placed=window.compared_with is not None,
        severe=frozenset(item["name"] for item in window.variables if item["severe"]),
        beyond=frozenset(degrading.beyond(metrics, limits.metrics)),
        judged=bool(said),
        shifting=frozenset(item["name"] for item in window.variables if item.get("shifts")),
        estimated=frozenset(degrading.beyond(window.estimated, limits.metrics) - said),
        unforeseen=frozenset(item["name"] for item in window.estimated if item["beyond"] is None)
        - said,
        concept=frozenset(item["subject"] for item in window.concept if item["stands"]),
        unequal=frozenset(item["name"] for item in window.fairness or () if item["beyond"]),
        compared=bool(window.fairness),
        missed=business.missed(window.kpis),
        gravely=business.missed(window.kpis, gravely=True),
        measured=business.said(window.kpis),
    )


def look_at(window: Window, segment: str, limits: Thresholds) -> Seen:
    """Return the same of one segment; of one without events, what says nothing."""
    part = next((one for one in window.segments or () if one["segment"] == segment), None)
    if part is None:
        return Seen(window.until, 0, frozenset(), frozenset())
    moved = part["variables"]
    return Seen(
        until=window.until,
        n=part["n"] if part["before"] >= limits.min_rows else 0,
        drifting=frozenset(item["name"] for item in moved if item["drifts"]),
        severe=frozenset(item["name"] for item in moved if item["severe"]),
        shifting=frozenset(item["name"] for item in moved if item["shifts"]),
        beyond=frozenset(degrading.beyond(part["metrics"], limits.metrics)),
        judged=any(item["beyond"] is not None for item in part["metrics"]),
    )


def histories(windows: Sequence[Window], limits: Thresholds) -> dict[str, list[Seen]]:
    """Return what windows say of the whole, under no name, and of each segment."""
    names = {one["segment"] for window in windows for one in window.segments or ()}
    return {
        "": [look(window, limits) for window in windows],
        **{name: [look_at(one, name, limits) for one in windows] for name in sorted(names)},
    }


def names(windows: Sequence[Window], name: str) -> bool:
    """Say whether any window has a variable, of the whole, under a name."""
    return any(item["name"] == name for window in windows for item in window.variables)


def lasting(windows: Sequence[Window], limits: Thresholds) -> dict[rules.Subject, Severity]:
    """Return what is out of bounds for good, of what is looked at still."""
    agreed = {row["key"] for row in windows[-1].kpis} if windows else set()
    return {
        (kind, subject_of(name, segment)): severity
        for segment, history in histories(windows, limits).items()
        for (kind, name), severity in rules.lasting(history, limits).items()
        if lapsed.why(kind, name, segment, limits, declared=None, agreed=agreed) is None
    }


def since(
    seen: Mapping[str, Sequence[Seen]], subject: rules.Subject, limits: Thresholds
) -> datetime:
    """Return the end of the newest window that could say what lasts: labels come late."""
    name, segment = parted(subject[1], seen)
    return rules.spoken(seen[segment], (subject[0], name), limits)[-1].until


def lasting_since(
    windows: Sequence[Window], last: Episode, limits: Thresholds
) -> Collection[rules.Subject]:
    """Return what lasts by windows that may begin another episode after the last.

    What nothing looked at for a while is looked at afresh: what windows said before has lapsed.
    """
    lapse = rules.ending_of(last.ending, last.resolved_by) is Ending.LAPSED
    if lapse and last.resolved_at is not None:
        windows = [one for one in windows if one.examined_at > last.resolved_at]
    return lasting(windows, limits)
