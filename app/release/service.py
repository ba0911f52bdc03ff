from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, gates, identity, kpi, telemetry
from app.catalog import Stage
from app.gates import CaseKind, ReleaseStep, WayOut
from app.identity import Action
from app.kit.actor import Actor
from app.release import point_cases
from app.release.endpoints import about_point, measure_contract
from app.release.inside import lighter_inside
from app.release.instances import measure_instances
from app.release.kpi_validation import conclude, measure_kpis
from app.release.lifecycle import NEXT, RETURN, require_edge
from app.release.moves import give_back, move, send_back
from app.release.rework import tasks_open
from app.release.sampling import measure_parameters
from app.release.validators import require_fit

_RELEASABLE = frozenset({Stage.CANDIDATE, Stage.RELEASED, Stage.ACTIVATED})
_FURTHER = _RELEASABLE | {Stage.VALIDATED}


async def about(session: AsyncSession, case: gates.Case) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what rules may know of a case's version and decision point."""
    found = await catalog.versions_by_id(session, case.tenant_id, {case.version_id})
    model, row = found[case.version_id]
    baseline = await telemetry.baseline_of(session, case.tenant_id, case.version_id)
    version = {
        "model": model.name,
        "kind": model.kind.value,
        "baseline_rows": baseline.rows if baseline else 0,
        "lighter_members": await lighter_inside(session, case)
        if model.kind is catalog.AssetKind.ENSEMBLE
        else [],
        "tasks_open": await tasks_open(session, case.tenant_id, row),
    }
    if case.point_id is None:
        return version, {}
    point = await catalog.point_by_id(session, case.tenant_id, case.point_id)
    cases = await point_cases.in_force(session, case.tenant_id, point.id)
    return version, {**about_point(point), "contract_cases": cases}


async def open_validation(
    session: AsyncSession, model: str, number: int, *, because: str | None = None, by: Actor
) -> gates.Case:
    """Ask for the validation of a version by somebody who took no part in developing it.

    ``because`` is why the server asks for it; then who validated it before is told so.
    """
    version = await catalog.find_version(session, model, number, by=by, lock=True)
    # What is further on is validated again without going back: its tier or policy may ask for more.
    if version.stage not in _FURTHER:
        require_edge(version.stage, Stage.VALIDATED)
    tier = (await catalog.model_of(session, model, by=by)).risk_tier
    await identity.require_right(session, by, Action.OPEN_VALIDATION, tier=tier, model=model)
    asked = await gates.validators_of(session, by.tenant_id, version.id) if because else set()
    return await gates.open_case(
        session,
        kind=CaseKind.VALIDATION,
        version=version,
        tier=tier,
        point_id=None,
        details={"model": model, "number": number, **({"because": because} if because else {})},
        by=by,
        addressees=tuple(sorted(asked)),
    )


async def judge_validation(
    session: AsyncSession, case_id: UUID, step: str, *, by: Actor
) -> gates.Verdict:
    """Judge a validation step; when all that policy asks for is passed, the version is valid."""
    case = await gates.case_of(session, case_id, by=by, kind=CaseKind.VALIDATION)
    await identity.require_right(
        session, by, Action.JUDGE_VALIDATION, **gates.place(case), roles=gates.roles_in(case, by)
    )
    here = (await catalog.lock_version(session, by.tenant_id, case.version_id)).stage
    version, point = await about(session, case)
    verdict = await gates.judge(session, case, step, version=version, point=point, by=by)
    if verdict.passed and not any(state.open for state in await gates.states(session, case)):
        if here not in _FURTHER:
            await move(session, case.version_id, Stage.VALIDATED, by=by, case=case.id)
        await gates.close_case(session, case, result="validated", by=by)
    return verdict


async def fail_validation(
    session: AsyncSession, case_id: UUID, path: WayOut, *, reason: str, by: Actor
) -> gates.Case:
    """End a validation with the drift that its validator found; the version goes back on its path.

    Wherever the lifecycle lets it: what is already returned stays where it is.
    """
    case = await gates.case_of(session, case_id, by=by, kind=CaseKind.VALIDATION)
    roles = await gates.require_apart(session, case, by=by)
    await identity.require_right(
        session, by, Action.JUDGE_VALIDATION, **gates.place(case), roles=roles
    )
    here = (await catalog.lock_version(session, by.tenant_id, case.version_id)).stage
    await gates.close_case(session, case, result=path.value, by=by)
    await audit.record(
        session, by, "validation.failed", f"version:{case.version_id}",
        case=case.id, path=path, personal={"reason": reason},
    )  # fmt: skip
    if Stage.RETURNED in NEXT[here]:
        await send_back(session, case.version_id, path, RETURN[path], by=by, case=case)
    return case


