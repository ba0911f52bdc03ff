"""Seats: who is champion, who is challenger, and since when."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, drift, kpi
from app.kit.actor import Actor
from app.kit.moment import require_past
from app.kit.page import Rows
from app.kit.refusal import NotFound
from app.platform.db import clock, page
from app.routing import asof, service
from app.routing.succession import Line, Reign, line_of
from app.routing.tables import Seat, SeatRole

__all__ = [
    "SeatRole",
    "Succession",
    "champion_at",
    "champion_of",
    "newest_seat",
    "open_seat",
    "open_seats_of",
    "reigning",
    "seat_by_id",
    "seated_in",
    "seats_of",
    "serves",
    "succession_of",
    "vacate",
]

FIT = frozenset({catalog.Stage.RELEASED, catalog.Stage.ACTIVATED})
"""Where in its life a version may answer: released, and not sent back since."""


async def champion_of(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> Seat | None:
    """Return the open champion seat of a point."""
    return await session.scalar(
        select(Seat).filter_by(
            tenant_id=tenant_id, point_id=point_id, role=SeatRole.CHAMPION, until=None
        )
    )


async def champion_then(
    session: AsyncSession, point: catalog.DecisionPoint, at: datetime | None
) -> UUID | None:
    """Return the version that was champion of a point at a moment, or is now, if one was."""
    if at is None:
        seat = await champion_of(session, point.tenant_id, point.id)
    else:
        reigns = select(Seat).filter_by(
            tenant_id=point.tenant_id, point_id=point.id, role=SeatRole.CHAMPION
        )
        seat = asof.in_force(await session.scalars(reigns), at)
    return None if seat is None else seat.version_id


async def champion_at(
    session: AsyncSession, point: catalog.DecisionPoint, at: datetime | None
) -> Seat:
    """Return the seat of who was champion of a point at a moment, or is now."""
    now = await clock(session)
    require_past(at or now, now)
    reigns = select(Seat).filter_by(
        tenant_id=point.tenant_id, point_id=point.id, role=SeatRole.CHAMPION
    )
    began = reigns.where(Seat.since <= (at or now)).order_by(Seat.since.desc(), Seat.id.desc())
    found = asof.in_force(await session.scalars(began.limit(1)), at or now)
    if found is None:
        first = await session.scalar(reigns.order_by(Seat.since, Seat.id).limit(1))
        since = first.since if first else None
        raise asof.nothing_then(f"A champion of {point.key}", at or now, since)
    return found


async def reigning(
    session: AsyncSession, tenant_id: UUID, keys: Collection[str]
) -> dict[str, tuple[Seat, str, int]]:
    """Return who is champion now by the points' keys: the seat, the model's name, the number."""
    rows = await session.execute(
        select(catalog.DecisionPoint.key, Seat, catalog.Model.name, catalog.Version.number)
        .join(
            Seat,
            (Seat.tenant_id == catalog.DecisionPoint.tenant_id)
            & (Seat.point_id == catalog.DecisionPoint.id),
        )
        .join(
            catalog.Version,
            (catalog.Version.tenant_id == Seat.tenant_id) & (catalog.Version.id == Seat.version_id),
        )
        .join(
            catalog.Model,
            (catalog.Model.tenant_id == Seat.tenant_id)
            & (catalog.Model.id == catalog.Version.model_id),
        )
        .where(
            catalog.DecisionPoint.tenant_id == tenant_id,
            catalog.DecisionPoint.key.in_(keys),
            Seat.role == SeatRole.CHAMPION,
            Seat.until.is_(None),
            Seat.since <= func.clock_timestamp(),
        )
    )
    return {key: (seat, model, number) for key, seat, model, number in rows}


async def champions(session: AsyncSession, asked: kpi.Champions) -> dict[str, kpi.Champion]:
    """Return which version is champion now, by the points' keys."""
    found = await reigning(session, asked.tenant_id, asked.keys)
    return {key: kpi.Champion(model, number) for key, (_, model, number) in found.items()}


async def open_seat(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, version_id: UUID
) -> Seat | None:
    """Return the seat a version has at a point now."""
    return await session.scalar(
        select(Seat).filter_by(
            tenant_id=tenant_id, point_id=point_id, version_id=version_id, until=None
        )
    )


async def seated_in(
    session: AsyncSession,
    tenant_id: UUID,
    point_id: UUID,
    version_id: UUID,
    *,
    since: datetime,
    until: datetime,
) -> bool:
    """Say whether a version has a seat at a point now, or had one in ``[since, until)``."""
    then = (Seat.since < until) & (Seat.until > since)
    found = await session.scalar(
        select(Seat.id)
        .filter_by(tenant_id=tenant_id, point_id=point_id, version_id=version_id)
        .where(Seat.until.is_(None) | then)
        .limit(1)
    )
    return found is not None


