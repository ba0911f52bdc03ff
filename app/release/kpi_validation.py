"""KPI validation: the same measurements and rules before production and in it.

Evidence is measured here, judged by the policy's gate, and the first failed rule names the way out.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import drift, gates, kpi, routing
from app.gates import WayOut
from app.kit.actor import Actor
from app.release.lifecycle import RETURN
from app.release.rehearsed import who_rehearsed

STEP = "kpi_validation"


Measured = dict[str, dict[str, Any]]
"""Facts by kind: drift, performance, kpi."""


async def measure_kpis(
    session: AsyncSession, case: gates.Case, *, rehearsed: bool, by: Actor
) -> drift.Standing:
    """Record drift, performance and KPIs of a case's version as evidence of the step.

    What a release is rehearsed for is what was agreed when it began: that cannot be eased, or made
    harder, by an edit since. What was agreed upon since then counts beside it. What is in
    production answers to what is agreed now.
    """
    assert case.point_id is not None  # noqa: S101 - releases and activations have a point
    key = (session, case.tenant_id, case.point_id, case.version_id)
    now = await kpi.agreements(session, case.tenant_id, case.point_id)
    agreed = kpi.as_kept(now, case.details.get("kpis", ())) if rehearsed else now
    limits = await drift.thresholds(session, case.tenant_id, case.point_id)
    stand = await (drift.compare_rehearsal(*key) if rehearsed else drift.standing(*key))
    found = await _facts(
        *key,
        stand,
        rehearsed=rehearsed,
        since=None if rehearsed else stand.since,
        until=None if rehearsed else stand.until,
        judged=stand.judged,
        agreed=agreed,
        at_least=limits.min_rows if rehearsed else 1,
    )
    if rehearsed:
        then = {one.key: one.digest for one in agreed}
        found["rehearsal"] = await who_rehearsed(session, case)
        stands = {one.key: one.digest for one in now}
        found["kpi"]["edited"] = [key for key, said in then.items() if stands.get(key) != said]
    edited = found["kpi"].get("edited", ())
    found["kpi"]["own"] = await _own(session, case, edited, rehearsed=rehearsed)
    for kind, payload in found.items():
        await gates.add_evidence(
            session, case.id, STEP, kind=kind, payload=payload, by=by, measured=True
        )
    return stand


async def _own(
    session: AsyncSession, case: gates.Case, edited: Collection[str], *, rehearsed: bool
) -> list[str]:
    """Return the KPIs that are the word of somebody who made the version what it is, by key.

    He reported a value that stands, or he set the figure and nobody else agreed to the very same.
    """
    assert case.point_id is not None  # noqa: S101 - releases and activations have a point
    place = (session, case.tenant_id, case.point_id)
    made = (await gates.makers_of(session, case.tenant_id, {case.version_id})).keys()
    authors = await kpi.authors_of(*place)
    if rehearsed:
        # A release goes by what was agreed when it began; who agrees to that since counts as well.
        for key, people in case.details.get("kpi_authors", {}).items():
            since = [] if key in edited else authors.get(key, [])
            authors[key] = [*map(UUID, people), *since]
    own = {key for key, people in authors.items() if people and made >= set(people)}
    reported = await kpi.reporters_of(*place, case.version_id)
    return sorted(own | {key for key, people in reported.items() if people & made})


async def measure_since(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, version_id: UUID, since: datetime
) -> Measured:
    """Measure the same of a version's production since a moment, and its traffic; record nothing.

    Counted are its events at the point, under whatever arm but a shadow's, whose own time lies in
    the hour of ``since`` or later: profiles are by the hour, so that hour counts whole. What is not
    folded yet is not counted yet.
    """
    key = (session, tenant_id, point_id, version_id)
    stand = await drift.compare_since(*key, since)
    found = await _facts(*key, stand, rehearsed=False, since=since, until=None, judged=stand.judged)
    return found | {
        "traffic": {
            "events": stand.events or 0,
            "labelled": stand.labelled,
            "since": since,
            "through": stand.until,
        }
    }


async def _facts(
    session: AsyncSession,
    tenant_id: UUID,
    point_id: UUID,
    version_id: UUID,
    stand: drift.Standing,
    *,
    rehearsed: bool,
    since: datetime | None,
    until: datetime | None,
    judged: tuple[datetime | None, datetime | None] | None,
    agreed: Sequence[kpi.Agreed] | None = None,
    at_least: int = 1,
) -> Measured:
    """Return what a standing says, and the KPIs of the same time, as facts.

    Of fewer outcomes than ``at_least`` a KPI is not measured, though it may be missed.
    """
    measured = await kpi.measure(
        session, tenant_id, point_id, version_id,
        rehearsed=rehearsed, since=since, until=until, judged=judged, agreed=agreed,
    )  # fmt: skip
    return {
        "drift": {
            "windows": stand.windows,
            "since": stand.since,
            "until": stand.until,
            "variables": stand.variables,
            "drifting": stand.drifting if stand.variables else None,
            "severe": stand.severe if stand.variables else None,
            "share": stand.share,
            "severe_share": stand.severe_share,
        },
        "performance": {
            "accuracy": stand.accuracy,
            "labelled": stand.labelled,
            "reference": stand.reference,
            "degraded": stand.degraded,
        },
        "kpi": {
            # A rule asks `unmeasured` for what is not known; whether it is missed has two answers.
            "measured": [{**asdict(item), "missed": bool(item.missed)} for item in measured],
            "values": {item.key: item.value for item in measured if item.value is not None},
            "missed": [item.key for item in measured if item.missed],
            "unmeasured": [
                item.key for item in measured if item.value is None or _few(item, at_least)
            ],
        },
    }


def _few(item: kpi.Measured, at_least: int) -> bool:
    """Say whether a KPI is that of too few outcomes to be one: a single reward meets any."""
    return item.formula not in kpi.SPEAKS_ALONE and item.outcomes < at_least


def conclude(verdict: gates.Verdict) -> tuple[WayOut | None, Any]:
    """Return a verdict's way out and the development step it leads to, if any."""
    path = verdict.path
    return path, RETURN.get(path) if path else None


