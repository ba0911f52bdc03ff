"""The table in memory: every plan compiled, refreshed by poll and by NOTIFY.

It is replaced point by point and never locked: a reader sees the old plan or the new one. While
the database is away it stays as it is, and every answer says how old it is.
"""

import asyncio
import logging
import time
from contextlib import suppress
from typing import Any
from uuid import UUID

import orjson
import psycopg
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, telemetry
from app.platform.db import ALL_TENANTS, Database
from app.routing import bandit, service
from app.routing.engine import Arm, Compiled, bounds, salt, watcher
from app.routing.spec import Bandit, Champion, Plan, VersionArm
from app.routing.tables import Generation, PointState, Seat, SeatRole
from app.telemetry import SigningKeys

logger = logging.getLogger(__name__)


class RoutingTable:
    """All decision points of all tenants, as this process answers them."""

    def __init__(self, database: Database, refresh_seconds: float) -> None:
        self._database = database
        self._every = refresh_seconds
        self._plans: dict[tuple[UUID, str], Compiled] = {}
        self._keys: dict[UUID, SigningKeys] = {}
        self._known: dict[UUID, int] = {}
        self._fresh = time.monotonic()

    def find(self, tenant_id: UUID, key: str) -> Compiled | None:
        """Return the compiled plan of a decision point."""
        return self._plans.get((tenant_id, key))

    def signing_key(self, tenant_id: UUID) -> tuple[int, bytes]:
        """Return the id and secret a tenant's tokens are signed with."""
        return self._keys[tenant_id].current

    @property
    def age_ms(self) -> int:
        """Milliseconds since the table was last known to be current."""
        return int((time.monotonic() - self._fresh) * 1000)

    async def refresh(self) -> None:
        """Load what has changed since the last look."""
        async with self._database.session(ALL_TENANTS) as session:
            rows = await session.execute(select(Generation.tenant_id, Generation.generation))
            changed = [
                (tenant_id, generation)
                for tenant_id, generation in rows
                if self._known.get(tenant_id, 0) != generation
            ]
            for tenant_id, generation in changed:
                await self._load(session, tenant_id)
                self._known[tenant_id] = generation
        self._fresh = time.monotonic()

    async def refresh_forever(self) -> None:
        """Refresh on every hint and at least every few seconds, until cancelled."""
        while True:
            try:
                await self._listen()
            except (psycopg.Error, SQLAlchemyError, OSError) as error:
                logger.warning("routing table is stale", extra={"reason": str(error)[:200]})
                await asyncio.sleep(self._every)
                with suppress(SQLAlchemyError, OSError, psycopg.Error):
                    await self.refresh()

    async def _listen(self) -> None:
        connection = await psycopg.AsyncConnection.connect(
            self._database.url, autocommit=True, connect_timeout=5
        )
        async with connection:
            await connection.execute(f"LISTEN {service.CHANNEL}".encode())
            while True:
                await self.refresh()
                async for _ in connection.notifies(timeout=self._every, stop_after=1):
                    pass

    async def _load(self, session: AsyncSession, tenant_id: UUID) -> None:
        if tenant_id not in self._keys:
            self._keys[tenant_id] = await telemetry.signing_keys(session, tenant_id)
        rows = await session.execute(
            select(PointState, catalog.DecisionPoint)
            .join(
                catalog.DecisionPoint,
                (catalog.DecisionPoint.tenant_id == PointState.tenant_id)
                & (catalog.DecisionPoint.id == PointState.point_id),
            )
            .where(
                PointState.tenant_id == tenant_id,
                PointState.generation > self._known.get(tenant_id, 0),
            )
        )
        for state, point in rows.all():
            try:
                plan = await compile_point(session, point, state.generation)
            except (ValueError, LookupError):
                # One plan that cannot be read must not keep the others from being served.
                logger.exception("a plan cannot be compiled", extra={"point": point.key})
                continue
            if plan is not None:
                self._plans[tenant_id, point.key] = plan
            else:
                self._plans.pop((tenant_id, point.key), None)


async def compile_point(
    session: AsyncSession, point: catalog.DecisionPoint, generation: int
) -> Compiled | None:
    """Return a point's newest plan compiled; ``None`` if nobody could answer by it."""
    row = await service.current_plan(session, point.tenant_id, point.id)
    if row is None:
        return None
    plan = Plan.model_validate(row.spec)
    seats = await _open_seats(session, point)
    weighted: list[tuple[str, UUID, int]]
    strategy = plan.strategy
    if isinstance(strategy, Champion):
        weighted = [
            ("champion", seat.version_id, 1)
            for seat in seats.values()
            if seat.role is SeatRole.CHAMPION
        ]
    else:
        ids = await catalog.version_ids(session, point.tenant_id, named(strategy.arms))
        weights = await _weights(session, point, row.revision, strategy, plan)
        weighted = [
            (arm.name, ids[arm.model, arm.version], weights[arm.name])
            for arm in strategy.arms
            if ids[arm.model, arm.version] in seats
        ]
    total = sum(weight for _, _, weight in weighted)
    if not total:
        return None
    shadow_ids = await catalog.version_ids(session, point.tenant_id, named(plan.shadows))
    wanted = {version_id for _, version_id, _ in weighted} | set(shadow_ids.values())
    versions = await catalog.versions_by_id(session, point.tenant_id, wanted)

    def arm(name: str, version_id: UUID, propensity: float) -> Arm:
        model, version = versions[version_id]
        return _arm(name, model, version, seats.get(version_id), propensity)

    return Compiled(
        key=point.key,
        fragment=_fragment(
            {
                "decision_point": point.key,
                "plan_revision": row.revision,
                "generation": generation,
            }
        ),
        point_id=point.id.bytes,
        revision=row.revision,
        generation=generation,
        salt=salt(point.key),
        total=total,
        bounds=bounds([weight for _, _, weight in weighted]),
        arms=tuple(arm(name, id_, weight / total) for name, id_, weight in weighted),
        shadows=tuple(
            watcher(
                point.key,
                arm(shadow.name, shadow_ids[shadow.model, shadow.version], shadow.rate),
                shadow.rate,
            )
            for shadow in plan.shadows
        ),
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
    model: catalog.Model,
    version: catalog.Version,
    seat: Seat | None,
    propensity: float,
) -> Arm:
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


def _fragment(fields: dict[str, Any]) -> str:
    """Return fields as they stand within a JSON object."""
    return orjson.dumps(fields).decode()[1:-1]
