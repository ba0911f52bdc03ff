"""The courier: takes events to their receivers, beside the worker's other work.

Each receiver is in one courier's hands at a time, by a lease in the database; so many receivers are
in a courier's hands at once, and none waits for another. While a message is on its way no database
session is open. A courier that dies leaves a lease that ends; one that wakes late finds that the
fence has moved on and writes nothing. What was sent and not noted is sent again, under the same id.
"""

import asyncio
import logging
import random
import time
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.kit.refusal import Refusal
from app.notifications import deliveries
from app.notifications.deliveries import Answer, Parcel, Patience, Round, Turn
from app.notifications.rules import sign, succeeded
from app.notifications.telling import MEDIA_TYPE
from app.platform.db import ALL_TENANTS, Database
from app.platform.outbound import Outbound, OutboundFailed
from app.platform.settings import Settings

logger = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
_TURN_SECONDS = 10.0
_LEASE_MARGIN = 5.0
_CONNECTIONS = 4
_ANSWER_BYTES = 1 << 20
_CLAIM = """
UPDATE notifications_progress p
SET fence = fence + 1, leased_until = clock_timestamp() + make_interval(secs => :lease)
FROM (
    SELECT p.tenant_id, p.webhook_id FROM notifications_progress p
    JOIN notifications_webhook w ON w.tenant_id = p.tenant_id AND w.id = p.webhook_id
    WHERE w.active
        AND (p.leased_until IS NULL OR p.leased_until <= clock_timestamp())
        AND (p.resume_at IS NULL OR p.resume_at <= clock_timestamp())
        AND (
            EXISTS (SELECT FROM notifications_outbox o
                WHERE o.tenant_id = p.tenant_id AND o.position > p.position)
            OR EXISTS (SELECT FROM notifications_outbox o
                WHERE o.tenant_id = p.tenant_id AND o.position IS NULL)
            OR EXISTS (SELECT FROM notifications_delivery d
                WHERE d.tenant_id = p.tenant_id AND d.webhook_id = p.webhook_id
                    AND d.state = 'pending' AND d.due_at <= clock_timestamp())
        )
    ORDER BY p.leased_until NULLS FIRST
    LIMIT :room
    FOR UPDATE OF p SKIP LOCKED
) AS due
WHERE p.tenant_id = due.tenant_id AND p.webhook_id = due.webhook_id
RETURNING p.tenant_id, p.webhook_id, p.fence
"""


class Courier:
    """Delivers in one process, until it is told to stop."""

    def __init__(self, database: Database, outbound: Outbound, settings: Settings) -> None:
        self._database = database
        self._outbound = outbound
        self._seconds = settings.webhook_timeout_seconds
        self._lease = timedelta(seconds=self._seconds + _LEASE_MARGIN)
        self._patience = Patience(
            retry_seconds=settings.webhook_retry_seconds,
            failing=timedelta(hours=settings.webhook_patience_hours),
        )
        self._most = settings.webhook_concurrency
        # Few of the process's connections: what else the worker does needs some as well.
        self._connections = asyncio.Semaphore(_CONNECTIONS)
        self._stopped = asyncio.Event()
        self._luck = random.Random()  # noqa: S311 - spreads attempts, hides nothing

    def stop(self) -> None:
        """Begin nothing more; what is on its way arrives first."""
        self._stopped.set()

    async def run(self) -> None:
        """Deliver until stopped; while the database is away, wait for it."""
        taken: set[asyncio.Task[None]] = set()
        stopped = asyncio.create_task(self._stopped.wait())
        while not stopped.done():
            for turn in await self._claim(self._most - len(taken)):
                taken.add(asyncio.create_task(self._take(turn)))
            ended, _ = await asyncio.wait(
                {*taken, stopped}, timeout=_POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            taken -= ended
        await asyncio.gather(*taken)

    async def _claim(self, room: int) -> list[Turn]:
        """Take receivers in hand that something waits for, those longest without a turn first."""
        if room <= 0:
            return []
        values = {"room": room, "lease": self._lease.total_seconds()}
        try:
            async with self._connections, self._database.transaction(ALL_TENANTS) as session:
                rows = await session.execute(text(_CLAIM), values)
                return [Turn(*row) for row in rows]
        except (SQLAlchemyError, OSError):
            logger.warning("receivers could not be looked for", exc_info=True)
            await asyncio.sleep(_POLL_SECONDS)
            return []

    async def _take(self, turn: Turn) -> None:
        """Take one receiver's turn; whatever goes wrong, its lease ends by itself."""
        try:
            await self._deliver(turn)
        except Exception:
            logger.exception("a turn failed", extra={"webhook": str(turn.webhook_id)})
            # Not at once again: what fails without an answer would fail a thousand times.
            await asyncio.sleep(_POLL_SECONDS)

    async def _deliver(self, turn: Turn) -> None:
        begun = time.monotonic()
        async with self._connections, self._database.transaction(turn.tenant_id) as session:
            found = await deliveries.pack(session, turn)
        for packed, parcel in [(found, each) for each in found.parcels] if found else []:
            if self._stopped.is_set() or time.monotonic() - begun > _TURN_SECONDS:
                break
            answer = await self._send(packed, parcel)
            if not await self._note(turn, parcel.delivery_id, answer):
                break
        with suppress(SQLAlchemyError, OSError):
            async with self._connections, self._database.transaction(turn.tenant_id) as session:
                await deliveries.let_go(session, turn)

    async def _note(self, turn: Turn, delivery_id: UUID, answer: Answer) -> bool:
        """Write down what came of an attempt; say whether the turn goes on."""
        async with self._connections, self._database.transaction(turn.tenant_id) as session:
            if answer.code is not None and succeeded(answer.code):
                return await deliveries.arrived(
                    session, turn, delivery_id, answer.code, lease=self._lease
                )
            return await deliveries.failed(
                session, turn, delivery_id, answer,
                lease=self._lease, patience=self._patience, luck=self._luck.random(),
            )  # fmt: skip

    async def _send(self, packed: Round, parcel: Parcel) -> Answer:
        """Send one message; only what its receiver's status says counts."""
        timestamp, event_id = int(time.time()), str(parcel.event_id)
        headers = {
            "Content-Type": MEDIA_TYPE,
            "User-Agent": "Modelward",
            "webhook-id": event_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(packed.secrets, event_id, timestamp, parcel.body),
        }
        try:
            found = await self._outbound.fetch(
                "POST", packed.url, headers=headers, body=parcel.body,
                limit=_ANSWER_BYTES, seconds=self._seconds,
            )  # fmt: skip
        except OutboundFailed as error:
            return Answer(None, error.detail[:300])
        except Refusal as refusal:  # its name leads somewhere else by now
            return Answer(None, f"{refusal.code}: {refusal.detail}"[:300])
        return Answer(found.status, None)
