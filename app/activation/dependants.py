"""Dependants: what still needs a version, and the call that ends each need."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, routing
from app.activation.convergence import Running
from app.activation.desired import running_at
from app.platform.db import clock


class Weight(StrEnum):
    """What a dependant means for a retirement."""

    BLOCKS = "blocks"
    ACCEPTABLE = "acceptable"
    """Blocks, unless whoever retires says that he accepts it."""
    WARNS = "warns"


@dataclass(frozen=True, slots=True)
class Dependant:
    """One thing that needs a version."""

    kind: str
    weight: Weight
    detail: str
    mend: str
    decision_point: str | None = None
    """Where it is, of what is somewhere."""


async def dependants_of(
    session: AsyncSession,
    model: catalog.Model,
    version: catalog.Version,
    *,
    drained_after: timedelta,
) -> list[Dependant]:
    """Return everything that needs a version, what blocks its retirement first."""
    seats = await routing.open_seats_of(session, model.tenant_id, version.id)
    points = await catalog.points_by_id(session, model.tenant_id, {s.point_id for s in seats})
    found = [_seated(seat, points[seat.point_id]) for seat in seats]
    found += await _planned(session, model, version)
    found += await _standing_in(session, version)
    found += await _aliases(session, model, version)
    found += await _deployed(session, version)
    found += await _ensembles(session, version)
    found += await _instances(session, model, version)
    found += await _downstream(session, model.tenant_id, points.values())
    if not any(item.weight is Weight.BLOCKS for item in found):
        found += await _draining(session, model, version, drained_after)
    order = list(Weight)
    return sorted(found, key=lambda item: order.index(item.weight))


def _seated(seat: routing.Seat, point: catalog.DecisionPoint) -> Dependant:
    if seat.role is routing.SeatRole.CHAMPION:
        return Dependant(
            "champion",
            Weight.BLOCKS,
            f"It is champion of {point.key}.",
            "POST /v1/activations for another version and commit it; or POST"
            f" /v1/decision-points/{point.key}:stop, then …/seats/{seat.id}:unseat.",
            point.key,
        )
    return Dependant(
        "challenger",
        Weight.BLOCKS,
        f"It has a seat at {point.key}.",
        f"POST /v1/decision-points/{point.key}/seats/{seat.id}:unseat",
        point.key,
    )


async def _planned(
    session: AsyncSession, model: catalog.Model, version: catalog.Version
) -> list[Dependant]:
    named = await routing.plans_naming(session, model.tenant_id, model.name, version.number)
    points = await catalog.points_by_id(session, model.tenant_id, named)
    return [
        Dependant(
            kind,
            Weight.BLOCKS,
            f"The plan of {points[point_id].key} has it as the {kind} {name!r}.",
            f"PUT /v1/decision-points/{points[point_id].key}/plan without it.",
            points[point_id].key,
        )
        for point_id, arms in named.items()
        for kind, name in arms
    ]


async def _standing_in(session: AsyncSession, version: catalog.Version) -> list[Dependant]:
    found = []
    for point, declared in await routing.falls_back_to(session, version.tenant_id, version.id):
        path = f"/v1/decision-points/{point.key}"
        if declared:
            found.append(
                Dependant(
                    "fallback",
                    Weight.BLOCKS,
                    f"It is the declared fallback of {point.key}.",
                    f"PUT {path}/fallback naming another.",
                    point.key,
                )
            )
        elif await routing.stopped(session, version.tenant_id, point.id):
            found.append(
                Dependant(
                    "standing_in",
                    Weight.BLOCKS,
                    f"{point.key} is stopped, and it answers there as the previous champion.",
                    f"POST {path}:resume, or PUT {path}/fallback naming another.",
                    point.key,
                )
            )
        else:
            found.append(
                Dependant(
                    "kept_warm",
                    Weight.WARNS,
                    f"{point.key} would be rolled back to it, and fall back to it if stopped.",
                    f"PUT {path}/fallback, so that something else stands in.",
                    point.key,
                )
            )
    return found


async def _aliases(
    session: AsyncSession, model: catalog.Model, version: catalog.Version
) -> list[Dependant]:
    """Return the names under which somebody fetches a version; none may lead to a retired one."""
    return [
        Dependant(
            "alias",
            Weight.BLOCKS,
            f"The alias {name} of {model.name} points at it.",
            f"PUT /v1/models/{model.name}/aliases/{name} to another version, or DELETE it.",
        )
        for name in await catalog.aliases_of(session, model.tenant_id, version.id)
    ]


async def _deployed(session: AsyncSession, version: catalog.Version) -> list[Dependant]:
    """Return the targets that were last heard to run a version, not too long ago."""
    found = []
    for target, point, state in await running_at(session, version):
        path = f"/v1/decision-points/{point.key}/targets/{target.name}"
        serves = state is Running.SERVING
        stopped = f"have it stopped, and POST {path}/reports with state `stopped`"
        if serves:
            mend = f"GET {path}/desired says what to run; {stopped}, or DELETE {path}."
        else:
            mend = f"Once it is retired, {path}/desired has it no more; then {stopped}."
        found.append(
            Dependant(
                "target",
                Weight.BLOCKS if serves else Weight.WARNS,
                f"{target.name} of {point.key} reports it as {state}.",
                mend,
                point.key,
            )
        )
    return found


async def _instances(
    session: AsyncSession, model: catalog.Model, version: catalog.Version
) -> list[Dependant]:
    """Return the segments that a version is set up for."""
    path = f"/v1/models/{model.name}/versions/{version.number}/instances"
    return [
        Dependant(
            "instance",
            Weight.WARNS,
            f"It is set up as the instance {instance.key}.",
            f"DELETE {path}/{instance.key}, and set the next version up for that segment.",
        )
        for instance in await catalog.instances_of(session, model.tenant_id, version.id)
    ]


async def _ensembles(session: AsyncSession, version: catalog.Version) -> list[Dependant]:
    """Return the ensembles that a version is a member of, at whatever depth.

    One that has a seat decides with it: it is not drained before that is.
    """
    found = []
    for model, ensemble in await catalog.ensembles_of(session, version.tenant_id, version.id):
        if ensemble.stage is catalog.Stage.RETIRED:
            continue
        name = f"{model.name}@{ensemble.number}"
        without = f"POST /v1/models/{model.name}/versions without it"
        needs = await _deciding(session, ensemble)
        for need in needs:
            if need.weight is Weight.BLOCKS:
                detail = f"The ensemble {name} decides with it at {need.decision_point}."
                mend = f"{without}, and POST /v1/activations for that; or {need.mend}"
                found.append(Dependant("ensemble", need.weight, detail, mend, need.decision_point))
            else:
                where = need.decision_point
                detail = f"The ensemble {name} would stand in at {where}, and would not without it."
                found.append(Dependant("ensemble", Weight.ACCEPTABLE, detail, need.mend, where))
        if not needs:
            found.append(
                Dependant(
                    "ensemble",
                    Weight.ACCEPTABLE,
                    f"The ensemble {name} answers with it.",
                    f"{without}, and retire the one with it.",
                )
            )
    return found


async def _deciding(session: AsyncSession, ensemble: catalog.Version) -> list[Dependant]:
    """Return where an ensemble decides or was declared to, and where it would stand in unasked."""
    seats = await routing.open_seats_of(session, ensemble.tenant_id, ensemble.id)
    points = await catalog.points_by_id(
        session, ensemble.tenant_id, {seat.point_id for seat in seats}
    )
    needs = [_seated(seat, points[seat.point_id]) for seat in seats]
    needs += await _standing_in(session, ensemble)
    return list({(need.decision_point, need.weight): need for need in needs}.values())


async def _downstream(
    session: AsyncSession, tenant_id: UUID, served: Collection[catalog.DecisionPoint]
) -> list[Dependant]:
    """Return the points that take as input what is decided where a version sits.

    Either end may have said so: the one its ``downstream``, the other its ``upstream``.
    """
    if not served:
        return []
    keys = {point.key for point in served}
    named = {
        (point.key, below) for point in served for below in _names(point.contract, "downstream")
    }
    rows = await session.scalars(
        select(catalog.DecisionPoint).where(
            catalog.DecisionPoint.tenant_id == tenant_id,
            catalog.DecisionPoint.contract["upstream"].is_not(None),
        )
    )
    for point in rows:
        named |= {(above, point.key) for above in _names(point.contract, "upstream") & keys}
    return [
        Dependant(
            "downstream",
            Weight.ACCEPTABLE,
            f"{below} takes what is decided at {above} as its input.",
            "Have another champion there, or repeat with accept_dependants=true.",
            below,
        )
        for above, below in sorted(named)
    ]


def _names(contract: dict[str, Any], end: str) -> set[str]:
    found = contract.get(end) or ()
    return {name for name in found if isinstance(name, str)}


async def _draining(
    session: AsyncSession,
    model: catalog.Model,
    version: catalog.Version,
    drained_after: timedelta,
) -> list[Dependant]:
    """Return that some table may still answer with a version, if that may be."""
    last = await routing.last_answered(
        session, model.tenant_id, version.id, model.name, version.number
    )
    left = (last + drained_after - await clock(session)).total_seconds() if last else 0.0
    if left <= 0:
        return []
    return [
        Dependant(
            "draining",
            Weight.BLOCKS,
            f"Routing changed where it was known; a table in memory may be {drained_after} old.",
            f"Send the same request again in {left:.0f} s.",
        )
    ]
