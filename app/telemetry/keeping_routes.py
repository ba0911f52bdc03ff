from typing import Annotated

from fastapi import Path, Query, Response

from app.kit.actor import Actor
from app.kit.names import MOST, NAME
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.kit.revision import ConditionMissing, Stale
from app.platform.http import Cursor, IfMatch, Limit, Session, allow, etag, responses
from app.platform.http import router as make_router
from app.telemetry import erasing, retention, unknown
from app.telemetry.retention import ReceiptsFirst
from app.telemetry.schemas import (
    ErasedOut,
    ErasureOut,
    RetentionIn,
    RetentionOut,
    SubjectIn,
    UnknownOut,
)
from app.telemetry.tables import Retention

keeping = make_router("/v1", tag="telemetry")


@keeping.get(
    "/models/{name}/versions/{number}/unknown-features",
    response_model=UnknownOut,
    responses=responses(NotFound),
)
async def get_unknown_features(
    name: Annotated[str, Path(pattern=NAME)],
    number: Annotated[int, Path(ge=1, lt=MOST)],
    actor: Annotated[Actor, allow("telemetry:read")],
    session: Session,
    days: Annotated[int, Query(ge=1, le=unknown.KEPT_DAYS)] = 7,
) -> UnknownOut:
    """Return which features came in the last days that the version's signature does not name."""
    return await unknown.unknown_of(session, name, number, days=days, by=actor)


@keeping.get("/telemetry-retention", response_model=RetentionOut, responses=responses())
async def get_retention(
    actor: Annotated[Actor, allow("telemetry:read")], session: Session, response: Response
) -> RetentionOut:
    """Return how long raw events and receipts are kept; revision 0 is for good."""
    found = await retention.retention_of(session, actor.tenant_id)
    return await _shown(session, found, actor, response)


@keeping.put(
    "/telemetry-retention",
    response_model=RetentionOut,
    responses=responses(ConditionMissing, Stale, ReceiptsFirst),
)
async def set_retention(
    body: RetentionIn,
    expected: IfMatch,
    actor: Annotated[Actor, allow("policy:write")],
    session: Session,
    response: Response,
) -> RetentionOut:
    """Say how long raw events and receipts are kept; a worker deletes what is older, for good."""
    made = await retention.set_retention(
        session,
        raw_days=body.raw_days,
        receipt_days=body.receipt_days,
        expected=expected,
        by=actor,
    )
    return await _shown(session, made, actor, response)


@keeping.post("/subjects:erase", response_model=ErasedOut, responses=responses())
async def erase_subject(
    body: SubjectIn, actor: Annotated[Actor, allow("identity:manage")], session: Session
) -> ErasedOut:
    """Delete a subject's raw events; what was counted of them stays, and leads to nobody.

    The call takes seconds; of very many events a worker deletes the rest (`complete`).
    """
    return await erasing.erase_subject(session, body.unit, by=actor)


@keeping.get("/subjects", response_model=Page[ErasureOut], responses=responses(BadCursor))
async def list_erasures(
    actor: Annotated[Actor, allow("audit:read")],
    session: Session,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[ErasureOut]:
    """List the subjects that were erased, the latest first, and whether nothing is left of them.

    One that several signing keys have named stands there under a pseudonym of each.
    """
    found = await erasing.list_erasures(session, cursor=cursor, limit=limit, by=actor)
    shown = [
        ErasureOut(pseudonym=one.pseudonym.hex(), at=one.at, complete=one.swept)
        for one in found.items
    ]
    return Rows(shown, found.next_cursor)


async def _shown(
    session: Session, found: Retention | None, actor: Actor, response: Response
) -> RetentionOut:
    revision = found.revision if found else 0
    etag(response, revision)
    return RetentionOut(
        raw_days=found.raw_days if found else None,
        receipt_days=found.receipt_days if found else None,
        remembered_from=await retention.remembered_from(session, actor.tenant_id),
        revision=revision,
    )
