"""Adherence: which rules hold for what is in production, and where governance has gaps.

Everything is read from what stands now: nobody files a report, so nobody forgets to.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import activation, catalog, gates, identity, routing
from app.catalog import Stage
from app.kit.page import Rows
from app.platform.db import clock, page
from app.revalidation.terms import term_of

_BATCH = 500
_EMERGENCY = timedelta(days=1)
_GOVERNED = {
    "kpis": identity.Governed.KPI,
    "monitor": identity.Governed.MONITOR,
    "guardrails": identity.Governed.MONITOR,
}


class Kind(StrEnum):
    """What a finding is about."""

    RULE_FAILING = "rule_failing"
    RULE_WAIVED = "rule_waived"
    STEP_UNPROVEN = "step_unproven"
    """A step that policy asks for was never judged, or what its verdict stood on is gone."""
    APPROVAL_INVALID = "approval_invalid"
    REVALIDATION_OVERDUE = "revalidation_overdue"
    CHAMPION_OUTWEIGHED = "champion_outweighed"
    """The plan gives others more decisions than the version that was approved for them."""
    TERMS_EDITED = "terms_edited"
    """What a version is judged by was edited after it was approved, and nobody had to agree."""
    RETURNED_IN_SEAT = "returned_in_seat"
    SCORES_EXPIRED = "scores_expired"
    """What was computed beforehand is older than its version says it may be."""
    MEMBER_UNFIT = "member_unfit"
    """An ensemble decides with what was never validated, was sent back or is retired."""
    ORPHANED_MODEL = "orphaned_model"
    ORPHANED_POINT = "orphaned_point"
    EMERGENCY_UNREVIEWED = "emergency_unreviewed"
    STOPPED_LONG = "stopped_long"
    """A stop is for an emergency: after a day somebody has to decide what answers for good."""
    CAUSE_ACCEPTED = "cause_accepted"
    """Somebody lets routing answer though a target runs a digest or version nobody approved."""
    FALLBACK_UNFIT = "fallback_unfit"
    """What was declared to answer in an emergency was sent back, retired, or never activated."""
    NOBODY_APPROVES = "nobody_approves"
    """Edits of this kind are under change control, and too few people could agree to one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One gap between what policy asks and what is."""

    kind: Kind
    subject: str
    detail: str


@dataclass(slots=True)
class Standing:
    """How what sits at a decision point adheres to the policy it was activated under."""

    seat: routing.Seat
    model: catalog.Model
    version: catalog.Version
    point: catalog.DecisionPoint
    rules: list[dict[str, Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    due: datetime | None = None
    """When the version must have been validated again."""

    @property
    def name(self) -> str:
        """The version and its seat as people say it."""
        champion = self.seat.role is routing.SeatRole.CHAMPION
        where = f"{self.model.name}@{self.version.number} at {self.point.key}"
        return where if champion else f"{where} ({self.seat.role})"

    def add(self, kind: Kind, detail: str) -> None:
        """Note a gap."""
        self.findings.append(Finding(kind, self.name, detail))


async def list_standings(
    session: AsyncSession, tenant_id: UUID, *, cursor: str | None, limit: int
) -> Rows[Standing]:
    """List the tenant's champions, each with its rules and findings."""
    query = select(routing.Seat).filter_by(
        tenant_id=tenant_id, role=routing.SeatRole.CHAMPION, until=None
    )
    found = await page(session, query, routing.Seat.id, cursor=cursor, limit=limit)
    return Rows(await _standings(session, tenant_id, found.items), found.next_cursor)


