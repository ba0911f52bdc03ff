"""Segments at every window: each beside its own time before, and beside the rest.

A segment is another mix than the whole by its nature, so the baseline says nothing of how it should
be, nor do the promises: what it was over the week before does (over seven windows, if they are
longer than days). So it is told that a segment changed; that it is treated otherwise is parity's.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import telemetry
from app.drift import degrading, rules
from app.drift.fairness import Group
from app.drift.parity import unequal
from app.drift.rules import Thresholds

_BEFORE_WINDOWS, _BEFORE = 7, timedelta(days=7)


async def measured(
    session: AsyncSession,
    tenant_id: UUID,
    baseline: telemetry.Baseline | None,
    limits: Thresholds,
    series: Sequence[UUID],
    since: datetime,
    until: datetime,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what a window says of each segment, and of how alike they are treated."""
    if not (limits.segments or limits.fairness):
        return [], []
    places: dict[tuple[str, str], list[UUID]] = defaultdict(list)
    for one in await telemetry.segments_of(session, tenant_id, series):
        wanted = limits.segments or one.variable in limits.fairness
        if wanted and one.through is not None and one.through >= since:
            places[one.variable, one.value].append(one.id)
    segments, groups = [], defaultdict[str, dict[str, Group]](dict)
    for (variable, value), ids in sorted(places.items()):
        of = session, tenant_id, ids
        found = await telemetry.inputs(*of, since=since, until=until)
        if found is None:
            continue
        done = await telemetry.outcomes(*of, since=since, until=until)
        groups[variable][value] = Group(*telemetry.answers(found, done))
        if limits.segments:
            begin = since - max(_BEFORE, _BEFORE_WINDOWS * (until - since))
            earlier = await telemetry.inputs(*of, since=begin, until=since)
            before = await telemetry.outcomes(*of, since=begin, until=since)
            segments.append(
                {
                    "segment": f"{variable}={value}",
                    "n": found.n,
                    "labelled": done.labelled,
                    "accuracy": done.accuracy,
                    "before": earlier.n if earlier else 0,
                    "variables": moved(baseline, earlier, found, limits),
                    "metrics": worse(baseline, before, done, limits),
                }
            )
    return segments, [
        row
        for variable in limits.fairness
        for row in unequal(variable, groups[variable], limits.fairness_tolerance, limits.min_rows)
    ]


def moved(
    baseline: telemetry.Baseline | None,
    before: telemetry.Tally | None,
    found: telemetry.Tally,
    limits: Thresholds,
) -> list[dict[str, Any]]:
    """Return the variables of a segment that drift or shift from what it was before.

    Of the others nothing is kept: there are many segments.
    """
    if baseline is None or before is None or before.n < limits.min_rows:
        return []
    rows = rules.compare(telemetry.Layout.load(baseline.layout), before, found, limits)
    return [row for row in rows if row["drifts"] or row["shifts"]]


def worse(
    baseline: telemetry.Baseline | None,
    before: telemetry.Performance,
    found: telemetry.Performance,
    limits: Thresholds,
) -> list[dict[str, Any]]:
    """Return each promised metric of a segment beside what it was before, and whether it is beyond.

    By how much it wanders by itself, the baseline's whole says.
    """
    was = {}
    for name, promised in (baseline.metrics if baseline else {}).items():
        known = before.measure(name)
        if known is not None and known.rows >= limits.min_rows:
            was[name] = {
                "value": known.value,
                "standard_error": known.standard_error,
                "sigma": promised["sigma"],
            }
    return degrading.judged(found, was, limits.min_rows)
