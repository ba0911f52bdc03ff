"""Adherence: which rules hold for what is in production, and where governance has gaps.

Everything is read from what stands now: nobody files a report, so nobody forgets to.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, gates, identity, routing
from app.catalog import Stage
from app.gates import WayOut
from app.kit.page import Rows
from app.platform.db import clock, page
from app.revalidation.tables import Review


class Kind(StrEnum):
    """What a finding is about."""

    RULE_FAILING = "rule_failing"
    RULE_WAIVED = "rule_waived"
    STEP_UNPROVEN = "step_unproven"
    """A step that policy asks for was never judged, or what its verdict stood on is gone."""
    APPROVAL_INVALID = "approval_invalid"
    REVALIDATION_OVERDUE = "revalidation_overdue"
    RETURNED_IN_SEAT = "returned_in_seat"
    ORPHANED_MODEL = "orphaned_model"
    ORPHANED_POINT = "orphaned_point"
    EMERGENCY_UNREVIEWED = "emergency_unreviewed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One gap between what policy asks and what is."""

    kind: Kind
    subject: str
    detail: str


@dataclass(slots=True)
class Standing:
    """How a champion adheres to the policy it was activated under."""

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
        """The champion as people say it."""
        return f"{self.model.name}@{self.version.number} at {self.point.key}"


async def list_standings(
    session: AsyncSession, tenant_id: UUID, *, cursor: str | None, limit: int
) -> Rows[Standing]:
    """List the tenant's champions, each with its rules and findings."""
    query = select(routing.Seat).filter_by(
        tenant_id=tenant_id, role=routing.SeatRole.CHAMPION, until=None
    )
    found = await page(session, query, routing.Seat.id, cursor=cursor, limit=limit)
    return Rows([await _standing(session, seat) for seat in found.items], found.next_cursor)


async def findings(session: AsyncSession, tenant_id: UUID) -> list[Finding]:
    """Return every gap of a tenant: its champions', its owners', its emergencies'."""
    seats = await session.scalars(
        select(routing.Seat).filter_by(
            tenant_id=tenant_id, role=routing.SeatRole.CHAMPION, until=None
        )
    )
    found = [item for seat in seats for item in (await _standing(session, seat)).findings]
    return [*found, *await _orphans(session, tenant_id), *await _emergencies(session, tenant_id)]


async def _standing(session: AsyncSession, seat: routing.Seat) -> Standing:
    by_id = await catalog.versions_by_id(session, seat.tenant_id, {seat.version_id})
    model, version = by_id[seat.version_id]
    point = await catalog.point_by_id(session, seat.tenant_id, seat.point_id)
    standing = Standing(seat, model, version, point)
    case = await session.get_one(gates.Case, (seat.tenant_id, seat.case_id))
    standing.rules = await gates.rules_of(session, case)
    for rule in standing.rules:
        where = f"{rule['gate']}.{rule['rule']}"
        if rule["state"] == "fails" and rule["severity"] == "block":
            standing.findings.append(Finding(Kind.RULE_FAILING, standing.name, where))
        elif rule["state"] == "waived":
            standing.findings.append(Finding(Kind.RULE_WAIVED, standing.name, where))
    unproven = {rule["gate"] for rule in standing.rules if rule["state"] == "unknown"}
    for gate in sorted(unproven):
        standing.findings.append(Finding(Kind.STEP_UNPROVEN, standing.name, gate))
    # How he is used and watched may change under a champion; what he was approved for may not.
    for step, parts in await gates.voided(session, case):
        if moved := [part for part in parts if part not in gates.EDITED_LATER]:
            detail = f"{step}: {', '.join(moved)} changed since"
            standing.findings.append(Finding(Kind.APPROVAL_INVALID, standing.name, detail))
    for step in await gates.unapproved(session, case):
        detail = f"{step}: no approval stands"
        standing.findings.append(Finding(Kind.APPROVAL_INVALID, standing.name, detail))
    if version.stage is Stage.RETURNED:
        detail = f"returned to {version.returned_to} and still deciding"
        standing.findings.append(Finding(Kind.RETURNED_IN_SEAT, standing.name, detail))
    await _revalidation(session, standing)
    return standing


async def _revalidation(session: AsyncSession, standing: Standing) -> None:
    seat = standing.seat
    days = await gates.revalidate_days(session, seat.tenant_id, standing.model.risk_tier)
    if days is None:
        return
    last = await session.scalar(
        select(func.max(Review.at)).filter_by(
            tenant_id=seat.tenant_id,
            point_id=seat.point_id,
            version_id=seat.version_id,
            path=WayOut.DELIVERS,
        )
    )
    standing.due = (last or seat.since) + timedelta(days=days)
    now = await clock(session)
    if standing.due < now:
        detail = f"was due on {standing.due:%Y-%m-%d}"
        standing.findings.append(Finding(Kind.REVALIDATION_OVERDUE, standing.name, detail))


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
    return [
        Finding(Kind.EMERGENCY_UNREVIEWED, row.gate, f"the glass was broken on {row.at:%Y-%m-%d}")
        for row in rows
    ]
