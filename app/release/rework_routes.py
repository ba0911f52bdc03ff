from typing import Annotated
from uuid import UUID

from fastapi import Body, Path, Query

from app.kit.actor import Actor
from app.kit.names import MOST, NAME
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.platform.http import Cursor, Limit, Session, allow, responses
from app.platform.http import router as make_router
from app.release import procedures as service
from app.release import rework, shown
from app.release.procedure_rules import (
    EffectUnmeasured,
    NotAResult,
    NothingLinked,
    OwnResult,
    ProcedureOver,
)
from app.release.rework import TaskDone
from app.release.rework_schemas import (
    AbandonIn,
    ConcludeIn,
    HandBackOut,
    LinkIn,
    ProcedureIn,
    ProcedureOut,
    TaskDoneIn,
)

hand_backs = make_router("/v1/models/{name}/versions/{number}/hand-back", tag="release")
procedures = make_router("/v1/procedures", tag="release")

Name = Annotated[str, Path(pattern=NAME)]
Number = Annotated[int, Path(ge=1, lt=MOST)]
Reader = Annotated[Actor, allow("gates:read")]
Worker = Annotated[Actor, allow("release:rework")]


@hand_backs.get("", response_model=HandBackOut, responses=responses(NotFound))
async def get_hand_back(name: Name, number: Number, actor: Reader, session: Session) -> HandBackOut:
    """Return what a version was sent back with: findings, and tasks for its developers."""
    return shown.hand_back(await rework.hand_back_of(session, name, number, by=actor))


@hand_backs.post(
    "/tasks/{task}:done", response_model=HandBackOut, responses=responses(NotFound, TaskDone)
)
async def finish_task(
    name: Name, number: Number, task: Name, body: TaskDoneIn, actor: Worker, session: Session
) -> HandBackOut:
    """Tick a task of the last hand-back off, and say what was found or done."""
    return shown.hand_back(
        await rework.finish_task(session, name, number, task, note=body.note, by=actor)
    )


@procedures.post("", status_code=201, response_model=ProcedureOut, responses=responses(NotFound))
async def open_procedure(body: ProcedureIn, actor: Worker, session: Session) -> ProcedureOut:
    """Have a model tuned, trained or built anew: its cause, and the effect it should have."""
    row = await service.open_procedure(
        session,
        kind=body.kind,
        model=body.model,
        number=body.version,
        cause=body.cause,
        cause_id=body.cause_id,
        reason=body.reason,
        expected=body.expected.model_dump(),
        by=actor,
    )
    return await shown.procedure(session, row)


@procedures.get("", response_model=Page[ProcedureOut], responses=responses(NotFound, BadCursor))
async def list_procedures(
    actor: Reader,
    session: Session,
    model: Annotated[str | None, Query(pattern=NAME)] = None,
    version: Annotated[int | None, Query(ge=1, lt=MOST, description="Of `model`.")] = None,
    open: Annotated[bool, Query(description="Only those under way.")] = False,  # noqa: A002, FBT002 - the query's name
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[ProcedureOut]:
    """List procedures, newest first."""
    rows = await service.list_procedures(
        session,
        model=model,
        number=version,
        open_only=open,
        cursor=cursor,
        limit=limit,
        by=actor,
    )
    return Rows(await shown.procedures(session, actor.tenant_id, rows.items), rows.next_cursor)


@procedures.get("/{procedure_id}", response_model=ProcedureOut, responses=responses(NotFound))
async def get_procedure(procedure_id: UUID, actor: Reader, session: Session) -> ProcedureOut:
    """Return a procedure with the effect that was measured so far."""
    return await shown.procedure(
        session, await service.procedure_of(session, procedure_id, by=actor)
    )


@procedures.post(
    "/{procedure_id}:link",
    response_model=ProcedureOut,
    responses=responses(NotFound, ProcedureOver, NotAResult),
)
async def link_version(
    procedure_id: UUID, body: LinkIn, actor: Worker, session: Session
) -> ProcedureOut:
    """Say which version came of it."""
    row = await service.link(session, procedure_id, model=body.model, number=body.version, by=actor)
    return await shown.procedure(session, row)


@procedures.post(
    "/{procedure_id}:conclude",
    response_model=ProcedureOut,
    responses=responses(NotFound, ProcedureOver, NothingLinked, OwnResult, EffectUnmeasured),
)
async def conclude(
    procedure_id: UUID,
    actor: Worker,
    session: Session,
    body: Annotated[ConcludeIn | None, Body(examples=ConcludeIn.EXAMPLES)] = None,
) -> ProcedureOut:
    """End a procedure with the effect that was measured; not by who developed the result."""
    why = body.unmeasured_because if body else None
    row = await service.conclude(session, procedure_id, unmeasured_because=why, by=actor)
    return await shown.procedure(session, row)


@procedures.post(
    "/{procedure_id}:abandon",
    response_model=ProcedureOut,
    responses=responses(NotFound, ProcedureOver),
)
async def abandon(
    procedure_id: UUID, body: AbandonIn, actor: Worker, session: Session
) -> ProcedureOut:
    """Give a procedure up."""
    row = await service.abandon(session, procedure_id, reason=body.reason, by=actor)
    return await shown.procedure(session, row)
