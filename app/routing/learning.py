"""Learning: the worker turns what came back into rounds, each change audited."""

import asyncio
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import cast, func, literal, select
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog
from app.kit.actor import Actor
from app.kit.canonical import plain
from app.platform.db import ALL_TENANTS, Database, clock
from app.platform.rota import for_each
from app.routing import bandit, climbing, service
from app.routing.bandit import whole
from app.routing.contexts import Contextual
from app.routing.courses import Course
from app.routing.linear import Linear, linear_of
from app.routing.logged import Logged, fitted, logged
from app.routing.rounds import Book
from app.routing.runners import Runner, counted_from, runners_of
from app.routing.spec import Bandit, Ramp, Segment

_LATELY = 2_000
"""Over so many of the newest contexts the arms' shares are told."""
_LEARNS = (
    '$.segments[*].strategy ? (@.kind == "bandit" || @.kind == "contextual" || @.kind == "ramp")'
)


async def learn(database: Database) -> None:
    """Give every bandit and every ramp that is due its round."""
    newest = service.newest_specs(None)
    async with database.session(ALL_TENANTS) as session:
        rows = await session.execute(
            select(newest.c.tenant_id, newest.c.point_id).where(
                func.jsonb_path_exists(newest.c.spec, cast(literal(_LEARNS), JSONPATH))
            )
        )
        due = [(tenant_id, point_id) for tenant_id, point_id in rows]
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
        elif isinstance(segment.strategy, Contextual):
            await _discern(session, book, segment, segment.strategy, now)
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
    runners = await runners_of(session, book.point, segment, counted_from(segment, course))
    evidence = [
        _evidence(runner, strategy, course, now, strategy.half_life_hours) for runner in runners
    ]
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
        ever=[_evidence(runner, strategy, course, now, None) for runner in runners],
    )
    found = plain(asdict(learnt))
    weights = found.pop("weights")
    course = replace(course, at=now, found=found)
    by = Actor.system(book.point.tenant_id)
    await book.advance(session, segment, course, weights, by=by)


def _evidence(
    runner: Runner, strategy: Bandit, course: Course, now: datetime, half_life: int | None
) -> bandit.Evidence:
    found = course.earned(runner.name, runner.hours, strategy, now=now, half_life=half_life)
    units = found.units(strategy)
    return bandit.Evidence(runner.name, units, found.conversions, found.reward, found.squares)


async def _discern(
    session: AsyncSession, book: Book, segment: Segment, strategy: Contextual, now: datetime
) -> None:
    """Give a contextual bandit its round: a model an arm, and the units' shares by them."""
    course = book.courses[segment.name]
    known = course.found.get("units")
    if known is not None and now - course.at < timedelta(seconds=strategy.update_seconds):
        return
    runners = await runners_of(session, book.point, segment, course.since)
    rows = await logged(
        session, book.point.tenant_id, runners, strategy, since=course.since, now=now
    )
    names, burnt = [one.name for one in runners], course.found.get("model") is not None
    found = await asyncio.to_thread(_discerned, rows, names, strategy, burnt=burnt)
    if found["units"] == known:
        return
    weights = found.pop("weights")
    course = replace(course, at=now, found=plain(found))
    by = Actor.system(book.point.tenant_id)
    await book.advance(session, segment, course, weights, by=by)


def _discerned(
    rows: Logged, names: list[str], strategy: Contextual, *, burnt: bool = False
) -> dict[str, Any]:
    """Return what rows say: the arms' models, none while one is burning in, and mean shares.

    Who was given few units since, having ``burnt`` in, has few of the newest: he is known by them.
    """
    count = len(names)
    units = {name: int((rows.taken == place).sum()) for place, name in enumerate(names)}
    found: dict[str, Any] = {
        "units": units, "model": None, "burning_in": True, "missing": dict(rows.missing)
    }  # fmt: skip
    found["weights"] = dict(zip(names, whole(np.ones(count)), strict=True))
    succeeded = [rows.rewards[rows.taken == place].sum() for place in range(count)]
    few = min(units.values()) < strategy.burn_in_units or (
        strategy.reward == "binary" and min(succeeded) < strategy.burn_in_conversions
    )
    if few and not burnt:
        return found
    fit = fitted(rows, count)
    model = dict(zip(names, (one.stored() for one in fit.posteriors), strict=True))
    linear = Linear(linear_of(strategy, [model[name] for name in names]))
    shares = np.mean([linear.of(context) for context in rows.contexts[:_LATELY]], axis=0)
    weights = dict(zip(names, whole(shares), strict=True))
    return {
        **found,
        "model": model,
        "mean": fit.mean,
        "spread": fit.spread,
        "burning_in": False,
        "weights": weights,
    }
