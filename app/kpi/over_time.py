"""A KPI over time: how outcomes say it, or what was reported of it, bucket by bucket."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import telemetry
from app.kpi import computed, standing_values
from app.kpi.agreement import agreements
from app.kpi.rules import ATTRIBUTED, Formula, Found
from app.kpi.tables import NOBODY


@dataclass(frozen=True, slots=True)
class OverTime:
    """Either how outcomes say it, or what was reported: by version or nobody, and segment."""

    of_outcomes: Callable[[telemetry.Performance], Found] | None = None
    reported: Mapping[tuple[UUID | None, str], Mapping[int, Found]] | None = None
    lacking: str | None = None


async def over_time(
    session: AsyncSession,
    tenant_id: UUID,
    point_id: UUID,
    key: str,
    *,
    version_id: UUID | None,
    segment: str | None,
    first: int,
    last: int,
    width: int,
) -> OverTime | None:
    """Return how a KPI runs over the hours ``[first, last)``; nothing, if none is agreed on."""
    agreed = await agreements(session, tenant_id, point_id)
    item = next((one for one in agreed if one.key == key), None)
    if item is None:
        return None
    if item.formula in ATTRIBUTED:
        return OverTime(
            lacking=f"is {item.formula}, which is known of the units of a whole time, not of its"
            " hours: GET …/value says it of any."
        )
    if item.formula is not Formula.PUSHED:
        return OverTime(lambda done: computed.value(item.formula, done, item.prices))
    found = await standing_values.over_time(
        session, tenant_id, point_id, item,
        version_id=version_id, segment=segment,
        since=telemetry.begins(first, 1), until=telemetry.begins(last, 1), width=width,
    )  # fmt: skip
    return OverTime(
        reported={
            (None if whose == NOBODY else whose, name): buckets
            for (whose, name), buckets in found.items()
        }
    )
