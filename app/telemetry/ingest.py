"""The ingest endpoint: understand a batch, have it written, answer after COMMIT."""

from typing import Any
from uuid import UUID

import orjson
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.actor import Actor
from app.kit.strictjson import loads_flat
from app.platform.db import Database
from app.telemetry.batch import Batch
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
from app.telemetry.rehearsal import rehearsal_of
from app.telemetry.token import BadToken, Claim, Part, unseal
from app.telemetry.writer import Writer, off_loop

_EVENT_BYTES = 256
"""About what an event takes in a body."""

Refused = list[dict[str, Any]]


class Ingest:
    """Scored events and outcomes of one process."""

    def __init__(self, database: Database, registry: CollectorRegistry) -> None:
        self._database = database
        self._keys: dict[UUID, SigningKeys] = {}
        self._writer = Writer(database)
        self._taken = Counter(
            "modelward_events", "Scored events by what became of them.", ["result"],
            registry=registry,
        )  # fmt: skip

    async def events(self, actor: Actor, _: str, body: bytes) -> tuple[int, bytes]:
        """Take a batch of scored events; the answer is sent after COMMIT."""
        about = len(body) // _EVENT_BYTES
        keys = await self._signing_keys(actor.tenant_id)
        sent, understood = await off_loop(about, _understand, body, keys)
        if understood is None:
            async with self._database.session(actor.tenant_id) as session:
                claim = await _rehearsal(session, actor, sent)
            understood = await off_loop(about, _rehearsed, sent, claim)
        count, batch, bad = understood
        forged = sum(one["code"] == BadToken.code for one in bad)
        self._taken.labels("forged").inc(forged)
        self._taken.labels("rejected").inc(len(bad) - forged)
        if not count:
            raise NoEvents("No event of the batch is acceptable.", rejected=bad[:100])
        fresh = await self._writer.write(actor.tenant_id, batch)
        duplicates = count - fresh
        self._taken.labels("accepted").inc(fresh)
        self._taken.labels("duplicate").inc(duplicates)
        answer = {"accepted": fresh, "duplicates": duplicates, "rejected": bad}
        return (207 if bad else 200), orjson.dumps(answer)

    async def _signing_keys(self, tenant_id: UUID) -> SigningKeys:
        known = self._keys.get(tenant_id)
        if known is None:
            async with self._database.session(tenant_id) as session:
                known = self._keys[tenant_id] = await signing_keys(session, tenant_id)
        return known


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
