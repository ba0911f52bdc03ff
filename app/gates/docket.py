"""Where a case stands: each step with its newest verdict."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, union_all
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app.gates import policies
from app.gates.lapses import lapsed
from app.gates.policy import WayOut
from app.gates.steps import STEPS
from app.gates.tables import Approval, Case, Evidence, Verdict, Withdrawal

Step = str


@dataclass(frozen=True, slots=True)
class StepState:
    """A step of a case: asked for or not, and what its newest verdict said.

    A verdict that does not know the newest evidence and decisions is as none.
    """

    step: Step
    required: bool
    before_commit: bool
    passed: bool | None
    path: WayOut | None
    verdict_id: UUID | None
    at: datetime | None

    @property
    def open(self) -> bool:
        """Whether policy asks for it and it is not passed."""
        return self.required and not self.passed


async def states(session: AsyncSession, case: Case) -> list[StepState]:
    """Return every step of a case in the framework's order."""
    _, policy = await policies.law_of(session, case)
    gates = policy.gates
    mine = {"tenant_id": case.tenant_id, "case_id": case.id}
    newest = {
        verdict.step: verdict
        for verdict in await session.scalars(
            select(Verdict)
            .filter_by(**mine)
            .ext(distinct_on(Verdict.step))
            .order_by(Verdict.step, Verdict.at.desc(), Verdict.id.desc())
        )
    }
    changed = await _changed(session, mine)
    for step, at in changed.items():
        if step in newest and newest[step].at < at:
            del newest[step]
    under = {step: waivers_of(verdict) for step, verdict in newest.items()}
    gone = await lapsed(session, case.tenant_id, set().union(*under.values()))
    for step, ids in under.items():
        if ids & gone:
            del newest[step]
    found = []
    for step in STEPS[case.kind]:
        gate, verdict = gates[f"{case.kind}.{step}"], newest.get(step)
        found.append(
            StepState(
                step=str(step),
                required=gate.required,
                before_commit=gate.before_commit,
                passed=verdict.passed if verdict else None,
                path=verdict.path if verdict else None,
                verdict_id=verdict.id if verdict else None,
                at=verdict.at if verdict else None,
            )
        )
    return found


def waivers_of(verdict: Verdict) -> set[str]:
    """Return the waivers a verdict was passed under; when one ends it counts no more."""
    return {result["waiver"] for result in verdict.results if result.get("waiver")}


async def _changed(session: AsyncSession, mine: dict[str, UUID]) -> dict[str, datetime]:
    """Return when each step last got evidence or a decision from somebody.

    A verdict older than that has not looked at it, and counts no more. All these times are the
    database clock's, taken under the case's lock.
    """
    evidence = select(Evidence.step, Evidence.at).filter_by(**mine, measured=False)
    decided = select(Approval.step, Approval.at).filter_by(**mine)
    withdrawn = select(Withdrawal.step, Withdrawal.at).filter_by(**mine)
    both = union_all(evidence, decided, withdrawn).subquery()
    rows = await session.execute(select(both.c.step, func.max(both.c.at)).group_by(both.c.step))
    return {row[0]: row[1] for row in rows}


async def papers(session: AsyncSession, case: Case) -> dict[str, list[Any]]:
    """Return all that a case holds, each kind in order of time."""
    found: dict[str, list[Any]] = {}
    for name, table in (("evidence", Evidence), ("approvals", Approval), ("verdicts", Verdict)):
        query = select(table).filter_by(tenant_id=case.tenant_id, case_id=case.id)
        found[name] = list(await session.scalars(query.order_by(table.at, table.id)))
    return found
