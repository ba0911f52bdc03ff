"""The ingest endpoints: parse and fold in a thread, write in one transaction, then answer."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
import orjson
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.actor import Actor
from app.kit.ids import uuid7
from app.kit.strictjson import loads_flat
from app.platform.db import Database, driver
from app.telemetry import store
from app.telemetry.events import (
    REHEARSAL,
    SHADOW_PREFIX,
    BadEvent,
    Event,
    NoEvents,
    items,
    read,
    rehearsed_id,
)
from app.telemetry.keys import SigningKeys, signing_keys
from app.telemetry.layout import Layout
from app.telemetry.registry import Layouts
from app.telemetry.rehearsal import rehearsal_of
from app.telemetry.tables import ProfileKind
from app.telemetry.tally import Tally, by_hour
from app.telemetry.token import Claim, Part, unseal

_MICROS_AN_HOUR = 3_600_000_000
_THREAD_BYTES = 32_768

Group = tuple[bytes, bytes, str]
"""Decision point, version, arm: what makes a series."""


class Ingest:
    """Scored events and outcomes of one process."""

    def __init__(self, database: Database, registry: CollectorRegistry) -> None:
        self._database = database
        self._layouts = Layouts()
        self._keys: dict[UUID, SigningKeys] = {}
        self._series: dict[tuple[UUID, Group], UUID] = {}
        self._taken = Counter(
            "modelward_events", "Scored events by what became of them.", ["result"],
            registry=registry,
        )  # fmt: skip

    async def events(self, actor: Actor, _: str, body: bytes) -> tuple[int, bytes]:
        """Take a batch of scored events; the answer is sent after COMMIT."""
        async with self._database.session() as session:
            keys = await self._signing_keys(session, actor.tenant_id)
            raw, rehearsed = await _apart(session, actor, await _parse(body))
            good, bad = await _off_loop(len(body), _read, raw, rehearsed, keys)
            if not good:
                raise NoEvents("No event of the batch is acceptable.", rejected=bad[:100])
            series = await self._series_of(session, actor.tenant_id, good)
            fresh = await self._store(session, actor.tenant_id, good, series, len(body))
            await session.commit()
        # Remembered only now: a rollback must not leave an id without its row.
        self._series.update({(actor.tenant_id, group): id_ for group, id_ in series.items()})
        duplicates = len(good) - fresh
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

    async def _series_of(
        self, session: AsyncSession, tenant_id: UUID, events: Sequence[Event]
    ) -> dict[Group, UUID]:
        found = {}
        for group in {group_of(event.claim) for event in events}:
            known = self._series.get((tenant_id, group))
            if known is None:
                connection = await driver(session)
                known = await store.series_id(connection, tenant_id, *group, new=uuid7())
            found[group] = known
        return found

    async def _store(
        self,
        session: AsyncSession,
        tenant_id: UUID,
        events: Sequence[Event],
        series: dict[Group, UUID],
        size: int,
    ) -> int:
        """Write a batch within the session's transaction; return how many events are new."""
        now = await session.scalar(select(func.now()))
        assert now is not None  # noqa: S101 - now() has a value
        connection = await driver(session)
        layouts = {
            id_: await self._layouts.of(session, tenant_id, UUID(bytes=version))
            for (_, version, _), id_ in series.items()
        }
        once = {event.event_id: event for event in reversed(events)}.values()
        rows = [(event, series[group_of(event.claim)]) for event in once]
        new = await store.insert_receipts(connection, tenant_id, rows)
        fresh = [row for row in rows if row[0].event_id in new]
        if fresh:
            await store.copy_events(connection, tenant_id, now, fresh)
            await store.awaken_outcomes(connection, tenant_id, fresh)
            deltas = await _off_loop(size, _fold, fresh, layouts)
            await store.append_deltas(connection, tenant_id, ProfileKind.INPUTS, deltas)
        return len(fresh)


def group_of(claim: Claim) -> Group:
    """Return the series a claim's event belongs to."""
    arm = SHADOW_PREFIX + claim.arm if claim.part is Part.SHADOW else claim.arm
    return claim.point_id, claim.version_id, arm


async def _parse(body: bytes) -> Any:
    return await _off_loop(len(body), loads_flat, body)


async def _off_loop(size: int, work: Any, *arguments: Any) -> Any:
    """Run CPU work in a thread if there is enough of it to delay other requests."""
    if size < _THREAD_BYTES:
        return work(*arguments)
    return await asyncio.to_thread(work, *arguments)


async def _apart(session: AsyncSession, actor: Actor, body: Any) -> tuple[list[Any], Claim | None]:
    """Return the batch's events, and the claim they share if they are a rehearsal."""
    rows = items(body, "events")
    place = await rehearsal_of(session, actor, body, "events")
    if place is None:
        return rows, None
    point_id, version_id = place
    claim = Claim(
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
    return rows, claim


def _read(
    rows: list[Any], rehearsed: Claim | None, keys: SigningKeys
) -> tuple[list[Event], list[dict[str, Any]]]:
    def claim_of(token: str | None, event_id: bytes | None) -> Claim:
        if rehearsed is not None:
            return _rehearse(rehearsed, token, event_id)
        if token is None:
            raise BadEvent("token is required: the one the route call returned.")
        return unseal(token, keys.secrets)

    return read(rows, claim_of)


def _rehearse(shared: Claim, token: str | None, event_id: bytes | None) -> Claim:
    if token is not None:
        raise BadEvent("A rehearsal's events carry no token.")
    if event_id is None:
        raise BadEvent("event_id is required in a rehearsal.")
    return Claim(
        part=shared.part,
        decision_id=rehearsed_id(shared.point_id, shared.version_id, event_id),
        point_id=shared.point_id,
        version_id=shared.version_id,
        plan_revision=0,
        generation=0,
        propensity=1.0,
        at_ms=0,
        unit=shared.unit,
        arm=shared.arm,
    )


def _fold(
    rows: Sequence[tuple[Event, UUID]], layouts: dict[UUID, tuple[Layout, list[str]]]
) -> list[tuple[UUID, int, Tally]]:
    """Return a tally for each series and hour of the batch."""
    groups: dict[UUID, list[Event]] = defaultdict(list)
    for event, series in rows:
        groups[series].append(event)
    deltas = []
    for series, events in groups.items():
        layout, names = layouts[series]
        columns: list[list[Any]] = [[e.features.get(name) for e in events] for name in names]
        columns.append([event.score for event in events])
        codes, values = layout.place(columns)
        hours = np.array([event.at // _MICROS_AN_HOUR for event in events])
        deltas += [
            (series, hour, tally) for hour, tally in by_hour(hours, codes, values, layout.size)
        ]
    return deltas
