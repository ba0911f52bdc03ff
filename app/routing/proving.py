"""Proving: what a running experiment says of a version, for those who decide about it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog
from app.routing import enrolling
from app.routing.experiments import trial_of
from app.routing.promoting import DAYS, Advice
from app.routing.tables import Experiment
from app.routing.trials import reported, wanted


@dataclass(frozen=True, slots=True)
class Proven:
    """An arm that an experiment of everybody advises to promote."""

    experiment_id: UUID
    asked: dict[str, Any]
    """What an activation asks for so that it becomes champion."""


async def proof_of(
    session: AsyncSession, point: catalog.DecisionPoint, version_id: UUID
) -> dict[str, Any] | None:
    """Return what has been shown of a version where it is an arm at a point; else nothing.

    ``advice`` is of this version: it is ``promote`` only where its own arm is the one that is to
    be. ``everybody`` says whether all units of the point were in the experiment.
    """
    for row in (await enrolling.running(session, point.tenant_id, point.id)).values():
        trial = await trial_of(session, point, row)
        names = [one.name for one in trial.runners if one.version_id == version_id]
        if not names:
            continue
        found = await reported(session, trial)
        mine = found["best"] in names
        name = found["best"] if mine else names[0]
        arm = next(one for one in found["arms"] if one["arm"] == name)
        better = [] if found["best"] is None else [f"{found['best']} is better so far."]
        return {
            "id": row.id,
            "segment": row.segment,
            "everybody": trial.everybody,
            "arm": name,
            "advice": found["advice"] if mine else Advice.WAIT,
            "lacking": found["lacking"] if mine else better or found["lacking"],
            "days": trial.days,
            **{key: arm[key] for key in ("rewarded", "mean", "p_best", "expected_loss", "gain")},
        }
    return None


async def comparing(session: AsyncSession) -> list[tuple[UUID, UUID]]:
    """Return tenant and point of what runs with shares that stand still, of all tenants."""
    fixed = ("split", "multivariate", "ramp")
    query = select(Experiment.tenant_id, Experiment.point_id).where(
        Experiment.until.is_(None), Experiment.strategy.in_(fixed)
    )
    return [
        (tenant_id, point_id) for tenant_id, point_id in await session.execute(query.distinct())
    ]


async def proven(session: AsyncSession, point: catalog.DecisionPoint) -> Proven | None:
    """Return the arm of a point that is to be promoted, if an experiment of everybody says so."""
    for row in (await enrolling.running(session, point.tenant_id, point.id)).values():
        trial = await trial_of(session, point, row)
        if not trial.everybody or trial.days < DAYS:
            continue
        found = await reported(session, trial)
        if found["advice"] is Advice.PROMOTE:
            asked = await wanted(session, trial, found["best"])
            return Proven(row.id, asked) if asked is not None else None
    return None
