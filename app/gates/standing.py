"""Where the rules of a case stand now, for reports: what holds, fails, is waived, was voided."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.gates import docket, policies
from app.gates.approvals import decisions, gate_of
from app.gates.covered import changed, covered
from app.gates.policy import Policy
from app.gates.rules import ApprovalVoid
from app.gates.tables import Case, Verdict
from app.kit.canonical import digest as digest_of
from app.platform.db import Json


async def rules_of(session: AsyncSession, case: Case) -> list[dict[str, Any]]:
    """Return each rule of a case's required gates with its state, by the newest verdicts."""
    _, policy = await policies.law_of(session, case)
    gates = policy.gates
    found = []
    for state in await docket.states(session, case):
        if not state.required:
            continue
        gate = f"{case.kind}.{state.step}"
        results: dict[str, dict[str, Any]] = {}
        if state.verdict_id is not None:
            verdict = await session.get_one(Verdict, (case.tenant_id, state.verdict_id))
            results = {result["rule"]: result for result in verdict.results}
        named = [(rule.name, rule.severity.value) for rule in gates[gate].rules]
        if gates[gate].quorum:
            named.append(("quorum", "block"))
        found += [
            {"gate": gate, "rule": name, "severity": severity, **_state(results.get(name))}
            for name, severity in named
        ]
    return found


def _state(result: dict[str, Any] | None) -> dict[str, Any]:
    if result is None:
        return {"state": "unknown", "waiver": None}
    if result["passed"]:
        return {"state": "holds", "waiver": None}
    waiver = result.get("waiver")
    return {"state": "waived" if waiver else "fails", "waiver": waiver}


async def _approved(session: AsyncSession, case: Case) -> AsyncIterator[tuple[str, Json]]:
    """Yield each required step before the swap that passed on approvals, and what they cover."""
    for state in await docket.states(session, case):
        if not (state.required and state.before_commit and state.verdict_id):
            continue
        verdict = await session.get_one(Verdict, (case.tenant_id, state.verdict_id))
        parts = verdict.facts.get("covers")
        if parts is not None and verdict.facts["approvals"]:
            yield state.step, parts


async def voided(session: AsyncSession, case: Case) -> list[tuple[str, list[str]]]:
    """Return the steps whose approvals are of something that has changed since, part by part."""
    found = []
    async for step, before in _approved(session, case):
        if moved := changed(before, await covered(session, case, step)):
            found.append((step, moved))
    return found


async def require_unvoided(session: AsyncSession, case: Case) -> None:
    """Refuse if what was approved for a step is not what stands now."""
    for step, moved in await voided(session, case):
        raise ApprovalVoid(
            f"What was approved in {step} has changed since: {', '.join(moved)}.",
            step=step,
            changed=moved,
        )


async def require_present_policy(session: AsyncSession, case: Case) -> None:
    """Refuse to act on a case that was judged by rules which no longer hold."""
    now = await policies.current(session, case.tenant_id, case.tier)
    then, _ = await policies.law_of(session, case)
    if now.digest != then.digest:
        raise ApprovalVoid(
            f"The policy of the {case.tier} tier is at revision {now.revision}; this {case.kind}"
            f" was opened under {then.revision}. Withdraw it and open it anew.",
            changed=["policy"],
        )


async def unapproved(session: AsyncSession, case: Case) -> list[str]:
    """Return the required steps before the swap that were passed with approvals and have none left.

    An approval stands while its row does: not taken back, by somebody who was neither developer nor
    requester, over the digest that the verdict names.
    """
    found = []
    async for step, parts in _approved(session, case):
        gate = await gate_of(session, case, step)
        standing = await decisions(session, case, step, digest=digest_of(parts), gate=gate)
        if not any(row.approved for row in standing):
            found.append(step)
    return found


async def revalidate_days(session: AsyncSession, tenant_id: UUID, tier: str) -> int | None:
    """Return within how many days a tier's champions must be validated again, if policy says."""
    row = await policies.current(session, tenant_id, tier)
    return Policy.model_validate(row.body).revalidate_days
