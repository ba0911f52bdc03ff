"""Rounds: what a plan's experiments have come to, appended as weights with their evidence.

A plan's first round is written with it: it says from when on, and from which counts, each of its
experiments is judged. An experiment that the plan before had too, of the same units, goes on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog
from app.kit.actor import Actor
from app.kit.page import Rows
from app.platform.db import page
from app.routing import bandit, enrolling, ramping, service
from app.routing.courses import Course, read_all
from app.routing.runners import begun
from app.routing.spec import Bandit, Contextual, Plan, Ramp, Segment
from app.routing.tables import PlanRevision, Weights


@dataclass(slots=True)
class Book:
    """A plan with its newest round, to which more are added; for that its point must be locked."""

    point: catalog.DecisionPoint
    row: PlanRevision
    plan: Plan
    last: Weights | None

    @classmethod
    async def of(
        cls, session: AsyncSession, point: catalog.DecisionPoint, row: PlanRevision, plan: Plan
    ) -> "Book":
        """Return the book of one revision of a point's plan, which ``plan`` is."""
        last = await session.scalar(
            select(Weights)
            .filter_by(
                tenant_id=row.tenant_id, point_id=row.point_id, plan_revision=row.revision
            )
            .order_by(Weights.round.desc())
            .limit(1)
        )  # fmt: skip
        return cls(point, row, plan, last)

    @classmethod
    async def newest(cls, session: AsyncSession, point: catalog.DecisionPoint) -> "Book | None":
        """Return the book of a point's newest plan, if it has one."""
        row = await service.current_plan(session, point.tenant_id, point.id)
        if row is None:
            return None
        return await cls.of(session, point, row, Plan.model_validate(row.spec))

    @property
    def weights(self) -> dict[str, int]:
        """The weights that the worker moves, as they are now, by the arms' names."""
        first = {name: n for one in self.plan.segments for name, n in at_first(one).items()}
        moved = self.last.weights if self.last is not None else {}
        return {name: int(moved.get(name, weight)) for name, weight in first.items()}

    @property
    def courses(self) -> dict[str, Course]:
        """How far the plan's experiments have come; one that no round knows began with it."""
        known = read_all(self.last.learnt) if self.last is not None else {}
        return {
            one.name: known.get(one.name) or Course.begun(self.row.at)
            for one in self.plan.experiments
        }

    def shuffled(self, segment: Segment) -> datetime | None:
        """Return since when the units of a segment of that name and salt have been shuffled so."""
        for one in self.plan.experiments:
            if (one.name, one.salt) == (segment.name, segment.salt):
                return self.courses[one.name].shuffled
        return None

    async def advance(
        self,
        session: AsyncSession,
        segment: Segment,
        course: Course,
        weights: dict[str, int],
        *,
        by: Actor,
        reason: str = "",
    ) -> None:
        """Add a round of one segment's; wake the tables if it changes who answers."""
        before, known = self.weights, self.courses[segment.name].found.get("model")
        after = {**before, **weights}
        self.last = await _append(
            session, self.row, self.last, after, {**self.courses, segment.name: course}
        )
        generation = None
        if after != before or course.found.get("model") != known:
            generation = await service.bump(session, self.point.tenant_id, self.point.id)
        await audit.record(
            session, by, "weights.moved", f"point:{self.point.id}",
            plan_revision=self.row.revision, round=self.last.round, segment=segment.name,
            weights=after, generation=generation, personal={"reason": reason},
        )  # fmt: skip


def at_first(segment: Segment) -> dict[str, int]:
    """Return the weights that a segment begins with, of those that the worker moves."""
    strategy = segment.strategy
    if isinstance(strategy, Bandit | Contextual):
        even = bandit.whole(np.ones(len(strategy.arms)))
        return dict(zip((arm.name for arm in strategy.arms), even, strict=True))
    if isinstance(strategy, Ramp):
        return ramping.weights(strategy, ramping.Position())
    return {}


