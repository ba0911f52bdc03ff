"""Receivers: where events are sent, who may say so, and what their messages are signed with."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, identity
from app.kit.actor import Actor
from app.kit.page import Rows
from app.kit.refusal import NotFound
from app.kit.revision import require_current
from app.notifications import listening
from app.notifications.events import WebhookDisabled
from app.notifications.rules import (
    MOST_RECEIVERS,
    SECRET_BYTES,
    Disabled,
    TooManyWebhooks,
    show,
)
from app.notifications.service import last_position
from app.notifications.tables import Progress, Secret, Webhook
from app.platform.db import clock, page
from app.platform.events import publish

_MANAGE = "notifications:manage"


async def require_right(session: AsyncSession, *, by: Actor) -> None:
    """Refuse who is not responsible for where events go: they are of every decision point."""
    by.require_point(None)
    await identity.require_right(session, by, identity.Action.EDIT_WEBHOOK)


async def create_webhook(
    session: AsyncSession,
    *,
    url: str,
    types: list[str],
    description: str,
    alerts: dict[str, Any] | None = None,
    by: Actor,
) -> tuple[Webhook, str]:
    """Add a receiver of what happens from now on; return it with its secret, shown this once."""
    await require_right(session, by=by)
    known = select(func.count()).select_from(Webhook).filter_by(tenant_id=by.tenant_id)
    if (await session.scalar(known) or 0) >= MOST_RECEIVERS:
        raise TooManyWebhooks(f"There are {MOST_RECEIVERS} webhooks already.")
    webhook = Webhook(
        tenant_id=by.tenant_id,
        url=url,
        types=types,
        description=description,
        created_by=by.person_id,
    )
    session.add(webhook)
    await session.flush()
    secret = _new_secret(session, webhook)
    position = await last_position(session, by.tenant_id)
    session.add(Progress(tenant_id=by.tenant_id, webhook_id=webhook.id, position=position))
    await session.flush()
    await session.refresh(webhook)
    await audit.record(
        session, by, "webhook.created", listening.stream(webhook),
        host=host(webhook), types=types, personal={"description": description},
    )  # fmt: skip
    await listening.listen(session, webhook, alerts or {}, by=by)
    return webhook, show(secret)


def _new_secret(session: AsyncSession, webhook: Webhook) -> bytes:
    secret = secrets.token_bytes(SECRET_BYTES)
    session.add(Secret(tenant_id=webhook.tenant_id, webhook_id=webhook.id, secret=secret))
    return secret


async def webhook_of(
    session: AsyncSession, webhook_id: UUID, *, by: Actor, lock: bool = False
) -> Webhook:
    """Return a receiver of the caller's tenant."""
    found = await session.get(Webhook, (by.tenant_id, webhook_id), with_for_update=lock or None)
    if found is None:
        raise NotFound("webhook", webhook_id)
    return found


async def list_webhooks(
    session: AsyncSession, *, cursor: str | None, limit: int, by: Actor
) -> Rows[dict[str, Any]]:
    """List receivers in order of their making, each with how it does."""
    query = select(Webhook).filter_by(tenant_id=by.tenant_id)
    found = await page(session, query, Webhook.id, cursor=cursor, limit=limit)
    return Rows(await shown(session, found.items, by=by), found.next_cursor)


async def shown(
    session: AsyncSession, webhooks: Sequence[Webhook], *, by: Actor
) -> list[dict[str, Any]]:
    """Return receivers as they are shown, each with how it does.

    An address may itself be a secret: who does not manage them is shown the host alone.
    """
    rows = await session.scalars(
        select(Progress).where(
            Progress.tenant_id == by.tenant_id,
            Progress.webhook_id.in_([item.id for item in webhooks]),
        )
    )
    progress = {row.webhook_id: row for row in rows}
    told = await listening.filters_of(session, by.tenant_id, [item.id for item in webhooks])
    return [
        {
            "id": item.id,
            "alerts": told.get(item.id, {}),
            "url": item.url if _MANAGE in by.permissions else f"https://{host(item)}/…",
            "types": item.types,
            "description": item.description,
            "active": item.active,
            "disabled": item.disabled,
            "failures": progress[item.id].failures,
            "failing_since": progress[item.id].failing_since,
            "resume_at": progress[item.id].resume_at,
            "revision": item.revision,
            "created_at": item.created_at,
        }
        for item in webhooks
    ]


