from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from app.kit.actor import Actor, OutOfScope
from app.kit.input import Input
from app.kit.moment import InTheFuture
from app.kit.names import NAME
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.kpi.pushed import NotPushed, SaidOtherwise
from app.kpi.scopes import reporting
from app.kpi.scopes.reporting import Report
from app.kpi.scopes.routes import Name
from app.kpi.value_routes import ReportedIn, TakenOut
from app.platform.http import Cursor, Limit, Session, allow, responses
from app.platform.http import router as make_router

router = make_router("/v1/kpi-scopes/{scope}/kpi-values", tag="kpi-scopes")


class ScopeValuesIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"values": [{"kpi": "complaints", "at": "2026-03-01T00:00:00Z", "value": 12}]}
            ]
        },
    )

    values: list[ReportedIn] = Field(min_length=1, max_length=1000)


class ScopeValueOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    kpi: str = Field(validation_alias="key")
    at: datetime
    segment: str
    value: float | None = Field(description="Null where what was said is taken back.")
    revision: int
    received_at: datetime
    withdrawn: bool = Field(
        description="Whether the KPI that it was reported of has been withdrawn: it counts no more,"
        " nor for another one that was agreed on under the key since."
    )


@router.post(
    "",
    response_model=TakenOut,
    responses=responses(NotFound, NotPushed, InTheFuture, SaidOtherwise, OutOfScope),
)
async def push_scope_values(
    scope: Name,
    body: ScopeValuesIn,
    actor: Annotated[Actor, allow("telemetry:outcome")],
    session: Session,
) -> TakenOut:
    """Report what KPIs of a scope came to, all of them or none; the same again is not doubled."""
    values = [Report(**one.model_dump()) for one in body.values]
    fresh = await reporting.report(session, scope, values, by=actor)
    return TakenOut(accepted=fresh, duplicates=len(values) - fresh)


@router.get(
    "", response_model=Page[ScopeValueOut], responses=responses(NotFound, BadCursor, OutOfScope)
)
async def list_scope_values(
    scope: Name,
    actor: Annotated[Actor, allow("telemetry:read")],
    session: Session,
    kpi: Annotated[str | None, Query(pattern=NAME)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[dict[str, Any]]:
    """List what was reported of a scope, corrected values and what they were before.

    Of a scope that has ended, by its `id` in place of a key.
    """
    return await reporting.list_values(
        session, scope, kpi=kpi, cursor=cursor, limit=limit, by=actor
    )
