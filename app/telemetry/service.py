from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog
from app.kit.actor import Actor
from app.telemetry import arms, dividing, windows
from app.telemetry.schemas import SeriesOut, TelemetryOut
from app.telemetry.tables import Delta, Outcome, Segment, Series

_NO_FIGURES: dict[str, Any] = dict.fromkeys(
    ("labelled", "accuracy", "auc", "rewarded", "mean_reward")
)


async def overview(
    session: AsyncSession,
    key: str,
    *,
    segment: str | None = None,
    figures: bool = True,
    by: Actor,
) -> TelemetryOut:
    """Return what has arrived at a decision point, and what of it is still to be folded.

    Of a ``segment``, such as ``state`` or ``state=NSW``, its parts too. Without ``figures`` no
    profile is read: to wait for what is folded costs nothing then. ``session`` sees one moment, or
    the figures would not add up.
    """
    point = await catalog.point_by_key(session, key, by=by)
    series = {row.id: row for row in await windows.series_of(session, by.tenant_id, point.id)}
    parts: list[Segment] = []
    if segment is not None:
        parts = await dividing.named_segments(session, point, list(series), segment)
    versions = await catalog.versions_by_id(
        session, by.tenant_id, {row.version_id for row in series.values()}
    )
    every = select(Segment.id).where(
        Segment.tenant_id == by.tenant_id, Segment.series_id.in_(list(series))
    )
    rows = await session.execute(
        select(Delta.series_id, func.count(), func.sum(Delta.n).filter(Delta.kind == "inputs"))
        .where(
            Delta.tenant_id == by.tenant_id,
            Delta.series_id.in_(list(series)) | Delta.series_id.in_(every),
        )
        .group_by(Delta.series_id)
    )
    deltas = {series_id: (count, events or 0) for series_id, count, events in rows}
    none = (0, 0)
    # Every stored event is folded or in a delta: the deltas commit with the events.
    stored = sum(
        row.events + int(deltas.get(row.id, none)[1])
        for row in series.values()
        if not arms.is_rehearsal(row.arm) and not arms.is_given(row.arm)
    )
    waiting = await session.scalar(
        select(func.count()).where(Outcome.tenant_id == by.tenant_id, Outcome.due_at <= func.now())
    )
    shown: list[tuple[Series, Series | Segment, str]] = [(one, one, "") for one in series.values()]
    shown += [(series[one.series_id], one, f"{one.variable}={one.value}") for one in parts]
    return TelemetryOut(
        decision_point=key,
        stored_events=stored,
        waiting_deltas=sum(count for count, _ in deltas.values()),
        waiting_outcomes=waiting or 0,
        series=[
            SeriesOut(
                model=versions[whole.version_id][0].name,
                version=versions[whole.version_id][1].number,
                arm=whole.arm,
                segment=name,
                events=one.events,
                first_hour=one.first_hour,
                through=one.through,
                **(await _figures(session, by.tenant_id, one.id) if figures else _NO_FIGURES),
            )
            for whole, one, name in shown
        ],
    )


async def _figures(session: AsyncSession, tenant_id: UUID, series_id: UUID) -> dict[str, Any]:
    """Return how a series did over all its time, which reads every hour of it."""
    done = await windows.outcomes(session, tenant_id, [series_id])
    return {name: getattr(done, name) for name in _NO_FIGURES}
