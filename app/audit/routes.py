import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from app.audit import proofs
from app.audit.export import export
from app.audit.history import Asked, history
from app.audit.proofs import OutOfRange
from app.audit.schemas import (
    CheckpointOut,
    ConsistencyOut,
    EntryOut,
    InclusionOut,
    LogOut,
    ReportOut,
)
from app.audit.signer import Signer
from app.audit.tables import SignedCheckpoint
from app.audit.verifying import Report
from app.audit.verifying import verify as verify_log
from app.kit.actor import Actor
from app.kit.names import MOST
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.platform.db import Database
from app.platform.http import Cursor, Limit, Moment, Session, Snapshot, allow, responses
from app.platform.http import router as make_router

router = make_router("/v1/audit", tag="audit")

Reader = Annotated[Actor, allow("audit:read")]
Size = Annotated[int | None, Query(ge=1, lt=MOST, description="By default the size last signed.")]


async def _asked(
    stream: Annotated[str | None, Query(description="One aggregate's chain only.")] = None,
    actor_id: Annotated[UUID | None, Query(description="What one principal did.")] = None,
    version_id: Annotated[UUID | None, Query(description="Everything about one version.")] = None,
    action: Annotated[str | None, Query(examples=["approval.given"])] = None,
    since: Moment | None = None,
    until: Annotated[Moment | None, Query(description="Up to here, exclusive.")] = None,
) -> Asked:
    return Asked(
        stream=stream, actor_id=actor_id, action=action, since=since, until=until,
        version_ids=None if version_id is None else frozenset({version_id}),
    )  # fmt: skip


@router.get("", response_model=Page[EntryOut], responses=responses(BadCursor))
async def list_entries(
    actor: Reader,
    session: Session,
    asked: Annotated[Asked, Depends(_asked)],
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[dict[str, Any]]:
    """List what was done, newest first: by whom, to what, in which time."""
    return await history(session, actor, asked, cursor=cursor, limit=limit)


@router.post(":verify", response_model=ReportOut, responses=responses())
async def verify(actor: Reader, request: Request) -> Report:
    """Recompute every chain, the tree and what was signed; the first bad entry of each is named."""
    signer = await asyncio.to_thread(Signer.find, request.app.state.settings)
    return await verify_log(request.app.state.database, actor.tenant_id, signer)


@router.get("/log", response_model=LogOut, responses=responses())
async def get_log(actor: Reader, session: Session) -> dict[str, Any]:
    """Return how long the log is, what was signed of it, and which sinks took that."""
    return await proofs.status(session, actor.tenant_id)


@router.get(
    "/checkpoint",
    response_class=Response,
    responses=responses(NotFound)
    | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_checkpoint(actor: Reader, session: Session) -> Response:
    """Return the newest checkpoint as a C2SP signed note, as any witness reads it."""
    found = await proofs.checkpoint(session, actor.tenant_id)
    return Response(found.note, media_type="text/plain; charset=utf-8")


@router.get("/checkpoints", response_model=Page[CheckpointOut], responses=responses(BadCursor))
async def list_checkpoints(
    actor: Reader, session: Session, cursor: Cursor = None, limit: Limit = 50
) -> Rows[SignedCheckpoint]:
    """List every checkpoint, newest first."""
    return await proofs.list_checkpoints(session, actor.tenant_id, cursor=cursor, limit=limit)


@router.get(
    "/proofs/inclusion", response_model=InclusionOut, responses=responses(NotFound, OutOfRange)
)
async def prove_inclusion(
    actor: Reader,
    session: Snapshot,
    stream: Annotated[str, Query(max_length=512)],
    seq: Annotated[int, Query(ge=1, lt=MOST)],
    size: Size = None,
) -> dict[str, Any]:
    """Prove that an entry is in the log of a given size (RFC 6962)."""
    return await proofs.inclusion(session, actor, stream, seq, size)


@router.get(
    "/proofs/consistency", response_model=ConsistencyOut, responses=responses(NotFound, OutOfRange)
)
async def prove_consistency(
    actor: Reader,
    session: Snapshot,
    old_size: Annotated[int, Query(ge=1, lt=MOST)],
    size: Size = None,
) -> dict[str, Any]:
    """Prove that the log of an earlier size is the beginning of a later one (RFC 6962)."""
    return await proofs.consistency(session, actor.tenant_id, old_size, size)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses=responses() | {200: {"content": {"application/jsonl": {"schema": {}}}}},
)
async def export_log(actor: Reader, request: Request) -> StreamingResponse:
    """Return the whole log as JSON lines, to be verified with nothing but the public key."""
    database: Database = request.app.state.database

    async def lines() -> AsyncIterator[bytes]:
        async with database.snapshot(actor.tenant_id) as session:
            async for lump in export(session, actor.tenant_id):
                yield lump

    return StreamingResponse(lines(), media_type="application/jsonl")
