"""Parameter testing: velocity, shape, volume and quality of production input. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import isfinite
from typing import Any

import numpy as np

from app import drift
from app.kit.arrays import Floats
from app.telemetry import SCORE, Binning, Bins, Layout, Table, Tally

TOP = 10
_LONGEST = 100
_RANGE = ("baseline_min", "baseline_max", "out_of_range")
_DISTANCES = ("js", "psi", "ks", "wasserstein", "p_value", "q_value")


class Source(StrEnum):
    """Where the input came from."""

    REHEARSAL = "rehearsal"
    SAMPLE = "sample"
    RECORDED = "recorded"
    QUERY = "query"


@dataclass(frozen=True, slots=True)
class Pace:
    """How many events came, and how fast; ``per_minute`` is nothing where no time was told."""

    events: int
    per_minute: float | None
    expected_per_minute: float

    @classmethod
    def of(cls, times: Floats, rows: int, expected_per_minute: float) -> "Pace":
        """Return the pace of rows by their times in seconds, those without one left out."""
        known = times[np.isfinite(times)]
        minutes = float(np.ptp(known)) / 60 if len(known) > 1 else 0.0
        pace = (len(known) - 1) / minutes if minutes else None
        return cls(rows, pace, expected_per_minute)


@dataclass(frozen=True, slots=True)
class Looked:
    """A table's profile in a layout's bins, and of each variable what a profile does not keep."""

    profile: Tally
    notes: Mapping[str, dict[str, Any]]
    missing: list[str]
    unexpected: list[str]


def inputs_only(layout: Layout, profile: Tally) -> tuple[Layout, Tally]:
    """Return a layout and a profile of it without the score, which is no parameter."""
    kept = tuple(bins for bins in layout.variables if bins.name != SCORE)
    slots = sum(bins.slots for bins in kept)
    return Layout(kept), replace(
        profile,
        counts=profile.counts[:slots],
        sums=profile.sums[:slots],
        moments=profile.moments[: len(kept)],
    )


def look(layout: Layout, table: Table, *, aside: Sequence[str] = ()) -> Looked:
    """Profile a table one column at a time; no more than one is ever unpacked."""
    inputs, _ = inputs_only(layout, Tally.empty(layout.size, len(layout.variables)))
    profile = Tally.empty(inputs.size, len(inputs.variables))
    profile.n = table.rows
    notes: dict[str, dict[str, Any]] = {}
    missing = []
    for index, (bins, span) in enumerate(inputs.spans()):
        if bins.name not in table.columns:
            missing.append(bins.name)
            place = bins.slot("null")
            assert place is not None  # noqa: S101 - every binning has one
            profile.counts[span.start + place] = table.rows
            notes[bins.name] = {"found": None, "unseen": []}
            continue
        unseen = _count(bins, span, table, profile, index)
        notes[bins.name] = {"found": table.columns[bins.name], "unseen": unseen}
    known = {*(bins.name for bins in inputs.variables), *aside, SCORE, "label"}
    return Looked(profile, notes, missing, sorted(set(table.columns) - known))


def _count(
    bins: Bins, span: slice, table: Table, profile: Tally, index: int
) -> list[dict[str, Any]]:
    """Add one column to a profile; return the unseen values that came most often."""
    if bins.binning is Binning.CATEGORIES:
        counted = table.counted(bins.name)
        values: Any = [value for value, _ in counted]
        weights = np.array([count for _, count in counted], dtype=np.int64)
    else:
        values = table.numbers(bins.name)
        weights = np.ones(len(values), dtype=np.int64)
    codes, found = bins.place(values)
    known = ~np.isnan(found)
    zeroed = np.where(known, found, 0.0)
    profile.counts[span] = np.bincount(codes, weights=weights, minlength=bins.slots)
    profile.sums[span] = np.bincount(codes, weights=zeroed, minlength=bins.slots)
    if known.any():
        profile.moments[index] = (found[known].min(), found[known].max(), np.square(zeroed).sum())
    place = bins.slot("unseen")
    if place is None:
        return []
    return _most(values, weights, codes == place)


def _most(values: Any, weights: Any, chosen: Any) -> list[dict[str, Any]]:
    counts: dict[str, int] = {}
    for at in np.flatnonzero(chosen):
        name = str(values[at])[:_LONGEST]
        counts[name] = counts.get(name, 0) + int(weights[at])
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:TOP]
    return [{"value": value, "count": count} for value, count in ranked]


def report(
    layout: Layout | None,
    baseline: Tally | None,
    found: Tally | None,
    *,
    pace: Pace,
    limits: drift.Thresholds,
    source: Source,
    notes: Mapping[str, dict[str, Any]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return what input looks like, overall and by variable, against the baseline.

    Drift is the same figure by the same thresholds that watch production. Without a baseline the
    layout is the signature's, which knows of no drift; without a layout nothing was looked at.
    What was not measured is null. Where only a profile was kept nothing is known of types, and
    unseen values have no names.
    """
    variables: list[dict[str, Any]] | None = None
    compared = False
    if layout is not None and found is not None and pace.events:
        compared = baseline is not None
        if baseline is not None:
            variables = _compared(layout, baseline, found, limits, notes or {})
        else:
            variables = _described(layout, found, notes or {})
    return {
        "source": source.value,
        "against": None if variables is None else "baseline" if compared else "signature",
        **paced(pace),
        **{
            f"{what}_share": _worst(variables or (), f"{what}_share")
            for what in ("null", "invalid", "unseen")
        },
        "drifting": _named(variables, "drifts") if compared else None,
        "severe": _named(variables, "severe") if compared else None,
        "out_of_range": _named(variables, "out_of_range") if compared else None,
        "variables": variables,
        **more,
    }


