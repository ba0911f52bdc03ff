import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.kit.actor import Actor, OutOfScope
from app.kit.refusal import NotFound
from app.platform.db import Database
from app.platform.http import Session, allow, responses
from app.platform.http import router as make_router
from app.release import operations as service
from app.release.operation_rules import (
    GOING,
    NotYourOperation,
    OperationKind,
    OperationOver,
    OperationState,
)
from app.release.tables import Operation

router = make_router("/v1/operations", tag="operations")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0

Wait = Annotated[
    float | None,
    Query(ge=0, le=30, description="Seconds to wait for the end of the operation."),
]
Reader = Annotated[Actor, allow("gates:read")]


class OperationOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kind: OperationKind
    state: OperationState = Field(
        description="`waiting`: somebody has to act first, see `result.missing`; then ask again."
    )
    about: dict[str, Any] = Field(description="Model, version and decision points.")
    principal_id: UUID = Field(description="In whose name.")
    progress: dict[str, Any]
    result: dict[str, Any] | None
    problem: dict[str, Any] | None = Field(description="Why it failed, as a problem document.")
    at: datetime
    started_at: datetime | None
    ended_at: datetime | None


FINISHED: dict[int | str, dict[str, Any]] = {
    200: {"model": OperationOut, "description": "It came to an end within `wait` seconds."}
}
"""What an operation's beginning answers, too, where it is waited for."""


def located(response: Response, operation: Operation) -> None:
    """Say where an operation is found."""
    response.headers["Location"] = f"/v1/operations/{operation.id}"


async def ended(database: Database, operation_id: UUID, *, seconds: float, by: Actor) -> Operation:
    """Return an operation once it has ended or time is up; between looks no connection is held."""
    until = time.monotonic() + seconds
    pause = _FIRST_PAUSE
    while True:
        try:
            async with database.session(by.tenant_id) as session:
                found = await service.operation_of(session, operation_id, by=by)
        except PoolTimeout:
            if time.monotonic() >= until:
                raise
        else:
            if found.state not in GOING or time.monotonic() >= until:
                return found
        await asyncio.sleep(max(0.0, min(pause, until - time.monotonic())))
        pause = min(_LONGEST_PAUSE, pause * 1.5)


def waited(
    request: Request, operation: Operation, *, seconds: float, by: Actor
) -> Callable[[Response], Awaitable[Response]]:
    """Return what waits for an operation once the act that began it is committed."""
    database: Database = request.app.state.database
    operation_id = operation.id

    async def wait(response: Response) -> Response:
        found = await ended(database, operation_id, seconds=seconds, by=by)
        if found.state in GOING:
            return response
        body = OperationOut.model_validate(found).model_dump_json()
        headers = {"Location": f"/v1/operations/{operation_id}"}
        return Response(body, 200, headers, media_type="application/json")

    return wait


@router.get("/{operation_id}", response_model=OperationOut, responses=responses(NotFound))
async def get_operation(
    operation_id: UUID, request: Request, actor: Reader, wait: Wait = None
) -> Operation:
    """Return how far an operation is, and what it came to; it may be waited for."""
    database: Database = request.app.state.database
    return await ended(database, operation_id, seconds=wait or 0.0, by=actor)


@router.post(
    "/{operation_id}:cancel",
    response_model=OperationOut,
    responses=responses(NotFound, NotYourOperation, OperationOver, OutOfScope),
)
async def cancel_operation(operation_id: UUID, actor: Reader, session: Session) -> Operation:
    """Stop one's own operation; what it has recorded by then stays recorded."""
    return await service.cancel(session, operation_id, by=actor)
