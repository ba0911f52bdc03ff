"""Policies by tier: seeded for a new tenant, then edited as new revisions."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from app import audit, identity
from app.gates.changes import propose
from app.gates.diff import Change as PolicyChange
from app.gates.diff import differences
from app.gates.events import ChangeApproved
from app.gates.faults import checked
from app.gates.packs import HIGH, TIERS, tier_policy
from app.gates.policy import QUORUM, VETO, Policy
from app.gates.rules import BadPolicy
from app.gates.tables import Case, Change, PolicyRevision
from app.identity import DECIDING, Action, Governed
from app.kit.actor import SYSTEM_ID, Actor
from app.kit.canonical import digest as digest_of
from app.kit.moment import require_past
from app.kit.page import Rows
from app.kit.refusal import NotFound
from app.kit.revision import require_current
from app.platform.db import clock, page


@dataclass(frozen=True, slots=True)
class Draft:
    """What a policy would be once saved, and how it differs from what stands now."""

    tier: str
    revision: int
    body: dict[str, Any]
    digest: str
    changes: list[PolicyChange]


async def seed_policies(session: AsyncSession, event: identity.TenantCreated) -> None:
    """Give a new tenant its starting policies."""
    for tier in TIERS:
        body = tier_policy(tier).model_dump(mode="json")
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
    session: AsyncSession,
    tenant_id: UUID,
    tier: str,
    *,
    revision: int | None = None,
    at: datetime | None = None,
) -> PolicyRevision:
    """Return a tier's policy: the newest, or as it stood at ``revision`` or at a time."""
    query = select(PolicyRevision).filter_by(tenant_id=tenant_id, tier=tier)
    if revision is not None:
        query = query.filter_by(revision=revision)
    if at is not None:
        require_past(at, await clock(session))
        query = query.where(PolicyRevision.at <= at)
    found = await session.scalar(query.order_by(PolicyRevision.revision.desc()).limit(1))
    if found is None:
        raise NotFound("policy", f"{tier} revision {revision}" if revision is not None else tier)
    return found


Law = tuple[PolicyRevision, Policy]


async def law_of(session: AsyncSession, case: Case) -> Law:
    """Return the policy a case began with: its revision, and what that says."""
    return (await laws_of(session, case.tenant_id, [case]))[case.id]


async def laws_of(
    session: AsyncSession, tenant_id: UUID, cases: Collection[Case]
) -> dict[UUID, Law]:
    """Return the policy that each case began with, by case."""
    wanted = {(case.tier, case.policy_revision) for case in cases}
    rows = await session.scalars(
        select(PolicyRevision).where(
            PolicyRevision.tenant_id == tenant_id,
            tuple_(PolicyRevision.tier, PolicyRevision.revision).in_(wanted),
        )
    )
    found = {(row.tier, row.revision): (row, said(row)) for row in rows}
    return {case.id: found[case.tier, case.policy_revision] for case in cases}


def said(row: PolicyRevision) -> Policy:
    """Return what a revision says. Reading one takes a millisecond, so it is kept."""
    return _read(orjson.dumps(row.body))


@lru_cache(maxsize=256)
def _read(body: bytes) -> Policy:
    return Policy.model_validate_json(body)


async def revisions(
    session: AsyncSession, tier: str, *, cursor: str | None, limit: int, by: Actor
) -> Rows[dict[str, Any]]:
    """Return who saved which revision of a tier's policy and when, newest first."""
    query = (
        select(PolicyRevision)
        .filter_by(tenant_id=by.tenant_id, tier=tier)
        .options(defer(PolicyRevision.body, raiseload=True))
    )
    rows = await page(
        session, query, PolicyRevision.revision, cursor=cursor, limit=limit, newest_first=True
    )
    names = await identity.names_of(session, by.tenant_id, (row.author_id for row in rows.items))
    return Rows(
        [
            {
                "tier": row.tier,
                "revision": row.revision,
                "digest": row.digest,
                "author_id": row.author_id,
                "author": names.get(row.author_id),
                "at": row.at,
            }
            for row in rows.items
        ],
        rows.next_cursor,
    )


async def draft(
    session: AsyncSession, tier: str, *, expected: int, body: dict[str, Any], by: Actor
) -> Draft:
    """Return what saving ``body`` would make of a tier's policy; refuse what cannot be saved."""
    newest = await current(session, by.tenant_id, tier)
    require_current(expected, newest.revision)
    policy = await asyncio.to_thread(checked, body)
    _require_known_roles(policy)
    if policy.delegates_promotion and tier == HIGH:
        raise BadPolicy(f"delegates_promotion: of {tier} people ask for the swap.", errors=[])
    plain = policy.model_dump(mode="json")
    return Draft(
        tier=tier,
        revision=newest.revision + 1,
        body=plain,
        digest=digest_of(plain),
        changes=differences(Policy.model_validate(newest.body), policy),
    )


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
    new = await draft(session, tier, expected=expected, body=body, by=by)
    before = await current(session, by.tenant_id, tier)
    change = await propose(
        session, Governed.POLICY, f"policy {tier}",
        expected=expected, before=before.body, after={"tier": tier, "body": new.body},
        scope={"tier": tier}, reason=reason, by=by,
    )  # fmt: skip
    return change or await replace(session, tier, expected=expected, body=new.body, by=by)


async def apply_policy(session: AsyncSession, event: ChangeApproved) -> None:
    """Carry out an approved change of a policy."""
    if event.kind == Governed.POLICY and event.expected is not None:
        author = await identity.acting(session, event.tenant_id, event.requester_id)
        await replace(
            session, event.after["tier"], expected=event.expected, body=event.after["body"],
            by=author,
        )  # fmt: skip


def _require_known_roles(policy: Policy) -> None:
    """Refuse a quorum of roles that nobody has, and rules that are called as the quorum is."""
    faults = [
        {"gate": name, "rule": QUORUM, "line": None, "column": None, "problem": problem}
        for name, gate in policy.gates.items()
        for problem in (
            *(f"nobody decides as {q.role}" for q in gate.quorum if q.role not in DECIDING),
            *(f"the name {r.name} is taken" for r in gate.rules if r.name in {QUORUM, VETO}),
        )
    ]
    if faults:
        raise BadPolicy(f"{faults[0]['gate']}: {faults[0]['problem']}", errors=faults)


async def replace(
    session: AsyncSession, tier: str, *, expected: int, body: dict[str, Any], by: Actor
) -> PolicyRevision:
    """Save a new revision of a tier's policy; open cases keep the one they began with."""
    new = await draft(session, tier, expected=expected, body=body, by=by)
    row = PolicyRevision(
        tenant_id=by.tenant_id,
        tier=tier,
        revision=new.revision,
        body=new.body,
        digest=new.digest,
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
