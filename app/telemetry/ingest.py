"""The ingest endpoints: parse and fold in a thread, write in one transaction, then answer."""

import asyncio
from typing import Any
from uuid import UUID

import orjson
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.actor import Actor
from app.kit.ids import uuid7
from app.kit.strictjson import loads_flat
from app.platform.db import Database, driver
from app.telemetry import store
from app.telemetry.batch import Batch, Group, Place, pack
from app.telemetry.events import (
    REHEARSAL,
    BadEvent,
    ClaimOf,
    NoEvents,
    items,
    read,
    rehearsed_id,
)
from app.telemetry.keys import SigningKeys, signing_keys
from app.telemetry.registry import Layouts
from app.telemetry.rehearsal import rehearsal_of
from app.telemetry.tables import ProfileKind
from app.telemetry.token import Claim, Part, unseal

_THREAD_BYTES = 32_768

Refused = list[dict[str, Any]]


class Ingest:
    """Scored events and outcomes of one process."""

    def __init__(self, database: Database, registry: CollectorRegistry) -> None:
        self._database = database
        self._layouts = Layouts()
        self._keys: dict[UUID, SigningKeys] = {}
        self._series: dict[tuple[UUID, Group], bytes] = {}
        self._taken = Counter(
            "modelward_events", "Scored events by what became of them.", ["result"],
            registry=registry,
        )  # fmt: skip

    async def events(self, actor: Actor, _: str, body: bytes) -> tuple[int, bytes]:
        """Take a batch of scored events; the answer is sent after COMMIT."""
        async with self._database.session() as session:
            keys = await self._signing_keys(session, actor.tenant_id)
            sent, understood = await _off_loop(len(body), _understand, body, keys)
            if understood is None:
                claim = await _rehearsal(session, actor, sent)
                understood = await _off_loop(len(body), _rehearsed, sent, claim)
            count, batch, bad = understood
            if not count:
                raise NoEvents("No event of the batch is acceptable.", rejected=bad[:100])
            places = await self._places(session, actor.tenant_id, batch)
            fresh = await _store(session, actor.tenant_id, batch, places, len(body))
            await session.commit()
        # Remembered only now: a rollback must not leave an id without its row.
        self._series |= {(actor.tenant_id, group): at.series for group, at in places.items()}
        duplicates = count - fresh
        for result, count in (
            ("accepted", fresh), ("duplicate", duplicates), ("rejected", len(bad)),
        ):  # fmt: skip
            self._taken.labels(result).inc(count)
        answer = {"accepted": fresh, "duplicates": duplicates, "rejected": bad}
        return (207 if bad else 200), orjson.dumps(answer)

    async def _signing_keys(self, session: AsyncSession, tenant_id: UUID) -> SigningKeys:
        known = self._keys.get(tenant_id)
        if known is None:
            known = self._keys[tenant_id] = await signing_keys(session, tenant_id)
        return known

    async def _places(
        self, session: AsyncSession, tenant_id: UUID, batch: Batch
    ) -> dict[Group, Place]:
        found = {}
        # In one order, or two first batches would wait for each other's new series in a circle.
        for group in sorted(set(batch.groups)):
            known = self._series.get((tenant_id, group))
            if known is None:
                connection = await driver(session)
                known = await store.series_id(connection, tenant_id, *group, new=uuid7())
            layout, names = await self._layouts.of(session, tenant_id, UUID(bytes=group[1]))
            found[group] = Place(known, layout, names)
        return found


async def _store(
    session: AsyncSession, tenant_id: UUID, batch: Batch, places: dict[Group, Place], size: int
) -> int:
    """Write a batch within the session's transaction; return how many events are new."""
    parcels = await _off_loop(size, pack, tenant_id, batch, places)
    connection = await driver(session)
    fresh = await store.insert_receipts(connection, tenant_id, parcels)
    if fresh is not None:
        parcels = await _off_loop(size, pack, tenant_id, batch.only(fresh, places), places)
    if parcels.size:
        await store.copy_events(connection, parcels)
        await store.append_deltas(connection, tenant_id, ProfileKind.INPUTS, parcels.deltas)
    return int(parcels.size)


async def _off_loop(size: int, work: Any, *arguments: Any) -> Any:
    """Run CPU work in a thread if there is enough of it to delay other requests."""
    if size < _THREAD_BYTES:
        return work(*arguments)
    return await asyncio.to_thread(work, *arguments)


def _understand(
    body: bytes, keys: SigningKeys
) -> tuple[dict[str, Any], tuple[int, Batch, Refused] | None]:
    """Parse a body, and read its events unless it calls itself a rehearsal."""
    sent = loads_flat(body)
    rows = items(sent, "events")
    if len(sent) > 1:
        return sent, None

    def claim_of(token: str | None, _: bytes | None) -> Claim:
        if token is None:
            raise BadEvent("token is required: the one the route call returned.")
        return unseal(token, keys.secrets)

    return sent, _gathered(rows, claim_of)


def _rehearsed(sent: dict[str, Any], shared: Claim) -> tuple[int, Batch, Refused]:
    def claim_of(token: str | None, event_id: bytes | None) -> Claim:
        if token is not None:
            raise BadEvent("A rehearsal's events carry no token.")
        if event_id is None:
            raise BadEvent("event_id is required in a rehearsal.")
        own = rehearsed_id(shared.point_id, shared.version_id, event_id)
        return shared._replace(decision_id=own)

    return _gathered(sent["events"], claim_of)


def _gathered(rows: list[Any], claim_of: ClaimOf) -> tuple[int, Batch, Refused]:
    good, bad = read(rows, claim_of)
    return len(good), Batch.gather(good), bad


async def _rehearsal(session: AsyncSession, actor: Actor, sent: dict[str, Any]) -> Claim:
    """Return the claim that all events of a rehearsal share."""
    place = await rehearsal_of(session, actor, sent, "events")
    assert place is not None  # noqa: S101 - the body named more than events
    point_id, version_id = place
    return Claim(
        part=Part.ARM,
        decision_id=bytes(16),
        point_id=point_id,
        version_id=version_id,
        plan_revision=0,
        generation=0,
        propensity=1.0,
        at_ms=0,
        unit=bytes(8),
        arm=REHEARSAL,
    )