async def findings(session: AsyncSession, tenant_id: UUID) -> list[Finding]:
    """Return every gap of a tenant: of what sits at its points, its owners', its emergencies'."""
    query = select(routing.Seat).filter_by(tenant_id=tenant_id, until=None)
    found: list[Finding] = []
    cursor: str | None = None
    while True:
        seats = await page(session, query, routing.Seat.id, cursor=cursor, limit=_BATCH)
        for standing in await _standings(session, tenant_id, seats.items):
            found += standing.findings
        cursor = seats.next_cursor
        if cursor is None:
            break
    found += await _orphans(session, tenant_id)
    found += await _emergencies(session, tenant_id)
    found += await _stopped(session, tenant_id)
    found += [
        Finding(Kind.CAUSE_ACCEPTED, point.key, detail)
        for point, detail in await activation.accepted_causes(session, tenant_id)
    ]
    found += [
        Finding(Kind.FALLBACK_UNFIT, point.key, detail)
        for point, detail in await routing.unfit_fallbacks(session, tenant_id)
    ]
    return [*found, *await _unreachable(session, tenant_id)]


async def _standings(
    session: AsyncSession, tenant_id: UUID, seats: Sequence[routing.Seat]
) -> list[Standing]:
    """Return how each seat stands: the same few queries for one as for many."""
    if not seats:
        return []
    versions = await catalog.versions_by_id(session, tenant_id, {s.version_id for s in seats})
    points = await catalog.points_by_id(session, tenant_id, {seat.point_id for seat in seats})
    cases = await gates.cases_by_id(session, tenant_id, {seat.case_id for seat in seats})
    places = {(seat.version_id, seat.point_id) for seat in seats}
    below = await gates.foundations(session, tenant_id, places)
    cases |= {case.id: case for stones in below.values() for case in stones}
    stand = await gates.stand(session, tenant_id, cases.values())
    unfit = await catalog.unfit_inside(session, tenant_id, set(versions))
    now = await clock(session)
    found = []
    for seat in seats:
        model, version = versions[seat.version_id]
        standing = Standing(seat, model, version, points[seat.point_id])
        # The activation, and what it stands on: the version's validation, its release for here.
        for case in (*below[seat.version_id, seat.point_id], cases[seat.case_id]):
            _judge(standing, stand[case.id])
        if version.stage is Stage.RETURNED:
            detail = f"returned to {version.returned_to} and still deciding"
            standing.add(Kind.RETURNED_IN_SEAT, detail)
        elif version.stage not in routing.FIT:
            detail = f"sent back since, {version.stage} again and not released: still deciding"
            standing.add(Kind.RETURNED_IN_SEAT, detail)
        if catalog.expired(version.specifics, now):
            detail = f"its scores were to be used until {catalog.expires_at(version.specifics)}"
            standing.add(Kind.SCORES_EXPIRED, detail)
        for inner, member in unfit.get(seat.version_id, ()):
            detail = f"its member {inner.name}@{member.number} is {member.stage}"
            standing.add(Kind.MEMBER_UNFIT, detail)
        found.append(standing)
    await _terms(session, tenant_id, found, {s.id: stand[s.case_id].edited for s in seats})
    await _revalidation(session, tenant_id, found, below, now)
    return found


def _judge(standing: Standing, case: gates.CaseStanding) -> None:
    standing.rules += case.rules
    for rule in case.rules:
        where = f"{rule['gate']}.{rule['rule']}"
        if rule["state"] == "fails" and rule["severity"] == "block":
            standing.add(Kind.RULE_FAILING, where)
        elif rule["state"] == "waived":
            standing.add(Kind.RULE_WAIVED, where)
    unknown = {rule["gate"] for rule in case.rules if rule["state"] == "unknown"}
    for gate in sorted(unknown | set(case.open)):
        standing.add(Kind.STEP_UNPROVEN, gate)
    for detail in case.invalid:
        standing.add(Kind.APPROVAL_INVALID, detail)


