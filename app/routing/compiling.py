"""Compiling: a decision point's plan, seats and stops, as they are evaluated."""

import asyncio
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog
from app.routing import answers, engine, pins, service, stops
from app.routing.arms import CHAMPION, Written
from app.routing.conditions import compile_condition
from app.routing.courses import Course
from app.routing.diversion import FALLBACK, Share, divert, of_everything
from app.routing.engine import Arm, Branch, Compiled
from app.routing.linear import Linear, linear_of
from app.routing.rounds import Book
from app.routing.spec import EVERYTHING, Contextual, Plan, Segment, Staleness, VersionArm
from app.routing.standing_in import StandIn, stand_in
from app.routing.tables import PlanRevision, Seat, SeatRole, Stop
from app.telemetry import HOLDOUT


@dataclass(frozen=True, slots=True)
class _Part:
    """A segment with who answers which share of its units."""

    segment: Segment
    shares: list[Share]
    parameters: dict[str, dict[str, Any]]
    """What the plan adds to those of the version, by the arm's name."""
    linear: Linear | None = None
    sticky_ms: int | None = None


async def compile_point(
    session: AsyncSession, point: catalog.DecisionPoint, generation: int
) -> Compiled | None:
    """Return a point's newest plan compiled; ``None`` if nobody could answer by it.

    A stop of everything does not look at the plan: it must hold even where that cannot be read.
    """
    holding = await stops.stopped(session, point.tenant_id, point.id)
    row = await service.current_plan(session, point.tenant_id, point.id)
    if of_everything(holding) is not None:
        parts = [_Part(Segment(), divert((), holding), {})]
        return await _assembled(session, point, row, generation, parts, holding)
    if row is None:
        return None
    plan = Plan.model_validate(row.spec)
    seats = await _open_seats(session, point)
    parts = await _parts(session, point, row, plan, seats, holding)
    if any(not sum(share.weight for share in part.shares) for part in parts):
        return None
    return await _assembled(session, point, row, generation, parts, holding, plan=plan, seats=seats)


async def unanswered(
    session: AsyncSession, point: catalog.DecisionPoint, generation: int
) -> Compiled | None:
    """Return the plan by which nobody answers, of a point that is stopped; else ``None``."""
    holding = await stops.stopped(session, point.tenant_id, point.id)
    if not holding:
        return None
    whole = of_everything(holding) or holding[0]
    nobody = Branch("everyone", 1, (1,), (Arm(FALLBACK, b"", 1.0, "", str(whole.id)),))
    return _compiled(point, None, generation, (nobody,))


async def _parts(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    row: PlanRevision,
    plan: Plan,
    seats: dict[UUID, Seat],
    holding: list[Stop],
) -> list[_Part]:
    """Return each segment with its arms as seats, learning and stops leave them.

    Where none of a segment's arms is seated any more, the champion answers.
    """
    ids = await catalog.version_ids(session, point.tenant_id, named(plan.named))
    moved, courses = dict[str, int](), dict[str, Course]()
    if plan.experiments:
        book = await Book.of(session, point, row, plan)
        moved, courses = book.weights, book.courses
    champions = [seat.version_id for seat in seats.values() if seat.role is SeatRole.CHAMPION]

    def version_of(arm: Written) -> UUID | None:
        if arm.model is None or arm.version is None:
            return champions[0] if champions else None
        version_id = ids[arm.model, arm.version]
        return version_id if version_id in seats else None

    parts = []
    for segment in plan.segments:
        written = segment.strategy.written()
        arms = [
            (arm.name, version_id, moved.get(arm.name, arm.weight))
            for arm in written
            if (version_id := version_of(arm)) is not None
        ]
        if not sum(weight for _, _, weight in arms):
            arms = [(CHAMPION, version_id, 1) for version_id in champions]
        parameters = {arm.name: arm.parameters for arm in written}
        names = [name for name, _, _ in arms]
        linear, sticky_ms = None, None
        if segment.name in courses:
            course = courses[segment.name]
            if isinstance(segment.strategy, Contextual):
                linear = await asyncio.to_thread(_linear, segment.strategy, course, names)
            sticky_ms = int(course.shuffled.timestamp() * 1000) if segment.sticky else None
        parts.append(_Part(segment, divert(arms, holding), parameters, linear, sticky_ms))
    return parts


def _linear(strategy: Contextual, course: Course, names: list[str]) -> Linear | None:
    """Return what a contextual bandit has learnt of those arms that can answer."""
    model = course.found.get("model")
    if not model or len(names) < 2:  # noqa: PLR2004 - one has all
        return None
    return Linear(linear_of(strategy, [model[name] for name in names]))


