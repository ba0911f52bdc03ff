from typing import Annotated, Any
from uuid import UUID

from fastapi import Response

from app.identity import service
from app.identity.rules import BeyondOwnRights, Disabled, LastAdministrator, OwnerRequired
from app.identity.schemas import (
    IssuedKeyOut,
    KeyIn,
    KeyOut,
    PrincipalIn,
    PrincipalOut,
    WhoOut,
)
from app.identity.tables import Key, Principal
from app.kit.actor import Actor
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import AlreadyExists, NotFound
from app.platform.http import Cursor, Limit, Session, allow, responses
from app.platform.http import router as make_router

router = make_router("/v1", tag="identity")


@router.get("/me", response_model=WhoOut, responses=responses())
async def whoami(actor: Annotated[Actor, allow("catalog:read")]) -> Actor:
    """Return who the key belongs to and what it may do."""
    return actor


@router.post(
    "/principals",
    status_code=201,
    response_model=PrincipalOut,
    responses=responses(AlreadyExists, OwnerRequired),
)
async def create_principal(
    body: PrincipalIn, actor: Annotated[Actor, allow("identity:manage")], session: Session
) -> Principal:
    """Add a person or a service account."""
    return await service.create_principal(
        session, name=body.name, kind=body.kind, owner=body.owner, roles=body.roles, by=actor
    )


@router.get("/principals", response_model=Page[PrincipalOut], responses=responses(BadCursor))
async def list_principals(
    actor: Annotated[Actor, allow("identity:read")],
    session: Session,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[Principal]:
    """List people and service accounts by name."""
    return await service.list_principals(session, cursor=cursor, limit=limit, by=actor)


@router.post(
    "/principals/{principal_id}/keys",
    status_code=201,
    response_model=IssuedKeyOut,
    responses=responses(NotFound, Disabled),
)
async def issue_key(
    principal_id: UUID,
    body: KeyIn,
    actor: Annotated[Actor, allow("identity:manage")],
    session: Session,
    response: Response,
) -> dict[str, Any]:
    """Issue an API key. The key is in this answer and nowhere else."""
    response.headers["Cache-Control"] = "no-store"
    principal = await service.get_principal(session, principal_id, by=actor)
    key, text = await service.issue_key(session, principal, days=body.days, by=actor)
    return KeyOut.model_validate(key).model_dump() | {"key": text}


@router.get(
    "/principals/{principal_id}/keys",
    response_model=Page[KeyOut],
    responses=responses(NotFound, BadCursor),
)
async def list_keys(
    principal_id: UUID,
    actor: Annotated[Actor, allow("identity:read")],
    session: Session,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[Key]:
    """List a principal's keys by what names them; the keys themselves are not kept."""
    principal = await service.get_principal(session, principal_id, by=actor)
    return await service.keys_of(session, principal, cursor=cursor, limit=limit)


@router.post(
    "/principals/{principal_id}:disable",
    response_model=PrincipalOut,
    responses=responses(NotFound, LastAdministrator),
)
async def disable_principal(
    principal_id: UUID, actor: Annotated[Actor, allow("identity:manage")], session: Session
) -> Principal:
    """Take a principal's access away; every key of his stops within five seconds."""
    return await service.disable(session, principal_id, by=actor)


@router.post(
    "/keys/{key_id}:revoke",
    response_model=KeyOut,
    responses=responses(NotFound, BeyondOwnRights),
)
async def revoke_key(
    key_id: UUID, actor: Annotated[Actor, allow("catalog:read")], session: Session
) -> Key:
    """End a key: one's own, or anybody's for an administrator."""
    return await service.revoke_key(session, key_id, by=actor)
