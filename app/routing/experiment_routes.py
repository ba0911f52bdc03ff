from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from app.kit.actor import Actor
from app.kit.names import NAME
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.platform.http import Cursor, Limit, Session, Snapshot, allow, responses
from app.platform.http import router as make_router
from app.routing import experiments
from app.routing.schemas import ExperimentOut, ExperimentRowOut

router = make_router("/v1/experiments", tag="routing")

Reader = Annotated[Actor, allow("routing:read")]


@router.get("", response_model=Page[ExperimentRowOut], responses=responses(NotFound, BadCursor))
async def list_experiments(
    actor: Reader,
    session: Session,
    running: Annotated[bool | None, Query(description="false: those that have ended.")] = None,
    decision_point: Annotated[str | None, Query(pattern=NAME)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[dict[str, Any]]:
    """List experiments of all decision points, newest first."""
    return await experiments.list_experiments(
        session, running=running, point_key=decision_point, cursor=cursor, limit=limit, by=actor
    )


@router.get("/{experiment_id}", response_model=ExperimentOut, responses=responses(NotFound))
async def get_experiment(experiment_id: UUID, actor: Reader, session: Snapshot) -> dict[str, Any]:
    """Say what an experiment has shown, or had when it ended, and what follows from it.

    Gains are covered at every look, however often one looks. The evidence advises; who becomes
    champion is decided by an activation.
    """
    return await experiments.experiment_of(session, experiment_id, by=actor)
