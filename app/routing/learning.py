"""The bandit's rounds: the worker turns matured rewards into weights, each change audited."""

from dataclasses import asdict
from uuid import UUID

from sqlalchemy import cast, func, literal, select
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, telemetry
from app.kit.actor import Actor
from app.kit.canonical import plain
from app.platform.db import ALL_TENANTS, Database
from app.platform.rota import for_each
from app.routing import bandit, service
from app.routing.spec import Bandit, Plan
from app.routing.tables import PlanRevision, Weights

_LEARNS = '$.segments[*].strategy ? (@.kind == "bandit")'


async def learn(database: Database) -> None:
    """Give every bandit that is due a round of learning."""
    newest = (
        select(
            PlanRevision.tenant_id,
            PlanRevision.point_id,
            func.max(PlanRevision.revision).label("revision"),
        )
        .group_by(PlanRevision.tenant_id, PlanRevision.point_id)
        .subquery()
    )
    async with database.session(ALL_TENANTS) as session:
        rows = await session.scalars(
            select(PlanRevision)
            .join(
                newest,
                (PlanRevision.tenant_id == newest.c.tenant_id)
                & (PlanRevision.point_id == newest.c.point_id)
                & (PlanRevision.revision == newest.c.revision),
            )
            .where(func.jsonb_path_exists(PlanRevision.spec, cast(literal(_LEARNS), JSONPATH)))
        )
        due = [(row.tenant_id, row.point_id) for row in rows]
    await for_each(database, due, learn_point)


async def learn_point(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> bool:
    """Give one bandit a round if it is time; say whether its weights moved."""
    point = await session.get(
        catalog.DecisionPoint, (tenant_id, point_id), with_for_update={"skip_locked": True}
    )
    row = await service.current_plan(session, tenant_id, point_id) if point else None
    bandits = Plan.model_validate(row.spec).bandits if row else ()
    if row is None or not bandits:
        return False
    last = await service.newest_weights(session, tenant_id, point_id, row.revision)
    if last is not None:
        now = await session.scalar(select(func.now()))
        often = min(one.update_seconds for one in bandits)
        if now is None or (now - last.at).total_seconds() < often:
            return False
    learnt = bandit.together(
        [
            bandit.learn(
                await _evidence(session, tenant_id, point_id, one),
                binary=one.reward == "binary",
                floor=one.floor,
                burn_in_units=one.burn_in_units,
                burn_in_conversions=one.burn_in_conversions,
                lower_is_better=one.better == "lower",
            )
            for one in bandits
        ]
    )
    if last is not None and last.weights == learnt.weights:
        return False
    round_ = (last.round if last else 0) + 1
    session.add(
        Weights(
            tenant_id=tenant_id,
            point_id=point_id,
            plan_revision=row.revision,
            round=round_,
            weights=learnt.weights,
            learnt=plain(asdict(learnt)),
        )
    )
    generation = await service.bump(session, tenant_id, point_id)
    await audit.record(
        session, Actor.system(tenant_id), "weights.learnt", f"point:{point_id}",
        plan_revision=row.revision, round=round_, weights=learnt.weights, generation=generation,
    )  # fmt: skip
    return True


async def _evidence(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, strategy: Bandit
) -> list[bandit.Evidence]:
    done = {
        (series.arm, series.version_id): found
        for series, found in await telemetry.arms(session, tenant_id, point_id)
    }
    ids = await catalog.version_ids(
        session, tenant_id, {(arm.model, arm.version) for arm in strategy.arms}
    )
    evidence = []
    for arm in strategy.arms:
        found = done.get((arm.name, ids[arm.model, arm.version]))
        evidence.append(
            bandit.Evidence(
                arm=arm.name,
                units=found.rewarded if found else 0,
                conversions=found.conversions if found else 0,
                reward=found.reward if found else 0.0,
                reward_squared=found.reward_squared if found else 0.0,
            )
        )
    return evidence