async def _terms(
    session: AsyncSession,
    tenant_id: UUID,
    standings: Sequence[Standing],
    edited: dict[UUID, set[str]],
) -> None:
    """Note what became of a champion's terms since it was approved with them."""
    champions = [item for item in standings if item.seat.role is routing.SeatRole.CHAMPION]
    plans = await routing.plans_of(session, tenant_id, {item.point.id for item in champions})
    agreed = (await identity.rights_of(session, tenant_id)).change_control
    for standing in champions:
        plan = plans.get(standing.point.id)
        if plan is not None and plan.outweighs(standing.model.name, standing.version.number):
            standing.add(Kind.CHAMPION_OUTWEIGHED, "the plan gives others more decisions")
        for part in sorted(edited[standing.seat.id]):
            if _GOVERNED[part] not in agreed:
                standing.add(Kind.TERMS_EDITED, f"{part} edited since it was approved")


async def _revalidation(
    session: AsyncSession,
    tenant_id: UUID,
    standings: Sequence[Standing],
    below: dict[tuple[UUID, UUID], list[gates.Case]],
    now: datetime,
) -> None:
    """Note when champions are due: so long after a validator last said that they are valid.

    What the server measures goes on beside that and does not stand for it.
    """
    days = await gates.revalidate_days(session, tenant_id, {s.model.risk_tier for s in standings})
    for standing in standings:
        seat, within = standing.seat, days[standing.model.risk_tier]
        if within is None or seat.role is not routing.SeatRole.CHAMPION:
            continue
        validated = [
            case.closed_at
            for case in below[seat.version_id, seat.point_id]
            if case.kind is gates.CaseKind.VALIDATION and case.closed_at is not None
        ]
        expires = catalog.expires_at(standing.version.specifics)
        standing.due, _ = term_of(max(validated, default=seat.since), within, expires)
        if standing.due < now:
            standing.add(Kind.REVALIDATION_OVERDUE, f"was due on {standing.due:%Y-%m-%d}")


async def _orphans(session: AsyncSession, tenant_id: UUID) -> list[Finding]:
    gone = await identity.disabled(session, tenant_id)
    found = []
    for kind, table, label in (
        (Kind.ORPHANED_MODEL, catalog.Model, catalog.Model.name),
        (Kind.ORPHANED_POINT, catalog.DecisionPoint, catalog.DecisionPoint.key),
    ):
        rows = await session.execute(
            select(label, table.owner_id).where(
                table.tenant_id == tenant_id, table.owner_id.in_(gone)
            )
        )
        found += [Finding(kind, name, f"its owner {gone[owner]} has left") for name, owner in rows]
    return found


async def _emergencies(session: AsyncSession, tenant_id: UUID) -> list[Finding]:
    rows = await session.scalars(
        select(gates.Waiver).where(
            gates.Waiver.tenant_id == tenant_id,
            gates.Waiver.taken_by.is_not(None),
            gates.Waiver.reviewed_at.is_(None),
        )
    )
    waiting = list(rows)
    versions = await catalog.versions_by_id(session, tenant_id, {row.version_id for row in waiting})
    found = []
    for row in waiting:
        model, version = versions[row.version_id]
        what = f"the glass of {row.gate} was broken on {row.at:%Y-%m-%d}, and nobody reviewed it"
        detail = f"{what}: POST /v1/waivers/{row.id}:review"
        found.append(Finding(Kind.EMERGENCY_UNREVIEWED, f"{model.name}@{version.number}", detail))
    return found


async def _stopped(session: AsyncSession, tenant_id: UUID) -> list[Finding]:
    now = await clock(session)
    long = [
        stop
        for stop in await routing.all_stopped(session, tenant_id)
        if now - stop.since > _EMERGENCY
    ]
    points = await catalog.points_by_id(session, tenant_id, {stop.point_id for stop in long})
    return [
        Finding(
            Kind.STOPPED_LONG,
            points[stop.point_id].key,
            f"stopped since {stop.since:%Y-%m-%d} for {stop.cause}",
        )
        for stop in long
    ]


async def _unreachable(session: AsyncSession, tenant_id: UUID) -> list[Finding]:
    lacking = await identity.unreachable(session, tenant_id)
    return [
        Finding(Kind.NOBODY_APPROVES, governed, f"{able} of {wanted} people are here")
        for governed, (able, wanted) in lacking.items()
    ]
