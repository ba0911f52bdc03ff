"""Closing: a window is over once later events have come, or once none have come for a while.

By events' own time, for what is replayed or sent by night is none the worse. Where nothing later
comes, as after a batch a month, the clock says so: an hour after the last of it was folded.
"""

from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, cast, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import telemetry
from app.drift.rules import Thresholds
from app.drift.tables import Monitor, Watch, Window
from app.platform.db import clock

QUIET = timedelta(hours=1)
_HOUR = timedelta(hours=1)


@cache
def due() -> Any:
    """Return the query for what has windows to be examined: tenant, point, version.

    It is asked every second, and to make it takes longer than to ask it.
    """
    series, hour = telemetry.Series, telemetry.HourProfile
    plain = Thresholds()
    width = func.coalesce(
        cast(Monitor.settings["window_hours"].astext, Integer), plain.window_hours
    )
    delay = func.coalesce(
        cast(Monitor.settings["label_delay_hours"].astext, Integer), plain.label_delay_hours
    )
    folded = exists().where(
        hour.tenant_id == series.tenant_id,
        hour.series_id == series.id,
        hour.kind == telemetry.ProfileKind.INPUTS,
        hour.hour >= func.extract("epoch", series.through) / 3600,
        hour.folded_at > func.now() - QUIET,
    )
    over = (
        (Watch.next_until <= func.now())
        & (Watch.next_until - width * _HOUR < series.through + _HOUR)
        & ~folded
    )
    ripe = exists().where(
        Window.tenant_id == series.tenant_id,
        Window.point_id == series.point_id,
        Window.version_id == series.version_id,
        Window.matures_at.is_not(None),
        # As the monitor has it now: it may wait for less than when the window was examined.
        Window.until <= func.now() - delay * _HOUR,
    )
    return (
        select(series.tenant_id, series.point_id, series.version_id)
        .outerjoin(
            Watch,
            (Watch.tenant_id == series.tenant_id)
            & (Watch.point_id == series.point_id)
            & (Watch.version_id == series.version_id),
        )
        .outerjoin(
            Monitor,
            (Monitor.tenant_id == series.tenant_id) & (Monitor.point_id == series.point_id),
        )
        .where(
            series.through.is_not(None),
            telemetry.decides(),
            Watch.next_until.is_(None)
            | (Watch.next_until <= series.through)
            | series.touched_hour.is_not(None)
            | over
            | ripe,
        )
        .distinct()
    )


async def closed(session: AsyncSession, tenant_id: UUID, traffic: telemetry.Traffic) -> datetime:
    """Return up to when windows are over."""
    assert traffic.through is not None  # noqa: S101 - there is traffic
    folded = await telemetry.folded_since(session, tenant_id, traffic.series, traffic.through)
    now = await clock(session)
    if folded and max(folded.values()) > now - QUIET:
        return traffic.through
    return max(now, traffic.through)
