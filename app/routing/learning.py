"""Learning: the worker turns what came back into rounds, each change audited."""

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import cast, func, literal, select
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog
from app.kit.actor import Actor
from app.kit.canonical import plain
from app.platform.db import ALL_TENANTS, Database, clock
from app.platform.rota import for_each
from app.routing import bandit, climbing
from app.routing.courses import Course
from app.routing.rewards import earned
from app.routing.rounds import Book
from app.routing.runners import Runner, runners_of
from app.routing.spec import Bandit, Ramp, Segment
from app.routing.tables import PlanRevision

_LEARNS = '$.segments[*].strategy ? (@.kind == "bandit" || @.kind == "ramp")'


async def learn(database: Database) -> None:
    """Give every bandit and every ramp that is due its round."""
    newest = (
        select(
            PlanRevision.tenant_id,
            PlanRevision.point_id,
            func.max(PlanRevision.revision).label("revision"),
        )
        .group_by(PlanRevision.tenant_id, PlanRevision.point_id)
        .subquery()
    )
    async with database.session(ALL_TENANTS) as session:
        rows = await session.scalars(
            select(PlanRevision)
            .join(
                newest,
                (PlanRevision.tenant_id == newest.c.tenant_id)
                & (PlanRevision.point_id == newest.c.point_id)
                & (PlanRevision.revision == newest.c.revision),
            )
            .where(func.jsonb_path_exists(PlanRevision.spec, cast(literal(_LEARNS), JSONPATH)))
        )
        due = [(row.tenant_id, row.point_id) for row in rows]
    await for_each(database, due, learn_point)


async def learn_point(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> None:
    """Give what a point's plan lets the worker move a round, where it is time for one."""
    point = await session.get(
        catalog.DecisionPoint, (tenant_id, point_id), with_for_update={"skip_locked": True}
    )
    book = await Book.newest(session, point) if point is not None else None
    if book is None:
        return
    now = await clock(session)
    for segment in book.plan.experiments:
        if isinstance(segment.strategy, Bandit):
            await _explore(session, book, segment, segment.strategy, now)
        elif isinstance(segment.strategy, Ramp):
            await climbing.climb(session, book, segment, segment.strategy, now)


async def _explore(
    session: AsyncSession, book: Book, segment: Segment, strategy: Bandit, now: datetime
) -> None:
    """Give a bandit its round, if it is due and there is something new to learn from."""
    course = book.courses[segment.name]
    known = course.found.get("evidence")
    if known is not None and now - course.at < timedelta(seconds=strategy.update_seconds):
        return
    runners = await runners_of(session, book.point, segment, course.since)
    evidence = [_evidence(runner, strategy, course, now) for runner in runners]
    if known == plain([asdict(item) for item in evidence]):
        return
    learnt = bandit.learn(
        evidence,
        binary=strategy.reward == "binary",
        floor=strategy.floor,
        burn_in_units=strategy.burn_in_units,
        burn_in_conversions=strategy.burn_in_conversions,
        lower_is_better=strategy.better == "lower",
        top_two=strategy.top_two,
    )
    found = plain(asdict(learnt))
    weights = found.pop("weights")
    course = replace(course, at=now, found=found)
    by = Actor.system(book.point.tenant_id)
    await book.advance(session, segment, course, weights, by=by)


def _evidence(runner: Runner, strategy: Bandit, course: Course, now: datetime) -> bandit.Evidence:
    found = earned(
        runner.hours, strategy, since=course.since, now=now,
        before=course.before.get(runner.name), half_life=strategy.half_life_hours,
    )  # fmt: skip
    units = found.units(strategy)
    return bandit.Evidence(runner.name, units, found.conversions, found.reward, found.squares)
