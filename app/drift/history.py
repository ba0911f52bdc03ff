"""History: the windows that alerts are made of, those that labels say something of among them."""

from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, cast, func, select, true
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.ext.asyncio import AsyncSession

from app.drift import saying
from app.drift.alert_rules import Seen
from app.drift.fairness import Rate
from app.drift.service import thresholds
from app.drift.tables import Window

HISTORY = 64
"""So many windows are looked back at, and so many that labels say something of."""


class Something(NamedTuple):
    """What an item of a window says that not every window's does."""

    column: str
    what: str


JUDGED = Something("metrics", "beyond != null")
MEASURED = Something("kpis", "value != null")
BY_LABELS = Something("fairness", f'rate == "{Rate.TRUE_POSITIVE.value}"')


async def history_of(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, version_id: UUID
) -> list[Window]:
    """Return the newest windows, and the newest of those that labels, or KPIs, say anything of.

    Labels may be months behind: what they say last is what alerts of them are made of. Oldest
    first.
    """
    found: dict[UUID, Window] = {}
    for said in (
        true(),
        (Window.labelled > 0) & says(Window.metrics, JUDGED.what),
        says(Window.kpis, MEASURED.what),
        says(Window.fairness, BY_LABELS.what),
    ):
        rows = await session.scalars(
            select(Window)
            .filter_by(tenant_id=tenant_id, point_id=point_id, version_id=version_id)
            .where(said)
            .order_by(Window.until.desc())
            .limit(HISTORY)
        )
        found |= {one.id: one for one in rows}
    return sorted(found.values(), key=lambda one: one.until)


async def seen_of(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, version_id: UUID
) -> dict[str, list[Seen]]:
    """Return what these windows say, of the whole under no name and of each segment."""
    windows = await history_of(session, tenant_id, point_id, version_id)
    return saying.histories(windows, await thresholds(session, tenant_id, point_id))


def says(column: Any, what: str) -> ColumnElement[bool]:
    """Return whether something is so of one of the items that a window has in a column."""
    return func.jsonb_path_exists(column, cast(f"$[*] ? (@.{what})", JSONPATH))
