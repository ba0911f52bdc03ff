"""Membership: an ensemble answers no better than what is inside of it."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, release, routing
from app.activation.events import MemberLost
from app.activation.rules import MembersUnfit
from app.catalog import Stage
from app.kit.actor import Actor
from app.platform.events import publish


async def require_fit_members(
    session: AsyncSession, version: catalog.Version, name: str, *, lock: bool = False
) -> None:
    """Refuse a version of model ``name`` with unfit members inside, each with its mend."""
    unfit = await unfit_members(session, version, name, lock=lock)
    if unfit:
        listed = ", ".join(f"{one['member']} is {one['stage']}" for one in unfit)
        raise MembersUnfit(f"{name}@{version.number} answers with: {listed}.", members=unfit)


async def unfit_members(
    session: AsyncSession, version: catalog.Version, name: str, *, lock: bool = False
) -> list[dict[str, Any]]:
    """Return the members of a version that are not fit, with what mends each."""
    found = await catalog.unfit_inside(session, version.tenant_id, [version.id], lock=lock)
    return [_told(model, member, name) for model, member in found.get(version.id, ())]


def _told(model: catalog.Model, member: catalog.Version, ensemble: str) -> dict[str, Any]:
    path = f"/v1/models/{model.name}/versions/{member.number}"
    instead = f"POST /v1/models/{ensemble}/versions with another in its place"
    if member.stage is Stage.PUBLISHED:
        named = f'{{"model": "{model.name}", "version": {member.number}}}'
        mend = f"POST /v1/validations {named}, and have its steps judged."
    elif member.stage is Stage.RETURNED:
        mend = f"GET {path}/hand-back says what to mend; then {instead}."
    else:
        mend = f"{instead}."
    return {
        "member": f"{model.name}@{member.number}",
        "stage": member.stage.value,
        "mend": mend,
    }


async def warn_of(session: AsyncSession, event: release.VersionMoved) -> None:
    """Tell of every seat whose ensemble lost a member; adherence names it as long as it sits."""
    around = await catalog.ensembles_of(session, event.tenant_id, event.version_id)
    outer = {ensemble.id: (model, ensemble) for model, ensemble in around}
    seats = list(
        await session.scalars(
            select(routing.Seat)
            .where(
                routing.Seat.tenant_id == event.tenant_id,
                routing.Seat.version_id.in_(outer),
                routing.Seat.until.is_(None),
            )
            .order_by(routing.Seat.since)
        )
    )
    points = await catalog.points_by_id(session, event.tenant_id, {s.point_id for s in seats})
    for seat in seats:
        model, ensemble = outer[seat.version_id]
        point = points[seat.point_id]
        await _warn(session, event, seat, point, model, ensemble)


async def _warn(
    session: AsyncSession,
    event: release.VersionMoved,
    seat: routing.Seat,
    point: catalog.DecisionPoint,
    model: catalog.Model,
    ensemble: catalog.Version,
) -> None:
    people = (point.owner_id, model.owner_id, ensemble.developer_id)
    await audit.record(
        session, Actor.system(event.tenant_id), "ensemble.member_lost", f"point:{point.id}",
        version_id=ensemble.id, member_id=event.version_id, stage=event.target, seat=seat.id,
    )  # fmt: skip
    await publish(
        session,
        MemberLost(
            tenant_id=event.tenant_id,
            point=point.key,
            role=seat.role.value,
            version_id=ensemble.id,
            model=model.name,
            number=ensemble.number,
            member_id=event.version_id,
            stage=event.target,
            addressees=tuple(dict.fromkeys(people)),
        ),
    )
