"""Reminders: each is sent once, before the day, on it and after it."""

from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, identity, routing
from app.kit.actor import Actor
from app.platform.db import ALL_TENANTS, Database
from app.platform.events import publish
from app.platform.rota import for_each
from app.revalidation import schedule
from app.revalidation.events import (
    RevalidationDue,
    RevalidationEscalated,
    RevalidationNotice,
    RevalidationOverdue,
)
from app.revalidation.schedule import Term
from app.revalidation.tables import Reminder
from app.revalidation.terms import Notice, notice_of

_TELLS: dict[Notice, type[RevalidationNotice]] = {
    Notice.DUE: RevalidationDue,
    Notice.OVERDUE: RevalidationOverdue,
    Notice.ESCALATED: RevalidationEscalated,
}


async def remind(database: Database) -> None:
    """Tell whoever is asked what has come near or has passed, and was not told so before."""
    async with database.session(ALL_TENANTS) as session:
        tenants = await identity.tenants(session)
    due: list[tuple[UUID, UUID]] = []
    for tenant_id in tenants.values():
        async with database.session(tenant_id) as session:
            due += [(tenant_id, seat_id) for seat_id in await _untold(session, tenant_id)]
    await for_each(database, due, remind_of)


async def _untold(session: AsyncSession, tenant_id: UUID) -> list[UUID]:
    """Return the seats of which something is to be told."""
    wanted = {}
    async for term in schedule.each(session, tenant_id):
        notice = _notice(term)
        if notice is not None:
            wanted[(term.seat.point_id, term.seat.version_id, term.due, *notice)] = term.seat.id
    told = await session.execute(
        select(
            Reminder.point_id, Reminder.version_id, Reminder.due, Reminder.notice, Reminder.days
        ).where(
            Reminder.tenant_id == tenant_id,
            tuple_(Reminder.point_id, Reminder.version_id).in_({key[:2] for key in wanted}),
        )
    )
    known = {tuple(row) for row in told}
    return [seat_id for key, seat_id in wanted.items() if key not in known]


def _notice(term: Term) -> tuple[Notice, int] | None:
    return notice_of(term.due, term.now, within=term.within, terms=term.terms)


async def remind_of(session: AsyncSession, tenant_id: UUID, seat_id: UUID) -> None:
    """Tell of one seat what holds now, if nobody did; its lock keeps two from telling it twice."""
    seat = await session.get(
        routing.Seat, (tenant_id, seat_id), with_for_update={"skip_locked": True}
    )
    if seat is None or seat.until is not None:
        return
    for term in await schedule.terms_of(session, tenant_id, [seat]):
        notice = _notice(term)
        if notice is None or await _told(session, term, *notice):
            continue
        (people,) = await schedule.asked_of(session, tenant_id, [term])
        await _tell(session, term, *notice, people=people)


async def _told(session: AsyncSession, term: Term, notice: Notice, days: int) -> bool:
    found = await session.scalar(
        select(Reminder.id).filter_by(
            tenant_id=term.seat.tenant_id,
            point_id=term.seat.point_id,
            version_id=term.seat.version_id,
            due=term.due,
            notice=notice,
            days=days,
        )
    )
    return found is not None


async def _tell(
    session: AsyncSession, term: Term, notice: Notice, days: int, *, people: list[UUID]
) -> None:
    seat = term.seat
    session.add(
        Reminder(
            tenant_id=seat.tenant_id,
            point_id=seat.point_id,
            version_id=seat.version_id,
            due=term.due,
            notice=notice,
            days=days,
            addressees=[str(person) for person in people],
        )
    )
    await session.flush()
    await audit.record(
        session, Actor.system(seat.tenant_id), f"revalidation.{notice}",
        f"version:{seat.version_id}",
        point_id=seat.point_id, due=term.due, days_left=term.days_left, addressees=people,
    )  # fmt: skip
    await publish(
        session,
        _TELLS[notice](
            tenant_id=seat.tenant_id,
            version_id=seat.version_id,
            model=term.model.name,
            number=term.version.number,
            point=term.point.key,
            due=term.due,
            days_left=term.days_left,
            addressees=tuple(people),
        ),
    )
