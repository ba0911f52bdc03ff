"""Compiling: a decision point's plan, seats and stops, as they are evaluated."""

from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog
from app.routing import bandit, service, stops
from app.routing.diversion import FALLBACK, Share, divert, of_everything
from app.routing.engine import Arm, Compiled, bounds, salt, watcher
from app.routing.fallback import StandIn, stand_in
from app.routing.spec import Bandit, Champion, Plan, VersionArm
from app.routing.tables import PlanRevision, Seat, SeatRole, Stop


async def compile_point(
    session: AsyncSession, point: catalog.DecisionPoint, generation: int
) -> Compiled | None:
    """Return a point's newest plan compiled; ``None`` if nobody could answer by it.

    A stop of everything does not look at the plan: it must hold even where that cannot be read.
    """
    holding = await stops.stopped(session, point.tenant_id, point.id)
    row = await service.current_plan(session, point.tenant_id, point.id)
    if of_everything(holding) is not None:
        return await _diverted(session, point, row, generation, divert((), holding), holding)
    if row is None:
        return None
    plan = Plan.model_validate(row.spec)
    seats = await _open_seats(session, point)
    weighted = await _weighted(session, point, row, plan, seats)
    if not sum(weight for _, _, weight in weighted):
        return None
    return await _diverted(
        session, point, row, generation, divert(weighted, holding), holding, plan=plan, seats=seats
    )


async def unanswered(
    session: AsyncSession, point: catalog.DecisionPoint, generation: int
) -> Compiled | None:
    """Return the plan by which nobody answers, of a point that is stopped; else ``None``."""
    holding = await stops.stopped(session, point.tenant_id, point.id)
    if not holding:
        return None
    whole = of_everything(holding) or holding[0]
    return _compiled(point, None, generation, [(1, Arm(FALLBACK, b"", 1.0, "", str(whole.id)))], ())


async def _weighted(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    row: PlanRevision,
    plan: Plan,
    seats: dict[UUID, Seat],
) -> list[tuple[str, UUID, int]]:
    strategy = plan.strategy
    if isinstance(strategy, Champion):
        return [
            ("champion", seat.version_id, 1)
            for seat in seats.values()
            if seat.role is SeatRole.CHAMPION
        ]
    ids = await catalog.version_ids(session, point.tenant_id, named(strategy.arms))
    weights = await _weights(session, point, row.revision, strategy, plan)
    return [
        (arm.name, ids[arm.model, arm.version], weights[arm.name])
        for arm in strategy.arms
        if ids[arm.model, arm.version] in seats
    ]


async def _diverted(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    row: PlanRevision | None,
    generation: int,
    shares: list[Share],
    holding: list[Stop],
    *,
    plan: Plan | None = None,
    seats: dict[UUID, Seat] | None = None,
) -> Compiled:
    """Return a point compiled from who answers which share of its units."""
    seats = seats or {}
    stopped = {stop.version_id for stop in holding if stop.version_id is not None}
    standing: StandIn | None = None
    if any(share.stop is not None for share in shares):
        standing = await stand_in(session, point, stopped=stopped, whole=plan is None)
    shadow_ids = {}
    if plan is not None:
        shadow_ids = await catalog.version_ids(session, point.tenant_id, named(plan.shadows))
    wanted = {share.version_id for share in shares if share.version_id is not None}
    wanted |= set(shadow_ids.values())
    if standing is not None and standing.version_id is not None:
        wanted.add(standing.version_id)
    versions = await catalog.versions_by_id(session, point.tenant_id, wanted)
    total = sum(share.weight for share in shares)
    diverted = sum(share.weight for share in shares if share.stop is not None)

    def arm(share: Share) -> Arm:
        if share.stop is not None:
            return _standing_in(standing, versions, share.stop, diverted / total)
        assert share.version_id is not None  # noqa: S101 - what is not stopped has a version
        return _arm(share.name, share.version_id, versions, seats, share.weight / total)

    return _compiled(
        point,
        row,
        generation,
        [(share.weight, arm(share)) for share in shares],
        tuple(
            watcher(
                point.key,
                _arm(shadow.name, version_id, versions, seats, shadow.rate),
                shadow.rate,
            )
            for shadow in (plan.shadows if plan is not None else ())
            for version_id in (shadow_ids[shadow.model, shadow.version],)
            if version_id not in stopped
        ),
    )


