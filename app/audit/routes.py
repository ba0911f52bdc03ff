from typing import Annotated

from fastapi import Query

from app.audit import service
from app.audit.schemas import EntryOut, ReportOut
from app.audit.service import Report
from app.audit.tables import AuditEntry
from app.kit.actor import Actor
from app.kit.page import BadCursor, Page, Rows
from app.platform.http import Cursor, Limit, Session, Snapshot, allow, responses
from app.platform.http import router as make_router

router = make_router("/v1/audit", tag="audit")


@router.get("", response_model=Page[EntryOut], responses=responses(BadCursor))
async def list_entries(
    actor: Annotated[Actor, allow("audit:read")],
    session: Session,
    stream: Annotated[str | None, Query(description="One aggregate's chain only.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[AuditEntry]:
    """List what was done, newest first."""
    return await service.history(session, actor, stream=stream, cursor=cursor, limit=limit)


@router.post(":verify", response_model=ReportOut, responses=responses())
async def verify(actor: Annotated[Actor, allow("audit:read")], session: Snapshot) -> Report:
    """Recompute every chain; the first bad entry of each broken one is named."""
    return await service.verify(session, actor.tenant_id)
