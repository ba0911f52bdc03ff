from collections import Counter
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.catalog import RiskTier, Stage
from app.kit.actor import Actor
from app.kit.page import BadCursor, Page, Rows
from app.platform.http import Cursor, Limit, Snapshot, allow, responses
from app.platform.http import router as make_router
from app.revalidation import adherence
from app.revalidation.adherence import Kind, Standing

router = make_router("/v1/adherence", tag="adherence")

Reader = Annotated[Actor, allow("gates:read")]


class FindingOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    kind: Kind
    subject: str
    detail: str


class AdherenceOut(BaseModel):
    totals: dict[Kind, int] = Field(description="Findings by kind; nothing is left out at 0.")
    findings: list[FindingOut]


class RuleOut(BaseModel):
    gate: str
    rule: str
    severity: str
    state: str = Field(description="holds, fails, waived or unknown (never judged).")
    waiver: UUID | None


class StandingOut(BaseModel):
    model: str
    version: int
    decision_point: str
    tier: RiskTier
    stage: Stage
    since: datetime
    case_id: UUID
    revalidation_due: datetime | None
    rules: list[RuleOut]
    findings: list[FindingOut]


@router.get("", response_model=AdherenceOut, responses=responses())
async def get_adherence(actor: Reader, session: Snapshot) -> dict[str, Any]:
    """Return where governance has gaps: rules that fail or are waived, what is overdue, orphans."""
    found = await adherence.findings(session, actor.tenant_id)
    counted = Counter(item.kind for item in found)
    return {"totals": {kind: counted[kind] for kind in Kind}, "findings": found}


@router.get("/champions", response_model=Page[StandingOut], responses=responses(BadCursor))
async def list_champions(
    actor: Reader, session: Snapshot, cursor: Cursor = None, limit: Limit = 50
) -> Rows[dict[str, Any]]:
    """List what is in production, each with the rules that hold for it and those that do not."""
    found = await adherence.list_standings(session, actor.tenant_id, cursor=cursor, limit=limit)
    return Rows([_shown(item) for item in found.items], found.next_cursor)


def _shown(standing: Standing) -> dict[str, Any]:
    return {
        "model": standing.model.name,
        "version": standing.version.number,
        "decision_point": standing.point.key,
        "tier": standing.model.risk_tier,
        "stage": standing.version.stage,
        "since": standing.seat.since,
        "case_id": standing.seat.case_id,
        "revalidation_due": standing.due,
        "rules": standing.rules,
        "findings": standing.findings,
    }
