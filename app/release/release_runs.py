"""One call for a release: opened, tested, judged step by step, in the caller's name.

Each act is a transaction of its own with what his key may do at that moment, under the operation's
fence. What was done is read from the docket, so that a further run goes on where this one waits.
"""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, gates, identity
from app.catalog import ReturnTo, Stage
from app.gates import Case, ReleaseStep, StepState, WayOut
from app.identity import Action, KeyEnded, Role
from app.kit.actor import Actor
from app.kit.refusal import AlreadyExists, Kind, Refusal
from app.platform.db import Database, Json
from app.platform.http.guard import require
from app.release import integration_runs, operations, service
from app.release.kpi_validation import conclude
from app.release.missing import Lacking, in_order, judging, lacking
from app.release.operation_rules import GOING, OperationState
from app.release.tables import Operation

_LOOK_AGAIN_SECONDS = 15.0
_DONE = frozenset({Stage.RELEASED, Stage.ACTIVATED})


class TookAWayOut(Refusal):
    """The KPI validation ended in a drift, or the version is already on its way back."""

    kind = Kind.CONFLICT
    code = "way_out"
    title = "The version goes back"
    mend = "`result` says by which path and to which step; a new version follows it."


class _Wait(Exception):
    """Another operation has to end first."""


class Gone(Exception):
    """The operation was cancelled, or is another worker's."""


async def carry_out(database: Database, operation: Operation) -> None:
    """Do what can be done for each decision point; end it, or put it off."""
    run = _Run(database, operation)
    try:
        waiting = False
        for point in operation.about["decision_points"]:
            try:
                if await run.release(point):
                    break
            except _Wait:
                waiting = True
        await run.conclude(waiting=waiting)
    except Gone:
        return
    except AlreadyExists:  # somebody opened it at the same moment
        await run.put_off(1.0)
    except Refusal as refusal:
        await operations.fail(database, operation, refusal)


