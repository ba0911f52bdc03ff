"""Late: the windows that hold what came after they closed, labels, events, and others' words.

What lies behind the newest of them, and before the one that is due next, is not late: the next is
the first that holds it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import telemetry
from app.drift.gaps import Known, missing, next_end, stale
from app.drift.measuring import whose
from app.drift.rules import Thresholds
from app.drift.tables import Watch, Window
from app.kit.ids import uuid7

_RETOLD = 200
"""So many windows are looked at again, the newest, of which something else was said."""


async def late(
    session: AsyncSession,
    watch_row: Watch,
    limits: Thresholds,
    series: tuple[UUID, ...],
    *,
    most: int,
) -> tuple[list[Window], bool]:
    """Return the windows that hold what has come late, oldest first, and whether there are more.

    Labels mature after their events, and events come late, into hours that there was no window for
    too: neither is lost on windows that closed. What is not among ``most`` is late still.
    """
    changed = await _touched(session, watch_row.tenant_id, series)
    hours = [one.touched_hour for one in changed if one.touched_hour is not None]
    retold = [one.retold_hour for one in changed if one.retold_hour is not None]
    for one in changed:
        one.touched_hour = one.retold_hour = None
    if not hours:
        return [], False
    mine = whose(watch_row)
    since = telemetry.begins(min(hours), 1)
    wide = since - timedelta(hours=limits.window_hours)
    rows = await session.execute(
        select(Window.since, Window.until, Window.examined_at)
        .filter_by(**mine)
        .where(Window.until > wide)
        .order_by(Window.until)
    )
    known = [_known(*row) for row in rows]
    folded = await telemetry.folded_since(session, watch_row.tenant_id, series, since)
    again = {one.end for one in stale([one for one in known if one.end > min(hours)], folded)}
    if retold:
        again |= {one.end for one in known[-_RETOLD:] if one.end > min(retold)}
    new: dict[int, int] = {}
    if limits.window_events is None:
        steps = missing(known, folded, limits.window_hours, limits.step_hours)
        new = {end: first for first, end in steps}
        await _bring_forward(session, watch_row, limits, series, known)
    ends = sorted(again | new.keys())
    if len(ends) > most:
        first = new | {one.end: one.first for one in known}
        for one in changed:
            telemetry.mark(one, first[ends[most]])
    stored = await session.scalars(
        select(Window).filter_by(**mine).where(Window.until.in_(map(_begins, ends[:most])))
    )
    found = [
        *stored,
        *(
            Window(**mine, id=uuid7(), since=_begins(new[end]), until=_begins(end))
            for end in ends[:most]
            if end in new
        ),
    ]
    return sorted(found, key=lambda one: one.until), len(ends) > most


async def _bring_forward(
    session: AsyncSession,
    watch_row: Watch,
    limits: Thresholds,
    series: tuple[UUID, ...],
    known: Sequence[Known],
) -> None:
    """Have the next window be the first that holds what no window holds, late or not.

    ``known`` are the newest windows, as many as were read, in order of their ends.
    """
    newest = known[-1].end if known else await _newest(session, watch_row)
    begins = _begins(newest or 0)
    busy = await telemetry.next_hour(session, watch_row.tenant_id, series, begins)
    end = next_end(
        telemetry.hour_at(watch_row.next_until),
        newest,
        None if busy is None else telemetry.hour_at(busy),
        limits.window_hours,
        limits.step_hours,
    )
    watch_row.next_until = _begins(end)


async def _newest(session: AsyncSession, watch_row: Watch) -> int | None:
    found = await session.scalar(select(func.max(Window.until)).filter_by(**whose(watch_row)))
    return None if found is None else telemetry.hour_at(found)


async def ripe(
    session: AsyncSession, watch_row: Watch, matured: datetime | None, *, most: int
) -> tuple[list[Window], bool]:
    """Return the windows whose labels have had their time, oldest first; and whether more have."""
    query = select(Window).filter_by(**whose(watch_row)).where(Window.matures_at.is_not(None))
    if matured is not None:
        query = query.where(Window.until <= matured)
    found = list(await session.scalars(query.order_by(Window.until).limit(most + 1)))
    return found[:most], len(found) > most


async def _touched(
    session: AsyncSession, tenant_id: UUID, series: tuple[UUID, ...]
) -> Sequence[telemetry.Series]:
    """Return the series that changed since the last look, which this one answers.

    They are locked: what is folded meanwhile touches them again.
    """
    rows = await session.scalars(
        select(telemetry.Series)
        .where(
            telemetry.Series.tenant_id == tenant_id,
            telemetry.Series.id.in_(series),
            telemetry.Series.touched_hour.is_not(None),
        )
        .order_by(telemetry.Series.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return list(rows)


def _known(since: datetime, until: datetime, examined_at: datetime) -> Known:
    return Known(telemetry.hour_at(since), telemetry.hour_at(until), examined_at)


def _begins(hour: int) -> datetime:
    return telemetry.begins(hour, 1)
