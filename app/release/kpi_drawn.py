"""How the KPIs of a decision point are drawn, for whoever charts its metrics."""

from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncSession

from app import drift, kpi, telemetry


async def kpi_drawn(session: AsyncSession, asked: drift.KpiToDraw) -> drift.KpiDrawn | None:
    """Return how a KPI is drawn; nothing, if none of the name is agreed on."""
    found = await kpi.over_time(
        session, asked.tenant_id, asked.point_id, asked.key,
        version_id=asked.version_id, segment=asked.segment,
        first=asked.first, last=asked.last, width=asked.width,
    )  # fmt: skip
    if found is None:
        return None
    if found.of_outcomes is not None:
        return drift.KpiDrawn(_measure(found.of_outcomes))
    reported = [
        drift.ReportedLine(
            whose,
            segment,
            {at: known for at, one in buckets.items() if (known := _known(one)) is not None},
        )
        for (whose, segment), buckets in (found.reported or {}).items()
    ]
    return drift.KpiDrawn(reported=reported, lacking=found.lacking)


def _known(found: kpi.Found) -> telemetry.Measure | None:
    if found.value is None:
        return None
    error = float("nan") if found.error is None else found.error
    return telemetry.Measure(found.value, error, found.outcomes)


def _measure(
    say: Callable[[telemetry.Performance], kpi.Found],
) -> Callable[[telemetry.Performance], telemetry.Measure | None]:
    return lambda done: _known(say(done))