def _compiled(
    point: catalog.DecisionPoint,
    row: PlanRevision | None,
    generation: int,
    arms: list[tuple[int, Arm]],
    shadows: tuple[Any, ...],
) -> Compiled:
    revision = row.revision if row else 0
    return Compiled(
        key=point.key,
        fragment=_fragment(
            {"decision_point": point.key, "plan_revision": revision, "generation": generation}
        ),
        point_id=point.id.bytes,
        revision=revision,
        generation=generation,
        salt=salt(point.key),
        total=sum(weight for weight, _ in arms),
        bounds=bounds([weight for weight, _ in arms]),
        arms=tuple(arm for _, arm in arms),
        shadows=shadows,
    )


async def _open_seats(session: AsyncSession, point: catalog.DecisionPoint) -> dict[UUID, Seat]:
    rows = await session.scalars(
        select(Seat).filter_by(tenant_id=point.tenant_id, point_id=point.id, until=None)
    )
    return {seat.version_id: seat for seat in rows}


async def _weights(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    revision: int,
    strategy: object,
    plan: Plan,
) -> dict[str, int]:
    """Return each arm's weight: as written for a split, as learnt for a bandit."""
    if not isinstance(strategy, Bandit):
        return {arm.name: arm.weight for arm in plan.strategy.arms}  # type: ignore[union-attr]
    learnt = await service.newest_weights(session, point.tenant_id, point.id, revision)
    if learnt is None:
        return {arm.name: bandit.SCALE for arm in strategy.arms}
    return {name: int(weight) for name, weight in learnt.weights.items()}


def named(arms: tuple[VersionArm, ...]) -> set[tuple[str, int]]:
    """Return the versions that arms name, as model and number."""
    return {(arm.model, arm.version) for arm in arms}


def _arm(
    name: str,
    version_id: UUID,
    versions: dict[UUID, tuple[catalog.Model, catalog.Version]],
    seats: dict[UUID, Seat],
    propensity: float,
) -> Arm:
    model, version = versions[version_id]
    seat = seats.get(version_id)
    fragment = _fragment(
        {
            "arm": name,
            "model": model.name,
            "version": version.number,
            "version_id": version.id,
            "endpoint": seat.endpoint if seat else None,
            "parameters": seat.parameters if seat else {},
            "propensity": propensity,
        }
    )
    return Arm(name, version.id.bytes, propensity, fragment)


def _standing_in(
    standing: StandIn | None,
    versions: dict[UUID, tuple[catalog.Model, catalog.Version]],
    stop: UUID,
    propensity: float,
) -> Arm:
    """Return the arm that answers in place of what a stop holds."""
    if standing is None:
        return Arm(FALLBACK, b"", propensity, "", str(stop))
    of_version: dict[str, Any] = {"model": None, "version": None, "version_id": None}
    of_stop: dict[str, Any] = {"stopped": True, "stop_id": stop}
    raw = b""
    if standing.version_id is None:
        of_stop["constant"] = standing.constant
    else:
        model, version = versions[standing.version_id]
        of_version = {"model": model.name, "version": version.number, "version_id": version.id}
        raw = version.id.bytes
    fragment = _fragment(
        {
            "arm": FALLBACK,
            **of_version,
            "endpoint": standing.endpoint,
            "parameters": standing.parameters,
            "propensity": propensity,
            **of_stop,
        }
    )
    return Arm(FALLBACK, raw, propensity, fragment, str(stop))


def _fragment(fields: dict[str, Any]) -> str:
    """Return fields as they stand within a JSON object."""
    return orjson.dumps(fields).decode()[1:-1]
