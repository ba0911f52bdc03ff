"""Integration runs: asked for by a call, done by a worker, their result evidence of the step."""

import asyncio
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, gates, identity
from app.gates import ActivationStep, CaseClosed, CaseKind, ReleaseStep
from app.identity import Action
from app.kit.actor import Actor
from app.kit.canonical import digest as digest_of
from app.kit.refusal import Invalid, Kind, NotFound, Refusal
from app.platform.db import Database, Json
from app.platform.events import publish
from app.platform.outbound import Outbound, OutboundRefused
from app.release import operations, point_cases
from app.release.contract_cases import ContractCase, Load
from app.release.events import IntegrationTested
from app.release.integration import Protocol, asked_by
from app.release.operation_rules import OperationKind, OperationState, RunUnderWay
from app.release.output_schema import unchecked
from app.release.probing import Plan, probe
from app.release.tables import Operation

STEPS = {
    CaseKind.RELEASE: ReleaseStep.INTEGRATION_TESTING,
    CaseKind.ACTIVATION: ActivationStep.DEPLOYMENT,
}
"""Which step of a case a run is evidence of."""
KIND = "integration"


class NoAddress(Refusal):
    """There is nothing to call."""

    kind = Kind.CONFLICT
    code = "no_address"
    title = "The endpoint is no address"
    mend = (
        "POST /v1/cases/{case_id}:withdraw, then POST /v1/activations with the `endpoint` that"
        " applications call."
    )


class NoCases(Invalid):
    """Nothing is known that the endpoint should answer."""

    code = "no_cases"
    title = "No contract cases"
    mend = (
        "Send `cases`, or keep them at the decision point:"
        " PUT /v1/decision-points/{key}/contract-cases."
    )


def require_endpoint(outbound: Outbound, endpoint: str) -> None:
    """Refuse an endpoint that is not called, or that could hold a secret."""
    if outbound.check(endpoint).query:
        raise OutboundRefused(
            "An endpoint has no query: it stands in the evidence, and a query may hold a secret."
        )


async def request_run(
    session: AsyncSession,
    case_id: UUID,
    *,
    asked: Json,
    by: Actor,
    parent_id: UUID | None = None,
) -> Operation:
    """Ask for the integration test of a release; whoever may submit evidence of it may ask."""
    case = await gates.case_of(session, case_id, by=by, kind=CaseKind.RELEASE)
    if case.closed_at is not None:
        raise gates.closed(case)
    return await _request(session, case, asked=asked, by=by, parent_id=parent_id)


async def request_test(
    session: AsyncSession,
    case_id: UUID,
    outbound: Outbound,
    *,
    asked: Json,
    instance: str | None,
    by: Actor,
) -> Operation:
    """Ask for the test of the endpoint that an activation, or an instance, hands to applications.

    By the cases that the decision point keeps: who asks does not choose. After the swap it is no
    more a question of whether to.
    """
    case = await gates.case_of(session, case_id, by=by, kind=CaseKind.ACTIVATION)
    if case.result is not None:
        raise gates.closed(case, "its endpoint is not tested any more")
    endpoint: str | None = case.details["endpoint"]
    if instance is not None:
        endpoint = await _endpoint_of(session, case, instance)
    if endpoint is None or not endpoint.startswith(("https://", "http://")):
        raise NoAddress(
            f"The {'activation' if instance is None else 'instance'} names no endpoint that could"
            " be called.",
            filled={"case_id": case.id},
        )
    require_endpoint(outbound, endpoint)
    return await _request(session, case, asked={**asked, "endpoint": endpoint}, by=by)


async def _endpoint_of(session: AsyncSession, case: gates.Case, key: str) -> str | None:
    have = await catalog.instances_by_key(session, case.tenant_id, {case.version_id}, {key})
    if (case.version_id, key) not in have:
        raise NotFound("instance", key)
    return have[case.version_id, key].endpoint


