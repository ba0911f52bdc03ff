from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, gates, identity, release, routing
from app.activation import (
    desired,
    endpoint_tests,
    handoff,
    integration,
    membership,
    preparing,
    reports,
    telemetry_check,
)
from app.activation.rules import LighterTier, NotReady, ScoresExpired, SwapLost
from app.activation.unseating import COMMITTED, leave
from app.catalog import Stage
from app.gates import ActivationStep, CaseKind
from app.identity import Action
from app.kit.actor import Actor
from app.kit.canonical import plain
from app.platform.db import clock
from app.routing import SeatRole


async def open_activation(
    session: AsyncSession,
    model: str,
    number: int,
    *,
    point_key: str,
    role: SeatRole,
    endpoint: str | None,
    parameters: dict[str, Any],
    experiment: UUID | None = None,
    by: Actor,
) -> gates.Case:
    """Ask for a released version to decide at a point, as champion or as challenger.

    The champion of this moment goes into the case: the swap is approved against it, and refused
    if another one has come in between. So does whether its endpoint was tested. An ``experiment``
    is on whose evidence the server asks.
    """
    if endpoint is not None:
        catalog.require_target(endpoint)
    version = await catalog.find_version(session, model, number, by=by, lock=True)
    if version.stage not in {Stage.RELEASED, Stage.ACTIVATED}:
        raise NotReady(
            f"{model}@{number} is {version.stage}.",
            stage=version.stage.value,
            filled={"model": model},
        )
    point = await catalog.point_by_key(session, point_key, by=by)
    if not await gates.passed_release(session, by.tenant_id, version.id, point.id):
        raise NotReady(
            f"{model}@{number} was not released for {point_key}.",
            point=point_key,
            filled={"model": model},
        )
    await gates.require_foundations(session, by.tenant_id, version.id, point.id)
    await membership.require_fit_members(session, version, model)
    champion = await routing.champion_of(session, by.tenant_id, point.id)
    tier = (await catalog.model_of(session, model, by=by)).risk_tier
    await identity.require_right(
        session, by, Action.OPEN_ACTIVATION, tier=tier, model=model, point=point_key
    )
    await _require_no_lighter(session, champion, model, tier)
    tests = await endpoint_tests.tests_of(session, by.tenant_id, version.id, point.id, endpoint)
    case = await gates.open_case(
        session,
        kind=CaseKind.ACTIVATION,
        version=version,
        tier=tier,
        point_id=point.id,
        details={
            "model": model,
            "number": number,
            "decision_point": point_key,
            "role": role.value,
            "endpoint": endpoint,
            "endpoint_test": {name: tests[name] for name in ("tested", "agreed", "why")},
            "parameters": parameters,
            "instead_of": champion and str(champion.version_id),
            **({"experiment": str(experiment)} if experiment is not None else {}),
        },
        by=by,
    )
    if role is SeatRole.CHAMPION:
        await _measure_experiment(session, case, point)
    return case


async def _require_no_lighter(
    session: AsyncSession, champion: routing.Seat | None, model: str, tier: catalog.RiskTier
) -> None:
    """Refuse a model of a lighter tier than the champion's: the decisions are as grave as before.

    Otherwise a copy under a lighter name would pass by everything that the graver one had to.
    """
    if champion is None:
        return
    found = await catalog.versions_by_id(session, champion.tenant_id, {champion.version_id})
    reigning, _ = found[champion.version_id]
    order = list(catalog.RiskTier)
    if order.index(tier) < order.index(reigning.risk_tier):
        raise LighterTier(
            f"{model} is of the {tier} tier, and {reigning.name} decides there at"
            f" {reigning.risk_tier}.",
            tier=tier.value,
            decided_at=reigning.risk_tier.value,
            filled={"model": model},
        )


async def judge_step(
    session: AsyncSession, case_id: UUID, step: str, *, by: Actor
) -> gates.Verdict:
    """Measure what the server can measure for a step, then judge its gate."""
    case = await gates.case_of(session, case_id, by=by, kind=CaseKind.ACTIVATION)
    await identity.require_right(
        session, by, Action.JUDGE_ACTIVATION, **gates.place(case), roles=gates.roles_in(case, by)
    )
    system = Actor.system(by.tenant_id)
    if step in {ActivationStep.APPLICATION_INTEGRATION, ActivationStep.PRODUCTION_AUDIT}:
        await integration.measure(session, case, step, by=system)
    elif step == ActivationStep.GOVERNANCE:
        await _measure_completeness(session, case, by=system)
    elif step == ActivationStep.MODEL_ACTIVATION:
        await handoff.measure(session, case, by=system)
    elif step == ActivationStep.DEPLOYMENT:
        await _measure_deployment(session, case, by=system)
        await endpoint_tests.measure(session, case, by=system)
    elif step == ActivationStep.TRACKING:
        await _measure_tracking(session, case, by=system)
    elif step == ActivationStep.KPI_VALIDATION:
        await release.measure_kpis(session, case, rehearsed=False, by=system)
    version, point = await release.about(session, case)
    verdict = await gates.judge(session, case, step, version=version, point=point, by=by)
    path, back = release.conclude(verdict)
    if path is not None and back is not None:
        await release.send_back(
            session, case.version_id, path, back, by=by, case=case, verdict=verdict
        )
    return verdict