class _Run:
    """One turn of an operation; ``points`` is what it has come to so far, and is kept with it."""

    def __init__(self, database: Database, operation: Operation) -> None:
        self._database = database
        self._operation = operation
        self._points: dict[str, Json] = {
            key: dict(found) for key, found in operation.progress.get("points", {}).items()
        }

    async def release(self, key: str) -> bool:
        """Go as far as possible at one decision point; say whether the version went back."""
        entry = self._points.setdefault(key, {"decision_point": key, "steps": {}})
        case = await self._opened(entry, key)
        if case is None:
            return entry.get("outcome") == "way_out"
        while True:
            step = await self._next(entry, case)
            if step is None:
                break
            await self._step(entry, case, step)
            if entry.get("outcome") in {"way_out", "released"}:
                return bool(entry["outcome"] == "way_out")
        entry["outcome"] = "waiting"
        return False

    async def _acting(self, session: AsyncSession) -> Actor:
        """Return the caller with what he may do now, the operation being held."""
        row = await operations.held(session, self._operation)
        if row is None:
            raise Gone
        return await identity.acting_with(session, row.tenant_id, row.principal_id, row.key_id)

    async def _keep(self, session: AsyncSession) -> None:
        row = await operations.held(session, self._operation)
        if row is None:
            raise Gone
        row.progress = {"points": {key: dict(found) for key, found in self._points.items()}}

    async def _opened(self, entry: Json, key: str) -> Case | None:
        """Return the open release at a point, opened if need be; nothing if that is that."""
        about = self._operation.about
        try:
            async with self._database.transaction(self._operation.tenant_id) as session:
                by = await self._acting(session)
                version = await catalog.find_version(
                    session, about["model"], about["version"], by=by
                )
                point = await catalog.point_by_key(session, key, by=by)
                case = await gates.release_of(session, by.tenant_id, version.id, point.id)
                if case is not None and case.closed_at is None:
                    entry["case_id"] = str(case.id)
                    return case
                if (
                    case is not None
                    and case.result == "released"
                    and version.stage in _DONE
                    and not await gates.unsound(session, by.tenant_id, version.id, point.id)
                ):
                    entry |= {"case_id": str(case.id), "outcome": "released"}
                    return None
                if version.stage is Stage.RETURNED:
                    entry |= self._way_out(None, version.returned_to)
                    return None
                if version.stage is Stage.PUBLISHED:
                    entry |= {"outcome": "waiting", "missing": [self._validation()]}
                    return None
                require(by, "release:open")
                case = await service.open_release(
                    session, about["model"], about["version"], point_key=key,
                    validator=about.get("validator"), by=by,
                )  # fmt: skip
                entry["case_id"] = str(case.id)
                await self._keep(session)
                return case
        except Refusal as refusal:
            entry |= {"outcome": "waiting", "missing": [await self._lacking(refusal, key)]}
            return None

    async def _lacking(self, refusal: Refusal, key: str) -> Json:
        """Return what a release waits for that was not opened; raise what no wait mends."""
        if isinstance(refusal, gates.ApprovalVoid):
            return {**self._validation(), "what": refusal.detail}
        if refusal.kind is not Kind.FORBIDDEN:
            raise refusal
        return {
            "decision_point": key,
            "step": None,
            "rule": None,
            "what": refusal.detail,
            "call": "POST /v1/releases",
            "who": await self._who(Action.OPEN_RELEASE, key),
        }

    def _validation(self) -> Json:
        about = self._operation.about
        who = about.get("validator")
        return {
            "decision_point": None,
            "step": "validation",
            "rule": None,
            "what": "The version is not validated.",
            "call": "POST /v1/validations, then approve and judge its steps",
            "who": [who] if who else [Role.VALIDATOR.value],
        }

    async def _next(self, entry: Json, case: Case) -> ReleaseStep | None:
        """Return the step that is to be judged next, nothing if none can be."""
        async with self._database.session(case.tenant_id) as session:
            states = {state.step: state for state in await gates.states(session, case)}
        asked = self._operation.request.get("integration") is not None
        todo = in_order({step: states[step].required for step in states}, asked=asked)
        for step in ReleaseStep:
            if step not in todo:
                skipped = {"outcome": "skipped", "why": "not required"}
                entry["steps"].setdefault(step.value, skipped)
            elif states[step].passed:
                entry["steps"].setdefault(step.value, {"outcome": "passed"})
        left = [step for step in todo if entry["steps"].get(step.value) is None]
        blocked = _open_besides_kpis(states)
        if ReleaseStep.KPI_VALIDATION in left and blocked and len(left) == 1:
            entry["steps"][ReleaseStep.KPI_VALIDATION.value] = {
                "outcome": "not judged", "why": f"first: {', '.join(blocked)}",
            }  # fmt: skip
            return None
        if left:
            return left[0]
        # All are passed and the release is open still: judged once more, the last one ends it.
        required = [step for step in todo if states[step].required]
        last = required[-1] if required else ReleaseStep.MODEL_RELEASE
        vain = entry["steps"][last.value]["outcome"] in {"not judged", "failed"}
        return None if vain or any(state.open for state in states.values()) else last

    async def _step(self, entry: Json, case: Case, step: ReleaseStep) -> None:
        """Judge one step, having had it tested first if it is the one for that."""
        try:
            if step is ReleaseStep.INTEGRATION_TESTING:
                await self._tested(entry, case)
            async with self._database.transaction(case.tenant_id) as session:
                by = await self._acting(session)
                require(by, "release:judge")
                verdict = await service.judge_release(session, case.id, step, by=by)
                told: Json = {
                    "outcome": "passed" if verdict.passed else "failed",
                    "verdict_id": str(verdict.id),
                }
                if not verdict.passed:
                    told["missing"] = await self._missing(session, case, step, verdict.results)
                entry["steps"][step.value] = told
                now = await gates.case_of(session, case.id, by=by)
                if now.closed_at is not None:
                    path, to = conclude(verdict)
                    left = now.result != "released"
                    entry |= self._way_out(path, to) if left else {"outcome": "released"}
                await self._keep(session)
        except KeyEnded:
            raise
        except Refusal as refusal:
            if refusal.kind is not Kind.FORBIDDEN:
                raise
            key = entry["decision_point"]
            action = Action.JUDGE_RELEASE
            entry["steps"][step.value] = {
                "outcome": "not judged",
                "why": refusal.detail,
                "missing": [
                    {
                        "decision_point": key, "step": step.value, "rule": None,
                        "what": refusal.detail, "call": judging(case, step),
                        "who": await self._who(action, key, tier=case.tier),
                    }
                ],
            }  # fmt: skip

    async def _tested(self, entry: Json, case: Case) -> None:
        """Have the endpoint tested if that was asked for; raise ``_Wait`` until it is."""
        asked = self._operation.request.get("integration")
        if asked is None:
            return
        async with self._database.transaction(case.tenant_id) as session:
            by = await self._acting(session)
            own = await operations.child_about(session, self._operation, case.id)
            if own is None:
                require(by, "gates:evidence")
                if await operations.run_going(session, case.tenant_id, case.id):
                    raise _Wait
                own = await integration_runs.request_run(
                    session, case.id, asked=asked, parent_id=self._operation.id, by=by
                )
            entry["integration_run"] = str(own.id)
            if own.problem is not None:
                entry["integration_problem"] = own.problem["detail"]
            await self._keep(session)
        if own.state in GOING:
            raise _Wait

    async def _missing(
        self, session: AsyncSession, case: Case, step: str, results: list[Json]
    ) -> list[Json]:
        gate = await gates.gate_of(session, case, step)
        whens = {rule.name: rule.when for rule in gate.rules}
        rights = await identity.rights_of(session, case.tenant_id)
        place = gates.place(case)

        def who(item: Lacking) -> list[str]:
            able = [role.value for role in Role if rights.allows({role}, item.action, **place)]
            return [role for role in able if role in item.roles] or able

        return [
            {
                "decision_point": place["point"], "step": item.step, "rule": item.rule,
                "what": item.what, "call": item.call, "who": who(item),
            }
            for item in lacking(case, step, results, whens)
        ]  # fmt: skip

    async def _who(self, action: Action, key: str, *, tier: str | None = None) -> list[str]:
        about = self._operation.about
        async with self._database.session(self._operation.tenant_id) as session:
            rights = await identity.rights_of(session, self._operation.tenant_id)
        place = {"tier": tier or about["tier"], "model": about["model"], "point": key}
        return [role.value for role in Role if rights.allows({role}, action, **place)]

    def _way_out(self, path: WayOut | None, to: ReturnTo | None) -> Json:
        about = self._operation.about
        return {
            "outcome": "way_out",
            "path": path and path.value,
            "returned_to": to and to.value,
            "hand_back": f"/v1/models/{about['model']}/versions/{about['version']}/hand-back",
        }

    async def conclude(self, *, waiting: bool) -> None:
        """End the operation as its points stand, or put it off where one waits for a run."""
        if waiting:
            await self.put_off(_LOOK_AGAIN_SECONDS)
            return
        outcomes = {entry.get("outcome") for entry in self._points.values()}
        missing = [item for entry in self._points.values() for item in _all_missing(entry)]
        result = {"points": list(self._points.values()), "missing": missing}
        async with self._database.transaction(self._operation.tenant_id) as session:
            row = await operations.held(session, self._operation)
            if row is None:
                raise Gone
            row.progress = {"points": self._points}
            state, problem = OperationState.WAITING, None
            if outcomes == {"released"}:
                state = OperationState.SUCCEEDED
            elif "way_out" in outcomes:
                state = OperationState.FAILED
                problem = TookAWayOut("The version does not deliver as promised and goes back.")
            await operations.end(
                session, row, state, result=result, problem=problem,
                by=operations.system(self._operation),
            )  # fmt: skip

    async def put_off(self, seconds: float) -> None:
        """Give the operation back until something it waits for has ended."""
        async with self._database.transaction(self._operation.tenant_id) as session:
            row = await operations.held(session, self._operation)
            if row is None:
                raise Gone
            going = await operations.children_going(session, row)
            await operations.put_off(session, row, seconds=seconds if going else 0.0)


def _open_besides_kpis(states: dict[str, StepState]) -> list[str]:
    """Return the required steps that are open, KPI validation aside."""
    return [
        step for step, state in states.items() if state.open and step != ReleaseStep.KPI_VALIDATION
    ]


def _all_missing(entry: Json) -> list[Json]:
    """Return what an entry and its steps say is missing."""
    steps: dict[str, Any] = entry.get("steps", {})
    return [
        *entry.get("missing", ()),
        *(item for told in steps.values() for item in told.get("missing", ())),
    ]
