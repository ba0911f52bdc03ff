"""Trust rules, and the keys that are made from the tokens they trust."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.identity.actors import actor_of
from app.identity.claims import Provider, Value, require_provider, require_stable, traced
from app.identity.issuing import add_key, began
from app.identity.rules import (
    DECIDING,
    MACHINE,
    BeyondOwnRights,
    Disabled,
    NotAnAccount,
    PrincipalKind,
    Role,
    require_within,
)
from app.identity.service import get_principal
from app.identity.tables import Key, OidcUse, Principal, TrustRule
from app.identity.tokens import Proof, TokenRefused, TokenUsed
from app.kit.actor import Actor
from app.kit.page import Rows
from app.kit.refusal import AlreadyExists, NotFound
from app.platform.db import ALL_TENANTS, Database, clock, page

_KEPT = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Exchanged:
    """A key made from a token."""

    key: str
    expires_at: datetime
    principal: str
    roles: list[str]


async def create_rule(
    session: AsyncSession,
    *,
    name: str,
    provider: Provider,
    issuer: str,
    audience: str,
    claims: Mapping[str, Value],
    principal_id: UUID,
    roles: set[Role],
    max_minutes: int,
    by: Actor,
) -> TrustRule:
    """Trust an issuer's tokens of one project with a service account's short-lived keys.

    Whoever makes the rule makes keys for a machine: its owner does, within his own rights, and an
    administrator for machines that decide nothing. No role that judges or approves is in it.
    """
    by.require_point(None)
    require_provider(provider, issuer)
    require_stable(provider, claims)
    account = await get_principal(session, principal_id, by=by)
    if account.kind is not PrincipalKind.SERVICE:
        raise NotAnAccount(f"{account.name} is a person.")
    if account.disabled_at is not None:
        raise Disabled(f"{account.name} is disabled.")
    owns, manages = account.owner_id == by.id, "identity:manage" in by.permissions
    if not (owns or manages):
        raise BeyondOwnRights(f"Who answers for {account.name} says whose tokens it trusts.")
    ceiling = (by.roles if owns else frozenset()) | (MACHINE if manages else frozenset())
    require_within(roles, ceiling & set(account.roles) - DECIDING - {Role.ADMINISTRATOR}, "roles")
    if await session.scalar(select(TrustRule.id).filter_by(tenant_id=by.tenant_id, name=name)):
        raise AlreadyExists("trust rule", name)
    rule = TrustRule(
        tenant_id=by.tenant_id,
        name=name,
        provider=provider,
        issuer=issuer,
        audience=audience,
        claims=dict(claims),
        principal_id=account.id,
        roles=sorted(roles),
        max_minutes=max_minutes,
        created_by=by.id,
    )
    session.add(rule)
    await session.flush()
    await audit.record(
        session, by, "trust_rule.created", f"trust_rule:{rule.id}",
        name=name, provider=provider, issuer=issuer, audience=audience, claims=rule.claims,
        principal=str(account.id), roles=rule.roles, max_minutes=max_minutes,
    )  # fmt: skip
    return rule


async def get_rule(session: AsyncSession, rule_id: UUID, *, by: Actor) -> TrustRule:
    """Return a trust rule of the caller's tenant."""
    found = await session.get(TrustRule, (by.tenant_id, rule_id))
    if found is None:
        raise NotFound("trust rule", rule_id)
    return found


async def list_rules(
    session: AsyncSession, *, cursor: str | None, limit: int, by: Actor
) -> Rows[TrustRule]:
    """List the tenant's trust rules by name."""
    query = select(TrustRule).filter_by(tenant_id=by.tenant_id)
    return await page(session, query, TrustRule.name, cursor=cursor, limit=limit)


async def disable_rule(session: AsyncSession, rule_id: UUID, *, by: Actor) -> TrustRule:
    """End a rule, and the keys that were made by it."""
    by.require_point(None)
    rule = await session.get(TrustRule, (by.tenant_id, rule_id), with_for_update=True)
    if rule is None:
        raise NotFound("trust rule", rule_id)
    now = await began(session)
    rule.disabled_at = rule.disabled_at or now
    minted = await session.scalars(
        select(Key)
        .where(
            Key.tenant_id == by.tenant_id,
            Key.principal_id == rule.principal_id,
            Key.rule_id == rule_id,
            Key.expires_at > now,
            Key.revoked_at.is_(None),
        )
        .order_by(Key.id)
        .with_for_update()
    )
    for key in minted:
        key.revoked_at = now
    await session.flush()
    await audit.record(session, by, "trust_rule.disabled", f"trust_rule:{rule_id}", name=rule.name)
    return rule


async def terms_of(session: AsyncSession, rule_id: UUID) -> tuple[TrustRule, datetime]:
    """Return a rule by its id alone, as who brings a token knows it, and the database's time."""
    row = (
        await session.execute(
            select(TrustRule, func.clock_timestamp()).where(
                TrustRule.id == rule_id, TrustRule.disabled_at.is_(None)
            )
        )
    ).first()
    if row is None:
        raise TokenRefused("no such rule")
    return row[0], row[1]


async def mint(session: AsyncSession, rule: TrustRule, proof: Proof) -> Exchanged:
    """Make the key, once a token: whoever brings it second waits on its row and is refused."""
    row = {"tenant_id": rule.tenant_id, "issuer": rule.issuer, "jti": proof.jti}
    taken = await session.scalar(
        insert(OidcUse)
        .values(**row, expires_at=proof.expires_at)
        .on_conflict_do_nothing()
        .returning(OidcUse.jti)
    )
    if taken is None:
        raise TokenUsed("This token was exchanged before.")
    account, roles = await _granted(session, rule)
    now = await clock(session)
    until = min(now + timedelta(minutes=rule.max_minutes), proof.expires_at)
    if until <= now:
        raise TokenRefused("expired meanwhile")
    key, text = await add_key(
        session, account, expires_at=until, roles=roles, points=None,
        by=Actor.system(rule.tenant_id), rule_id=rule.id,
    )  # fmt: skip
    told: dict[str, Any] = {"rule": str(rule.id), "prefix": key.prefix, "jti": proof.jti.hex()}
    await audit.record(
        session, actor_of(account, roles=roles), "token.exchanged", f"principal:{account.id}",
        **told, claims=traced(proof.claims), roles=roles,
    )  # fmt: skip
    return Exchanged(text, until, account.name, roles)


async def _granted(session: AsyncSession, rule: TrustRule) -> tuple[Principal, list[str]]:
    """Return the account and its roles, as rule and account stand now."""
    standing = await session.scalar(
        select(TrustRule.id)
        .filter_by(tenant_id=rule.tenant_id, id=rule.id, disabled_at=None)
        .with_for_update(read=True)
    )
    account = await session.get_one(Principal, (rule.tenant_id, rule.principal_id))
    roles = sorted(set(rule.roles) & set(account.roles))
    if standing is None or account.disabled_at is not None or not roles:
        raise TokenRefused("the rule or its account has ended")
    return account, roles


async def forget_tokens(database: Database) -> None:
    """Delete the traces of tokens that have expired and are refused for that alone."""
    async with database.transaction(ALL_TENANTS) as session:
        await session.execute(
            delete(OidcUse).where(OidcUse.expires_at < func.clock_timestamp() - _KEPT)
        )