async def commit(session: AsyncSession, case_id: UUID, *, by: Actor) -> routing.Seat:
    """Swap: the version takes its seat, atomically, if everything before the swap is passed."""
    case = await gates.case_of(session, case_id, by=by, kind=CaseKind.ACTIVATION)
    await identity.require_right(
        session, by, Action.COMMIT_ACTIVATION, **gates.place(case), roles=gates.roles_in(case, by)
    )
    # The point's lock puts two swaps in a row; what was read before it may be old.
    point = await catalog.point_by_key(session, case.details["decision_point"], by=by, lock=True)
    await session.refresh(case)
    if case.result is not None:
        raise SwapLost(
            f"This activation is already {case.result}.",
            mend=f"GET /v1/decision-points/{point.key}/seats shows who sits where.",
        )
    # Held from here on: no instance of it is made or ended between the look and the swap.
    version = await catalog.lock_version(session, by.tenant_id, case.version_id)
    await gates.required_open(session, case, before_commit_only=True)
    await gates.require_present_policy(session, case)
    await gates.require_unvoided(session, case)
    await endpoint_tests.require_judged(session, case)
    await gates.require_foundations(session, by.tenant_id, case.version_id, point.id)
    champion = await routing.champion_of(session, by.tenant_id, point.id)
    present = champion and str(champion.version_id)
    role = SeatRole(case.details["role"])
    if role is SeatRole.CHAMPION and present != case.details["instead_of"]:
        raise SwapLost(
            "The activation was approved against another champion.",
            mend=f"POST /v1/cases/{case.id}:withdraw, then POST /v1/activations opens one against"
            " the present champion.",
            approved_against=case.details["instead_of"],
            champion=present,
        )
    await preparing.require_prepared(session, case, point)
    await membership.require_fit_members(session, version, case.details["model"], lock=True)
    if version.stage is Stage.RELEASED:
        await release.move(session, version.id, Stage.ACTIVATED, by=by, case=case.id)
    elif version.stage is not Stage.ACTIVATED:
        raise NotReady(
            f"The version is {version.stage}.",
            stage=version.stage.value,
            filled={"model": case.details["model"]},
        )
    if catalog.expired(version.specifics, await clock(session)):
        until = version.specifics and version.specifics["valid_until"]
        raise ScoresExpired(
            f"They were valid until {until}.",
            valid_until=until,
            filled={"model": case.details["model"]},
        )
    own = await routing.open_seat(session, by.tenant_id, point.id, version.id)
    seat = await _take_seat(session, case, point, role, by=by)
    await gates.mark_case(session, case, result=COMMITTED, by=by)
    if role is SeatRole.CHALLENGER:
        await reports.look_at(session, point, version.id)
    if role is SeatRole.CHAMPION:
        for vacated, result in ((champion, "replaced"), (own, "promoted")):
            if vacated is not None:
                await leave(session, vacated, result, by=by)
    return seat


async def _take_seat(
    session: AsyncSession,
    case: gates.Case,
    point: catalog.DecisionPoint,
    role: SeatRole,
    *,
    by: Actor,
) -> routing.Seat:
    place: dict[str, Any] = {
        "case_id": case.id,
        "endpoint": case.details["endpoint"],
        "parameters": case.details["parameters"],
    }
    if role is SeatRole.CHALLENGER:
        return await routing.seat_challenger(session, point, case.version_id, **place, by=by)
    await routing.require_taken_over(session, point, case.version_id)
    return await routing.crown(session, point, case.version_id, **place, cause="activated", by=by)


async def _measure_completeness(session: AsyncSession, case: gates.Case, *, by: Actor) -> None:
    """Record what the catalog still lacks of the version: card, variables, lineage, documents."""
    found = await catalog.versions_by_id(session, case.tenant_id, {case.version_id})
    model, version = found[case.version_id]
    gaps = catalog.completeness(version, model)
    await gates.add_evidence(
        session,
        case.id,
        ActivationStep.GOVERNANCE,
        kind="completeness",
        payload={"complete": not gaps, "gaps": gaps},
        by=by,
        measured=True,
    )


async def _measure_experiment(
    session: AsyncSession, case: gates.Case, point: catalog.DecisionPoint
) -> None:
    """Record what an experiment has shown of the version by now.

    Once, and not at each look: what was approved must not change under who approves it.
    """
    found = await routing.proof_of(session, point, case.version_id)
    if found is not None:
        await gates.add_evidence(
            session,
            case.id,
            ActivationStep.GOVERNANCE,
            kind="experiment",
            payload=plain(found),
            by=Actor.system(case.tenant_id),
            measured=True,
        )


async def _measure_deployment(session: AsyncSession, case: gates.Case, *, by: Actor) -> None:
    """Measure the deployment where the point has targets; elsewhere what was submitted counts."""
    assert case.point_id is not None  # noqa: S101 - an activation has a point
    point = await catalog.point_by_id(session, case.tenant_id, case.point_id)
    version = await catalog.version_by_id(session, case.tenant_id, case.version_id)
    facts = await desired.facts_of(session, point, version)
    if facts is not None:
        await gates.add_evidence(
            session,
            case.id,
            ActivationStep.DEPLOYMENT,
            kind="deployment",
            payload=facts,
            by=by,
            measured=True,
        )


async def _measure_tracking(session: AsyncSession, case: gates.Case, *, by: Actor) -> None:
    step, found = ActivationStep.TRACKING, await telemetry_check.tracking_of(session, case)
    await gates.add_evidence(
        session, case.id, step, kind="tracking", payload=found, by=by, measured=True
    )