def _compared(
    layout: Layout,
    baseline: Tally,
    found: Tally,
    limits: drift.Thresholds,
    notes: Mapping[str, dict[str, Any]],
) -> list[dict[str, Any]]:
    inputs, expected = inputs_only(layout, baseline)
    _, actual = inputs_only(layout, found)
    distances = drift.compare(inputs, expected, actual, limits)
    return [
        {**_variable(bins, span, index, actual), **_range(expected, actual, index),
         **_distance(distances[index]),
         **notes.get(bins.name, {"found": None, "unseen": None})}
        for index, (bins, span) in enumerate(inputs.spans())
    ]  # fmt: skip


def _described(
    layout: Layout, found: Tally, notes: Mapping[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """Say of each variable what can be said without a baseline."""
    inputs, actual = inputs_only(layout, found)
    rows = []
    for index, (bins, span) in enumerate(inputs.spans()):
        row = {
            **_variable(bins, span, index, actual),
            **dict.fromkeys((*_RANGE, *_DISTANCES, "drifts", "severe")),
            **notes.get(bins.name, {"found": None, "unseen": None}),
        }
        if not bins.marks:
            # Nothing lists the values there are: none is known to be unseen.
            row |= {"unseen_share": None, "unseen": None}
        rows.append(row)
    return rows


def _worst(variables: Sequence[dict[str, Any]], share: str) -> float | None:
    return max((item[share] for item in variables if item[share] is not None), default=None)


def _named(variables: Sequence[dict[str, Any]] | None, what: str) -> list[str]:
    return [item["name"] for item in variables or () if item[what]]


def paced(pace: Pace) -> dict[str, Any]:
    """Return the facts of volume and velocity."""
    known = pace.per_minute is not None
    return {
        "events": pace.events,
        "events_per_minute": pace.per_minute,
        "expected_per_minute": pace.expected_per_minute,
        "velocity_ratio": pace.per_minute / pace.expected_per_minute if known else None,  # type: ignore[operator]
    }


def again(kept: dict[str, Any], expected_per_minute: float) -> dict[str, Any] | None:
    """Return a kept report against what the contract expects by now, if that is something else."""
    if kept.get("expected_per_minute") == expected_per_minute:
        return None
    pace = Pace(kept["events"], kept["events_per_minute"], expected_per_minute)
    return {**kept, **paced(pace)}


def _variable(bins: Bins, span: slice, index: int, actual: Tally) -> dict[str, Any]:
    counts = actual.counts[span]

    def share(extra: str) -> float:
        slot = bins.slot(extra)
        return float(counts[slot] / actual.n) if slot is not None else 0.0

    low, high = (_finite(value) for value in actual.moments[index, :2])
    return {
        "name": bins.name,
        "type": "category" if bins.binning is Binning.CATEGORIES else "number",
        "min": low,
        "max": high,
        **{f"{what}_share": share(what) for what in ("null", "invalid", "unseen")},
    }


def _range(expected: Tally, actual: Tally, index: int) -> dict[str, Any]:
    low, high = (_finite(value) for value in actual.moments[index, :2])
    least, greatest = (_finite(value) for value in expected.moments[index, :2])
    outside = (low is not None and least is not None and low < least) or (
        high is not None and greatest is not None and high > greatest
    )
    return dict(zip(_RANGE, (least, greatest, outside), strict=True))


def _distance(found: dict[str, Any]) -> dict[str, Any]:
    return {**{name: found[name] for name in _DISTANCES}, "drifts": found["drifts"],
            "severe": found["severe"]}  # fmt: skip


def _finite(value: float) -> float | None:
    return float(value) if isfinite(value) else None
