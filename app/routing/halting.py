"""Who stops a decision point, who lets it go on, and what was stopped when.

To stop takes one person with the right, whoever he is. To resume takes one who made nothing of what
would answer again; and what the server stopped by itself stays until its cause is gone, or somebody
says that he accepts it.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, gates, identity
from app.kit.actor import Actor
from app.kit.moment import require_past
from app.kit.page import Rows
from app.kit.refusal import NotFound
from app.platform.db import clock, page
from app.platform.events import ask
from app.routing import diversion, stops
from app.routing.rules import CauseStands, NotStopped, OwnVersion
from app.routing.standing_in import stand_in
from app.routing.tables import Seat, Stop


async def stop_point(
    session: AsyncSession,
    key: str,
    *,
    model: str | None,
    number: int | None,
    reason: str,
    by: Actor,
) -> dict[str, Any]:
    """Stop everything at a point, or one version, by hand."""
    point = await catalog.point_by_key(session, key, by=by, lock=True)
    await identity.require_right(session, by, identity.Action.STOP_POINT, point=key)
    version_id = None
    if model is not None and number is not None:
        version_id = (await catalog.find_version(session, model, number, by=by)).id
    found = await stops.stop(
        session, point, version_id=version_id, cause=stops.OPERATOR, reason=reason, by=by
    )
    holding = await stops.stopped(session, by.tenant_id, point.id)
    standing = await stand_in(
        session,
        point,
        stopped={one.version_id for one in holding if one.version_id},
        whole=diversion.of_everything(holding) is not None,
    )
    (shown,) = await show(session, by.tenant_id, [found])
    return {**shown, "answered": standing is not None}


async def resume_point(
    session: AsyncSession,
    key: str,
    *,
    stop_id: UUID | None,
    accept_cause: bool,
    reason: str,
    by: Actor,
) -> dict[str, Any]:
    """Lift every stop of a point, or one of them."""
    point = await catalog.point_by_key(session, key, by=by, lock=True)
    holding = await stops.stopped(session, by.tenant_id, point.id)
    chosen = [found for found in holding if stop_id in {None, found.id}]
    if stop_id is not None and not chosen:
        await _require_known(session, point, stop_id)
    makers = await _makers(session, point, chosen)
    roles = await gates.roles_at(session, point.id, by=by, beside=makers)
    await identity.require_right(session, by, identity.Action.STOP_POINT, point=key, roles=roles)
    if not chosen:
        raise NotStopped(f"Nothing is stopped at {key}." if not holding else "That stop is over.")
    if by.person_id in makers:
        raise OwnVersion(f"{by.name} {makers[by.person_id]}.")
    standing = await _standing(session, point, chosen)
    if standing and not accept_cause:
        raise CauseStands(
            f"The server stopped it for {', '.join(sorted(standing))}.", causes=sorted(standing)
        )
    for found in chosen:
        accepted = stops.by_itself(found) and found.cause in standing
        await stops.lift(session, point, found, reason=reason, accepted=accepted, by=by)
    still = [found for found in holding if found not in chosen]
    return {
        "resumed": await show(session, by.tenant_id, chosen),
        "still_stopped": await show(session, by.tenant_id, still),
    }


async def _require_known(
    session: AsyncSession, point: catalog.DecisionPoint, stop_id: UUID
) -> None:
    found = await session.get(Stop, (point.tenant_id, stop_id))
    if found is None or found.point_id != point.id:
        raise NotFound("stop", stop_id)


async def _makers(
    session: AsyncSession, point: catalog.DecisionPoint, chosen: Collection[Stop]
) -> dict[UUID, str]:
    """Return who made what would answer again once these stops are lifted, and how."""
    versions = {found.version_id for found in chosen if found.version_id is not None}
    if any(found.version_id is None for found in chosen):
        versions |= await _seated(session, point)
    return await gates.makers_of(session, point.tenant_id, versions)


async def _seated(session: AsyncSession, point: catalog.DecisionPoint) -> set[UUID]:
    query = select(Seat.version_id).filter_by(
        tenant_id=point.tenant_id, point_id=point.id, until=None
    )
    return set(await session.scalars(query))


async def _standing(
    session: AsyncSession, point: catalog.DecisionPoint, chosen: Collection[Stop]
) -> frozenset[str]:
    """Return the causes that the server stopped these for and that still hold."""
    causes = frozenset(found.cause for found in chosen if stops.by_itself(found))
    if not causes:
        return causes
    answer = await ask(session, stops.CausesStanding(point.tenant_id, point.id, causes))
    return causes if answer is None else causes & answer


async def list_stops(
    session: AsyncSession,
    key: str,
    *,
    at: datetime | None,
    cursor: str | None,
    limit: int,
    by: Actor,
) -> Rows[dict[str, Any]]:
    """List the stops of a point, newest first; or those that held at a moment."""
    point = await catalog.point_by_key(session, key, by=by)
    query = select(Stop).filter_by(tenant_id=by.tenant_id, point_id=point.id)
    if at is not None:
        require_past(at, await clock(session))
        query = query.where(Stop.since <= at, or_(Stop.until.is_(None), Stop.until > at))
    found = await page(
        session, query, Stop.since, Stop.id, cursor=cursor, limit=limit, newest_first=True
    )
    return Rows(await show(session, by.tenant_id, found.items), found.next_cursor)


async def show(
    session: AsyncSession, tenant_id: UUID, found: Collection[Stop]
) -> list[dict[str, Any]]:
    """Return stops as the API tells of them."""
    ids = {stop.version_id for stop in found if stop.version_id is not None}
    versions = await catalog.versions_by_id(session, tenant_id, ids)
    people = {stop.stopped_by for stop in found}
    people |= {stop.resumed_by for stop in found if stop.resumed_by is not None}
    names = await identity.names_of(session, tenant_id, people)
    return [
        {
            "id": stop.id,
            "model": versions[stop.version_id][0].name if stop.version_id else None,
            "version": versions[stop.version_id][1].number if stop.version_id else None,
            "cause": stop.cause,
            "by_itself": stops.by_itself(stop),
            "reason": stop.reason,
            "stopped_by": names.get(stop.stopped_by),
            "since": stop.since,
            "generation": stop.generation,
            "until": stop.until,
            "resumed_by": names.get(stop.resumed_by) if stop.resumed_by else None,
            "resumed_reason": stop.resumed_reason,
            "resumed_generation": stop.resumed_generation,
        }
        for stop in found
    ]
