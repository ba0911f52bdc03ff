from datetime import datetime
from typing import Annotated, Any

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from app import gates, identity
from app.kit.actor import Actor, OutOfScope
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.kpi.money import MixedCurrencies
from app.kpi.scopes import agreeing, standing
from app.kpi.scopes.routes import Name, Reason
from app.kpi.scopes.rules import (
    AttributedHere,
    BadScopeFormula,
    Standing,
    TooManyScoped,
)
from app.kpi.scopes.schemas import ScopeKpiIn, ScopeKpiOut
from app.kpi.scopes.tables import ScopeKpi, ScopeStanding
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

router = make_router("/v1/kpi-scopes/{scope}/kpis", tag="kpi-scopes")


class StandingOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    at: datetime = Field(description="Since when it has stood so.")
    standing: Standing = Field(
        description="`missed` for certain, `met`, or `unknown`: not measured, or beyond the"
        " threshold by no more than chance."
    )
    value: float | None = Field(description="As it was measured then.")
    low: float | None
    high: float | None
    outcomes: int
    lacking: str | None
    since: datetime = Field(description="When the days begin that were looked at.")
    until: datetime
    kpi_revision: int = Field(description="Of the definition that it was held against.")
    scope_revision: int | None = Field(description="Of the scope that was looked at.")
    points: list[str] | None = Field(
        description="What the scope was of; not known of what was looked at before it was kept."
    )


@router.put(
    "/{kpi}",
    response_model=ScopeKpiOut,
    responses=editing(
        NotFound, identity.DecisionDenied, OutOfScope, TooManyScoped, MixedCurrencies,
        AttributedHere, BadScopeFormula,
    )
    | gates.ACCEPTED,
)  # fmt: skip
async def define_scope_kpi(
    scope: Name,
    kpi: Name,
    body: ScopeKpiIn,
    expected: IfMatchToReplace,
    actor: Annotated[Actor, allow("kpi:write")],
    session: Session,
    response: Response,
    reason: Reason = "",
) -> Any:
    """Agree on a business KPI for a process or a portfolio, or change one as it stands.

    An expression is tried over what the scope is made of before it is agreed on.
    """
    agreed = await agreeing.edit(
        session, scope, kpi, expected=expected, fields=body.model_dump(), reason=reason, by=actor
    )
    if isinstance(agreed, gates.Change):
        return gates.accepted(agreed)
    assert agreed is not None  # noqa: S101 - with fields, there is one
    etag(response, agreed.revision)
    return agreed


@router.delete(
    "/{kpi}",
    status_code=204,
    response_model=None,
    responses=editing(NotFound, identity.DecisionDenied, OutOfScope, BadScopeFormula)
    | gates.ACCEPTED,
)
async def withdraw_scope_kpi(
    scope: Name,
    kpi: Name,
    expected: IfMatch,
    actor: Annotated[Actor, allow("kpi:write")],
    session: Session,
    reason: Reason = "",
) -> Any:
    """Withdraw a KPI of a scope, unless an expression names it; what was reported stays."""
    change = await agreeing.edit(
        session, scope, kpi, expected=expected, fields=None, reason=reason, by=actor
    )
    return gates.accepted(change) if isinstance(change, gates.Change) else Response(status_code=204)


@router.get(
    "", response_model=Page[ScopeKpiOut], responses=responses(NotFound, BadCursor, OutOfScope)
)
async def list_scope_kpis(
    scope: Name,
    actor: Annotated[Actor, allow("telemetry:read")],
    session: Session,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[ScopeKpi]:
    """List the KPIs agreed for a process or a portfolio."""
    return await agreeing.list_kpis(session, scope, cursor=cursor, limit=limit, by=actor)


@router.get("/{kpi}", response_model=ScopeKpiOut, responses=responses(NotFound, OutOfScope))
async def get_scope_kpi(
    scope: Name,
    kpi: Name,
    actor: Annotated[Actor, allow("telemetry:read")],
    session: Session,
    response: Response,
) -> ScopeKpi:
    """Return a KPI of a scope as it is agreed; its ETag guards edits."""
    found = await agreeing.kpi_of(session, scope, kpi, by=actor)
    etag(response, found.revision)
    return found


@router.get(
    "/{kpi}/standings",
    response_model=Page[StandingOut],
    responses=responses(NotFound, BadCursor, OutOfScope),
)
async def list_scope_standings(
    scope: Name,
    kpi: Name,
    actor: Annotated[Actor, allow("telemetry:read")],
    session: Session,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[ScopeStanding]:
    """List how a KPI has stood at the end of its last whole days, newest first.

    Of a scope that has ended, by its `id` in place of a key.
    It is looked at every hour; what is listed is each change, of how it stands, of what is agreed,
    and of the points that the scope is of. What was missed for certain is told
    as an event `kpi.scope_missed`, what is met again as `kpi.scope_met`, and what is not measured
    any more as `kpi.scope_unknown`.
    """
    return await standing.list_standings(session, scope, kpi, cursor=cursor, limit=limit, by=actor)
