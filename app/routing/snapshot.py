"""The table in memory: every plan compiled, refreshed by poll and by NOTIFY.

It is replaced point by point and never locked: a reader sees the old plan or the new one. While
the database is away it stays as it is, and every answer says how old it is. It is kept on disk as
well: a process that begins meanwhile answers by what was seen last.
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
from app.platform.shelf import Shelf
from app.routing import service
from app.routing.compiling import compile_point, unanswered
from app.routing.engine import Compiled
from app.routing.rules import TableStale
from app.routing.stored import dumped, loaded
from app.routing.tables import Generation, PointState
from app.telemetry import Sealer, SigningKeys

logger = logging.getLogger(__name__)

_KEPT, _FORMAT = "plans", 1
_FOLLOW_SECONDS = 3.0
"""Longer than a poll, should the hint have been lost."""
_AHEAD = 60.0
"""Clocks differ by less."""
_KEPT_OFTEN, _KEPT_SECONDS = 5.0, 30.0
"""No more often than the one, and as often as the other though nothing has changed: it says how
old it is."""


class RoutingTable:
    """All decision points of all tenants, as this process answers them."""

    def __init__(self, database: Database, refresh_seconds: float) -> None:
        self._database = database
        self._every = refresh_seconds
        self._plans: dict[tuple[UUID, str], Compiled] = {}
        self._keys: dict[UUID, SigningKeys] = {}
        self._known: dict[UUID, int] = {}
        self._fresh = time.monotonic()
        self._changed = True
        self._restored = self._loaded = False
        self._moved = asyncio.Event()

    def find(self, tenant_id: UUID, key: str) -> Compiled | None:
        """Return the compiled plan of a decision point."""
        return self._plans.get((tenant_id, key))

    def of(self, tenant_id: UUID) -> list[Compiled]:
        """Return all plans of a tenant, by their keys."""
        plans = [plan for (owner, _), plan in self._plans.items() if owner == tenant_id]
        return sorted(plans, key=lambda plan: plan.key)

    def too_old(self, plan: Compiled) -> bool:
        """Say whether the table is older than a plan puts up with."""
        return plan.oldest_ms is not None and self.age_ms > plan.oldest_ms

    def require_loaded(self) -> None:
        """Refuse to say that something is not there while nothing has been looked at."""
        if not self._loaded:
            raise TableStale("No plan has been loaded yet.")

    def sealer(self, tenant_id: UUID) -> Sealer:
        """Return what a tenant's tokens are sealed with."""
        return self._keys[tenant_id].sealer

    def keys(self, tenant_id: UUID) -> SigningKeys:
        """Return the keys that a tenant's tokens were sealed with."""
        return self._keys[tenant_id]

    @property
    def age_ms(self) -> int:
        """Milliseconds since the table was last known to be current."""
        return int((time.monotonic() - self._fresh) * 1000)

    async def refresh(self) -> None:
        """Load what has changed since the last look; all of it, or nothing."""
        # What was kept may be of another database than the one that is there now.
        known = {} if self._restored else self._known
        keys = {} if self._restored else dict(self._keys)
        async with self._database.session(ALL_TENANTS) as session:
            rows = await session.execute(select(Generation.tenant_id, Generation.generation))
            changed = {
                tenant_id: generation
                for tenant_id, generation in rows
                if known.get(tenant_id, 0) != generation
            }
            found: dict[tuple[UUID, str], Compiled | None] = {}
            for tenant_id in changed:
                if tenant_id not in keys:
                    keys[tenant_id] = await telemetry.signing_keys(session, tenant_id)
                found |= await self._load(session, tenant_id, known.get(tenant_id, 0))
        if self._restored:
            self._plans = {place: plan for place, plan in self._plans.items() if place in found}
        self._keys = keys
        for place, plan in found.items():
            if plan is not None:
                self._plans[place] = plan
            else:
                self._plans.pop(place, None)
        self._known = {**known, **changed}
        self._restored, self._loaded = False, True
        self._changed = self._changed or bool(changed)
        self._fresh = time.monotonic()
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def follow(self, session: AsyncSession) -> None:
        """Wait, for a moment, until the table has what a session has changed and committed.

        Who has changed a plan and asks the same process next is answered by what he wrote.
        """
        if service.ROUTED not in session.info:
            return
        tenant_id, generation = session.info[service.ROUTED]
        with suppress(TimeoutError):
            async with asyncio.timeout(_FOLLOW_SECONDS):
                while self._known.get(tenant_id, 0) < generation:
                    await self._moved.wait()

    def restore(self, shelf: Shelf) -> None:
        """Answer by the plans that were kept, until the database says more."""
        kept = shelf.read(_KEPT)
        if kept is None:
            return
        plans: dict[tuple[UUID, str], Compiled] = {}
        keys: dict[UUID, SigningKeys] = {}
        try:
            found = orjson.loads(kept)
            if found["format"] != _FORMAT or found["at"] > time.time() + _AHEAD:
                return
            for tenant in found["tenants"]:
                owner = UUID(tenant["id"])
                secrets = {int(id_): bytes.fromhex(key) for id_, key in tenant["secrets"].items()}
                keys[owner] = SigningKeys(secrets)
                plans |= _loaded(owner, tenant["plans"])
        except (LookupError, TypeError, ValueError):
            logger.warning("the plans that were kept cannot be read", exc_info=True)
            return
        self._plans, self._keys, self._known = plans, keys, {}
        self._restored = self._loaded = True
        self._fresh = time.monotonic() - max(time.time() - found["at"], 0.0)
        logger.warning("no database: answering by plans that were kept", extra={"at": found["at"]})

    async def keep_forever(self, shelf: Shelf) -> None:
        """Keep the table on disk, when it has changed and every so often, until cancelled.

        Only while the database is there: another process on this disk may know more.
        """
        kept = self._fresh - _KEPT_OFTEN
        while True:
            await asyncio.sleep(self._every)
            since = self._fresh - kept
            due = since > _KEPT_SECONDS or (self._changed and since > _KEPT_OFTEN)
            if not self._restored and self._loaded and due:
                self._changed, kept = False, self._fresh
                at = time.time() - self.age_ms / 1000
                plans, keys = dict(self._plans), dict(self._keys)
                try:
                    await shelf.keep(_KEPT, await asyncio.to_thread(_dumped, plans, keys, at))
                except (TypeError, ValueError):
                    logger.exception("the plans cannot be kept")

    async def refresh_forever(self) -> None:
        """Refresh on every hint and at least every few seconds, until cancelled."""
        while True:
            try:
                await self._listen()
            except (psycopg.Error, SQLAlchemyError, OSError) as error:
                logger.warning("routing table is stale", extra={"reason": str(error)[:200]})
            except Exception:
                # A fault of ours must not end what every stop is heard by.
                logger.exception("routing table is stale")
            await asyncio.sleep(self._every)
            with suppress(Exception):
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

    async def _load(
        self, session: AsyncSession, tenant_id: UUID, since: int
    ) -> dict[tuple[UUID, str], Compiled | None]:
        """Return a tenant's plans that have changed since a generation; none where nobody answers.

        What cannot be read is not among them, unless somebody has stopped it.
        """
        rows = await session.execute(
            select(PointState, catalog.DecisionPoint)
            .join(
                catalog.DecisionPoint,
                (catalog.DecisionPoint.tenant_id == PointState.tenant_id)
                & (catalog.DecisionPoint.id == PointState.point_id),
            )
            .where(PointState.tenant_id == tenant_id, PointState.generation > since)
        )
        found: dict[tuple[UUID, str], Compiled | None] = {}
        for state, point in rows.all():
            try:
                found[tenant_id, point.key] = await compile_point(session, point, state.generation)
            except (ValueError, LookupError):
                # One plan that cannot be read must not keep the others from being served.
                logger.exception("a plan cannot be compiled", extra={"point": point.key})
                # Nor may what was good once go on answering where somebody has stopped it.
                stopped = await unanswered(session, point, state.generation)
                if stopped is not None:
                    found[tenant_id, point.key] = stopped
        return found


def _loaded(owner: UUID, stored: list[dict[str, Any]]) -> dict[tuple[UUID, str], Compiled]:
    """Return a tenant's plans as they were kept; one that cannot be read keeps no other away."""
    found = {}
    for one in stored:
        try:
            found[owner, one["key"]] = loaded(one)
        except (LookupError, TypeError, ValueError):
            logger.exception("a plan that was kept cannot be read", extra={"point": one.get("key")})
    return found


def _dumped(
    plans: dict[tuple[UUID, str], Compiled], keys: dict[UUID, SigningKeys], at: float
) -> bytes:
    of: dict[UUID, list[Compiled]] = {}
    for (owner, _), plan in plans.items():
        of.setdefault(owner, []).append(plan)
    tenants = [
        {
            "id": tenant_id,
            "secrets": {str(id_): key.hex() for id_, key in known.secrets.items()},
            "plans": of.get(tenant_id, []),
        }
        for tenant_id, known in keys.items()
    ]
    return orjson.dumps({"format": _FORMAT, "at": at, "tenants": tenants}, default=dumped)
