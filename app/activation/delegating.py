"""Delegating: the swap that an experiment has earned, asked for by the server where policy lets it.

The gates stay the law. What they ask of people is asked: then the activation stands open until they
have spoken, and the swap is made at the next look. What was asked for once on an experiment's
evidence is not asked for again, whatever became of it.
"""

import logging
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, gates, routing
from app.activation import service
from app.catalog import RiskTier
from app.gates import CaseKind
from app.kit.actor import Actor
from app.kit.refusal import Refusal
from app.platform.db import ALL_TENANTS, Database, clock
from app.platform.rota import for_each

logger = logging.getLogger(__name__)

DELEGABLE = frozenset(RiskTier) - {RiskTier.HIGH}
_BY = "experiment"
"""Where a case says on whose evidence the server asked for it."""
_AGAIN = timedelta(hours=1)
"""What is measured is judged again after so long; what people bring, at the next look."""


async def promote(database: Database) -> None:
    """Ask for what experiments have earned, and make the swaps that nothing is in the way of."""
    async with database.session(ALL_TENANTS) as session:
        due = await routing.comparing(session)
    await for_each(database, due, ask_at)
    async with database.session(ALL_TENANTS) as session:
        rows = await session.execute(
            select(gates.Case.tenant_id, gates.Case.id).where(
                gates.Case.kind == CaseKind.ACTIVATION,
                gates.Case.closed_at.is_(None),
                gates.Case.result.is_(None),
                gates.Case.details.has_key(_BY),
            )
        )
        waiting = [(tenant_id, case_id) for tenant_id, case_id in rows]
    await for_each(database, waiting, judge)
    await for_each(database, waiting, make)


async def ask_at(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> None:
    """Ask for what a point's experiment advises, if policy lets the server, and nobody has yet."""
    policies = await gates.policies_now(session, tenant_id, sorted(DELEGABLE))
    tiers = {tier for tier, policy in policies.items() if policy.delegates_promotion}
    if not tiers:
        return
    by = Actor.system(tenant_id)
    point = await catalog.point_by_id(session, tenant_id, point_id)
    proven = await routing.proven(session, point)
    if proven is None:
        return
    asked = proven.asked
    tier = (await catalog.model_of(session, asked["model"], by=by)).risk_tier
    if tier not in tiers or await _asked_already(session, point, proven, by=by):
        return
    case = await service.open_activation(
        session,
        asked["model"],
        asked["version"],
        point_key=point.key,
        role=routing.SeatRole.CHAMPION,
        endpoint=asked["endpoint"],
        parameters=asked["parameters"],
        experiment=proven.experiment_id,
        by=by,
    )
    await audit.record(
        session, by, "promotion.asked", f"point:{point.id}",
        experiment=proven.experiment_id, case=case.id, version_id=case.version_id,
    )  # fmt: skip


async def _asked_already(
    session: AsyncSession, point: catalog.DecisionPoint, proven: routing.Proven, *, by: Actor
) -> bool:
    """Say whether the swap was asked for on this evidence before, or by people who are at it."""
    asked = proven.asked
    version = await catalog.find_version(session, asked["model"], asked["version"], by=by)
    rows = await session.scalars(
        select(gates.Case).filter_by(
            tenant_id=point.tenant_id,
            kind=CaseKind.ACTIVATION,
            version_id=version.id,
            point_id=point.id,
        )
    )
    return any(
        case.details.get(_BY) == str(proven.experiment_id)
        or (case.closed_at is None and case.details["role"] == routing.SeatRole.CHAMPION)
        for case in rows
    )


async def judge(session: AsyncSession, tenant_id: UUID, case_id: UUID) -> None:
    """Judge what is open, before the swap, of an activation that the server asked for."""
    by = Actor.system(tenant_id)
    case = await gates.case_of(session, case_id, by=by)
    now = await clock(session)
    for state in await gates.states(session, case):
        judged = state.verdict
        if state.open and state.before_commit and (judged is None or judged.at < now - _AGAIN):
            try:
                await service.judge_step(session, case_id, state.step, by=by)
            except gates.OutOfTurn:
                return  # what comes first was judged, and is not passed


async def make(session: AsyncSession, tenant_id: UUID, case_id: UUID) -> None:
    """Make a swap that the server asked for; whatever is in the way of it has it wait."""
    by = Actor.system(tenant_id)
    try:
        seat = await service.commit(session, case_id, by=by)
    except Refusal as refusal:
        await session.rollback()
        logger.info("a delegated swap waits", extra={"case": str(case_id), "for": refusal.code})
        return
    case = await gates.case_of(session, case_id, by=by)
    await audit.record(
        session, by, "promotion.delegated", f"point:{seat.point_id}",
        experiment=case.details[_BY], case=case_id, version_id=seat.version_id,
    )  # fmt: skip