async def kpis_over(session: AsyncSession, asked: drift.KpisOver) -> list[drift.KpiSeen] | None:
    """Return what the KPIs of a window came to, of a version that has a seat, or had it then.

    What it brought in its last windows is known long after it has left.
    """
    place = (asked.tenant_id, asked.point_id, asked.version_id)
    if not await routing.seated_in(session, *place, since=asked.since, until=asked.until):
        return None
    return [
        drift.KpiSeen(
            key=one.key,
            formula=one.formula.value,
            value=one.value,
            low=one.low,
            high=one.high,
            n=one.outcomes,
            direction=one.direction,
            threshold=one.threshold,
            tolerance=one.tolerance,
            digest=one.digest,
            missed=_said(one),
            gravely=one.gravely and one.certain,
            counted=one.formula not in kpi.SPEAKS_ALONE,
            matures=one.formula is not kpi.Formula.PUSHED,
        )
        for one in await kpi.measure(session, *place, since=asked.since, until=asked.until)
    ]


def _said(item: kpi.Measured) -> bool | None:
    """Return whether a window misses a KPI for certain; nothing, where too few outcomes say so."""
    few = item.lacking is not None and (item.missed or item.outcomes < kpi.FEWEST)
    return None if few else item.missed and item.certain


async def kpis_agreed(session: AsyncSession, asked: drift.KpisAgreed) -> frozenset[str]:
    """Return which KPIs are agreed on at a point now, by key."""
    found = await kpi.agreements(session, asked.tenant_id, asked.point_id)
    return frozenset(one.key for one in found)


async def lapse_withdrawn(session: AsyncSession, event: kpi.KpiWithdrawn) -> None:
    """End the alerts about a KPI that is agreed on no more."""
    by = Actor.system(event.tenant_id)
    await drift.lapse(session, event.tenant_id, event.point_id, by=by)
