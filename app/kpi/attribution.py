"""Attribution: how much of what came back a version may call its own."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, telemetry
from app.kpi.rules import Formula, Found
from app.kpi.worth import Brought, Worth, lacking, worth

_TREATED = "treated"
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Attributed:
    """What a version is worth at its own point, at others, and in all."""

    since: datetime | None
    until: datetime | None
    treated: int
    held_out: int
    share: float
    here: Worth | None
    elsewhere: Mapping[str, Worth | None]
    together: Worth | None
    lacking: str | None


async def attributed(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    version_id: UUID,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    keys: AbstractSet[str] | None = None,
) -> Attributed:
    """Compare a version's units with the holdout's, over the time that both had.

    Also at the decision points downstream, as far as they lie: what is gained here may be lost
    there. Who may see some points only names their ``keys``.
    """
    tenant_id = point.tenant_id
    below = [
        one
        for one in await catalog.downstream_of(session, point)
        if keys is None or one.key in keys
    ]
    series = {
        place.key: [
            one
            for one in await telemetry.series_of(session, tenant_id, place.id)
            if not telemetry.is_rehearsal(one.arm)
            and not telemetry.is_shadow(one.arm)
            and not telemetry.is_given(one.arm)
        ]
        for place in (point, *below)
    }
    mine = [
        one
        for one in series[point.key]
        if one.version_id == version_id and one.arm != telemetry.HOLDOUT
    ]
    others = [one for one in series[point.key] if one.arm == telemetry.HOLDOUT]
    spans = [_span(group) for group in (mine, others)]
    if None in spans:
        why = "the version has no traffic here" if spans[0] is None else "there is no holdout"
        return Attributed(since, until, 0, 0, 1.0, None, {}, None, why)
    begins = max(span[0] for span in spans if span)
    ends = min(span[1] for span in spans if span)
    since, until = max(since or begins, begins), min(until or ends, ends)
    if since >= until:
        why = "version and holdout were never there at the same time"
        return Attributed(since, until, 0, 0, 1.0, None, {}, None, why)
    found = await telemetry.brought_by(
        session, tenant_id,
        {_TREATED: [one.id for one in mine], telemetry.HOLDOUT: [one.id for one in others]},
        {key: [one.id for one in some] for key, some in series.items()},
        since=since, until=until,
        events=await telemetry.events_over(
            session, tenant_id, [one.id for some in series.values() for one in some],
            telemetry.hour_at(since), telemetry.hour_at(until) + 1,
        ),
    )  # fmt: skip

    def brought(place: str) -> tuple[Brought, Brought]:
        treated, held_out = (
            Brought(
                found.units[name], found.sums[name][place], found.squares[name][place],
                found.earning[name][place],
            )
            for name in (_TREATED, telemetry.HOLDOUT)
        )  # fmt: skip
        return treated, held_out

    def at(place: str) -> Worth | None:
        return worth(*brought(place), share=found.share)

    units, kept = found.units[_TREATED], found.units[telemetry.HOLDOUT]
    return Attributed(
        since, until, round(units / found.share), round(kept / found.share), found.share,
        at(point.key), {place.key: at(place.key) for place in below}, at(""),
        lacking(*brought(point.key)),
    )  # fmt: skip


def found(formula: Formula, known: Attributed) -> Found:
    """Return an attributed KPI: a unit's uplift here, or here and downstream together."""
    said = known.here if formula is Formula.UPLIFT else known.together
    if said is None:
        return Found(None, known.treated)
    one = said.per_unit
    return Found(one.difference, known.treated, one.low, one.high)


def _span(series: list[Any]) -> tuple[datetime, datetime] | None:
    first = [one.first_hour for one in series if one.first_hour is not None]
    last = [one.through for one in series if one.through is not None]
    return (min(first), max(last) + _HOUR) if first and last else None
