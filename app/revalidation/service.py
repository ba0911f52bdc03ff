from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import activation, audit, catalog, drift, gates, routing
from app.catalog import Stage
from app.kit.actor import Actor
from app.kit.page import Rows
from app.platform.db import ALL_TENANTS, Database, page
from app.platform.rota import for_each
from app.revalidation.tables import Review


async def review(database: Database) -> None:
    """Validate every activated version in a seat that has a newly examined window."""
    newest = (
        select(
            drift.Window.tenant_id,
            drift.Window.point_id,
            drift.Window.version_id,
            func.max(drift.Window.until).label("until"),
        )
        .group_by(drift.Window.tenant_id, drift.Window.point_id, drift.Window.version_id)
        .subquery()
    )
    reviewed = (
        select(func.max(Review.until))
        .where(
            Review.tenant_id == newest.c.tenant_id,
            Review.point_id == newest.c.point_id,
            Review.version_id == newest.c.version_id,
        )
        .correlate(newest)
        .scalar_subquery()
    )
    async with database.session(ALL_TENANTS) as session:
        rows = await session.execute(
            select(routing.Seat.tenant_id, routing.Seat.id, newest.c.until)
            .join(
                newest,
                (newest.c.tenant_id == routing.Seat.tenant_id)
                & (newest.c.point_id == routing.Seat.point_id)
                & (newest.c.version_id == routing.Seat.version_id),
            )
            .join(
                catalog.Version,
                (catalog.Version.tenant_id == routing.Seat.tenant_id)
                & (catalog.Version.id == routing.Seat.version_id),
            )
            .where(
                routing.Seat.until.is_(None),
                catalog.Version.stage == Stage.ACTIVATED,
                or_(reviewed.is_(None), newest.c.until > reviewed),
            )
        )
        due = [(row[0], row[1], row[2]) for row in rows]
    await for_each(database, due, review_seat)


async def review_seat(
    session: AsyncSession, tenant_id: UUID, seat_id: UUID, until: datetime
) -> None:
    """Judge the KPI validation of one seat's version; a drift sends the version back."""
    seat = await session.get(
        routing.Seat, (tenant_id, seat_id), with_for_update={"skip_locked": True}
    )
    if seat is None or seat.until is not None:
        return
    version = await catalog.version_by_id(session, tenant_id, seat.version_id)
    if version.stage is not Stage.ACTIVATED:  # sent back since, for what it did at another point
        return
    system = Actor.system(tenant_id)
    verdict = await activation.judge_step(
        session, seat.case_id, gates.ActivationStep.KPI_VALIDATION, by=system
    )
    session.add(
        Review(
            tenant_id=tenant_id,
            point_id=seat.point_id,
            version_id=seat.version_id,
            case_id=seat.case_id,
            verdict_id=verdict.id,
            path=verdict.path,
            until=until,
        )
    )
    await audit.record(
        session, system, "version.reviewed", f"version:{seat.version_id}",
        point_id=seat.point_id, path=verdict.path, until=until,
    )  # fmt: skip


async def list_reviews(
    session: AsyncSession,
    model: str,
    number: int,
    *,
    cursor: str | None,
    limit: int,
    by: Actor,
) -> Rows[Review]:
    """List a version's reviews, newest first."""
    version = await catalog.find_version(session, model, number, by=by)
    query = select(Review).filter_by(tenant_id=by.tenant_id, version_id=version.id)
    return await page(
        session, query, Review.until, Review.id, cursor=cursor, limit=limit, newest_first=True
    )
