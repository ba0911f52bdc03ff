"""Where the rules of cases stand now: what holds, fails, is waived, was voided."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app.gates import docket, policies
from app.gates.approvals import counts, standing
from app.gates.covered import EDITED_LATER, JUDGED_BY, Parts, changed, covered_all
from app.gates.docket import Judged, StepState
from app.gates.policy import QUORUM, VETO, Policy
from app.gates.rules import ApprovalVoid
from app.gates.steps import RELEASED, CaseKind
from app.gates.tables import Approval, Case
from app.platform.db import Json, clock

_PASSED = [(CaseKind.VALIDATION, "validated"), (CaseKind.RELEASE, RELEASED)]


@dataclass(frozen=True, slots=True)
class CaseStanding:
    """A case as it stands: its rules, and the steps whose approvals do not stand any more."""

    rules: list[Json]
    """Each rule of the required gates with its state, by the newest verdicts."""
    voided: list[tuple[str, list[str]]]
    """Steps whose approvals are of something that has changed since, part by part."""
    unapproved: list[str]
    """Steps before the swap that were passed with approvals and have none left."""
    open: list[str]
    """Required gates of a validation or release that is over, which are not passed any more."""

    @property
    def edited(self) -> set[str]:
        """What a version is judged by and was edited after it was approved: KPIs, monitor."""
        return {part for _, parts in self.voided for part in parts} & JUDGED_BY

    @property
    def invalid(self) -> list[str]:
        """Why what was approved no longer is, step by step.

        How a version is used and watched may change under it; what it was approved for may not.
        """
        moved = [
            (step, [part for part in parts if part not in EDITED_LATER])
            for step, parts in self.voided
        ]
        changed_since = [
            f"{step}: {', '.join(parts)} changed since" for step, parts in moved if parts
        ]
        return [
            *changed_since,
            *(f"{step}: no approval stands" for step in self.unapproved),
        ]


async def stand(
    session: AsyncSession, tenant_id: UUID, cases: Collection[Case]
) -> dict[UUID, CaseStanding]:
    """Return how each case stands, by case, with a few queries for all."""
    laws = await policies.laws_of(session, tenant_id, cases)
    states = await docket.states_of(session, tenant_id, cases)
    asked = [(case, state.step) for case in cases for state in _looked_at(case, states[case.id])]
    now_covered = await covered_all(session, tenant_id, asked)
    present = await policies_now(
        session, tenant_id, {parts["tier"] for parts in now_covered.values()}
    )
    given: dict[docket.Place, list[Approval]] = defaultdict(list)
    for row in await standing(session, tenant_id, [case.id for case in cases]):
        if row.approved:
            given[row.case_id, row.step].append(row)
    now = await clock(session)
    found = {}
    for case in cases:
        _, policy = laws[case.id]
        voided, unapproved = [], []
        for state in _looked_at(case, states[case.id]):
            before, after = _covers(state), now_covered[case.id, state.step]
            name = f"{case.kind}.{state.step}"
            gate = policy.gates[name]
            moved = changed(before, after)
            if case.kind is not CaseKind.ACTIVATION and present[after["tier"]].gates[name] != gate:
                moved.append("policy")
            if moved:
                voided.append((state.step, moved))
            mine = given[case.id, state.step]
            if _relies(state.verdict) and not any(counts(row, before, gate, now) for row in mine):
                unapproved.append(state.step)
        rules = _rules(case, policy, states[case.id])
        found[case.id] = CaseStanding(rules, voided, unapproved, _open(case, states[case.id]))
    return found


async def policies_now(
    session: AsyncSession, tenant_id: UUID, tiers: Collection[str]
) -> dict[str, Policy]:
    """Return the policies as they stand, by tier."""
    rows = {tier: await policies.current(session, tenant_id, tier) for tier in tiers}
    return {tier: policies.said(row) for tier, row in rows.items()}


def _open(case: Case, states: Collection[StepState]) -> list[str]:
    """Return the required gates that are not passed, of a case that has ended well."""
    if case.kind is CaseKind.ACTIVATION:
        return []
    return [f"{case.kind}.{state.step}" for state in states if state.open]


def _looked_at(case: Case, states: Collection[StepState]) -> list[StepState]:
    """Return the required steps whose verdicts have to be of what stands now.

    In an activation those before the swap that passed on approvals; in what went before it all.
    """
    activation = case.kind is CaseKind.ACTIVATION
    return [
        state
        for state in states
        if state.required
        and state.verdict is not None
        and state.verdict.covers is not None
        and (not activation or (state.before_commit and _relies(state.verdict)))
    ]


def _relies(verdict: Judged | None) -> bool:
    return verdict is not None and bool(verdict.approvals)


def _covers(state: StepState) -> Parts:
    return (state.verdict and state.verdict.covers) or {}


def _rules(case: Case, policy: Policy, states: Collection[StepState]) -> list[Json]:
    found: list[Json] = []
    for state in states:
        if not state.required:
            continue
        name = f"{case.kind}.{state.step}"
        gate = policy.gates[name]
        results = {item["rule"]: item for item in state.verdict.results} if state.verdict else {}
        named = [(rule.name, rule.severity.value) for rule in gate.rules]
        if gate.quorum:
            named.append((QUORUM, "block"))
        if VETO in results:
            named.append((VETO, "block"))
        found += [
            {"gate": name, "rule": rule, "severity": severity, **_state(results.get(rule))}
            for rule, severity in named
        ]
    return found


def _state(result: dict[str, Any] | None) -> dict[str, Any]:
    if result is None:
        return {"state": "unknown", "waiver": None}
    if result["passed"]:
        return {"state": "holds", "waiver": None}
    waiver = result.get("waiver")
    return {"state": "waived" if waiver else "fails", "waiver": waiver}


async def require_unvoided(session: AsyncSession, case: Case) -> None:
    """Refuse if what was approved for a step is not what stands now."""
    found = await stand(session, case.tenant_id, [case])
    for step, moved in found[case.id].voided:
        raise ApprovalVoid(
            f"What was approved in {step} has changed since: {', '.join(moved)}.",
            step=step,
            changed=moved,
        )


async def foundations(
    session: AsyncSession, tenant_id: UUID, places: Collection[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], list[Case]]:
    """Return the validation and the release that versions stand on, by version and point."""
    ended = (
        select(Case)
        .where(
            Case.tenant_id == tenant_id,
            Case.version_id.in_({version_id for version_id, _ in places}),
            tuple_(Case.kind, Case.result).in_(_PASSED),
        )
        .ext(distinct_on(Case.version_id, Case.point_id, Case.kind))
        .order_by(Case.version_id, Case.point_id, Case.kind, Case.closed_at.desc())
    )
    found: dict[tuple[UUID, UUID | None], Case] = {}
    for case in await session.scalars(ended):
        found[case.version_id, case.point_id] = case
    return {
        (version_id, point_id): [
            found[place] for place in ((version_id, None), (version_id, point_id)) if place in found
        ]
        for version_id, point_id in places
    }


async def unsound(
    session: AsyncSession, tenant_id: UUID, version_id: UUID, point_id: UUID
) -> list[tuple[Case, list[str], CaseStanding]]:
    """Return the validation and release of a version that are not of what stands now, and why."""
    place = (version_id, point_id)
    cases = (await foundations(session, tenant_id, [place]))[place]
    stand_now = await stand(session, tenant_id, cases)
    found = []
    for case in cases:
        gone = [f"{gate} is not passed any more" for gate in stand_now[case.id].open]
        if why := [*stand_now[case.id].invalid, *gone]:
            found.append((case, why, stand_now[case.id]))
    return found


async def require_foundations(
    session: AsyncSession,
    tenant_id: UUID,
    version_id: UUID,
    point_id: UUID,
    *,
    kinds: Collection[CaseKind] = (CaseKind.VALIDATION, CaseKind.RELEASE),
) -> None:
    """Refuse if the validation or release of a version is not of what stands now."""
    for case, why, stands in await unsound(session, tenant_id, version_id, point_id):
        if case.kind not in kinds:
            continue
        parts = {part for _, moved in stands.voided for part in moved}
        raise ApprovalVoid(
            f"The version's {case.kind} no longer stands: {'; '.join(why)}.",
            mend=f"POST /v1/{case.kind}s opens a new one: pass it on what stands now.",
            case=case.id,
            changed=sorted(parts - EDITED_LATER) or [case.kind.value],
            open=stands.open,
        )


async def require_present_policy(session: AsyncSession, case: Case) -> None:
    """Refuse to act on a case that was judged by rules which no longer hold."""
    now = await policies.current(session, case.tenant_id, case.tier)
    then, _ = await policies.law_of(session, case)
    if now.digest != then.digest:
        raise ApprovalVoid(
            f"The policy of the {case.tier} tier is at revision {now.revision}; this {case.kind}"
            f" was opened under {then.revision}.",
            mend=f"POST /v1/cases/{case.id}:withdraw, then POST /v1/{case.kind}s opens it anew.",
            changed=["policy"],
        )


async def revalidate_days(
    session: AsyncSession, tenant_id: UUID, tiers: Collection[str]
) -> dict[str, int | None]:
    """Return within how many days champions must be validated again, by tier."""
    present = await policies_now(session, tenant_id, tiers)
    return {tier: policy.revalidate_days for tier, policy in present.items()}
