"""Policies by tier: seeded for a new tenant, then edited as new revisions."""

from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, identity
from app.gates.defaults import default_policy
from app.gates.policy import Policy
from app.gates.rules import BadPolicy
from app.gates.tables import PolicyRevision
from app.kit.actor import SYSTEM_ID, Actor
from app.kit.canonical import digest as digest_of
from app.kit.refusal import NotFound
from app.kit.revision import require_current


async def seed_policies(session: AsyncSession, event: identity.TenantCreated) -> None:
    """Give a new tenant its starting policies."""
    for tier in ("low", "medium", "high"):
        body = default_policy(tier).model_dump(mode="json")
        session.add(
            PolicyRevision(
                tenant_id=event.tenant_id,
                tier=tier,
                revision=1,
                body=body,
                digest=digest_of(body),
                author_id=SYSTEM_ID,
            )
        )
    await session.flush()


async def current(
    session: AsyncSession, tenant_id: UUID, tier: str, *, revision: int | None = None
) -> PolicyRevision:
    """Return a tier's policy: the newest, or as it stood at ``revision``."""
    query = select(PolicyRevision).filter_by(tenant_id=tenant_id, tier=tier)
    if revision is not None:
        query = query.filter_by(revision=revision)
    found = await session.scalar(query.order_by(PolicyRevision.revision.desc()).limit(1))
    if found is None:
        raise NotFound("policy", tier)
    return found


async def replace(
    session: AsyncSession, tier: str, *, expected: int, body: dict[str, Any], by: Actor
) -> PolicyRevision:
    """Save a new revision of a tier's policy; open cases keep the one they began with."""
    newest = await session.scalar(
        select(func.max(PolicyRevision.revision)).filter_by(tenant_id=by.tenant_id, tier=tier)
    )
    if newest is None:
        raise NotFound("policy", tier)
    require_current(expected, newest)
    try:
        checked = Policy.model_validate(body).model_dump(mode="json")
    except ValidationError as error:
        raise BadPolicy("; ".join(item["msg"] for item in error.errors())) from error
    row = PolicyRevision(
        tenant_id=by.tenant_id,
        tier=tier,
        revision=newest + 1,
        body=checked,
        digest=digest_of(checked),
        author_id=by.person_id,
    )
    session.add(row)
    await session.flush()
    await audit.record(
        session,
        by,
        "policy.replaced",
        f"policy:{tier}",
        revision=row.revision,
        digest=row.digest,
    )
    return row
