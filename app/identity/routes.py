from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response

from app.identity import access, invitations, issuing, revoking, service
from app.identity.rules import (
    BadInvitation,
    BeyondOwnRights,
    Disabled,
    IncompatibleRoles,
    LastAdministrator,
    NotAPerson,
    OwnerRequired,
    StillActive,
)
from app.identity.schemas import (
    InvitationOut,
    IssuedKeyOut,
    KeyIn,
    KeyOut,
    PrincipalIn,
    PrincipalOut,
    RedeemIn,
    RevokedKeyOut,
    RolesIn,
    WhoOut,
)
from app.identity.tables import Key, Principal
from app.kit.actor import Actor, OutOfScope
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import AlreadyExists, NotFound
from app.platform.http import Cursor, Limit, Session, WrongCredentials, allow, responses
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
    responses=responses(AlreadyExists, OwnerRequired, IncompatibleRoles, OutOfScope),
)
async def create_principal(
    body: PrincipalIn, actor: Annotated[Actor, allow("identity:manage")], session: Session
) -> Principal:
    """Add a person or a service account.

    Roles that judge or approve are given when others agree: `change_id` names the request.
    """
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
    responses=responses(NotFound, Disabled, BeyondOwnRights),
)
async def issue_key(
    principal_id: UUID,
    body: KeyIn,
    actor: Annotated[Actor, allow("catalog:read")],
    session: Session,
    response: Response,
) -> dict[str, Any]:
    """Make a key of one's own, or of a service account one answers for; it is shown once.

    No key grants more than the one in hand, and each ends with the one it was made with. An
    administrator may make keys for machines that decide nothing, whoever answers for them.
    """
    response.headers["Cache-Control"] = "no-store"
    key, text = await issuing.make_key(
        session, principal_id, days=body.days, roles=body.roles, points=body.points, by=actor
    )
    return KeyOut.model_validate(key).model_dump() | {"key": text}


@router.get(
    "/principals/{principal_id}/keys",
    response_model=Page[KeyOut],
    responses=responses(NotFound, BadCursor),
)
async def list_keys(
    principal_id: UUID,
    actor: Annotated[Actor, allow("catalog:read")],
    session: Session,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[Key]:
    """List a principal's keys by what names them: one's own, or any with identity:read."""
    return await issuing.list_keys(session, principal_id, cursor=cursor, limit=limit, by=actor)


@router.post(
    "/principals/{principal_id}:invite",
    status_code=201,
    response_model=InvitationOut,
    responses=responses(NotFound, Disabled, NotAPerson, BeyondOwnRights, OutOfScope),
)
async def invite_principal(
    principal_id: UUID,
    actor: Annotated[Actor, allow("identity:manage")],
    session: Session,
    response: Response,
) -> dict[str, Any]:
    """Make a one-time code with which a person gets his first key; the newest one holds.

    Roles that judge or approve rest until others agree that the key is in the right hands.
    """
    response.headers["Cache-Control"] = "no-store"
    found, code = await invitations.invite(session, principal_id, by=actor)
    return {
        "id": found.id, "principal_id": principal_id, "code": code, "expires_at": found.expires_at,
    }  # fmt: skip


@router.post(
    "/invitations:redeem",
    status_code=201,
    response_model=IssuedKeyOut,
    responses=responses(BadInvitation),
)
async def redeem_invitation(
    body: RedeemIn, request: Request, session: Session, response: Response
) -> dict[str, Any]:
    """Turn an invitation's code into a key, once. The code is what lets the caller in."""
    response.headers["Cache-Control"] = "no-store"
    wrong: WrongCredentials = request.app.state.wrong_credentials
    with wrong.counted(request.scope.get("client")):
        key, text = await invitations.redeem(session, body.code, days=body.days)
    return KeyOut.model_validate(key).model_dump() | {"key": text}


@router.post(
    "/principals/{principal_id}:assign",
    response_model=PrincipalOut,
    responses=responses(
        NotFound, LastAdministrator, BeyondOwnRights, IncompatibleRoles, OutOfScope
    ),
)
async def assign_roles(
    principal_id: UUID,
    body: RolesIn,
    actor: Annotated[Actor, allow("identity:manage")],
    session: Session,
) -> Principal:
    """Give somebody else other roles; his keys follow within five seconds.

    What is taken away goes at once; roles that judge or approve are given when others agree:
    `change_id` names the request.
    """
    return await access.assign(
        session, principal_id, roles=body.roles, reason=body.reason, by=actor
    )


@router.post(
    "/principals/{principal_id}:enable",
    response_model=PrincipalOut,
    responses=responses(NotFound, Disabled, OutOfScope),
)
async def enable_principal(
    principal_id: UUID, actor: Annotated[Actor, allow("identity:manage")], session: Session
) -> Principal:
    """Let a disabled principal back in, with the keys that are still good.

    Roles that judge or approve rest until others agree: `change_id` names the request.
    """
    return await access.enable(session, principal_id, by=actor)


@router.post(
    "/principals/{principal_id}:erase",
    response_model=PrincipalOut,
    responses=responses(NotFound, StillActive, OutOfScope),
)
async def erase_principal(
    principal_id: UUID, actor: Annotated[Actor, allow("identity:manage")], session: Session
) -> Principal:
    """Forget the personal data of who has left; what was done stays, and still verifies."""
    return await service.erase(session, principal_id, by=actor)


@router.post(
    "/principals/{principal_id}:disable",
    response_model=PrincipalOut,
    responses=responses(NotFound, LastAdministrator, OutOfScope),
)
async def disable_principal(
    principal_id: UUID, actor: Annotated[Actor, allow("identity:manage")], session: Session
) -> Principal:
    """Take a principal's access away; every key of his stops within five seconds."""
    return await access.disable(session, principal_id, by=actor)


@router.post(
    "/keys/{key_id}:revoke",
    response_model=RevokedKeyOut,
    responses=responses(NotFound, BeyondOwnRights, OutOfScope),
)
async def revoke_key(
    key_id: UUID,
    actor: Annotated[Actor, allow("catalog:read")],
    session: Session,
    alone: Annotated[  # noqa: FBT002 - how FastAPI spells a query
        bool, Query(description="Let go on what was made with it; for a key that nobody stole.")
    ] = False,
) -> dict[str, Any]:
    """End a key: one's own, a machine's one answers for, or anybody's for an administrator.

    What was made with it ends as well, and what was made with that, but never the key of this call
    nor what was made with it. So a key is replaced: make one with the old one, then end the old one
    with the new one. Applications' keys that an administrator made are of his making, too: where
    nobody else had his key, end it `alone`.
    """
    done = await revoking.revoke_key(session, key_id, alone=alone, by=actor)
    shown = KeyOut.model_validate(done.key).model_dump()
    return shown | {"descendants": [one.prefix for one in done.descendants]}