async def _assembled(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    row: PlanRevision | None,
    generation: int,
    parts: list[_Part],
    holding: list[Stop],
    *,
    plan: Plan | None = None,
    seats: dict[UUID, Seat] | None = None,
) -> Compiled:
    """Return a point compiled from who answers which share of whose units."""
    seats = seats or {}
    stopped = {stop.version_id for stop in holding if stop.version_id is not None}
    held = plan.holdout if plan is not None else None
    standing: StandIn | None = None
    if held is not None or any(share.stop is not None for one in parts for share in one.shares):
        standing = await stand_in(session, point, stopped=stopped, whole=plan is None)
    shadow_ids = {}
    if plan is not None:
        shadow_ids = await catalog.version_ids(session, point.tenant_id, named(plan.shadows))
    wanted = {share.version_id for one in parts for share in one.shares if share.version_id}
    wanted |= set(shadow_ids.values())
    if standing is not None and standing.version_id is not None:
        wanted.add(standing.version_id)
    versions = await catalog.versions_by_id(session, point.tenant_id, wanted)
    holdout = None
    if held is not None and standing is not None:
        arm = answers.standing_in(standing, versions, held.rate, name=HOLDOUT)
        holdout = engine.held_out(point.key, held.rate, arm)
    left = 1.0 - (held.rate if held is not None and holdout is not None else 0.0)
    shadows = tuple(
        engine.watcher(
            point.key,
            answers.arm_of(shadow.name, version_id, versions, seats, shadow.rate),
            shadow.rate,
        )
        for shadow in (plan.shadows if plan is not None else ())
        for version_id in (shadow_ids[shadow.model, shadow.version],)
        if version_id not in stopped
    )
    instances: pins.Instances = {}
    if plan is not None:
        instances = await pins.instances_of(session, point.tenant_id, plan, wanted)
    branches = tuple(_branch(part, standing, versions, seats, instances, left) for part in parts)
    found = _compiled(point, row, generation, branches, shadows, holdout)
    if plan is None or plan.staleness is None:
        return found
    stale = await _when_stale(session, point, plan.staleness, stopped)
    return replace(found, oldest_ms=plan.staleness.after_seconds * 1000, stale=stale)


async def _when_stale(
    session: AsyncSession, point: catalog.DecisionPoint, staleness: Staleness, stopped: set[UUID]
) -> Arm | None:
    """Return who answers once the table is too old: not the champion, who may have been stopped."""
    if staleness.then == "deny":
        return None
    standing = await stand_in(session, point, stopped=stopped)
    if standing is None:
        return None
    ids = {standing.version_id} if standing.version_id is not None else set()
    versions = await catalog.versions_by_id(session, point.tenant_id, ids)
    return answers.standing_in(standing, versions, 1.0, stale=True)


def _branch(
    part: _Part,
    standing: StandIn | None,
    versions: answers.Versions,
    seats: dict[UUID, Seat],
    instances: pins.Instances,
    left: float,
) -> Branch:
    """Return a segment as it is evaluated, of the share of the units that is ``left`` to plans."""
    segment, shares = part.segment, part.shares
    total = sum(share.weight for share in shares)
    diverted = sum(share.weight for share in shares if share.stop is not None)

    def own(version_id: UUID | None) -> catalog.Instance | None:
        if version_id is None or segment.instance is None:
            return None
        return instances.get((version_id, segment.instance))

    def arm(share: Share) -> Arm:
        if share.stop is not None:
            return answers.standing_in(
                standing,
                versions,
                left * diverted / total,
                segment=segment.name,
                stop=share.stop,
                instance=own(standing.version_id if standing is not None else None),
            )
        assert share.version_id is not None  # noqa: S101 - what is not stopped has a version
        return answers.arm_of(
            share.name, share.version_id, versions, seats, left * share.weight / total,
            segment=segment.name, parameters=part.parameters.get(share.name),
            instance=own(share.version_id),
        )  # fmt: skip

    layer = segment.layer
    return Branch(
        name=segment.name,
        total=total,
        bounds=engine.bounds([share.weight for share in shares]),
        arms=tuple(arm(share) for share in shares),
        when=segment.when,
        test=None if segment.when is None else compile_condition(segment.when),
        layer=None
        if layer is None
        else engine.layer(layer.name, layer.begin, layer.end, EVERYTHING),
        salt=segment.salt,
        linear=part.linear,
        left=left,
        remote=segment.sticky or isinstance(segment.strategy, Contextual),
        sticky_ms=part.sticky_ms,
    )


def _compiled(
    point: catalog.DecisionPoint,
    row: PlanRevision | None,
    generation: int,
    branches: tuple[Branch, ...],
    shadows: tuple[engine.Watcher, ...] = (),
    holdout: tuple[engine.Share, Arm] | None = None,
) -> Compiled:
    revision = row.revision if row else 0
    return Compiled(
        key=point.key,
        fragment=answers.fragment(
            {"decision_point": point.key, "plan_revision": revision, "generation": generation}
        ),
        point_id=point.id.bytes,
        revision=revision,
        generation=generation,
        salt=engine.salt(point.key),
        branches=branches,
        shadows=shadows,
        holdout=holdout,
    )


async def _open_seats(session: AsyncSession, point: catalog.DecisionPoint) -> dict[UUID, Seat]:
    rows = await session.scalars(
        select(Seat).filter_by(tenant_id=point.tenant_id, point_id=point.id, until=None)
    )
    return {seat.version_id: seat for seat in rows}


def named(arms: tuple[VersionArm, ...]) -> set[tuple[str, int]]:
    """Return the versions that arms name, as model and number."""
    return {(arm.model, arm.version) for arm in arms}