async def begin(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    row: PlanRevision,
    plan: Plan,
    former: PlanRevision | None,
) -> None:
    """Write the first round of a plan that has experiments, and end those of the plan before.

    The point must be locked.
    """
    book, moved = None, dict[str, int]()
    if former is not None:
        book = await Book.of(session, point, former, Plan.model_validate(former.spec))
        moved = book.weights
    weights: dict[str, int] = {}
    courses: dict[str, Course] = {}
    going_on = set()
    for segment in plan.experiments:
        first = at_first(segment)
        weights |= first
        if book is not None and plan.same_units(book.plan, segment.name):
            going_on.add(segment.name)
            courses[segment.name] = book.courses[segment.name]
            weights |= {name: moved[name] for name in first}
            continue
        course = await begun(session, point, segment, row.at)
        known = book.shuffled(segment) if book is not None else None
        course = replace(course, shuffled=known or row.at)
        here = _still(book, segment)
        if here is not None and isinstance(segment.strategy, Ramp):
            course = course.at_position(here)
            weights |= ramping.weights(segment.strategy, here)
        courses[segment.name] = course
    if plan.experiments or (book is not None and book.plan.experiments):
        await enrolling.turn(session, row, plan, courses, going_on)
    if plan.experiments:
        await _append(session, row, None, weights, courses)


def _still(book: Book | None, segment: Segment) -> ramping.Position | None:
    """Return where a ramp stands, though other units come to it now: its step is the version's.

    What was rolled back or held is not brought in by an edit of something else; to resume it is a
    call of its own. Under other steps one that runs begins with the first of them.
    """
    ramp = segment.strategy
    if book is None or not isinstance(ramp, Ramp):
        return None
    former = next((one.strategy for one in book.plan.segments if one.name == segment.name), None)
    if not isinstance(former, Ramp) or former.arm != ramp.arm:
        return None
    here = book.courses[segment.name].position
    if former.steps == ramp.steps:
        return here
    if here.status in {ramping.Status.HELD, ramping.Status.ROLLED_BACK}:
        return ramping.Position(min(here.step, len(ramp.steps) - 1), here.status, here.why)
    return None


async def _append(
    session: AsyncSession,
    row: PlanRevision,
    last: Weights | None,
    weights: dict[str, int],
    courses: dict[str, Course],
) -> Weights:
    found = Weights(
        tenant_id=row.tenant_id,
        point_id=row.point_id,
        plan_revision=row.revision,
        round=(last.round if last is not None else 0) + 1,
        weights=weights,
        learnt={"segments": {name: course.stored() for name, course in courses.items()}},
    )
    session.add(found)
    await session.flush()
    return found


async def rounds_of(
    session: AsyncSession, key: str, *, cursor: str | None, limit: int, by: Actor
) -> Rows[dict[str, Any]]:
    """List the rounds that a point's plans have come to, newest first."""
    point = await catalog.point_by_key(session, key, by=by)
    query = select(Weights).filter_by(tenant_id=by.tenant_id, point_id=point.id)
    found = await page(
        session, query, Weights.plan_revision, Weights.round, cursor=cursor, limit=limit,
        newest_first=True,
    )  # fmt: skip
    return Rows([_shown(row) for row in found.items], found.next_cursor)


def _shown(row: Weights) -> dict[str, Any]:
    return {
        "plan_revision": row.plan_revision,
        "round": row.round,
        "at": row.at,
        "weights": row.weights,
        "segments": {
            name: {"since": course.since, "at": course.at, **_short(course.found)}
            for name, course in read_all(row.learnt).items()
        },
    }


def _short(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a round found without its models' matrices, which are long."""
    model = found.get("model")
    if not model:
        return dict(found)
    told = {
        name: {key: value for key, value in one.items() if key != "precision"}
        for name, one in model.items()
    }
    return {**found, "model": told}
