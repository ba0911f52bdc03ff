"""A small act with its audit entry and without: tags of a version, replaced by many at once.

The act is the product's own, from the service down: one transaction, the version's lock, the
change. Without an entry it is the same code with nothing for ``audit.record``.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import func, select, text

from app import audit, identity
from app.catalog import service, versions
from app.catalog.registering import Registration, register_versions
from app.catalog.rules import AssetKind, RiskTier
from app.kit.actor import Actor
from app.platform.db import ALL_TENANTS, Database
from tests.bench.servers import BenchFailed

CLIENTS = 16
MODEL = "benched"
_RECORD = audit.record


async def first_actor(database: Database) -> Actor:
    """Make the first tenant with a developer in it; return him."""
    async with database.transaction(ALL_TENANTS) as session:
        await identity.bootstrap(session)
        tenant_id = await identity.default_tenant(session)
    async with database.transaction(tenant_id) as session:
        made = await identity.create_principal(
            session,
            name="dana",
            kind=identity.PrincipalKind.PERSON,
            owner=None,
            roles={identity.Role.DEVELOPER},
            by=Actor.system(tenant_id),
        )
    return Actor(made.id, tenant_id, made.name, made.id, frozenset(made.roles), frozenset())


async def publish(database: Database, by: Actor) -> None:
    """Publish a version for each client."""
    async with database.transaction(by.tenant_id) as session:
        await service.create_model(
            session,
            name=MODEL,
            kind=AssetKind.MACHINE_LEARNING,
            risk_tier=RiskTier.LOW,
            owner=by.name,
            purpose="To be tagged.",
            tags={},
            by=by,
        )
        asked = [Registration(MODEL, _content(), {}, by) for _ in range(CLIENTS)]
        await register_versions(session, by.tenant_id, asked)


def _content() -> dict[str, Any]:
    return {
        "source": "urn:model:benched",
        "digest": "sha256:" + "0" * 64,
        "signature": {"inputs": [{"name": "x"}]},
        "training_data": {"reference": "none"},
        "lineage": {"parents": []},
        "card": {"summary": "A bench.", "intended_use": "A bench."},
    }


class Taggers:
    """Clients who each replace the tags of a version of their own, again and again."""

    def __init__(self, database: Database, by: Actor) -> None:
        self._database = database
        self._by = by
        self._revisions = [1] * CLIENTS
        self._recorded = 0

    async def rate(self, seconds: float) -> float:
        """Return acts a second, all clients together."""
        began = time.perf_counter()
        done = await asyncio.gather(
            *(self._client(number, began + seconds) for number in range(CLIENTS))
        )
        self._recorded += sum(done) if audit.record is _RECORD else 0
        return sum(done) / (time.perf_counter() - began)

    async def require_recorded(self) -> None:
        """Make sure that there is an entry for each act that was to have one, and no other."""
        query = select(func.count()).select_from(text("audit_entry WHERE action = :action"))
        async with self._database.session(self._by.tenant_id) as session:
            found = await session.scalar(query, {"action": "version.tagged"})
        if found != self._recorded:
            raise BenchFailed(f"{self._recorded} acts were to be recorded, {found} were.")

    async def _client(self, number: int, until: float) -> int:
        done = 0
        while time.perf_counter() < until:
            async with self._database.transaction(self._by.tenant_id) as session:
                version = await versions.edit_version(
                    session,
                    MODEL,
                    number + 1,
                    expected=self._revisions[number],
                    tags={"turn": str(self._revisions[number])},
                    by=self._by,
                )
                self._revisions[number] = version.revision
            done += 1
        return done


@contextmanager
def unrecorded() -> Iterator[None]:
    """Let acts go without their entries."""

    async def nothing(*_: object, **__: object) -> None:
        return None

    audit.record = nothing
    try:
        yield
    finally:
        audit.record = _RECORD
