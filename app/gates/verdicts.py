"""Verdicts again: read, recomputed from what they store, replayed under another policy.

Nothing is written. Rules run in a thread, a batch of verdicts at a time; what is not reached
within the time a replay may take is said, not waited for.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.gates import policies
from app.gates.faults import checked
from app.gates.policy import Policy, Ruling
from app.gates.replay import Changed, Past, replay, rule_on, unlike
from app.gates.steps import CaseKind
from app.gates.tables import Case, Verdict
from app.kit.actor import Actor
from app.kit.canonical import digest as digest_of
from app.kit.refusal import NotFound

_BATCH = 50
_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Recomputed:
    """A stored verdict beside what its facts and policy say today; ``differs`` names the parts."""

    verdict: Verdict
    ruling: Ruling
    facts_digest: str
    policy_digest: str
    differs: list[str]

    @property
    def same(self) -> bool:
        """Whether the verdict is what follows from what it stores."""
        return not self.differs


@dataclass(slots=True)
class Replayed:
    """What a replay found; ``complete`` unless time ran out before the last verdict."""

    tier: str
    revision: int | None
    digest: str
    examined: int = 0
    complete: bool = True
    changes: list[Changed] = field(default_factory=list)


async def verdict_of(session: AsyncSession, verdict_id: UUID, *, by: Actor) -> Verdict:
    """Return a verdict of the caller's tenant."""
    found = await session.get(Verdict, (by.tenant_id, verdict_id))
    if found is None:
        raise NotFound("verdict", verdict_id)
    return found


async def recompute(session: AsyncSession, verdict_id: UUID, *, by: Actor) -> Recomputed:
    """Judge a verdict's own facts by its own policy revision, and compare."""
    verdict = await verdict_of(session, verdict_id, by=by)
    case = await session.get_one(Case, (by.tenant_id, verdict.case_id))
    row = await policies.current(
        session, by.tenant_id, verdict.tier, revision=verdict.policy_revision
    )
    past = _past(verdict, case.kind)
    ruling = await asyncio.to_thread(rule_on, Policy.model_validate(row.body), past)
    facts_digest, policy_digest = digest_of(verdict.facts), digest_of(row.body)
    differs = unlike(past, ruling)
    if facts_digest != verdict.facts_digest:
        differs.append("facts_digest")
    if {policy_digest, row.digest} != {verdict.policy_digest}:
        differs.append("policy_digest")
    return Recomputed(verdict, ruling, facts_digest, policy_digest, differs)


async def replay_policy(
    session: AsyncSession,
    tier: str,
    *,
    body: dict[str, Any] | None,
    revision: int | None,
    last: int,
    by: Actor,
    seconds: float = _SECONDS,
) -> Replayed:
    """Judge the last verdicts of a tier again, by a draft or by a stored revision."""
    if body is None:
        row = await policies.current(session, by.tenant_id, tier, revision=revision)
        policy, digest = Policy.model_validate(row.body), row.digest
        found = Replayed(tier, row.revision, digest)
    else:
        policy = await asyncio.to_thread(checked, body)
        found = Replayed(tier, None, digest_of(policy.model_dump(mode="json")))
    ends = time.monotonic() + seconds
    async for batch in _newest(session, by.tenant_id, tier, last):
        await asyncio.to_thread(_judge, policy, batch, found, ends)
        if not found.complete:
            break
    return found


def _judge(policy: Policy, batch: list[Past], found: Replayed, ends: float) -> None:
    """Judge verdicts until time is over."""
    for change in replay(policy, batch):
        found.examined += 1
        if change is not None:
            found.changes.append(change)
        if time.monotonic() > ends:
            found.complete = False
            return


async def _newest(
    session: AsyncSession, tenant_id: UUID, tier: str, last: int
) -> AsyncIterator[list[Past]]:
    """Yield a tier's verdicts in batches, newest first; few at a time, as facts can be large."""
    query = (
        select(Verdict, Case.kind)
        .join(Case, (Case.tenant_id == Verdict.tenant_id) & (Case.id == Verdict.case_id))
        .where(Verdict.tenant_id == tenant_id, Verdict.tier == tier)
        .order_by(Verdict.at.desc(), Verdict.id.desc())
    )
    key = tuple_(Verdict.at, Verdict.id)
    before: tuple[Any, UUID] | None = None
    while last > 0:
        part = query if before is None else query.where(key < before)
        rows = (await session.execute(part.limit(min(last, _BATCH)))).all()
        if not rows:
            return
        yield [_past(verdict, kind) for verdict, kind in rows]
        before = (rows[-1][0].at, rows[-1][0].id)
        last -= len(rows)
        for verdict, _ in rows:
            session.expunge(verdict)


def _past(verdict: Verdict, kind: CaseKind) -> Past:
    return Past(
        id=verdict.id,
        case_id=verdict.case_id,
        gate=f"{kind}.{verdict.step}",
        step=verdict.step,
        at=verdict.at,
        passed=verdict.passed,
        path=verdict.path,
        facts=verdict.facts,
        results=verdict.results,
    )