async def open_release(
    session: AsyncSession,
    model: str,
    number: int,
    *,
    point_key: str,
    validator: str | None = None,
    by: Actor,
) -> gates.Case:
    """Release a validated version as candidate, for one decision point.

    The case keeps who was asked to validate it, and which KPIs were agreed by then. A version that
    is a candidate (its release was withdrawn), released or activated may be released for a further
    point: it stays where it is in its life.
    """
    version = await catalog.find_version(session, model, number, by=by, lock=True)
    point = await catalog.point_by_key(session, point_key, by=by)
    tier = (await catalog.model_of(session, model, by=by)).risk_tier
    await identity.require_right(
        session, by, Action.OPEN_RELEASE, tier=tier, model=model, point=point_key
    )
    await gates.require_foundations(
        session, by.tenant_id, version.id, point.id, kinds={CaseKind.VALIDATION}
    )
    asked = None if validator is None else await require_fit(session, validator, version, by=by)
    agreed = await kpi.agreements(session, by.tenant_id, point.id)
    if version.stage not in _RELEASABLE:
        await move(session, version.id, Stage.CANDIDATE, by=by, point=point_key)
    return await gates.open_case(
        session,
        kind=CaseKind.RELEASE,
        version=version,
        tier=tier,
        point_id=point.id,
        details={
            "model": model,
            "number": number,
            "decision_point": point_key,
            "validator_id": str(asked.id) if asked else None,
            "kpis": [item.kept() for item in agreed],
            "kpi_authors": await kpi.authors_of(session, by.tenant_id, point.id),
        },
        by=by,
        addressees=(asked.id,) if asked else (),
    )


async def judge_release(
    session: AsyncSession, case_id: UUID, step: str, *, by: Actor
) -> gates.Verdict:
    """Measure what the server can measure for a step, then judge its gate.

    A KPI validation that ends in a drift returns the version to its development step; when every
    required step is passed the version is released.
    """
    case = await gates.case_of(session, case_id, by=by, kind=CaseKind.RELEASE)
    await identity.require_right(
        session, by, Action.JUDGE_RELEASE, **gates.place(case), roles=gates.roles_in(case, by)
    )
    # Before the case and the log: whoever holds several takes them in this order.
    first = (await catalog.lock_version(session, by.tenant_id, case.version_id)).stage
    await _measure(session, case, step, by=Actor.system(by.tenant_id))
    version, point = await about(session, case)
    verdict = await gates.judge(session, case, step, version=version, point=point, by=by)
    path, back = conclude(verdict)
    if path is not None and back is not None:
        await gates.close_case(session, case, result=path.value, by=by)
        # What is released or active elsewhere may well be there what was promised: it stays.
        way_back = send_back if first is Stage.CANDIDATE else give_back
        await way_back(session, case.version_id, path, back, by=by, case=case, verdict=verdict)
        return verdict
    states = await gates.states(session, case)
    if not verdict.passed or any(state.open for state in states):
        return verdict
    kpis = next(state for state in states if state.step == ReleaseStep.KPI_VALIDATION)
    if step != kpis.step and kpis.required:
        # It was judged before the other steps: since then the perimeter may have seen more.
        await judge_release(session, case_id, kpis.step, by=by)
    else:
        await gates.close_case(session, case, result="released", by=by)
        if first is Stage.CANDIDATE:
            await move(session, case.version_id, Stage.RELEASED, by=by, case=case.id)
    return verdict


async def _measure(session: AsyncSession, case: gates.Case, step: str, *, by: Actor) -> None:
    if step == ReleaseStep.ENDPOINT_IDENTIFICATION:
        await measure_contract(session, case, by=by)
    elif step == ReleaseStep.PARAMETER_TESTING:
        await measure_parameters(session, case, by=by)
    elif step == ReleaseStep.INSTANTIATION_VALIDATION:
        await measure_instances(session, case, by=by)
    elif step == ReleaseStep.KPI_VALIDATION:
        await measure_kpis(session, case, rehearsed=True, by=by)
