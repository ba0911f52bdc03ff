"""Policies by tier: seeded for a new tenant, then edited as new revisions."""

from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, identity
from app.gates.changes import propose
from app.gates.defaults import default_policy
from app.gates.events import ChangeApproved
from app.gates.policy import Policy
from app.gates.rules import BadPolicy
from app.gates.tables import Change, PolicyRevision
from app.identity import Action, Governed
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


async def edit(
    session: AsyncSession,
    tier: str,
    *,
    expected: int,
    body: dict[str, Any],
    reason: str,
    by: Actor,
) -> PolicyRevision | Change:
    """Save a new revision of a tier's policy, or ask for it where policies are controlled."""
    await identity.require_right(session, by, Action.EDIT_POLICY, tier=tier)
    before = await current(session, by.tenant_id, tier)
    require_current(expected, before.revision)
    after = checked(body)
    change = await propose(
        session, Governed.POLICY, f"policy {tier}",
        expected=expected, before=before.body, after={"tier": tier, "body": after},
        reason=reason, by=by,
    )  # fmt: skip
    return change or await replace(session, tier, expected=expected, body=after, by=by)


async def apply_policy(session: AsyncSession, event: ChangeApproved) -> None:
    """Carry out an approved change of a policy."""
    if event.kind == Governed.POLICY and event.expected is not None:
        author = await identity.acting(session, event.tenant_id, event.requester_id)
        await replace(
            session, event.after["tier"], expected=event.expected, body=event.after["body"],
            by=author,
        )  # fmt: skip


def checked(body: dict[str, Any]) -> dict[str, Any]:
    """Return a policy that can be saved, as plain JSON; raise ``BadPolicy``."""
    try:
        return Policy.model_validate(body).model_dump(mode="json")
    except ValidationError as error:
        raise BadPolicy("; ".join(item["msg"] for item in error.errors())) from error


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
    saved = checked(body)
    row = PolicyRevision(
        tenant_id=by.tenant_id,
        tier=tier,
        revision=newest + 1,
        body=saved,
        digest=digest_of(saved),
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
