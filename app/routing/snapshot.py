"""The table in memory: every plan compiled, refreshed by poll and by NOTIFY.

It is replaced point by point and never locked: a reader sees the old plan or the new one. While
the database is away it stays as it is, and every answer says how old it is.
"""

import asyncio
import logging
import time
from contextlib import suppress
from uuid import UUID

import psycopg
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, telemetry
from app.platform.db import ALL_TENANTS, Database
from app.routing import service
from app.routing.compiling import compile_point, unanswered
from app.routing.engine import Compiled
from app.routing.tables import Generation, PointState
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

    def of(self, tenant_id: UUID) -> list[Compiled]:
        """Return all plans of a tenant, by their keys."""
        plans = [plan for (owner, _), plan in self._plans.items() if owner == tenant_id]
        return sorted(plans, key=lambda plan: plan.key)

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
                # Nor may what was good once go on answering where somebody has stopped it.
                plan = await unanswered(session, point, state.generation)
                if plan is None:
                    continue
            if plan is not None:
                self._plans[tenant_id, point.key] = plan
            else:
                self._plans.pop((tenant_id, point.key), None)
