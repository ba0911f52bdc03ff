"""Deliveries: what is on its way to a receiver, in what order, and what became of it.

A delivery is made when its event's turn comes, not when the event happens: so a receiver that is
away leaves the feed waiting, not a row for each of its events. At most ``WINDOW`` are under way to
a receiver; they are tried in the order in which their events became known, but what has to be
tried again lets others go first.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.kit.actor import Actor
from app.kit.page import Rows
from app.kit.refusal import NotFound
from app.notifications import listening, webhooks
from app.notifications.events import WebhookTested
from app.notifications.rules import (
    GONE,
    Disabled,
    State,
    WebhookInactive,
    rest_after,
    retry_after,
    wants,
)
from app.notifications.service import outgoing, settle
from app.notifications.tables import Delivery, Outgoing, Progress, Webhook
from app.notifications.telling import tell
from app.platform.db import ALL_TENANTS, Database, clock, page

WINDOW = 200
_LOOKED_AT = 1000
_A_TURN = 50
_KEPT_DAYS = 30
_ABOUT = ("severity", "kind", "point")
"""What an event of an alert says that receivers choose by."""
_FORGOTTEN_AT_ONCE = 5000
_ARRIVED = """
WITH held AS (
    UPDATE notifications_progress
    SET leased_until = clock_timestamp() + :lease, failures = 0, failing_since = NULL,
        resume_at = NULL
    WHERE tenant_id = :tenant AND webhook_id = :webhook AND fence = :fence
    RETURNING tenant_id, webhook_id
)
UPDATE notifications_delivery d
SET state = 'delivered', attempts = attempts + 1, code = :code, error = NULL,
    tried_at = clock_timestamp()
