"""Climbing: a ramp's step is judged by what came back, and the next one taken."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.actor import Actor
from app.kit.sequences import mismatch
from app.platform.db import clock
from app.platform.events import publish
from app.routing import ramping, stops
from app.routing.courses import Course
from app.routing.events import RampMoved
from app.routing.ramping import Position, Seen, Status
from app.routing.rewards import Earned
from app.routing.rounds import Book
from app.routing.runners import Runner, begun, returning_to, runners_of
from app.routing.spec import Ramp, Segment


async def climb(
    session: AsyncSession, book: Book, segment: Segment, ramp: Ramp, now: datetime
) -> None:
    """Let a ramp go on, hold or go back, by what its present step has shown."""
    course = book.courses[segment.name]
    if course.position.status is Status.ROLLED_BACK:
        return
    runners = await runners_of(session, book.point, segment, course.since)
    seen = await seen_of(session, book, ramp, runners, course, now)
    position = ramping.turn(ramp, course.position, seen)
    if position.moved(course.position):
        # Only who would move is asked whether units come again or are lost: that reads events.
        returning = await returning_to(
            session, book.point.tenant_id, runners, ramp, since=course.since, until=now, now=now
        )
        each = {name: known.design_effect for name, known in returning.items()}
        units = {name: known.units for name, known in returning.items()}
        seen = replace(
            seen,
            arm=replace(seen.arm, each=each.get(ramp.arm.name, 1.0)),
            control=replace(seen.control, each=each.get(ramp.control, 1.0)),
            mismatch=mismatch(units, ramping.weights(ramp, course.position)),
        )
        position = ramping.turn(ramp, course.position, seen)
    if position.moved(course.position):
        by = Actor.system(book.point.tenant_id)
        await move(session, book, segment, ramp, position, seen=seen, by=by)


async def seen_of(
    session: AsyncSession,
    book: Book,
    ramp: Ramp,
    runners: Sequence[Runner],
    course: Course,
    now: datetime,
) -> Seen:
    """Return what a ramp's present step has shown so far."""
    of = {runner.name: runner for runner in runners}

    def gathered(name: str) -> Earned:
        hours = of[name].hours if name in of else ()
        return course.earned(name, hours, ramp, now=now)

    holding = await stops.stopped(session, book.point.tenant_id, book.point.id)
    brought_in = of[ramp.arm.name].version_id
    return Seen(
        arm=gathered(ramp.arm.name).sums(ramp),
        control=gathered(ramp.control).sums(ramp),
        minutes=(now - course.since).total_seconds() / 60,
        stopped=any(stop.version_id in {None, brought_in} for stop in holding),
    )


async def move(
    session: AsyncSession,
    book: Book,
    segment: Segment,
    ramp: Ramp,
    position: Position,
    *,
    seen: Seen | None = None,
    by: Actor,
    reason: str = "",
) -> None:
    """Put a ramp at a position; its point must be locked. A new share is a new experiment."""
    course, now = book.courses[segment.name], await clock(session)
    weights = ramping.weights(ramp, position)
    resumed = position.status is Status.RUNNING and course.position.status is Status.HELD
    # Nor does the time that a step stood still count.
    if resumed or weights != ramping.weights(ramp, course.position):
        anew = await begun(session, book.point, segment, now)
        course = replace(anew, shuffled=course.shuffled)
    by_what = {} if seen is None else {"seen": asdict(seen)}
    course = replace(course, at=now).at_position(position, **by_what)
    await book.advance(session, segment, course, weights, by=by, reason=reason)
    await publish(
        session,
        RampMoved(
            tenant_id=book.point.tenant_id,
            point=book.point.key,
            segment=segment.name,
            model=ramp.arm.model,
            version=ramp.arm.version,
            status=position.status.value,
            percent=weights[ramp.arm.name] / 100,
            why=list(position.why),
        ),
    )
