"""What an approval covers: the exact thing decided, part by part."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog
from app.gates import policies
from app.gates.steps import RELEASED, VOIDED, CaseKind
from app.gates.tables import Case, Evidence, Verdict
from app.kit.canonical import digest as digest_of
from app.platform.events import Question, ask


@dataclass(frozen=True, slots=True)
class InForce(Question[dict[UUID, Any]]):
    """Digests of what decisions rest on, as its owner knows it, by version or decision point."""

    tenant_id: UUID
    ids: frozenset[UUID]


class BaselineInForce(InForce):
    """Baselines by version: what drift is measured against."""


class KpisInForce(InForce):
    """The KPIs agreed for a decision point, with their thresholds."""


class MonitorInForce(InForce):
    """How a decision point is watched, with its thresholds."""


class PlanInForce(InForce):
    """A decision point's routing plan."""


class GuardrailsInForce(InForce):
    """A decision point's guardrails: by its id a digest of each, by name."""


@dataclass(frozen=True, slots=True)
class Shapers(Question[dict[UUID, str]]):
    """Who shaped versions besides their developers, and how, by person."""

    tenant_id: UUID
    ids: frozenset[UUID]


Parts = dict[str, Any]
_NONE = "none"
_AT_A_POINT: dict[str, type[InForce]] = {
    "kpis": KpisInForce, "monitor": MonitorInForce, "guardrails": GuardrailsInForce,
    "plan": PlanInForce,
}  # fmt: skip
JUDGED_BY = frozenset(_AT_A_POINT) - {"plan"}
"""Parts that say whether a champion still earns his place; the plan turns with the swap itself."""
EDITED_LATER = frozenset({*_AT_A_POINT, "instances"})
"""Parts that may change under a champion who was approved with them; each edit is logged.

An instance that is made later answers nobody until a change of the plan that pins it is approved.
"""


async def covered(session: AsyncSession, case: Case, step: str) -> Parts:
    """Return the parts of what a decision on a step covers as it stands now, each as a digest.

    What the server measures for the step itself is not part of it: the gate's rules judge that.
    """
    return (await covered_all(session, case.tenant_id, [(case, step)]))[case.id, step]


async def covered_all(
    session: AsyncSession, tenant_id: UUID, asked: Collection[tuple[Case, str]]
) -> dict[tuple[UUID, str], Parts]:
    """Return what decisions on many steps cover, by case and step, with a few queries for all."""
    cases = {case.id: case for case, _ in asked}
    point_ids = frozenset(case.point_id for case in cases.values() if case.point_id is not None)
    version_ids = frozenset(case.version_id for case in cases.values())
    versions = await catalog.versions_by_id(session, tenant_id, set(version_ids))
    points = await catalog.points_by_id(session, tenant_id, point_ids)
    laws = await policies.laws_of(session, tenant_id, cases.values())
    evidence = await _evidence(session, tenant_id, cases)
    activations = [case for case in cases.values() if case.kind is CaseKind.ACTIVATION]
    verdicts = await _release_verdicts(session, tenant_id, activations)
    instances = await _instances(session, tenant_id, activations)
    baselines = await ask(session, BaselineInForce(tenant_id, version_ids)) or {}
    standing = {
        part: await ask(session, question(tenant_id, point_ids)) or {}
        for part, question in _AT_A_POINT.items()
        if point_ids
    }
    found: dict[tuple[UUID, str], Parts] = {}
    for case, step in asked:
        model, version = versions[case.version_id]
        parts = found[case.id, step] = {
            "case": str(case.id),
            "step": step,
            "tier": model.risk_tier.value,
            "version": version.content_digest,
            "baseline": baselines.get(case.version_id, _NONE),
            "policy": laws[case.id][0].digest,
            "details": digest_of(case.details),
            "evidence": digest_of(evidence[case.id, step]),
        }
        if case.point_id is not None:
            parts["contract"] = digest_of(points[case.point_id].contract)
            for part, digests in standing.items():
                parts[part] = digests.get(case.point_id, _NONE)
        if case.kind is CaseKind.ACTIVATION:
            parts["verdicts"] = digest_of(verdicts[case.version_id, case.point_id])
            parts["instances"] = digest_of(instances[case.version_id])
        else:
            # A release does not depend on how traffic is shared or guarded today.
            parts.pop("plan", None)
            parts.pop("guardrails", None)
    return found


async def _evidence(
    session: AsyncSession, tenant_id: UUID, cases: Collection[UUID]
) -> dict[tuple[UUID, str], list[str]]:
    rows = await session.execute(
        select(Evidence.case_id, Evidence.step, Evidence.digest)
        .where(
            Evidence.tenant_id == tenant_id,
            Evidence.case_id.in_(cases),
            Evidence.measured.is_(False),
        )
        .order_by(Evidence.at, Evidence.id)
    )
    found: dict[tuple[UUID, str], list[str]] = defaultdict(list)
    for row in rows:
        found[row.case_id, row.step].append(row.digest)
    return found


async def _release_verdicts(
    session: AsyncSession, tenant_id: UUID, activations: Collection[Case]
) -> dict[tuple[UUID, UUID | None], dict[str, str]]:
    """Return the verdicts of the releases that activations rest on: each step's last one."""
    found: dict[tuple[UUID, UUID | None], dict[str, str]] = defaultdict(dict)
    if not activations:
        return found
    places = {(case.version_id, case.point_id) for case in activations}
    releases = (
        select(Case.id, Case.version_id, Case.point_id)
        .where(
            Case.tenant_id == tenant_id,
            Case.kind == CaseKind.RELEASE,
            Case.result.in_((RELEASED, VOIDED)),
            tuple_(Case.version_id, Case.point_id).in_(places),
        )
        .ext(distinct_on(Case.version_id, Case.point_id))
        .order_by(Case.version_id, Case.point_id, Case.closed_at.desc())
        .subquery()
    )
    rows = await session.execute(
        select(releases.c.version_id, releases.c.point_id, Verdict.step, Verdict.facts_digest)
        .join(releases, Verdict.case_id == releases.c.id)
        .where(Verdict.tenant_id == tenant_id)
        .ext(distinct_on(Verdict.case_id, Verdict.step))
        .order_by(Verdict.case_id, Verdict.step, Verdict.at.desc(), Verdict.id.desc())
    )
    for row in rows:
        found[row.version_id, row.point_id][row.step] = row.facts_digest
    return found


async def _instances(
    session: AsyncSession, tenant_id: UUID, activations: Collection[Case]
) -> dict[UUID, list[Parts]]:
    """Return as what versions may answer beside what their activations say, by version."""
    version_ids = {case.version_id for case in activations}
    found = await catalog.instances_of_all(session, tenant_id, version_ids)
    return {version_id: [catalog.set_up(row) for row in rows] for version_id, rows in found.items()}


def changed(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return the names of the parts that are not what they were.

    What a later release covers besides was nobody's word then, and cannot have changed. Of a part
    that has parts each has to be as it was: what was added takes nothing from what was approved.
    """
    return sorted(name for name, part in before.items() if not _holds(part, now.get(name)))


def _holds(part: Any, now: Any) -> bool:
    if isinstance(part, dict):
        return isinstance(now, dict) and part.items() <= now.items()
    return bool(part == now)
