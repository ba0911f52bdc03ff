"""Gaps: telemetry that policy asks for of a champion, and that does not arrive."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import activation, audit, catalog, gates, identity, routing, telemetry
from app.activation import Lack, Signal
from app.kit.actor import Actor
from app.kit.page import Rows
from app.platform.db import ALL_TENANTS, Database, page
from app.platform.events import publish
from app.platform.rota import for_each
from app.revalidation.events import GapClosed, GapOpened
from app.revalidation.tables import Gap
from app.routing import SeatRole

_BATCH = 200
ARRIVES, NOT_ASKED, SEAT_LEFT = "arrives", "not_asked", "seat_left"


@dataclass(frozen=True, slots=True)
class Watched:
    """A champion whose policy asks production to report something."""

    seat: routing.Seat
    asked: gates.Telemetry
    events_per_minute: float


async def watch_arrival(database: Database) -> None:
    """Look at every champion whether what policy asks for arrives; note where that has changed."""
    async with database.session(ALL_TENANTS) as session:
        tenants = await identity.tenants(session)
    changed: list[tuple[UUID, UUID, UUID]] = []
    for tenant_id in tenants.values():
        async with database.session(tenant_id) as session:
            places = await _changed(session, tenant_id)
        changed += [(tenant_id, point_id, version_id) for point_id, version_id in places]
    await for_each(database, changed, note_gaps)


async def _changed(session: AsyncSession, tenant_id: UUID) -> set[tuple[UUID, UUID]]:
    """Return the versions and points where other gaps are open than there should be."""
    rows = await session.scalars(select(Gap).filter_by(tenant_id=tenant_id, closed_at=None))
    known: dict[tuple[UUID, UUID], set[Signal]] = {}
    for gap in rows:
        known.setdefault((gap.point_id, gap.version_id), set()).add(gap.signal)
    query = select(routing.Seat).filter_by(tenant_id=tenant_id, role=SeatRole.CHAMPION, until=None)
    changed, cursor = set(known), None
    while True:
        seats = await page(session, query, routing.Seat.id, cursor=cursor, limit=_BATCH)
        for item in await _watched(session, tenant_id, list(seats.items)):
            place = (item.seat.point_id, item.seat.version_id)
            lacks = {lack.signal for lack in await _lacks(session, item)}
            if lacks == known.get(place, set()):
                changed.discard(place)
            else:
                changed.add(place)
        cursor = seats.next_cursor
        if cursor is None:
            return changed


async def _watched(
    session: AsyncSession, tenant_id: UUID, seats: list[routing.Seat]
) -> list[Watched]:
    """Return those seats whose policy asks for telemetry, with a few queries for all."""
    versions = await catalog.versions_by_id(session, tenant_id, {s.version_id for s in seats})
    tiers = {model.risk_tier.value for model, _ in versions.values()}
    policies = await gates.policies_now(session, tenant_id, tiers)
    points = await catalog.points_by_id(session, tenant_id, {seat.point_id for seat in seats})
    found = []
    for seat in seats:
        asked = policies[versions[seat.version_id][0].risk_tier].telemetry
        if asked is not None:
            velocity = points[seat.point_id].contract["events_per_minute"]
            found.append(Watched(seat, asked, velocity))
    return found


async def _lacks(session: AsyncSession, item: Watched) -> list[Lack]:
    seat = item.seat
    traffic = await telemetry.traffic(session, seat.tenant_id, seat.point_id, seat.version_id)
    found = await activation.arrival(
        session, seat.tenant_id, seat.version_id, traffic, item.asked, since=seat.since
    )
    return activation.lacking(item.asked, found, events_per_minute=item.events_per_minute)


async def note_gaps(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, version_id: UUID
) -> None:
    """Open and close the gaps of one version at one point; the point's lock makes it one's turn."""
    point = await session.get(
        catalog.DecisionPoint, (tenant_id, point_id), with_for_update={"skip_locked": True}
    )
    if point is None:
        return
    rows = await session.scalars(
        select(Gap).filter_by(
            tenant_id=tenant_id, point_id=point_id, version_id=version_id, closed_at=None
        )
    )
    known = {gap.signal: gap for gap in rows}
    seat = await routing.open_seat(session, tenant_id, point_id, version_id)
    reigns = seat is not None and seat.role is SeatRole.CHAMPION
    watched = await _watched(session, tenant_id, [seat]) if seat and reigns else []
    lacks = {lack.signal: lack for item in watched for lack in await _lacks(session, item)}
    found = (await catalog.versions_by_id(session, tenant_id, {version_id}))[version_id]
    for signal in lacks.keys() - known.keys():
        await _open(session, point, found, lacks[signal])
    ended = ARRIVES if watched else NOT_ASKED if reigns else SEAT_LEFT
    for signal in known.keys() - lacks.keys():
        await _close(session, point, found, known[signal], ended)


async def _open(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    found: tuple[catalog.Model, catalog.Version],
    lack: Lack,
) -> None:
    model, version = found
    gap = Gap(
        tenant_id=point.tenant_id,
        point_id=point.id,
        version_id=version.id,
        signal=lack.signal,
        asked=lack.asked,
        found=lack.found,
    )
    session.add(gap)
    await session.flush()
    await audit.record(
        session, Actor.system(point.tenant_id), "telemetry.gap_opened", f"point:{point.id}",
        version_id=version.id, gap=gap.id, signal=lack.signal, asked=lack.asked, found=lack.found,
    )  # fmt: skip
    await publish(
        session,
        GapOpened(
            tenant_id=point.tenant_id,
            version_id=version.id,
            model=model.name,
            number=version.number,
            point=point.key,
            signal=lack.signal.value,
            asked=lack.asked,
            found=lack.found,
            addressees=_owners(point, model),
        ),
    )


async def _close(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    found: tuple[catalog.Model, catalog.Version],
    gap: Gap,
    ended: str,
) -> None:
    model, version = found
    gap.closed_at, gap.closed_as = func.clock_timestamp(), ended
    await session.flush()
    await audit.record(
        session, Actor.system(point.tenant_id), "telemetry.gap_closed", f"point:{point.id}",
        version_id=version.id, gap=gap.id, signal=gap.signal, closed_as=ended,
    )  # fmt: skip
    await publish(
        session,
        GapClosed(
            tenant_id=point.tenant_id,
            version_id=version.id,
            model=model.name,
            number=version.number,
            point=point.key,
            signal=gap.signal.value,
            closed_as=ended,
            addressees=_owners(point, model),
        ),
    )


def _owners(point: catalog.DecisionPoint, model: catalog.Model) -> tuple[UUID, ...]:
    """Return who answers for the application that should report, and for what it reports on."""
    return tuple(dict.fromkeys((point.owner_id, model.owner_id)))


async def open_signals(session: AsyncSession, tenant_id: UUID) -> list[Signal]:
    """Return what does not arrive now, once for each place where it does not."""
    query = select(Gap.signal).filter_by(tenant_id=tenant_id, closed_at=None)
    return list(await session.scalars(query))


async def list_gaps(
    session: AsyncSession, *, open_: bool | None, cursor: str | None, limit: int, by: Actor
) -> Rows[dict[str, object]]:
    """List gaps, newest first."""
    query = select(Gap).filter_by(tenant_id=by.tenant_id)
    if open_ is not None:
        query = query.where(Gap.closed_at.is_(None) if open_ else Gap.closed_at.is_not(None))
    if by.points is not None:
        query = query.where(Gap.point_id.in_(catalog.ids_of(by.tenant_id, by.points)))
    found = await page(session, query, Gap.id, cursor=cursor, limit=limit, newest_first=True)
    versions = await catalog.versions_by_id(
        session, by.tenant_id, {gap.version_id for gap in found.items}
    )
    points = await catalog.points_by_id(
        session, by.tenant_id, {gap.point_id for gap in found.items}
    )
    return Rows([_shown(gap, versions, points) for gap in found.items], found.next_cursor)


def _shown(
    gap: Gap,
    versions: dict[UUID, tuple[catalog.Model, catalog.Version]],
    points: dict[UUID, catalog.DecisionPoint],
) -> dict[str, object]:
    model, version = versions[gap.version_id]
    return {
        "id": gap.id,
        "model": model.name,
        "version": version.number,
        "decision_point": points[gap.point_id].key,
        "signal": gap.signal,
        "asked": gap.asked,
        "found": gap.found,
        "opened_at": gap.opened_at,
        "closed_at": gap.closed_at,
        "closed_as": gap.closed_as,
    }
