"""What goes before a swap: the hand-off to the production team, and the preparation."""

from typing import Annotated, Any
from uuid import UUID

from app import gates
from app.activation import handoff, preparing
from app.activation.deployment_schemas import (
    AcceptIn,
    HandOffIn,
    HandOffOut,
    PreparationOut,
    PrepareIn,
)
from app.activation.rules import HandOffChanged, NothingHandedOff, OwnHandOff
from app.activation.tables import Preparation
from app.identity import DecisionDenied
from app.kit.actor import Actor
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.platform.http import Cursor, Limit, Session, allow, responses
from app.platform.http import router as make_router

router = make_router("/v1/activations/{case_id}", tag="activation")

Operator = Annotated[Actor, allow("activation:operate")]
Reader = Annotated[Actor, allow("gates:read")]


@router.post(
    "/hand-off",
    status_code=201,
    response_model=HandOffOut,
    responses=responses(NotFound, gates.CaseClosed, DecisionDenied),
)
async def give_hand_off(
    case_id: UUID,
    body: HandOffIn,
    actor: Annotated[Actor, allow("gates:evidence")],
    session: Session,
) -> dict[str, Any]:
    """Hand a version over to the production team; a new record voids what was accepted."""
    row = await handoff.give(session, case_id, record=body.model_dump(), by=actor)
    return (await handoff.shown(session, actor.tenant_id, [row]))[0]


@router.post(
    "/hand-off:accept",
    response_model=HandOffOut,
    responses=responses(
        NotFound, NothingHandedOff, HandOffChanged, OwnHandOff, gates.CaseClosed, DecisionDenied
    ),
)
async def accept_hand_off(
    case_id: UUID, body: AcceptIn, actor: Operator, session: Session
) -> dict[str, Any]:
    """Take over a version for the production team, as neither its giver nor its developer."""
    row = await handoff.accept(session, case_id, digest=body.digest, by=actor)
    return (await handoff.shown(session, actor.tenant_id, [row]))[0]


@router.get("/hand-offs", response_model=Page[HandOffOut], responses=responses(NotFound, BadCursor))
async def list_hand_offs(
    case_id: UUID, actor: Reader, session: Session, cursor: Cursor = None, limit: Limit = 50
) -> Rows[dict[str, Any]]:
    """List what was handed over in an activation, newest first: the first one counts."""
    found = await handoff.list_hand_offs(session, case_id, cursor=cursor, limit=limit, by=actor)
    shown = await handoff.shown(session, actor.tenant_id, list(found.items))
    return Rows(shown, found.next_cursor)


@router.get(
    "/preparations",
    response_model=Page[PreparationOut],
    responses=responses(NotFound, BadCursor),
)
async def list_preparations(
    case_id: UUID, actor: Reader, session: Session, cursor: Cursor = None, limit: Limit = 50
) -> Rows[Preparation]:
    """List an activation's preparations, newest first: poll the first one until it is ready."""
    return await preparing.preparations_of(session, case_id, cursor=cursor, limit=limit, by=actor)


before = make_router("/v1/activations", tag="activation")


@before.post(
    "/{case_id}:prepare",
    status_code=202,
    response_model=PreparationOut,
    responses=responses(NotFound, gates.CaseClosed, DecisionDenied),
)
async def prepare_swap(
    case_id: UUID, body: PrepareIn, actor: Operator, session: Session
) -> Preparation:
    """Check that targets are warm and the endpoint answers; `ready` is null while it is asked."""
    return await preparing.prepare(session, case_id, health_path=body.health_path, by=actor)
