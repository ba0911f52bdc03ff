from typing import Annotated, Any

from fastapi import Query

from app.catalog.lexemes import BadQuery
from app.catalog.rules import AssetKind, RiskTier, Stage
from app.catalog.schemas import SearchHit
from app.catalog.search import search
from app.kit.actor import Actor
from app.kit.names import NAME
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.platform.http import Cursor, Limit, Session, allow, responses
from app.platform.http import router as make_router

searching = make_router("/v1/search", tag="catalog")


@searching.get(
    "", response_model=Page[SearchHit], responses=responses(BadCursor, BadQuery, NotFound)
)
async def search_versions(
    actor: Annotated[Actor, allow("catalog:read")],
    session: Session,
    q: Annotated[
        str | None,
        Query(
            max_length=500,
            description="Words that a version must all hold: in its card, variables, training data"
            " or tags, or in its model's name, purpose or tags. `word*` is any that begins so.",
            examples=["price dir*"],
        ),
    ] = None,
    kind: AssetKind | None = None,
    risk_tier: RiskTier | None = None,
    stage: Stage | None = None,
    owner: Annotated[
        str | None, Query(pattern=NAME, description="Who answers for the model.")
    ] = None,
    tag: Annotated[
        str | None,
        Query(max_length=1200, description="`key` or `key:value`, of version or model."),
    ] = None,
    model: Annotated[str | None, Query(pattern=NAME, description="The model's name.")] = None,
    cursor: Cursor = None,
    limit: Limit = 20,
) -> Rows[dict[str, Any]]:
    """Search versions by words and filters, newest first; it shows every change at once."""
    return await search(
        session,
        q=q,
        kind=kind,
        risk_tier=risk_tier,
        stage=stage,
        owner=owner,
        tag=tag,
        model=model,
        cursor=cursor,
        limit=limit,
        by=actor,
    )