FROM held JOIN notifications_webhook w ON w.tenant_id = held.tenant_id AND w.id = held.webhook_id
WHERE d.tenant_id = held.tenant_id AND d.id = :delivery
RETURNING w.active
"""


@dataclass(frozen=True, slots=True)
class Turn:
    """A receiver that one worker has in hand for a while; a later turn has a higher fence."""

    tenant_id: UUID
    webhook_id: UUID
    fence: int


@dataclass(frozen=True, slots=True)
class Parcel:
    """One event packed for one receiver."""

    delivery_id: UUID
    event_id: UUID
    body: bytes


@dataclass(frozen=True, slots=True)
class Round:
    """What is sent to a receiver in one turn."""

    url: str
    secrets: list[bytes]
    parcels: list[Parcel]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited for a receiver: before the first new attempt, and in all."""

    retry_seconds: float
    failing: timedelta


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an attempt: a status, or why there was none."""

    code: int | None
    error: str | None


async def pack(session: AsyncSession, turn: Turn) -> Round | None:
    """Return what is due to a receiver now, in order; nothing if it is gone or switched off."""
    # What is made for a receiver locks it against removal: first of all, as a removal does.
    kept = {"read": True, "key_share": True}
    webhook = await session.get(Webhook, (turn.tenant_id, turn.webhook_id), with_for_update=kept)
    progress = await _held(session, turn)
    if webhook is None or progress is None or not webhook.active:
        return None
    await settle(session, turn.tenant_id)
    await _line_up(session, webhook, progress)
    rows = await session.execute(
        select(Delivery.id, Outgoing)
        .join(
            Outgoing,
            (Outgoing.tenant_id == Delivery.tenant_id) & (Outgoing.id == Delivery.event_id),
        )
        .where(
            Delivery.tenant_id == turn.tenant_id,
            Delivery.webhook_id == turn.webhook_id,
            Delivery.state == State.PENDING,
            Delivery.due_at <= func.clock_timestamp(),
        )
        .order_by(Outgoing.position)
        .limit(1 if progress.failures else _A_TURN)
    )
    found = [(delivery_id, outgoing) for delivery_id, outgoing in rows]
    if not found:
        await _wait_for_the_next(session, progress)
    told = await tell(session, turn.tenant_id, [outgoing for _, outgoing in found])
    parcels = [
        Parcel(delivery_id, event.id, event.cloud_event(turn.tenant_id))
        for (delivery_id, _), event in zip(found, told, strict=True)
    ]
    return Round(webhook.url, await webhooks.secrets_of(session, webhook), parcels)


async def _held(session: AsyncSession, turn: Turn) -> Progress | None:
    """Return the receiver's notes, locked, if they are still in this turn's hands."""
    found = await session.get(
        Progress, (turn.tenant_id, turn.webhook_id), with_for_update=True, populate_existing=True
    )
    return found if found is not None and found.fence == turn.fence else None


async def _line_up(session: AsyncSession, webhook: Webhook, progress: Progress) -> None:
    """Make deliveries of the events that come next, as many as there is room for."""
    pending = select(func.count()).select_from(Delivery).filter_by(
        tenant_id=webhook.tenant_id, webhook_id=webhook.id, state=State.PENDING
    )  # fmt: skip
    room = WINDOW - (await session.scalar(pending) or 0)
    if room <= 0:
        return
    said = (Outgoing.data[name].astext for name in _ABOUT)
    alerts = await listening.filter_of(session, webhook)
    coming = await session.execute(
        select(Outgoing.id, Outgoing.type, Outgoing.position, *said)
        .where(Outgoing.tenant_id == webhook.tenant_id, Outgoing.position > progress.position)
        .order_by(Outgoing.position)
        .limit(_LOOKED_AT)
    )
    for event_id, kind, position, *about in coming:
        if not room or position is None:
            break
        progress.position = position
        # A test is for the one receiver that is tested, which has it already.
        if kind != WebhookTested.type and wants(webhook.types, kind):
            if not alerts.passes(kind, dict(zip(_ABOUT, about, strict=True))):
                continue
            room -= 1
            session.add(
                Delivery(
                    tenant_id=webhook.tenant_id,
                    webhook_id=webhook.id,
                    event_id=event_id,
                    type=kind,
                )
            )
    await session.flush()


async def _wait_for_the_next(session: AsyncSession, progress: Progress) -> None:
    """With no room and nothing due, do not look again before something is."""
    rows = select(func.count(), func.min(Delivery.due_at)).filter_by(
        tenant_id=progress.tenant_id, webhook_id=progress.webhook_id, state=State.PENDING
    )
    pending, due_at = (await session.execute(rows)).one()
    if pending >= WINDOW:
        progress.resume_at = due_at


async def arrived(
    session: AsyncSession, turn: Turn, delivery_id: UUID, code: int, *, lease: timedelta
) -> bool:
    """Write down that a message was taken; say whether the turn goes on.

    One statement: there is one of these for each message.
    """
    values = {
        "tenant": turn.tenant_id, "webhook": turn.webhook_id, "fence": turn.fence,
        "delivery": delivery_id, "code": code, "lease": lease,
    }  # fmt: skip
    return bool(await session.scalar(text(_ARRIVED), values))


async def failed(
    session: AsyncSession,
    turn: Turn,
    delivery_id: UUID,
    answer: Answer,
    *,
    lease: timedelta,
    patience: Patience,
    luck: float,
) -> bool:
    """Write down that a message was not taken; say whether the turn goes on."""
    # A receiver that may have to be switched off is locked before its notes, as an edit does.
    webhook = await session.get(Webhook, (turn.tenant_id, turn.webhook_id), with_for_update=True)
    progress = await _held(session, turn)
    if webhook is None or progress is None:
        return False
    now = await clock(session)
    found = await session.get(Delivery, (turn.tenant_id, delivery_id), with_for_update=True)
    if found is not None:
        found.attempts += 1
        found.code, found.error, found.tried_at = answer.code, answer.error, now
        wait = retry_after(found.attempts, patience.retry_seconds, luck)
        if wait is None:
            found.state = State.FAILED
        else:
            found.due_at = now + timedelta(seconds=wait)
    progress.leased_until = now + lease
    progress.failures += 1
    progress.failing_since = progress.failing_since or now
    rest = rest_after(progress.failures, patience.retry_seconds, luck)
    progress.resume_at = now + timedelta(seconds=rest) if rest else None
    if webhook.active:
        if answer.code == GONE:
            await webhooks.disable(session, webhook, Disabled.GONE)
        elif now - progress.failing_since > patience.failing:
            await webhooks.disable(session, webhook, Disabled.FAILING)
    return webhook.active and not rest


async def let_go(session: AsyncSession, turn: Turn) -> None:
    """End a turn: another may begin at once."""
    await session.execute(
        update(Progress)
        .filter_by(tenant_id=turn.tenant_id, webhook_id=turn.webhook_id, fence=turn.fence)
        .values(leased_until=func.clock_timestamp())
    )


async def test_webhook(session: AsyncSession, webhook_id: UUID, *, by: Actor) -> Delivery:
    """Send a receiver an event that says nothing but that somebody looks whether it arrives."""
    webhook = await _active(session, webhook_id, by=by)
    event = outgoing(WebhookTested(tenant_id=by.tenant_id, webhook_id=webhook_id))
    session.add(event)
    await session.flush()
    delivery = Delivery(
        tenant_id=by.tenant_id, webhook_id=webhook_id, event_id=event.id, type=event.type
    )
    session.add(delivery)
    await webhooks.forgive(session, webhook)
    await session.flush()
    await session.refresh(delivery)
    await audit.record(
        session, by, "webhook.tested", listening.stream(webhook), event=delivery.event_id
    )
    return delivery


async def _active(session: AsyncSession, webhook_id: UUID, *, by: Actor) -> Webhook:
    webhook = await webhooks.webhook_of(session, webhook_id, by=by, lock=True)
    await webhooks.require_right(session, by=by)
    if not webhook.active:
        raise WebhookInactive(
            f"The webhook at {webhooks.host(webhook)} is switched off.",
            filled={"webhook_id": webhook.id},
        )
    return webhook


async def list_deliveries(
    session: AsyncSession,
    webhook_id: UUID,
    *,
    state: State | None,
    cursor: str | None,
    limit: int,
    by: Actor,
) -> Rows[Delivery]:
    """List what was sent to a receiver, or is to be, newest first."""
    await webhooks.webhook_of(session, webhook_id, by=by)
    query = select(Delivery).filter_by(tenant_id=by.tenant_id, webhook_id=webhook_id)
    if state is not None:
        query = query.filter_by(state=state)
    return await page(session, query, Delivery.id, cursor=cursor, limit=limit, newest_first=True)


async def redeliver(
    session: AsyncSession, webhook_id: UUID, delivery_id: UUID, *, by: Actor
) -> Delivery:
    """Send an event to a receiver once more, under the same id, and that at once."""
    webhook = await webhooks.webhook_of(session, webhook_id, by=by)
    delivery = await session.get(Delivery, (by.tenant_id, delivery_id))
    if delivery is None or delivery.webhook_id != webhook_id:
        raise NotFound("delivery", delivery_id)
    webhook = await _active(session, webhook_id, by=by)
    await webhooks.forgive(session, webhook)
    await session.refresh(delivery, with_for_update=True)
    delivery.state, delivery.attempts = State.PENDING, 0
    delivery.due_at = await clock(session)
    await session.flush()
    await audit.record(
        session, by, "webhook.redelivered", listening.stream(webhook), event=delivery.event_id
    )
    return delivery


async def forget(database: Database) -> None:
    """Delete what was done with long ago; the events themselves stay in the feed."""
    old = (
        select(Delivery.tenant_id, Delivery.id)
        .where(
            Delivery.state != State.PENDING,
            Delivery.at < func.now() - func.make_interval(0, 0, 0, _KEPT_DAYS),
        )
        .limit(_FORGOTTEN_AT_ONCE)
        .subquery()
    )
    async with database.transaction(ALL_TENANTS) as session:
        await session.execute(
            delete(Delivery).where(Delivery.tenant_id == old.c.tenant_id, Delivery.id == old.c.id)
        )