async def edit_webhook(
    session: AsyncSession,
    webhook_id: UUID,
    *,
    expected: int,
    changes: dict[str, Any],
    by: Actor,
) -> Webhook:
    """Change a receiver, if it is still at ``expected``.

    One that is switched on again goes on where it stopped.
    """
    webhook = await webhook_of(session, webhook_id, by=by, lock=True)
    require_current(expected, webhook.revision)
    await require_right(session, by=by)
    alerts = changes.pop("alerts", None)
    for field, value in changes.items():
        setattr(webhook, field, value)
    if changes.get("active"):
        webhook.disabled = None
        await forgive(session, webhook)
    webhook.revision += 1
    await session.flush()
    told = {name: value for name, value in changes.items() if name in {"types", "active"}}
    await audit.record(
        session, by, "webhook.edited", listening.stream(webhook), host=host(webhook), **told,
        personal={name: changes[name] for name in ("description",) if name in changes},
    )  # fmt: skip
    if alerts is not None:
        await listening.listen(session, webhook, alerts, by=by)
    return webhook


async def forgive(session: AsyncSession, webhook: Webhook) -> None:
    """Try a receiver again at once, as if it had not failed."""
    progress = await _locked(session, webhook)
    progress.failures, progress.failing_since, progress.resume_at = 0, None, None


async def _locked(session: AsyncSession, webhook: Webhook) -> Progress:
    """Return a receiver's notes, locked: always after the receiver, and before what is sent it."""
    return await session.get_one(
        Progress, (webhook.tenant_id, webhook.id), with_for_update=True, populate_existing=True
    )


async def delete_webhook(session: AsyncSession, webhook_id: UUID, *, by: Actor) -> None:
    """Remove a receiver, its secrets and what was still on its way to it."""
    webhook = await webhook_of(session, webhook_id, by=by, lock=True)
    await require_right(session, by=by)
    await _locked(session, webhook)
    for secret in await session.scalars(select(Secret).filter_by(**_of(webhook))):
        await session.delete(secret)
    await listening.forget(session, webhook)
    await session.flush()
    await session.delete(webhook)
    await session.flush()
    await audit.record(
        session, by, "webhook.deleted", listening.stream(webhook), host=host(webhook)
    )


async def rotate_secret(
    session: AsyncSession, webhook_id: UUID, *, overlap_hours: int, by: Actor
) -> tuple[Webhook, str]:
    """Give a receiver a new secret; for a while messages are signed with the one before as well.

    Two at most are in force: what an earlier rotation left ends at once.
    """
    webhook = await webhook_of(session, webhook_id, by=by, lock=True)
    await require_right(session, by=by)
    now = await clock(session)
    for old in await session.scalars(select(Secret).filter_by(**_of(webhook))):
        if old.ends_at is None and overlap_hours:
            old.ends_at = now + timedelta(hours=overlap_hours)
        else:
            await session.delete(old)
    secret = _new_secret(session, webhook)
    await session.flush()
    await audit.record(
        session, by, "webhook.secret_rotated", listening.stream(webhook),
        host=host(webhook), overlap_hours=overlap_hours,
    )  # fmt: skip
    return webhook, show(secret)


async def secrets_of(session: AsyncSession, webhook: Webhook) -> list[bytes]:
    """Return the secrets in force, the newest first."""
    rows = await session.scalars(
        select(Secret)
        .filter_by(**_of(webhook))
        .where(or_(Secret.ends_at.is_(None), Secret.ends_at > func.clock_timestamp()))
        .order_by(Secret.id.desc())
    )
    return [row.secret for row in rows]


async def disable(session: AsyncSession, webhook: Webhook, why: Disabled) -> None:
    """Send nothing more to a receiver, and tell so; whoever made it is addressed."""
    webhook.active, webhook.disabled = False, why
    webhook.revision += 1
    await session.flush()
    await audit.record(
        session, Actor.system(webhook.tenant_id), "webhook.disabled", listening.stream(webhook),
        host=host(webhook), reason=why,
    )  # fmt: skip
    await publish(
        session,
        WebhookDisabled(
            tenant_id=webhook.tenant_id,
            webhook_id=webhook.id,
            host=host(webhook),
            reason=why.value,
            addressees=(webhook.created_by,),
        ),
    )


def host(webhook: Webhook) -> str:
    """Return where a receiver is, without what its address may hold of a secret."""
    return urlsplit(webhook.url).hostname or ""


def _of(webhook: Webhook) -> dict[str, UUID]:
    return {"tenant_id": webhook.tenant_id, "webhook_id": webhook.id}
