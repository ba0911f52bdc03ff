"""Standing in: what answers in place of what a stop, a holdout or age keeps from it.

By default whom a rollback would go back to. What was declared by name does so as it was activated
here, for as long as it is fit; then nobody does in its place, for nobody agreed to another.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog
from app.catalog import AssetKind
from app.routing import service
from app.routing.seats import FIT, newest_seat, succession_of
from app.routing.tables import Fallback, FallbackKind, Seat, SeatRole


@dataclass(frozen=True, slots=True)
class StandIn:
    """What answers in place of what is stopped: a version, or a constant."""

    version_id: UUID | None
    endpoint: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    constant: Any = None


async def declared(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> Fallback | None:
    """Return the fallback that was last declared for a point, if one was."""
    return await session.scalar(
        select(Fallback)
        .filter_by(tenant_id=tenant_id, point_id=point_id)
        .order_by(Fallback.revision.desc())
        .limit(1)
    )


async def stand_in(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    *,
    stopped: Collection[UUID] = (),
    whole: bool = True,
    crowned: Seat | None = None,
) -> StandIn | None:
    """Return what answers while a point is stopped; nothing if nobody can.

    Without a declaration that is whom a rollback would go back to, of those who are not
    ``stopped``; what was declared by name is, as its newest seat has it, unless it never had one,
    is no longer fit, or stopped. Where the ``whole`` point is, its champion is, whatever was
    declared. With ``crowned`` as it would be if a rollback brought that seat back.
    """
    row = await declared(session, point.tenant_id, point.id)
    if whole:
        champions = await _champions(session, point) if crowned is None else [crowned.version_id]
        stopped = {*stopped, *champions}
    if row is not None and row.kind is FallbackKind.CONSTANT:
        return StandIn(None, constant=row.constant["value"])
    if row is not None and row.kind is FallbackKind.VERSION:
        assert row.version_id is not None  # noqa: S101 - the table has it so
        version = await catalog.version_by_id(session, point.tenant_id, row.version_id)
        own = await newest_seat(session, point.tenant_id, point.id, version.id)
        if own is None or version.stage not in FIT or version.id in stopped:
            return None
        if await catalog.unfit_inside(session, point.tenant_id, {version.id}):
            return None
        return StandIn(version.id, own.endpoint, own.parameters)
    seat = await predecessor(session, point, stopped, crowned)
    return StandIn(seat.version_id, seat.endpoint, seat.parameters) if seat else None


async def _champions(session: AsyncSession, point: catalog.DecisionPoint) -> list[UUID]:
    query = select(Seat.version_id).filter_by(
        tenant_id=point.tenant_id, point_id=point.id, role=SeatRole.CHAMPION, until=None
    )
    return list(await session.scalars(query))


async def predecessor(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    stopped: Collection[UUID] = (),
    crowned: Seat | None = None,
) -> Seat | None:
    """Return the seat of who stands in where nothing is declared."""
    known = await succession_of(session, point.tenant_id, point.id)
    # Nor does who decides with what nobody should be answered by.
    ensembles = {
        id_ for id_, (model, _) in known.versions.items() if model.kind is AssetKind.ENSEMBLE
    }
    unfit = await catalog.unfit_inside(session, point.tenant_id, ensembles) if ensembles else {}
    return known.back(stopped={*stopped, *unfit}, crowned=crowned)


async def falls_back_to(
    session: AsyncSession, tenant_id: UUID, version_id: UUID
) -> list[tuple[catalog.DecisionPoint, bool]]:
    """Return the points at which a version would stand in: by declaration (true), or unasked."""
    ids = await _points_of(session, tenant_id, {version_id})
    found = []
    for point in (await catalog.points_by_id(session, tenant_id, ids)).values():
        row = await declared(session, tenant_id, point.id)
        if row is not None and row.version_id == version_id:
            found.append((point, True))
            continue
        standing = await stand_in(session, point)
        if standing is not None and standing.version_id == version_id:
            found.append((point, False))
    return found


async def _points_of(
    session: AsyncSession, tenant_id: UUID, version_ids: Collection[UUID]
) -> set[UUID]:
    """Return the points at which versions were champions, or were declared to stand in."""
    past = select(Seat.point_id).where(
        Seat.tenant_id == tenant_id,
        Seat.version_id.in_(version_ids),
        Seat.role == SeatRole.CHAMPION,
    )
    named = select(Fallback.point_id).where(
        Fallback.tenant_id == tenant_id, Fallback.version_id.in_(version_ids)
    )
    return set(await session.scalars(past.union(named)))


async def unfit_fallbacks(
    session: AsyncSession, tenant_id: UUID
) -> list[tuple[catalog.DecisionPoint, str]]:
    """Return the points whose declared fallback answers no more, and why."""
    newest = (
        select(Fallback)
        .filter_by(tenant_id=tenant_id)
        .ext(distinct_on(Fallback.point_id))
        .order_by(Fallback.point_id, Fallback.revision.desc())
    )
    named = {
        row.point_id: row.version_id
        for row in await session.scalars(newest)
        if row.version_id is not None
    }
    if not named:
        return []
    versions = await catalog.versions_by_id(session, tenant_id, set(named.values()))
    points = await catalog.points_by_id(session, tenant_id, named)
    seated = await session.execute(
        select(Seat.point_id, Seat.version_id).where(
            Seat.tenant_id == tenant_id, Seat.point_id.in_(named)
        )
    )
    known = {(point_id, version_id) for point_id, version_id in seated}
    unfit = await catalog.unfit_inside(session, tenant_id, set(named.values()))
    found = []
    for point_id, version_id in named.items():
        model, version = versions[version_id]
        name = f"its declared fallback {model.name}@{version.number}"
        if version.stage not in FIT:
            found.append((points[point_id], f"{name} is {version.stage}: nobody stands in"))
        elif (point_id, version_id) not in known:
            found.append((points[point_id], f"{name} was never activated there: nobody stands in"))
        elif version_id in unfit:
            inner, member = unfit[version_id][0]
            why = f"has {inner.name}@{member.number} inside, which is {member.stage}"
            found.append((points[point_id], f"{name} {why}: nobody stands in"))
    return found


async def reconsider(session: AsyncSession, tenant_id: UUID, version_id: UUID) -> None:
    """Let the tables think again where a version whose stage has moved may stand in.

    By itself, or inside of an ensemble.
    """
    around = await catalog.ensembles_of(session, tenant_id, version_id)
    ids = {version_id, *(ensemble.id for _, ensemble in around)}
    for point_id in sorted(await _points_of(session, tenant_id, ids)):
        await service.bump(session, tenant_id, point_id)
