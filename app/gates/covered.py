"""What an approval covers: the exact thing decided, part by part."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog
from app.gates import policies
from app.gates.steps import CaseKind
from app.gates.tables import Case, Evidence, Verdict
from app.kit.canonical import digest as digest_of
from app.platform.events import Question, ask


@dataclass(frozen=True, slots=True)
class PlanInForce(Question[str]):
    """The digest of a decision point's routing plan, as routing knows it."""

    tenant_id: UUID
    point_id: UUID


async def covered(session: AsyncSession, case: Case, step: str) -> dict[str, Any]:
    """Return the parts of what a decision on a step covers as it stands now, each as a digest.

    What the server measures for the step itself is not part of it: the gate's rules judge that.
    """
    version = await catalog.version_by_id(session, case.tenant_id, case.version_id)
    policy = await policies.current(
        session, case.tenant_id, case.tier, revision=case.policy_revision
    )
    evidence = await session.scalars(
        select(Evidence.digest)
        .filter_by(tenant_id=case.tenant_id, case_id=case.id, step=step, measured=False)
        .order_by(Evidence.at, Evidence.id)
    )
    parts = {
        "case": str(case.id),
        "step": step,
        "version": version.content_digest,
        "policy": policy.digest,
        "details": digest_of(case.details),
        "evidence": digest_of(list(evidence)),
    }
    if case.point_id is not None:
        point = await catalog.point_by_id(session, case.tenant_id, case.point_id)
        parts["contract"] = digest_of(point.contract)
    if case.kind is CaseKind.ACTIVATION and case.point_id is not None:
        parts["verdicts"] = digest_of(await _release_verdicts(session, case))
        plan = await ask(session, PlanInForce(case.tenant_id, case.point_id))
        parts["plan"] = plan or "none"
    return parts


async def _release_verdicts(session: AsyncSession, case: Case) -> dict[str, str]:
    """Return the verdicts of the release an activation rests on: each step's last one."""
    release = (
        select(Case.id)
        .filter_by(
            tenant_id=case.tenant_id,
            version_id=case.version_id,
            point_id=case.point_id,
            kind=CaseKind.RELEASE,
            result="released",
        )
        .order_by(Case.closed_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = await session.execute(
        select(Verdict.step, Verdict.facts_digest)
        .where(Verdict.tenant_id == case.tenant_id, Verdict.case_id == release)
        .ext(distinct_on(Verdict.step))
        .order_by(Verdict.step, Verdict.at.desc(), Verdict.id.desc())
    )
    return {row.step: row.facts_digest for row in rows}


def changed(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return the names of the parts that are not what they were."""
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
