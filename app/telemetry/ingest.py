"""The ingest endpoint: understand a batch, have it written, answer after COMMIT."""

import time
from typing import Any
from uuid import UUID

import orjson
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.actor import Actor
from app.platform.db import Database
from app.platform.http import Upload
from app.telemetry import wholesale
from app.telemetry.batch import Batch
from app.telemetry.bounds import bounds_of
from app.telemetry.events import (
    EVERYTHING,
    BadEvent,
    Bounds,
    ClaimOf,
    NoEvents,
    read,
    rehearsed_id,
    require_whole,
)
from app.telemetry.keys import SigningKeys, signing_keys
from app.telemetry.rehearsal import rehearsal_of
from app.telemetry.rows import columns as columns_of
from app.telemetry.rows import is_atomic, understood
from app.telemetry.token import BadToken, Claim, Part, unseal
from app.telemetry.writer import Writer, about, off_loop

_BOUNDS_SECONDS = 30.0

Refused = list[dict[str, Any]]


class Ingest:
    """Scored events and outcomes of one process."""

    def __init__(
        self, database: Database, registry: CollectorRegistry, *, most_waiting: int | None = None
    ) -> None:
        self._database = database
        self._keys: dict[UUID, SigningKeys] = {}
        self._bounds: dict[UUID, tuple[float, Bounds]] = {}
        self._writer = Writer(database, most_waiting=most_waiting)
        self._taken = Counter(
            "modelward_events", "Scored events by what became of them.", ["result"],
            registry=registry,
        )  # fmt: skip
        self._unknown = Counter(
            "modelward_unknown_features", "Features stored that no signature names.",
            registry=registry,
        )  # fmt: skip

    async def events(self, actor: Actor, upload: Upload) -> tuple[int, bytes]:
        """Take a batch of scored events; the answer is sent after COMMIT."""
        atomic, size = is_atomic(upload.named), about(upload)
        keys = await self._signing_keys(actor.tenant_id)
        bounds = await self._bounds_of(actor.tenant_id)
        found = await off_loop(size, _understand, upload, keys, bounds)
        if isinstance(found, dict):
            sent = found
            async with self._database.transaction(actor.tenant_id) as session:
                claim = await _rehearsal(session, actor, sent)
            found = await off_loop(size, _rehearsed, sent, claim)
        count, batch, bad = found
        forged = sum(one["code"] == BadToken.code for one in bad)
        self._taken.labels("forged").inc(forged)
        self._taken.labels("rejected").inc(len(bad) - forged)
        if atomic:
            require_whole(bad)
        if not count:
            raise NoEvents(
                "No event of the batch is acceptable.",
                filled={"noun": "events"},
                rejected=bad[:100],
            )
        written = await self._writer.write(actor.tenant_id, batch)
        duplicates = count - written.fresh
        self._taken.labels("accepted").inc(written.fresh)
        self._taken.labels("duplicate").inc(duplicates)
        answer = {
            "accepted": written.fresh,
            "duplicates": duplicates,
            "rejected": bad,
            "unknown_features": written.unknown,
            "invalid_features": written.invalid,
        }
        if written.unknown:
            self._unknown.inc(sum(written.unknown.values()))
        return (207 if bad else 200), orjson.dumps(answer)

    async def _signing_keys(self, tenant_id: UUID) -> SigningKeys:
        known = self._keys.get(tenant_id)
        if known is None:
            async with self._database.session(tenant_id) as session:
                known = self._keys[tenant_id] = await signing_keys(session, tenant_id)
        return known

    async def _bounds_of(self, tenant_id: UUID) -> Bounds:
        """Return which decisions' events are taken.

        Others go on with what was known while it is asked again: what is deleted is so long after
        it was announced, and what came of an erased subject meanwhile is deleted once more.
        """
        now = time.monotonic()
        asked, known = self._bounds.get(tenant_id, (None, EVERYTHING))
        if asked is not None:
            if now - asked < _BOUNDS_SECONDS:
                return known
            self._bounds[tenant_id] = (now, known)
        try:
            async with self._database.session(tenant_id) as session:
                known = await bounds_of(session, tenant_id)
        except BaseException:
            if asked is not None:
                self._bounds[tenant_id] = (asked, known)
            raise
        self._bounds[tenant_id] = (now, known)
        return known


def _understand(
    upload: Upload, keys: SigningKeys, bounds: Bounds
) -> tuple[int, Batch, Refused] | dict[str, Any]:
    """Parse a body and read its events; return one that calls itself a rehearsal as it was sent.

    What was parsed ends here, not with the answer: taking apart a thousand objects takes time, too,
    that would be the loop's.
    """
    if (columns := columns_of(*upload)) is not None:
        batch = wholesale.read_columns(columns, keys.secrets, bounds)
        if batch is not None:
            return len(columns.features), batch, []
    sent = understood(*upload, "events")
    if len(sent) > 1:
        return sent

    def claim_of(token: str | None, _: bytes | None) -> Claim:
        if token is None:
            raise BadEvent("token is required: the one the route call returned.")
        return unseal(token, keys.secrets)

    def within(token: str | None, event_id: bytes | None) -> Claim:
        claim = claim_of(token, event_id)
        bounds.require(claim)
        return claim

    rows = sent["events"]
    if (batch := wholesale.read(rows, keys.secrets, bounds)) is not None:
        return len(rows), batch, []
    return _gathered(rows, claim_of if bounds.everything else within)


def _rehearsed(sent: dict[str, Any], shared: Claim) -> tuple[int, Batch, Refused]:
    def claim_of(token: str | None, event_id: bytes | None) -> Claim:
        if token is not None:
            raise BadEvent("A rehearsal's events carry no token.")
        if event_id is None:
            raise BadEvent("event_id is required in a rehearsal.")
        own = rehearsed_id(shared.point_id, shared.version_id, shared.arm, event_id)
        return shared._replace(decision_id=own)

    return _gathered(sent["events"], claim_of)


def _gathered(rows: list[Any], claim_of: ClaimOf) -> tuple[int, Batch, Refused]:
    good, bad = read(rows, claim_of)
    return len(good), Batch.gather(good), bad


async def _rehearsal(session: AsyncSession, actor: Actor, sent: dict[str, Any]) -> Claim:
    """Return the claim that all events of a rehearsal share."""
    place = await rehearsal_of(session, actor, sent, "events")
    assert place is not None  # noqa: S101 - the body named more than events
    return Claim(
        part=Part.ARM,
        decision_id=bytes(16),
        point_id=place.point_id,
        version_id=place.version_id,
        plan_revision=0,
        generation=0,
        propensity=1.0,
        at_ms=0,
        unit=bytes(8),
        arm=place.arm,
    )
