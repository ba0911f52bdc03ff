"""Runners: the arms of a segment with what has come back of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, telemetry
from app.routing.arms import Rewarded, Written
from app.routing.courses import Course
from app.routing.rewards import Earned, before_hour
from app.routing.seats import champion_of
from app.routing.spec import Bandit, Segment

EVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Runner:
    """An arm with its version and the hours of its series since the experiment began."""

    written: Written
    version_id: UUID | None
    """None where the champion answers and there is none."""
    series: UUID | None
    """None while no event of it has come."""
    hours: Sequence[telemetry.Hour]

    @property
    def name(self) -> str:
        """The arm's name."""
        return self.written.name

    def in_hour(self, at: datetime) -> Earned:
        """Return what the hour of a moment holds."""
        number = telemetry.hour_at(at)
        return next((Earned.in_hour(one) for one in self.hours if one.hour == number), Earned())


async def runners_of(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    segment: Segment,
    since: datetime,
    *,
    champion: UUID | None = None,
) -> list[Runner]:
    """Return a segment's arms that anybody is given to, with what they have shown.

    Where an arm is the champion's it is the present one's, unless another ``champion`` is named.
    """
    ids = await catalog.version_ids(
        session, point.tenant_id, {(arm.model, arm.version) for arm in segment.strategy.named}
    )
    if champion is None:
        seat = await champion_of(session, point.tenant_id, point.id)
        champion = seat.version_id if seat is not None else None
    arms: list[tuple[Written, UUID | None]] = []
    for arm in segment.strategy.written():
        if arm.weight:
            named = arm.model is not None and arm.version is not None
            arms.append((arm, ids[arm.model or "", arm.version or 0] if named else champion))
    known = {
        (one.arm, one.version_id): one.id
        for one in await telemetry.series_of(session, point.tenant_id, point.id)
    }
    series = {
        arm.name: known.get((arm.name, version_id))
        for arm, version_id in arms
        if version_id is not None
    }
    wanted = [one for one in series.values() if one is not None]
    hours = await telemetry.hours_of(session, point.tenant_id, wanted, since)
    terms = segment.strategy
    if isinstance(terms, Rewarded) and terms.attribution_hours:
        waits = timedelta(hours=terms.attribution_hours)
        hours = await telemetry.in_time(session, point.tenant_id, hours, since=since, waits=waits)
    return [
        Runner(arm, version_id, found, hours[found] if found is not None else ())
        for arm, version_id in arms
        for found in (series.get(arm.name),)
    ]


async def begun(
    session: AsyncSession, point: catalog.DecisionPoint, segment: Segment, at: datetime
) -> Course:
    """Return the course of a segment whose evidence counts from a moment on."""
    ever = counts_ever(segment)
    found = await runners_of(session, point, segment, EVER if ever else at)
    before = {one.name: one.in_hour(at) for one in found if one.hours}
    past = {one.name: before_hour(one.hours, at) for one in found} if ever else None
    return Course.begun(at, before, past)


def counts_ever(segment: Segment) -> bool:
    """Say whether what comes in counts whatever its time: of a bandit that waits for nothing."""
    strategy = segment.strategy
    return isinstance(strategy, Bandit) and not strategy.attribution_hours


def counted_from(segment: Segment, course: Course) -> datetime:
    """Return the time of the oldest event that may count."""
    return EVER if counts_ever(segment) else course.since


async def returning_to(
    session: AsyncSession,
    tenant_id: UUID,
    runners: Sequence[Runner],
    terms: Rewarded,
    *,
    since: datetime,
    until: datetime,
    now: datetime,
) -> dict[str, telemetry.Returning]:
    """Return how units came again to each arm that any came to, by its name.

    Of decisions that are old enough to count.
    """
    names = {one.series: one.name for one in runners if one.series is not None}
    waits = timedelta(hours=terms.attribution_hours)
    found = await telemetry.returning_of(
        session, tenant_id, list(names), since=since, until=min(until, now - waits),
        events=sum(hour.events for one in runners for hour in one.hours),
        binary=terms.reward == "binary", waits=waits,
    )  # fmt: skip
    return {names[series]: known for series, known in found.items()}
