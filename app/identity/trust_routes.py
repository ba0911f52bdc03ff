from typing import Annotated
from uuid import UUID

from fastapi import Request, Response

from app.identity import trust
from app.identity.claims import UnstableClaims
from app.identity.exchange import Exchange
from app.identity.rules import BeyondOwnRights, Disabled, NotAnAccount
from app.identity.tables import TrustRule
from app.identity.tokens import TokenRefused, TokenUsed
from app.identity.trust_schemas import ExchangedOut, ExchangeIn, TrustRuleIn, TrustRuleOut
from app.kit.actor import Actor, OutOfScope
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import AlreadyExists, NotFound, RateLimited
from app.platform.http import Cursor, Limit, Session, allow, responses
from app.platform.http import router as make_router
from app.platform.outbound import Outbound, OutboundRefused

router = make_router("/v1/trust-rules", tag="identity")


@router.post(
    "",
    status_code=201,
    response_model=TrustRuleOut,
    responses=responses(
        NotFound, AlreadyExists, Disabled, BeyondOwnRights, NotAnAccount, UnstableClaims,
        OutboundRefused, OutOfScope,
    ),
)  # fmt: skip
async def create_trust_rule(
    body: TrustRuleIn,
    request: Request,
    actor: Annotated[Actor, allow("catalog:read")],
    session: Session,
) -> TrustRule:
    """Trust a CI project's tokens: they become keys of one's service account, for minutes.

    Whoever answers for the account says so; an administrator may for machines that decide nothing.
    """
    outbound: Outbound = request.app.state.outbound
    outbound.check(body.issuer)
    return await trust.create_rule(session, **dict(body), by=actor)


@router.get("", response_model=Page[TrustRuleOut], responses=responses(BadCursor))
async def list_trust_rules(
    actor: Annotated[Actor, allow("identity:read")],
    session: Session,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[TrustRule]:
    """List trust rules by name, disabled ones too."""
    return await trust.list_rules(session, cursor=cursor, limit=limit, by=actor)


@router.get("/{rule_id}", response_model=TrustRuleOut, responses=responses(NotFound))
async def get_trust_rule(
    rule_id: UUID, actor: Annotated[Actor, allow("identity:read")], session: Session
) -> TrustRule:
    """Return a trust rule."""
    return await trust.get_rule(session, rule_id, by=actor)


@router.post(
    "/{rule_id}:disable", response_model=TrustRuleOut, responses=responses(NotFound, OutOfScope)
)
async def disable_trust_rule(
    rule_id: UUID, actor: Annotated[Actor, allow("identity:manage")], session: Session
) -> TrustRule:
    """End a trust rule; keys made by it stop within five seconds."""
    return await trust.disable_rule(session, rule_id, by=actor)


@router.post(
    "/{rule_id}:exchange",
    status_code=201,
    response_model=ExchangedOut,
    responses=responses(NotFound, TokenRefused, TokenUsed, RateLimited),
)
async def exchange_token(
    rule_id: UUID, body: ExchangeIn, request: Request, response: Response
) -> trust.Exchanged:
    """Exchange a CI job's token for a key of minutes, once. The token is what lets it in."""
    response.headers["Cache-Control"] = "no-store"
    exchange: Exchange = request.app.state.exchange
    return await exchange(rule_id, body.token, request.scope.get("client"))
