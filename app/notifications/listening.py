"""Listening: which alerts a receiver is told of."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.kit.actor import Actor
from app.notifications.alert_filter import AlertFilter
from app.notifications.rules import NoSuchPoint
from app.notifications.tables import Listening, Webhook
from app.platform.events import Question, ask

MOST_NAMED = 20
"""So many decision points a refusal lists."""


@dataclass(frozen=True, slots=True)
class PointsNamed(Question[list[str]]):
    """Keys of decision points: those among ``keys``, or the first few there are."""

    tenant_id: UUID
    keys: frozenset[str] | None
    most: int


async def listen(
    session: AsyncSession, webhook: Webhook, alerts: dict[str, Any], *, by: Actor
) -> None:
    """Tell a receiver of these alerts alone from now on."""
    known = await session.get(
        Listening, (webhook.tenant_id, webhook.id), with_for_update=True, populate_existing=True
    )
    if AlertFilter.of(alerts) == AlertFilter.of(known.alerts if known else None):
        return
    await _require_points(session, webhook.tenant_id, alerts.get("points") or ())
    if known is None:
        session.add(Listening(tenant_id=webhook.tenant_id, webhook_id=webhook.id, alerts=alerts))
    else:
        known.alerts, known.at = alerts, func.clock_timestamp()
    await session.flush()
    await audit.record(session, by, "webhook.alerts_chosen", stream(webhook), alerts=alerts)


async def _require_points(session: AsyncSession, tenant_id: UUID, keys: Collection[str]) -> None:
    """Refuse keys of decision points that there are not: nothing would ever be told of them."""
    found = await ask(session, PointsNamed(tenant_id, frozenset(keys), len(keys)))
    unknown = sorted(set(keys).difference(found or ())) if keys else []
    if unknown:
        there = await ask(session, PointsNamed(tenant_id, None, MOST_NAMED)) or []
        raise NoSuchPoint(
            f"alerts.points names what is no decision point: {', '.join(unknown[:MOST_NAMED])}."
            f" There {'are ' + ', '.join(there) if there else 'is none yet'}.",
            known=there,
        )


async def filter_of(session: AsyncSession, webhook: Webhook) -> AlertFilter:
    """Return which alerts a receiver is told of."""
    found = await filters_of(session, webhook.tenant_id, [webhook.id])
    return AlertFilter.of(found.get(webhook.id))


async def filters_of(
    session: AsyncSession, tenant_id: UUID, ids: Collection[UUID]
) -> dict[UUID, dict[str, Any]]:
    """Return what receivers chose, of those that did."""
    rows = await session.scalars(
        select(Listening).where(Listening.tenant_id == tenant_id, Listening.webhook_id.in_(ids))
    )
    return {row.webhook_id: row.alerts for row in rows}


async def forget(session: AsyncSession, webhook: Webhook) -> None:
    """Remove what a receiver chose, with it; its removal is told of by an entry of its own."""
    known = await session.get(Listening, (webhook.tenant_id, webhook.id))
    if known is not None:
        await session.delete(known)


def stream(webhook: Webhook) -> str:
    """Return the audit stream of a receiver."""
    return f"webhook:{webhook.id}"