async def newest_seat(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, version_id: UUID
) -> Seat | None:
    """Return the last seat that a version was given at a point, whether it has it still."""
    return await session.scalar(
        select(Seat)
        .filter_by(tenant_id=tenant_id, point_id=point_id, version_id=version_id)
        .order_by(Seat.since.desc(), Seat.id.desc())
        .limit(1)
    )


async def serves(session: AsyncSession, asked: drift.Serving) -> drift.Tenure:
    """Say whether a version has a seat at a point, and since when it is back, if it had left.

    Who goes from one seat to the next at once, as a challenger that becomes champion, has not left.
    """
    rows = await session.execute(
        select(Seat.since, Seat.until)
        .filter_by(tenant_id=asked.tenant_id, point_id=asked.point_id, version_id=asked.version_id)
        .order_by(Seat.since.desc(), Seat.id.desc())
    )
    seats = [(since, until) for since, until in rows]
    if all(until is not None for _, until in seats):
        return drift.Tenure(serves=False)
    began = seats[0][0]
    for since, until in seats[1:]:
        if until is not None and until < began:
            return drift.Tenure(serves=True, since=began)
        began = min(began, since)
    return drift.Tenure(serves=True)


async def open_seats_of(session: AsyncSession, tenant_id: UUID, version_id: UUID) -> list[Seat]:
    """Return the seats that a version has now, wherever they are."""
    query = select(Seat).filter_by(tenant_id=tenant_id, version_id=version_id, until=None)
    return list(await session.scalars(query.order_by(Seat.since)))


async def seat_by_id(session: AsyncSession, point: catalog.DecisionPoint, seat_id: UUID) -> Seat:
    """Return a seat of a point, locked until the transaction ends."""
    found = await session.get(
        Seat, (point.tenant_id, seat_id), with_for_update=True, populate_existing=True
    )
    if found is None or found.point_id != point.id:
        raise NotFound("seat", seat_id)
    return found


async def vacate(
    session: AsyncSession, point: catalog.DecisionPoint, seat: Seat, *, reason: str, by: Actor
) -> None:
    """End a seat; the point must be locked, and no unit of it be answered by who sits there."""
    seat.until = await clock(session)
    await session.flush()
    await service.bump(session, point.tenant_id, point.id)
    await audit.record(
        session, by, f"{seat.role}.unseated", f"point:{point.id}",
        version_id=seat.version_id, seat=seat.id, case=seat.case_id, personal={"reason": reason},
    )  # fmt: skip


async def seats_of(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, *, cursor: str | None, limit: int
) -> Rows[Seat]:
    """Return the seats a point has had, newest first."""
    query = select(Seat).filter_by(tenant_id=tenant_id, point_id=point_id)
    return await page(
        session, query, Seat.since, Seat.id, cursor=cursor, limit=limit, newest_first=True
    )


@dataclass(frozen=True, slots=True)
class Succession:
    """Who was champion of a point, and where in their lives those versions are now."""

    line: Line
    seats: Mapping[UUID, Seat]
    """Each reign's seat, by id."""
    versions: Mapping[UUID, tuple[catalog.Model, catalog.Version]]

    def back(
        self,
        *,
        accept_returned: bool = False,
        stopped: Collection[UUID] = (),
        crowned: Seat | None = None,
    ) -> Seat | None:
        """Return the seat that a rollback goes back to; nothing if nobody is left.

        Passed over is who is ``stopped``, retired, or, unless that is accepted, no longer fit.
        With ``crowned`` as it would be if a rollback brought that seat back.
        """
        line = self.line if crowned is None else self.line.crowning(_reign(crowned))
        return self._seat(line.behind({*stopped, *self._unfit(accept_returned=accept_returned)}))

    def forward(self) -> Seat | None:
        """Return the seat that undoing the last rollback goes back to, if it can be undone."""
        return self._seat(self.line.forward())

    def over(self, seat: Seat) -> tuple[UUID, ...]:
        """Return the versions that are passed over on the way back to a seat, newest first."""
        return self.line.over(_reign(seat))

    def _unfit(self, *, accept_returned: bool) -> set[UUID]:
        gone = catalog.Stage.RETIRED
        return {
            id_
            for id_, (_, version) in self.versions.items()
            if version.stage is gone or not (accept_returned or version.stage in FIT)
        }

    def _seat(self, reign: Reign | None) -> Seat | None:
        return None if reign is None else self.seats[reign.seat_id]


def _reign(seat: Seat) -> Reign:
    return Reign(seat.id, seat.version_id, seat.cause, seat.since, seat.until)


async def succession_of(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> Succession:
    """Return the succession of a point's champions."""
    query = select(Seat).filter_by(tenant_id=tenant_id, point_id=point_id, role=SeatRole.CHAMPION)
    seats = {seat.id: seat for seat in await session.scalars(query)}
    ids = {seat.version_id for seat in seats.values()}
    versions = await catalog.versions_by_id(session, tenant_id, ids)
    return Succession(line_of(map(_reign, seats.values())), seats, versions)
