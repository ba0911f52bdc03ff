"""Endpoint tests: what is on record of the endpoint that an activation hands to applications."""

from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import gates
from app.activation.tested import Trial, standing
from app.gates import ActivationStep
from app.kit.actor import Actor

_TESTED = "integration"


async def tests_of(
    session: AsyncSession, tenant_id: UUID, version_id: UUID, point_id: UUID, endpoint: str | None
) -> dict[str, Any]:
    """Return what the proven tests of a version for a point say of an endpoint.

    Those of its releases count, and those that were made in activations, the present one's or
    earlier ones': they called the same version.
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
    return standing(endpoint, [Trial.of(payload) for payload in rows])


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
