"""Attribution: how much of what came back a version may call its own."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, telemetry
from app.kit.moment import said
from app.kit.refusal import Invalid
from app.kpi.currencies import downstream_money
from app.kpi.money import listed
from app.kpi.rules import Formula, Found
from app.kpi.steady import parts, steady
from app.kpi.worth import Brought, Worth, lacking, worth

_TREATED = "treated"
_HOUR = timedelta(hours=1)


class NotInOrder(Invalid):
    """The time asked about ends before it begins."""

    code = "not_in_order"
    title = "The time is not in order"
    mend = "Name a `since` that is before `until`; without them all of the time is looked at."


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
    unseen: int
    """Points downstream that are part of the sum, and that the caller does not see."""
    currency_unknown: list[str]
    """Points that are in the sum, of those that are seen, and at which no currency is agreed."""
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
    """Compare a version's units with the holdout's, over the newest time that both had.

    Of it only that is looked at in which their shares stood still (``steady``): the answer says
    since when.
    Also at the decision points downstream, as far as they lie: what is gained here may be lost
    there. Who may see some points only names their ``keys``: the sum is of all points, as it is in
    a KPI that is agreed over them (``uplift_across``), and only its parts are shown to him.
    """
    if since and until and since >= until:
        raise NotInOrder("since is not before until.")
    tenant_id = point.tenant_id
    below = await catalog.downstream_of(session, point)
    shown = [one.key for one in below if keys is None or one.key in keys]
    unseen = len(below) - len(shown)
    money = await downstream_money(session, point, keys=keys)
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
        return Attributed(since, until, 0, 0, 1.0, None, {}, None, unseen, money.unknown, why)
    begins = max(span[0] for span in spans if span)
    ends = min(span[1] for span in spans if span)
    first, last = max(since or begins, begins), min(until or ends, ends)
    if first >= last:
        why = "version and holdout were never there at the same time"
        if begins < ends:
            why = (
                f"version and holdout were there from {said(begins)} to {said(ends)}:"
                " nothing of that is in the time asked about"
            )
        return Attributed(since, until, 0, 0, 1.0, None, {}, None, unseen, money.unknown, why)
    groups = {_TREATED: [one.id for one in mine], telemetry.HOLDOUT: [one.id for one in others]}
    since, until = await _stood(session, tenant_id, groups, first, last), last
    found = await telemetry.brought_by(
        session, tenant_id, groups,
        {key: [one.id for one in some] for key, some in series.items()},
        since=since, until=until,
        events=await telemetry.events_over(
            session, tenant_id, [one.id for some in series.values() for one in some],
            telemetry.hour_at(since), telemetry.hour_at(until) + 1,
        ),
    )  # fmt: skip

    def brought(place: str) -> tuple[Brought, Brought]:
        treated, held_out = (
            Brought(found.units[name], **asdict(found.brought[name][place])) for name in groups
        )
        return treated, held_out

    def at(place: str) -> Worth | None:
        return worth(*brought(place), share=found.share)

    lacks = lacking(*brought(point.key))
    if lacks and since > first:
        lacks = (
            f"the shares of version and holdout stand still since {said(since)} only; since then"
            f" {lacks}: leave them as they are for longer, or name an `until` at the end of a time"
            " in which they stood still"
        )
    if lacks is None and money.mixed is not None:
        lacks = f"money of different currencies is not added up: {listed(money.mixed)}"
    units, kept = found.units[_TREATED], found.units[telemetry.HOLDOUT]
    return Attributed(
        since, until, round(units / found.share), round(kept / found.share), found.share,
        at(point.key), {key: at(key) for key in shown},
        at("") if money.mixed is None else None, unseen, money.unknown, lacks,
    )  # fmt: skip


async def _stood(
    session: AsyncSession,
    tenant_id: UUID,
    groups: Mapping[str, list[UUID]],
    since: datetime,
    until: datetime,
) -> datetime:
    """Return since when the groups' shares have stood still."""
    begins = parts(since, until)
    if len(begins) == 1:
        return since
    hours = telemetry.hour_at(since), telemetry.hour_at(until) + 1
    known = [one for ids in groups.values() for one in ids]
    events = await telemetry.events_over(session, tenant_id, known, *hours)
    came = await telemetry.came_by(session, tenant_id, groups, begins, until, events=events)
    return begins[steady(came[_TREATED], came[telemetry.HOLDOUT], len(begins))]


def found(formula: Formula, known: Attributed) -> Found:
    """Return an attributed KPI: a unit's uplift here, or here and downstream together."""
    said = known.here if formula is Formula.UPLIFT else known.together
    if said is None:
        return Found(None, known.treated, lacking=known.lacking)
    one = said.per_unit
    return Found(one.difference, known.treated, one.low, one.high)


def _span(series: list[Any]) -> tuple[datetime, datetime] | None:
    first = [one.first_hour for one in series if one.first_hour is not None]
    last = [one.through for one in series if one.through is not None]
    return (min(first), max(last) + _HOUR) if first and last else None
