"""Reports: what deployers say of their targets, and the silence of those that say nothing."""

from datetime import timedelta
from functools import cache
from uuid import UUID

from sqlalchemy import Select, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app import audit, catalog, identity, routing
from app.activation import blocking, causes, incidents, targets
from app.activation.convergence import Running
from app.activation.tables import Incident, IncidentKind, Report, Target
from app.identity import Action
from app.kit.actor import Actor
from app.kit.page import Rows
from app.platform.db import ALL_TENANTS, Database, clock, page
from app.platform.rota import for_each
from app.routing import ChampionChanged


async def report(
    session: AsyncSession,
    key: str,
    name: str,
    *,
    model: str,
    number: int,
    digest: str,
    state: Running,
    detail: str,
    by: Actor,
) -> Report:
    """Take down what a deployer says of a version at a target; the server's clock dates it.

    Point, target, incident: everybody locks them in this order, a swap begins with the point.
    """
    point = await catalog.point_by_key(session, key, by=by, lock=True)
    target = await targets.target_of(session, point, name, lock=True)
    version = await catalog.find_version(session, model, number, by=by)
    tier = (await catalog.model_of(session, model, by=by)).risk_tier
    await identity.require_right(
        session, by, Action.REPORT_DEPLOYMENT, tier=tier, model=model, point=key,
        roles=incidents.roles_about(version, by),
    )  # fmt: skip
    row = Report(
        tenant_id=by.tenant_id,
        target_id=target.id,
        version_id=version.id,
        digest=digest,
        state=state,
        detail=detail,
        reporter_id=by.person_id,
    )
    session.add(row)
    await session.flush()
    await session.refresh(row)
    # Deployers speak often: a stream for each target, so that the point's own stays readable.
    await audit.record(
        session, by, "deployment.reported", f"target:{target.id}",
        point=key, target=name, model=model, number=number, digest=digest, state=state,
    )  # fmt: skip
    await incidents.examine(session, point, target, version, row)
    return row


async def list_reports(
    session: AsyncSession, key: str, name: str, *, cursor: str | None, limit: int, by: Actor
) -> Rows[Report]:
    """List what was reported of a target, newest first."""
    point = await catalog.point_by_key(session, key, by=by)
    target = await targets.target_of(session, point, name)
    query = select(Report).filter_by(tenant_id=by.tenant_id, target_id=target.id)
    return await page(
        session, query, Report.at, Report.id, cursor=cursor, limit=limit, newest_first=True
    )


async def reexamine(session: AsyncSession, event: ChampionChanged) -> None:
    """Look at the newest reports of who has the seat now: before, they may have been harmless."""
    system = Actor.system(event.tenant_id)
    point = await catalog.point_by_key(session, event.point, by=system)
    await blocking.release_unseated(session, point)
    await look_at(session, point, event.version_id)


async def look_again(session: AsyncSession, key: str, *, by: Actor) -> None:
    """Look at the newest reports of all that answers, or should not: terms may call for more."""
    point = await catalog.point_by_key(session, key, by=by)
    seated = select(routing.Seat.version_id).filter_by(
        tenant_id=point.tenant_id, point_id=point.id, until=None
    )
    strange = select(Incident.version_id).filter_by(
        tenant_id=point.tenant_id, point_id=point.id, resolved_at=None,
        kind=IncidentKind.UNAPPROVED_VERSION,
    )  # fmt: skip
    for version_id in list(await session.scalars(seated.union(strange))):
        await look_at(session, point, version_id)


async def look_at(session: AsyncSession, point: catalog.DecisionPoint, version_id: UUID) -> None:
    """Examine the newest report of a version at each target of a point."""
    version = await catalog.version_by_id(session, point.tenant_id, version_id)
    for target in await targets.targets_of(session, point):
        newest = await causes.newest_report(session, point.tenant_id, target.id, version_id)
        if newest is not None:
            await session.refresh(target, with_for_update=True)
            await incidents.examine(session, point, target, version, newest)


async def watch_targets(database: Database) -> None:
    """Open an incident for each target that is silent about a version in a seat, once.

    Whether it has gone silent or never spoke: then its silence counts from when it should have.
    """
    async with database.session(ALL_TENANTS) as session:
        due = [(row[0], row[1], row[2]) for row in await session.execute(_silent())]
    await for_each(database, due, note_silence)


@cache
def _silent() -> Select[UUID, UUID, UUID]:
    """Return the query for silent targets: tenant, target, version in a seat.

    It is asked every second, and to make it takes longer than to ask it.
    """
    newest = (
        select(Report)
        .where(
            Report.tenant_id == Target.tenant_id,
            Report.target_id == Target.id,
            Report.version_id == routing.Seat.version_id,
        )
        .order_by(Report.at.desc(), Report.id.desc())
        .limit(1)
        .lateral()
    )
    last = aliased(Report, newest)
    told = (
        select(Incident.id)
        .where(
            Incident.tenant_id == Target.tenant_id,
            Incident.target_id == Target.id,
            or_(
                Incident.report_id == func.coalesce(last.id, routing.Seat.id),
                (Incident.version_id == routing.Seat.version_id) & Incident.resolved_at.is_(None),
            ),
            Incident.kind == IncidentKind.STALE_TARGET,
        )
        .exists()
    )
    return (
        select(Target.tenant_id, Target.id, routing.Seat.version_id)
        .join(
            routing.Seat,
            (routing.Seat.tenant_id == Target.tenant_id)
            & (routing.Seat.point_id == Target.point_id)
            & routing.Seat.until.is_(None),
        )
        .outerjoin(newest, true())
        .where(
            Target.removed_at.is_(None),
            func.coalesce(last.at, func.greatest(routing.Seat.since, Target.created_at))
            <= func.clock_timestamp() - func.make_interval(
                0, 0, 0, 0, 0, 0, Target.stale_after_seconds
            ),
            ~told,
        )
    )  # fmt: skip


async def note_silence(
    session: AsyncSession, tenant_id: UUID, target_id: UUID, version_id: UUID
) -> None:
    """Open the incident of a silent target, if it is silent still."""
    target = await session.get_one(Target, (tenant_id, target_id))
    known = await catalog.point_by_id(session, tenant_id, target.point_id)
    system = Actor.system(tenant_id)
    point = await catalog.point_by_key(session, known.key, by=system, lock=True)
    await session.refresh(target, with_for_update=True)
    if target.removed_at is not None:
        return
    seat = await routing.open_seat(session, tenant_id, point.id, version_id)
    if seat is None:
        return
    last = await causes.newest_report(session, tenant_id, target_id, version_id)
    silence = timedelta(seconds=target.stale_after_seconds)
    desired_since = max(seat.since, target.created_at)
    if (last.at if last else desired_since) > await clock(session) - silence:
        return
    kind = IncidentKind.STALE_TARGET
    if last is not None:
        facts = {"last_report": last.at, "state": last.state, "stale_after": silence}
        await incidents.open_for(session, point, target, last, kind, facts)
        return
    never = {"last_report": "never", "desired_since": desired_since, "stale_after": silence}
    await incidents.open_incident(session, point, target, version_id, kind, never, seat.id, None)
