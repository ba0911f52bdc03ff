"""Experiments: those that run and those that have ended, each under its id."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import cast, func, literal, select
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog
from app.kit.actor import Actor
from app.kit.canonical import plain
from app.kit.page import Rows
from app.kit.refusal import NotFound
from app.platform.db import ALL_TENANTS, Database, clock, page
from app.platform.rota import for_each
from app.routing import enrolling, rounds, service
from app.routing.arms import Rewarded
from app.routing.spec import Plan, Segment
from app.routing.tables import Experiment
from app.routing.trials import Trial, reported, tried

_COMPARES = '$.segments[*].strategy ? (@.kind != "champion")'
_SETTLED = timedelta(hours=2)
"""After its end; rewards may come back for longer, if it waits for them."""


async def experiments_of(session: AsyncSession, key: str, *, by: Actor) -> dict[str, Any]:
    """Return what the experiments of a point's plan have shown, in the plan's order."""
    point = await catalog.point_by_key(session, key, by=by)
    book = await rounds.Book.newest(session, point)
    if book is None:
        raise NotFound("routing plan of", key)
    rows = await enrolling.running(session, by.tenant_id, point.id)
    found = [
        {
            **_named(point, rows[segment.name]),
            **await reported(session, await tried(session, point, book, segment, None)),
        }
        for segment in book.plan.experiments
        if segment.name in rows
    ]
    return {"decision_point": key, "plan_revision": book.row.revision, "experiments": found}


async def experiment_of(session: AsyncSession, id_: UUID, *, by: Actor) -> dict[str, Any]:
    """Return what an experiment has shown up to now, or had when it ended."""
    row = await session.get(Experiment, (by.tenant_id, id_))
    if row is None:
        raise NotFound("experiment", id_)
    point = await catalog.point_by_id(session, by.tenant_id, row.point_id)
    if by.points is not None and point.key not in by.points:
        raise NotFound("experiment", id_)
    return await _shown(session, point, row)


async def list_experiments(
    session: AsyncSession,
    *,
    running: bool | None,
    point_key: str | None,
    cursor: str | None,
    limit: int,
    by: Actor,
) -> Rows[dict[str, Any]]:
    """List experiments, newest first; those of the points that a key in hand is for."""
    query = select(Experiment).filter_by(tenant_id=by.tenant_id)
    if running is not None:
        query = query.where(
            Experiment.until.is_(None) if running else Experiment.until.is_not(None)
        )
    if point_key is not None:
        point = await catalog.point_by_key(session, point_key, by=by)
        query = query.filter_by(point_id=point.id)
    elif by.points is not None:
        query = query.where(Experiment.point_id.in_(catalog.ids_of(by.tenant_id, by.points)))
    found = await page(
        session, query, Experiment.since, Experiment.id, cursor=cursor, limit=limit,
        newest_first=True,
    )  # fmt: skip
    points = await catalog.points_by_id(
        session, by.tenant_id, {row.point_id for row in found.items}
    )
    return Rows([_named(points[row.point_id], row) for row in found.items], found.next_cursor)


async def conclude(database: Database) -> None:
    """Write down what experiments had come to, once the last of their rewards may have come."""
    newest = service.newest_specs(None)
    running = select(Experiment.id).filter_by(
        tenant_id=newest.c.tenant_id, point_id=newest.c.point_id, until=None
    )
    async with database.session(ALL_TENANTS) as session:
        unknown = await session.execute(
            select(newest.c.tenant_id, newest.c.point_id).where(
                func.jsonb_path_exists(newest.c.spec, cast(literal(_COMPARES), JSONPATH)),
                ~running.exists(),
            )
        )
        older = [(tenant_id, point_id) for tenant_id, point_id in unknown]
        now = await clock(session)
        rows = await session.execute(
            select(Experiment.tenant_id, Experiment.id)
            .where(Experiment.until < now - _SETTLED, Experiment.report.is_(None))
            .order_by(Experiment.until)
        )
        due = [(tenant_id, id_) for tenant_id, id_ in rows]
    await for_each(database, older, _enrol)
    await for_each(database, due, _conclude)


async def _enrol(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> None:
    """Give the experiments of a plan that is older than ids theirs."""
    point = await session.get(
        catalog.DecisionPoint, (tenant_id, point_id), with_for_update={"skip_locked": True}
    )
    book = await rounds.Book.newest(session, point) if point is not None else None
    if book is None or await enrolling.running(session, tenant_id, point_id):
        return
    await enrolling.turn(session, book.row, book.plan, book.courses, ())
    names = [segment.name for segment in book.plan.experiments]
    await audit.record(
        session, Actor.system(tenant_id), "experiments.enrolled", f"point:{point_id}",
        plan_revision=book.row.revision, segments=names,
    )  # fmt: skip


async def _conclude(session: AsyncSession, tenant_id: UUID, id_: UUID) -> None:
    row = await session.get(Experiment, (tenant_id, id_), with_for_update={"skip_locked": True})
    if row is None or row.until is None or row.report is not None:
        return
    point = await catalog.point_by_id(session, tenant_id, row.point_id)
    book, segment = await _last(session, point, row)
    assert isinstance(segment.strategy, Rewarded)  # noqa: S101 - what is compared is rewarded
    waits = timedelta(hours=segment.strategy.attribution_hours)
    if await clock(session) < row.until + waits + _SETTLED:
        return
    row.report = plain(
        await reported(session, await tried(session, point, book, segment, row.until))
    )
    await audit.record(
        session, Actor.system(tenant_id), "experiment.concluded", f"point:{point.id}",
        experiment=row.id, segment=row.segment, best=row.report["best"],
        advice=row.report["advice"],
    )  # fmt: skip


async def trial_of(session: AsyncSession, point: catalog.DecisionPoint, row: Experiment) -> Trial:
    """Return how an experiment stands, or stood when it ended."""
    book, segment = await _last(session, point, row)
    return await tried(session, point, book, segment, row.until)


async def _last(
    session: AsyncSession, point: catalog.DecisionPoint, row: Experiment
) -> tuple[rounds.Book, Segment]:
    """Return the last plan that goes, or went, on with an experiment, and its segment of it."""
    if row.last_revision is None:
        book = await rounds.Book.newest(session, point)
        assert book is not None  # noqa: S101 - a plan began it
    else:
        last = await service.plan_at(session, row.tenant_id, row.point_id, row.last_revision)
        book = await rounds.Book.of(session, point, last, Plan.model_validate(last.spec))
    return book, next(one for one in book.plan.segments if one.name == row.segment)


async def _shown(
    session: AsyncSession, point: catalog.DecisionPoint, row: Experiment
) -> dict[str, Any]:
    found = row.report
    if found is None:
        found = await reported(session, await trial_of(session, point, row))
    return {**_named(point, row), **found}


def _named(point: catalog.DecisionPoint, row: Experiment) -> dict[str, Any]:
    return {
        "id": row.id,
        "decision_point": point.key,
        "segment": row.segment,
        "strategy": row.strategy,
        "began": row.since,
        "until": row.until,
        "first_revision": row.first_revision,
        "last_revision": row.last_revision,
        "concluded": row.report is not None,
    }
