"""Where a case stands: each step with its newest verdict."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, union_all
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app.gates import policies
from app.gates.lapses import lapsed
from app.gates.policy import WayOut, passed
from app.gates.steps import STEPS, CaseKind
from app.gates.supplies import judging
from app.gates.tables import Approval, Case, Evidence, Verdict, Withdrawal
from app.platform.db import Json

Step = str


@dataclass(frozen=True, slots=True)
class Judged:
    """What a verdict said, and what it stood on."""

    id: UUID
    passed: bool
    path: WayOut | None
    at: datetime
    results: list[Json]
    covers: Json | None
    approvals: list[Json]

    @property
    def waivers(self) -> set[str]:
        """The waivers it was passed under; when one ends it counts no more."""
        return {result["waiver"] for result in self.results if result.get("waiver")}


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that a step needs, and the calls that supply it."""

    rule: str | None
    reason: str
    mend: list[str]


@dataclass(frozen=True, slots=True)
class StepState:
    """A step of a case: asked for or not, and its newest verdict.

    A verdict that does not know the newest evidence and decisions is as none.
    """

    case_id: UUID
    kind: CaseKind
    step: Step
    required: bool
    before_commit: bool
    verdict: Judged | None

    @property
    def passed(self) -> bool | None:
        """Whether its gate was passed; nothing while it has not been judged."""
        return self.verdict.passed if self.verdict else None

    @property
    def path(self) -> WayOut | None:
        """The way out that was taken, of a KPI validation."""
        return self.verdict.path if self.verdict else None

    @property
    def verdict_id(self) -> UUID | None:
        """The verdict's id."""
        return self.verdict.id if self.verdict else None

    @property
    def at(self) -> datetime | None:
        """When it was judged."""
        return self.verdict.at if self.verdict else None

    @property
    def open(self) -> bool:
        """Whether policy asks for it and it is not passed."""
        return self.required and not self.passed

    @property
    def missing(self) -> list[Missing]:
        """What it still needs."""
        if not self.open:
            return []
        call = judging(self.kind, self.step, self.case_id)
        if self.verdict is None:
            return [Missing(None, "Not judged as it stands now.", [call])]
        return [
            Missing(item["rule"], item["reason"], [*item.get("mend", ()), call])
            for item in self.verdict.results
            if not passed([item])
        ]


async def states(session: AsyncSession, case: Case) -> list[StepState]:
    """Return every step of a case in the framework's order."""
    return (await states_of(session, case.tenant_id, [case]))[case.id]


async def states_of(
    session: AsyncSession, tenant_id: UUID, cases: Collection[Case]
) -> dict[UUID, list[StepState]]:
    """Return every step of each case, by case, with a few queries for all."""
    ids = [case.id for case in cases]
    laws = await policies.laws_of(session, tenant_id, cases)
    newest = await _newest(session, tenant_id, ids)
    for place, at in (await _changed(session, tenant_id, ids)).items():
        if place in newest and newest[place].at < at:
            del newest[place]
    under = set().union(*(judged.waivers for judged in newest.values()))
    gone = await lapsed(session, tenant_id, under)
    counting = {place: found for place, found in newest.items() if not found.waivers & gone}
    return {
        case.id: [
            StepState(
                case.id,
                case.kind,
                str(step),
                gate.required,
                gate.before_commit,
                counting.get((case.id, step)),
            )
            for step in STEPS[case.kind]
            for gate in (laws[case.id][1].gates[f"{case.kind}.{step}"],)
        ]
        for case in cases
    }


Place = tuple[UUID, str]
"""A step of a case."""


async def unwaived(session: AsyncSession, case: Case) -> list[Step]:
    """Return the steps before the swap that were passed under a waiver which has ended."""
    newest = await _newest(session, case.tenant_id, [case.id])
    under = set().union(*(judged.waivers for judged in newest.values()))
    gone = await lapsed(session, case.tenant_id, under)
    _, policy = await policies.law_of(session, case)
    gates = {str(step): policy.gates[f"{case.kind}.{step}"] for step in STEPS[case.kind]}
    return [
        step
        for step, gate in gates.items()
        if gate.required and gate.before_commit
        if (case.id, step) in newest and newest[case.id, step].waivers & gone
    ]


async def _newest(
    session: AsyncSession, tenant_id: UUID, ids: Collection[UUID]
) -> dict[Place, Judged]:
    """Return each step's last verdict; of its facts, which can be large, only what is asked for."""
    rows = await session.execute(
        select(
            Verdict.case_id, Verdict.step, Verdict.id, Verdict.passed, Verdict.path, Verdict.at,
            Verdict.results, Verdict.facts["covers"], Verdict.facts["approvals"],
        )
        .where(Verdict.tenant_id == tenant_id, Verdict.case_id.in_(ids))
        .ext(distinct_on(Verdict.case_id, Verdict.step))
        .order_by(Verdict.case_id, Verdict.step, Verdict.at.desc(), Verdict.id.desc())
    )  # fmt: skip
    return {(case_id, step): Judged(*said) for case_id, step, *said in rows}


async def _changed(
    session: AsyncSession, tenant_id: UUID, ids: Collection[UUID]
) -> dict[Place, datetime]:
    """Return when each step last got evidence, submitted or measured, or a decision.

    A verdict older than that has not looked at it, and counts no more. All these times are the
    database clock's, taken under the case's lock.
    """
    told = union_all(
        *(
            select(table.case_id, table.step, table.at).where(
                table.tenant_id == tenant_id, table.case_id.in_(ids)
            )
            for table in (Evidence, Approval, Withdrawal)
        )
    ).subquery()
    rows = await session.execute(
        select(told.c.case_id, told.c.step, func.max(told.c.at)).group_by(
            told.c.case_id, told.c.step
        )
    )
    return {(case_id, step): at for case_id, step, at in rows}


async def papers(session: AsyncSession, case: Case) -> dict[str, list[Any]]:
    """Return all that a case holds, each kind in order of time."""
    found: dict[str, list[Any]] = {}
    for name, table in (("evidence", Evidence), ("approvals", Approval), ("verdicts", Verdict)):
        query = select(table).filter_by(tenant_id=case.tenant_id, case_id=case.id)
        found[name] = list(await session.scalars(query.order_by(table.at, table.id)))
    return found
