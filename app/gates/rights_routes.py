"""Decision rights: the matrix, as RACI, through time, and its edits under change control."""

from typing import Annotated, Any

from fastapi import Query, Response

from app import identity
from app.catalog import RiskTier
from app.gates import rights
from app.gates.accepting import ACCEPTED, accepted
from app.gates.governance_schemas import RightsIn, RightsOut, RightsRevisionOut
from app.gates.tables import Change
from app.identity import BadRights, DecisionDenied, DecisionRights, RightsRevision
from app.kit.actor import Actor
from app.kit.moment import InTheFuture
from app.kit.names import MOST
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.platform.http import At, Cursor, IfMatch, Limit, Session, allow, etag, responses
from app.platform.http import router as make_router
from app.platform.http.documented import editing

router = make_router("/v1/decision-rights", tag="decision-rights")

Reader = Annotated[Actor, allow("gates:read")]


@router.get("", response_model=RightsOut, responses=responses(NotFound, InTheFuture))
async def get_rights(
    actor: Reader,
    session: Session,
    response: Response,
    revision: Annotated[int | None, Query(ge=1, lt=MOST)] = None,
    at: At = None,
) -> dict[str, Any]:
    """Return who may decide what: the matrix, and as a RACI table by action and tier."""
    row = await identity.rights_row(session, actor.tenant_id, revision=revision, at=at)
    if revision is None and at is None:
        etag(response, row.revision)
    return _shown(row)


@router.get("/revisions", response_model=Page[RightsRevisionOut], responses=responses(BadCursor))
async def list_revisions(
    actor: Reader, session: Session, cursor: Cursor = None, limit: Limit = 50
) -> Rows[RightsRevision]:
    """List the revisions of the matrix, newest first."""
    return await identity.list_rights(session, cursor=cursor, limit=limit, by=actor)


@router.put(
    "",
    response_model=RightsOut,
    responses=editing(NotFound, BadRights, DecisionDenied) | ACCEPTED,
)
async def replace_rights(
    body: RightsIn,
    expected: IfMatch,
    actor: Annotated[Actor, allow("policy:write")],
    session: Session,
    response: Response,
    reason: Annotated[str, Query(max_length=2000)] = "",
) -> Any:
    """Save a new matrix; under change control, ask for it."""
    saved = await rights.edit(session, body.body, expected=expected, reason=reason, by=actor)
    if isinstance(saved, Change):
        return accepted(saved)
    etag(response, saved.revision)
    return _shown(saved)


def _shown(row: RightsRevision) -> dict[str, Any]:
    body = DecisionRights.model_validate(row.body)
    return {
        "revision": row.revision,
        "body": body.model_dump(mode="json"),
        "digest": row.digest,
        "author_id": row.author_id,
        "at": row.at,
        "raci": identity.raci(identity.completed(body), RiskTier),
    }