async def _request(
    session: AsyncSession,
    case: gates.Case,
    *,
    asked: Json,
    by: Actor,
    parent_id: UUID | None = None,
) -> Operation:
    await identity.require_right(session, by, Action.SUBMIT_EVIDENCE, **gates.place(case))
    going = await operations.run_going(session, by.tenant_id, case.id)
    if going is not None:
        raise RunUnderWay(
            f"A run of this {case.kind} has not ended.",
            operation=str(going),
            filled={"operation": going},
        )
    assert case.point_id is not None  # noqa: S101 - releases and activations have a point
    cases, source, author = asked.get("cases"), "request", by.person_id
    if not cases:
        kept = await point_cases.kept(session, by.tenant_id, case.point_id)
        if kept is None:
            raise NoCases(
                "Neither the request nor the decision point names a case.",
                filled={"key": case.details["decision_point"]},
            )
        cases, source, author = kept.cases, point_cases.source(kept), kept.author_id
    made = await gates.makers_of(session, by.tenant_id, {case.version_id})
    details = case.details
    return await operations.begin(
        session,
        OperationKind.INTEGRATION_RUN,
        about={
            "case_id": case.id,
            "model": details["model"],
            "version": details["number"],
            "decision_points": [details["decision_point"]],
            "endpoint": asked["endpoint"],
        },
        request={
            **asked,
            "cases": cases,
            "source": source,
            "whose": {
                "asked_by": str(by.person_id),
                "part": made.get(by.person_id),
                "cases_by": str(author),
                "cases_part": made.get(author),
            },
        },
        case_id=case.id,
        parent_id=parent_id,
        by=by,
    )


async def carry_out(
    database: Database, outbound: Outbound, operation: Operation, told: operations.Told
) -> None:
    """Call the endpoint with no session open, then write what was found, if it is still wanted."""
    async with database.session(operation.tenant_id) as session:
        plan = await _plan(session, operation)
    about = await asyncio.to_thread(_about, operation, plan)
    try:
        facts = await probe(outbound, plan, told, about=about)
    except OutboundRefused as refusal:
        await finish(database, operation, refusal)
        return
    await finish(database, operation, facts)


async def _plan(session: AsyncSession, operation: Operation) -> Plan:
    asked = operation.request
    assert operation.case_id is not None  # noqa: S101 - a run is of a case
    case = await gates.case_of(session, operation.case_id, by=operations.system(operation))
    assert case.point_id is not None  # noqa: S101 - releases and activations have a point
    point = await catalog.point_by_id(session, operation.tenant_id, case.point_id)
    return Plan(
        endpoint=asked["endpoint"],
        protocol=Protocol(asked["protocol"]),
        cases=tuple(ContractCase.model_validate(item) for item in asked["cases"]),
        load=Load.model_validate(asked["load"]),
        timeout_ms=asked["timeout_ms"],
        remote_model=asked.get("remote_model") or case.details["model"],
        remote_version=asked.get("remote_version"),
        schema=point.contract.get("output_schema"),
        input_schema=point.contract.get("input_schema"),
    )


def _about(operation: Operation, plan: Plan) -> dict[str, Any]:
    """Return what is known of a run besides its answers; of long schemas, a thread's work."""
    return {
        "endpoint": plan.endpoint,
        "timeout_ms": plan.timeout_ms,
        "cases_from": operation.request["source"],
        # Who asked and whose the cases are, with the part that each has in making the version.
        **operation.request.get("whose", {}),
        "cases_digest": digest_of(operation.request["cases"]),
        **asked_by(plan.cases, plan.input_schema if plan.protocol is Protocol.JSON else None),
        "schema_checked": plan.schema is not None,
        "schema_unchecked": unchecked(plan.schema),
        "run": str(operation.id),
    }


async def finish(database: Database, operation: Operation, found: Json | Refusal) -> None:
    """Write the evidence and the operation's end together, under the operation's fence.

    Where the case was closed meanwhile, nothing is written but that.
    """
    async with database.transaction(operation.tenant_id) as session:
        row = await operations.held(session, operation)
        if row is None:
            return
        by = operations.system(row)
        if isinstance(found, Refusal):
            await operations.end(session, row, OperationState.FAILED, problem=found, by=by)
            return
        assert row.case_id is not None  # noqa: S101 - a run is of a case
        try:
            case = await gates.lock_case(session, row.case_id, row.tenant_id)
            if case.result is not None:
                raise gates.closed(case, "the run came too late")
            await gates.add_evidence(
                session, case.id, STEPS[case.kind], kind=KIND, payload=found, by=by, measured=True
            )
        except CaseClosed as closed:
            await operations.end(session, row, OperationState.FAILED, problem=closed, by=by)
            return
        await audit.record(
            session, by, "integration.tested", f"version:{case.version_id}",
            case=case.id, operation=row.id, endpoint=found["endpoint"],
            failures=found["failures"], asked_by=row.person_id,
        )  # fmt: skip
        await publish(
            session,
            IntegrationTested(
                tenant_id=row.tenant_id,
                case_id=case.id,
                operation_id=row.id,
                cases=found["cases"],
                failures=found["failures"],
                p99_ms=found["p99_ms"],
            ),
        )
        await operations.end(session, row, OperationState.SUCCEEDED, result=found, by=by)
