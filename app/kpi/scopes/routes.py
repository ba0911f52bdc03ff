from typing import Annotated, Any

from fastapi import Path, Query, Response

from app import gates, identity
from app.kit.actor import Actor, OutOfScope
from app.kit.names import NAME
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.kpi.money import MixedCurrencies
from app.kpi.scopes import records, service
from app.kpi.scopes.rules import (
    NoSuchMembers,
    ScopeKindFixed,
    ScopeNamed,
    TooManyScoped,
)
from app.kpi.scopes.schemas import ScopeIn, ScopeOut
from app.platform.http import (
    Cursor,
    IfMatch,
    IfMatchToReplace,
    Limit,
    Session,
    allow,
    etag,
    responses,
)
from app.platform.http import router as make_router
from app.platform.http.documented import editing

router = make_router("/v1/kpi-scopes", tag="kpi-scopes")

Name = Annotated[str, Path(pattern=NAME)]
Reason = Annotated[str, Query(max_length=2000)]


@router.put(
    "/{scope}",
    response_model=ScopeOut,
    responses=editing(
        NoSuchMembers, identity.DecisionDenied, OutOfScope, ScopeKindFixed, TooManyScoped,
        MixedCurrencies,
    )
    | gates.ACCEPTED,
)  # fmt: skip
async def set_scope(
    scope: Name,
    body: ScopeIn,
    expected: IfMatchToReplace,
    actor: Annotated[Actor, allow("kpi:write")],
    session: Session,
    response: Response,
    reason: Reason = "",
) -> Any:
    """Say which decision points a process or a portfolio is of, or say it anew."""
    found = await service.edit(
        session, scope, expected=expected, fields=body.model_dump(), reason=reason, by=actor
    )
    if isinstance(found, gates.Change):
        return gates.accepted(found)
    assert found is not None  # noqa: S101 - with fields, there is one
    etag(response, found.revision)
    return (await service.shown(session, actor.tenant_id, [found]))[0]


@router.delete(
    "/{scope}",
    status_code=204,
    response_model=None,
    responses=editing(NotFound, identity.DecisionDenied, OutOfScope, ScopeNamed) | gates.ACCEPTED,
)
async def end_scope(
    scope: Name,
    expected: IfMatch,
    actor: Annotated[Actor, allow("kpi:write")],
    session: Session,
    reason: Reason = "",
) -> Any:
    """End a scope and withdraw its KPIs; a process that portfolios name stays.

    What was reported of it and how it stood stays on record, and is read by its `id`: see
    `GET /v1/kpi-scopes?ended=true`.
    """
    change = await service.edit(
        session, scope, expected=expected, fields=None, reason=reason, by=actor
    )
    return gates.accepted(change) if isinstance(change, gates.Change) else Response(status_code=204)


@router.get("", response_model=Page[ScopeOut], responses=responses(BadCursor, OutOfScope))
async def list_scopes(
    actor: Annotated[Actor, allow("telemetry:read")],
    session: Session,
    cursor: Cursor = None,
    limit: Limit = 50,
    ended: Annotated[  # noqa: FBT002 - a query parameter
        bool, Query(description="Those that have ended instead: their records are read by `id`.")
    ] = False,
) -> Rows[dict[str, Any]]:
    """List processes and portfolios by key, those that there are or those that there were."""
    if ended:
        return await records.list_ended(session, cursor=cursor, limit=limit, by=actor)
    return await service.list_scopes(session, cursor=cursor, limit=limit, by=actor)


@router.get("/{scope}", response_model=ScopeOut, responses=responses(NotFound, OutOfScope))
async def get_scope(
    scope: Name,
    actor: Annotated[Actor, allow("telemetry:read")],
    session: Session,
    response: Response,
) -> dict[str, Any]:
    """Return a process or a portfolio; its ETag guards edits."""
    found = await service.scope_by_key(session, scope, by=actor)
    etag(response, found.revision)
    return (await service.shown(session, actor.tenant_id, [found]))[0]
