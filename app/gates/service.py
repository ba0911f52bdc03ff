from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, identity
from app.gates import docket, policies
from app.gates.approvals import decisions, gate_of
from app.gates.attesting import Sealed, attested
from app.gates.cases import closed, lock, place, stream
from app.gates.counting import counted
from app.gates.covered import covered
from app.gates.events import StepJudged
from app.gates.evidence import counting
from app.gates.policy import Gate, ruling_of
from app.gates.rules import (
    SIGNED_BY,
    OutOfTurn,
    StepsOpen,
    require_step,
    require_unreserved,
)
from app.gates.supplies import reads
from app.gates.tables import Case, Evidence, Verdict
from app.gates.waivers import active_waivers
from app.identity import Action
from app.kit.actor import Actor
from app.kit.canonical import digest as digest_of
from app.kit.canonical import plain
from app.platform.events import publish


async def add_evidence(
    session: AsyncSession,
    case_id: UUID,
    step: str,
    *,
    kind: str,
    payload: dict[str, Any],
    by: Actor,
    measured: bool = False,
    sealed: Sealed | None = None,
) -> Evidence:
    """Record a fact for a step. Submitted evidence voids approvals that did not know it."""
    case = await lock(session, case_id, by.tenant_id)
    require_step(case.kind, step)
    if not measured:
        await identity.require_right(session, by, Action.SUBMIT_EVIDENCE, **place(case))
        await _require_awaited(session, case, step)
        require_unreserved(kind, payload)
        _require_no_secret(payload)
    payload = plain(payload)
    if sealed is not None:
        payload[SIGNED_BY] = await attested(session, case, step, kind, payload, sealed, by=by)
    evidence = Evidence(
        tenant_id=by.tenant_id,
        case_id=case_id,
        step=step,
        kind=kind,
        payload=payload,
        digest=digest_of(payload),
        measured=measured,
        author_id=by.person_id,
    )
    session.add(evidence)
    await session.flush()
    await session.refresh(evidence)
    await audit.record(
        session, by, "evidence.recorded", stream(case),
        case=case_id, step=step, kind=kind, digest=evidence.digest, measured=measured,
    )  # fmt: skip
    return evidence


async def read_by(session: AsyncSession, evidence: Evidence) -> list[str]:
    """Return the rules of the step's gate that read a piece of evidence, by name."""
    case = await session.get_one(Case, (evidence.tenant_id, evidence.case_id))
    gate = await gate_of(session, case, evidence.step)
    return [rule.name for rule in gate.rules if reads(rule.when, evidence.kind)]


def _require_no_secret(payload: dict[str, Any]) -> None:
    """Refuse evidence whose endpoint names who calls it: it is kept, and shown to many."""
    endpoint = payload.get("endpoint")
    if isinstance(endpoint, str) and catalog.has_user_info(endpoint):
        raise catalog.BadEndpoint("The endpoint of the evidence holds user information.")


async def _require_awaited(session: AsyncSession, case: Case, step: str) -> None:
    """Refuse evidence for what was decided before the swap: it would void what was approved."""
    gate = await gate_of(session, case, step)
    if case.result is not None and gate.before_commit:
        raise closed(case, f"{step} was decided before that")


async def judge(
    session: AsyncSession,
    case: Case,
    step: str,
    *,
    version: dict[str, Any],
    point: dict[str, Any],
    by: Actor,
) -> Verdict:
    """Evaluate the step's gate over all that is recorded, and keep verdict and facts.

    ``version`` and ``point`` add what the caller knows of them to what the rules may speak of.
    """
    await lock(session, case.id, case.tenant_id)
    require_step(case.kind, step)
    row, policy = await policies.law_of(session, case)
    gate = policy.gates[f"{case.kind}.{step}"]
    await _require_turn(session, case, gate, step)
    facts = await _facts(session, case, step, gate, version, point)
    ruling = ruling_of(gate, step, facts)
    verdict = Verdict(
        tenant_id=case.tenant_id,
        case_id=case.id,
        step=step,
        passed=ruling.passed,
        path=ruling.path,
        tier=case.tier,
        policy_revision=row.revision,
        policy_digest=row.digest,
        facts=facts,
        facts_digest=digest_of(facts),
        results=ruling.results,
        judge_id=by.person_id,
    )
    session.add(verdict)
    await session.flush()
    await session.refresh(verdict)
    await audit.record(
        session, by, "step.judged", stream(case),
        case=case.id, step=step, passed=verdict.passed, path=verdict.path,
        policy_digest=row.digest, facts_digest=verdict.facts_digest,
    )  # fmt: skip
    await publish(
        session,
        StepJudged(
            tenant_id=case.tenant_id,
            case_id=case.id,
            step=step,
            passed=verdict.passed,
            path=verdict.path and verdict.path.value,
        ),
    )
    return verdict


async def _require_turn(session: AsyncSession, case: Case, gate: Gate, step: str) -> None:
    """Refuse to judge a step before those that policy puts first."""
    if not gate.after:
        return
    waiting = [
        state
        for state in await docket.states(session, case)
        if state.step in gate.after and state.open
    ]
    _refuse_over(waiting, OutOfTurn, f"{step} comes after")


async def required_open(
    session: AsyncSession, case: Case, *, before_commit_only: bool = False
) -> None:
    """Refuse unless every step that policy asks for is passed."""
    waiting = [
        state
        for state in await docket.states(session, case)
        if state.open and (state.before_commit or not before_commit_only)
    ]
    _refuse_over(waiting, StepsOpen, "Not passed yet:")


def _refuse_over(
    waiting: list[docket.StepState], refusal: type[OutOfTurn | StepsOpen], saying: str
) -> None:
    """Refuse over steps that are open, if any, and say what each of them lacks."""
    if waiting:
        names = [state.step for state in waiting]
        raise refusal(
            f"{saying} {', '.join(names)}.",
            open=names,
            missing={state.step: [asdict(item) for item in state.missing] for state in waiting},
        )


async def _facts(
    session: AsyncSession,
    case: Case,
    step: str,
    gate: Gate,
    known: dict[str, Any],
    point: dict[str, Any],
) -> dict[str, Any]:
    """Return what the step's rules may speak of; plain JSON, so that it can be kept."""
    version = await catalog.version_by_id(session, case.tenant_id, case.version_id)
    evidence = await counting(session, case, step)
    parts = await covered(session, case, step)
    decided = await decisions(session, case, step, parts=parts, gate=gate)

    facts = {
        "case": {"id": str(case.id), "kind": case.kind, "tier": case.tier, **case.details},
        "version": {
            **known,
            "number": version.number,
            "stage": version.stage,
            "digest": version.digest,
            "card": version.card,
            "signature": version.signature,
            "lineage": version.lineage,
        },
        "point": point,
        "evidence": evidence,
        "approvals": counted([row for row in decided if row.approved]),
        "rejections": counted([row for row in decided if not row.approved]),
        "covers": parts,
        "waivers": await active_waivers(session, case, step),
    }
    found: dict[str, Any] = plain(facts)
    return found
