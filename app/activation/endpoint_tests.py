"""Endpoint tests: what is on record of the endpoint that an activation hands to applications."""

from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import gates, release, routing
from app.activation.tested import Trial, standing, together
from app.gates import ActivationStep
from app.kit.actor import Actor

_TESTED = "integration"


async def tests_of(
    session: AsyncSession, tenant_id: UUID, version_id: UUID, point_id: UUID, endpoint: str | None
) -> dict[str, Any]:
    """Return what the proven tests of a version for a point say of an endpoint.

    And of those of the instances that the plan in force lets the version answer as. The tests of
    its releases count, and those that were made in activations, the present one's or earlier
    ones': they called the same version.
    """
    rows = await session.scalars(
        select(gates.Evidence.payload)
        .join(
            gates.Case,
            (gates.Case.tenant_id == gates.Evidence.tenant_id)
            & (gates.Case.id == gates.Evidence.case_id),
        )
        .where(
            gates.Case.tenant_id == tenant_id,
            gates.Case.version_id == version_id,
            gates.Case.point_id == point_id,
            gates.Evidence.kind == _TESTED,
            or_(gates.Evidence.measured, gates.Evidence.payload.has_key("signed_by")),
        )
        .order_by(gates.Evidence.at.desc(), gates.Evidence.id.desc())
    )
    in_force = await release.cases_in_force(session, tenant_id, point_id)
    trials = [Trial.of(payload, in_force) for payload in rows]
    pinned = await _pinned(session, tenant_id, version_id, point_id)
    others = {key: standing(one, trials) for key, one in pinned.items()}
    return together(standing(endpoint, trials), others)


async def _pinned(
    session: AsyncSession, tenant_id: UUID, version_id: UUID, point_id: UUID
) -> dict[str, str]:
    """Return the endpoints of the instances that a version answers as by the plan, by key."""
    found = await routing.pinned_of(session, tenant_id, point_id, version_id)
    return {one.key: one.endpoint for one in found if one.endpoint is not None}


async def require_judged(session: AsyncSession, case: gates.Case) -> None:
    """Refuse a swap that would have a version answer at another endpoint than was judged."""
    assert case.point_id is not None  # noqa: S101 - an activation has a point
    step = ActivationStep.DEPLOYMENT
    judged = await gates.newest_measured(session, case, step, "endpoint")
    if judged is None:
        return
    known = {one["key"]: one["endpoint"] for one in judged.get("instances", ())}
    now = await _pinned(session, case.tenant_id, case.version_id, case.point_id)
    other = sorted(key for key, endpoint in now.items() if known.get(key) != endpoint)
    if other:
        raise gates.StepsOpen(
            f"{step} was judged when its instances were not what they are: {', '.join(other)}.",
            open=[step.value],
            missing={
                step.value: [
                    {
                        "rule": "tested_endpoint",
                        "reason": f"Whether instance {key} was tested was not asked.",
                        "mend": [
                            f"POST /v1/activations/{case.id}/integration-runs with this instance",
                            f"POST /v1/activations/{case.id}/steps/{step}:judge",
                        ],
                    }
                    for key in other
                ]
            },
        )


async def measure(session: AsyncSession, case: gates.Case, *, by: Actor) -> None:
    """Record what is known of the endpoint of an activation."""
    assert case.point_id is not None  # noqa: S101 - an activation has a point
    endpoint = case.details["endpoint"]
    await gates.add_evidence(
        session,
        case.id,
        ActivationStep.DEPLOYMENT,
        kind="endpoint",
        payload=await tests_of(session, case.tenant_id, case.version_id, case.point_id, endpoint),
        by=by,
        measured=True,
    )
