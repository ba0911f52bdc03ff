"""Delegating: the swap that an experiment has earned, asked for by the server where policy lets it.

The gates stay the law. What they ask of people is asked: then the activation stands open until they
have spoken, and the swap is made at the next look, if it is then still what the experiment advises.
What was asked for once on an experiment's evidence is not asked for again, whatever became of it.
"""

import logging
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, gates, routing
from app.activation import service
from app.catalog import RiskTier
from app.gates import ActivationStep, CaseKind
from app.kit.actor import Actor
from app.kit.refusal import Refusal
from app.platform.db import ALL_TENANTS, Database, clock
from app.platform.rota import for_each

logger = logging.getLogger(__name__)

DELEGABLE = frozenset(RiskTier) - {RiskTier.HIGH}
_BY = "experiment"
"""Where a case says on whose evidence the server asked for it."""
_AGAIN = timedelta(days=1)
"""What is measured is judged again after so long; what people bring, at the next look."""
_WITH_WAYS_OUT = {ActivationStep.KPI_VALIDATION}


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
    by = Actor.system(tenant_id)
    point = await catalog.point_by_id(session, tenant_id, point_id)
    proven = await _delegated(session, point, by=by)
    if proven is None:
        return
    # Who looks at the same moment waits here, and then finds it asked.
    point = await catalog.point_by_key(session, point.key, by=by, lock=True)
    if await _asked_already(session, point, proven, by=by):
        return
    asked = proven.asked
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


async def _delegated(
    session: AsyncSession, point: catalog.DecisionPoint, *, by: Actor
) -> routing.Proven | None:
    """Return what an experiment has earned by now, if policy leaves it to the server.

    By the tiers of both who would come and who would go: a light model does not take over a grave
    decision without people.
    """
    policies = await gates.policies_now(session, by.tenant_id, sorted(DELEGABLE))
    tiers = {tier for tier, policy in policies.items() if policy.delegates_promotion}
    proven = await routing.proven(session, point) if tiers else None
    champion = await routing.champion_of(session, by.tenant_id, point.id)
    if proven is None or champion is None:
        return None
    found = await catalog.versions_by_id(session, by.tenant_id, {champion.version_id})
    coming = await catalog.model_of(session, proven.asked["model"], by=by)
    concerned = {found[champion.version_id][0].risk_tier, coming.risk_tier}
    return proven if concerned <= tiers else None


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
    """Judge what is open, before the swap, of an activation that the server asked for.

    Once the experiment is over nothing speaks for it any more: it is closed.
    """
    by = Actor.system(tenant_id)
    case = await gates.case_of(session, case_id, by=by)
    if not await routing.is_running(session, tenant_id, UUID(case.details[_BY])):
        await gates.close_case(session, case, result="overtaken", by=by)
        return
    last = await clock(session) - _AGAIN
    due = [
        state.step
        for state in await gates.states(session, case)
        if state.open
        and state.before_commit
        # A KPI validation sends versions back: that is not for a look in passing.
        and state.step not in _WITH_WAYS_OUT
        and (state.verdict is None or state.verdict.at < last)
    ]
    if not due or not await _stands(session, case, by=by):
        return
    for step in due:
        try:
            await service.judge_step(session, case_id, step, by=by)
        except gates.OutOfTurn:
            return  # what comes first was judged, and is not passed


async def make(session: AsyncSession, tenant_id: UUID, case_id: UUID) -> None:
    """Make a swap that the server asked for; whatever is in the way of it has it wait."""
    by = Actor.system(tenant_id)
    case = await gates.case_of(session, case_id, by=by)
    if case.closed_at is not None:
        return
    waits = any(one.open and one.before_commit for one in await gates.states(session, case))
    # What has to wait for people is not measured again at every look.
    if waits or not await _stands(session, case, by=by):
        return
    try:
        seat = await service.commit(session, case_id, by=by)
    except Refusal as refusal:
        await session.rollback()
        logger.info("a delegated swap waits", extra={"case": str(case_id), "for": refusal.code})
        return
    await audit.record(
        session, by, "promotion.delegated", f"point:{seat.point_id}",
        experiment=case.details[_BY], case=case_id, version_id=seat.version_id,
    )  # fmt: skip


async def _stands(session: AsyncSession, case: gates.Case, *, by: Actor) -> bool:
    """Say whether what was asked for is what is proven, and delegated, by now.

    The point stays locked: no plan is edited and nothing stopped until the swap is made.
    """
    said = case.details
    point = await catalog.point_by_key(session, said["decision_point"], by=by, lock=True)
    proven = await _delegated(session, point, by=by)
    if proven is None or str(proven.experiment_id) != said[_BY]:
        return False
    asked = (proven.asked["model"], proven.asked["version"], proven.asked["parameters"])
    return asked == (said["model"], said["number"], said["parameters"])
