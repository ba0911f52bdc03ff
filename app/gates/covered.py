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
class InForce(Question[str]):
    """The digest of something that decisions on a version rest on, as its owner knows it."""

    tenant_id: UUID
    version_id: UUID
    point_id: UUID | None


class BaselineInForce(InForce):
    """The version's baseline, against which drift is measured."""


class KpisInForce(InForce):
    """The KPIs agreed for the decision point, with their thresholds."""


class MonitorInForce(InForce):
    """How the decision point is watched, with its thresholds."""


class PlanInForce(InForce):
    """The decision point's routing plan."""


@dataclass(frozen=True, slots=True)
class Shapers(Question[dict[UUID, str]]):
    """Who shaped a version besides its developer, and how, by person."""

    tenant_id: UUID
    version_id: UUID


EDITED_LATER = frozenset({"kpis", "monitor", "plan"})
"""Parts that may change under a champion who was approved with them; each edit is logged."""


async def covered(session: AsyncSession, case: Case, step: str) -> dict[str, Any]:
    """Return the parts of what a decision on a step covers as it stands now, each as a digest.

    What the server measures for the step itself is not part of it: the gate's rules judge that.
    """
    found = await catalog.versions_by_id(session, case.tenant_id, {case.version_id})
    model, version = found[case.version_id]
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
        "tier": model.risk_tier.value,
        "version": version.content_digest,
        "policy": policy.digest,
        "details": digest_of(case.details),
        "evidence": digest_of(list(evidence)),
    }
    questions: dict[str, type[InForce]] = {"baseline": BaselineInForce}
    if case.point_id is not None:
        point = await catalog.point_by_id(session, case.tenant_id, case.point_id)
        parts["contract"] = digest_of(point.contract)
        questions |= {"kpis": KpisInForce, "monitor": MonitorInForce}
    if case.kind is CaseKind.ACTIVATION:
        parts["verdicts"] = digest_of(await _release_verdicts(session, case))
        questions["plan"] = PlanInForce
    for part, question in questions.items():
        asked = question(case.tenant_id, case.version_id, case.point_id)
        parts[part] = await ask(session, asked) or "none"
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
