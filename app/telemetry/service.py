from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog
from app.kit.actor import Actor
from app.telemetry import windows
from app.telemetry.events import REHEARSAL
from app.telemetry.schemas import SeriesOut, TelemetryOut
from app.telemetry.tables import Delta, Outcome


async def overview(session: AsyncSession, key: str, *, by: Actor) -> TelemetryOut:
    """Return what has arrived at a decision point, and what of it is still to be folded.

    ``session`` sees one moment, or the figures would not add up.
    """
    point = await catalog.point_by_key(session, key, by=by)
    found = [
        (row, await windows.outcomes(session, by.tenant_id, [row.id]))
        for row in await windows.series_of(session, by.tenant_id, point.id)
    ]
    versions = await catalog.versions_by_id(
        session, by.tenant_id, {series.version_id for series, _ in found}
    )
    ids = [series.id for series, _ in found]
    rows = await session.execute(
        select(Delta.series_id, func.count(), func.sum(Delta.n).filter(Delta.kind == "inputs"))
        .where(Delta.tenant_id == by.tenant_id, Delta.series_id.in_(ids))
        .group_by(Delta.series_id)
    )
    deltas = {series_id: (count, events or 0) for series_id, count, events in rows}
    none = (0, 0)
    # Every stored event is folded or in a delta: the deltas commit with the events.
    stored = sum(
        series.events + int(deltas.get(series.id, none)[1])
        for series, _ in found
        if series.arm != REHEARSAL and not windows.is_given(series.arm)
    )
    waiting = await session.scalar(
        select(func.count()).where(Outcome.tenant_id == by.tenant_id, Outcome.due_at <= func.now())
    )
    return TelemetryOut(
        decision_point=key,
        stored_events=stored,
        waiting_deltas=sum(count for count, _ in deltas.values()),
        waiting_outcomes=waiting or 0,
        series=[
            SeriesOut(
                model=versions[series.version_id][0].name,
                version=versions[series.version_id][1].number,
                arm=series.arm,
                events=series.events,
                first_hour=series.first_hour,
                through=series.through,
                labelled=done.labelled,
                accuracy=done.accuracy,
                auc=done.auc,
                rewarded=done.rewarded,
                mean_reward=done.mean_reward,
            )
            for series, done in found
        ],
    )
