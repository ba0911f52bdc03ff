"""Who validated a version: those who hear of it when it no longer does what they looked at."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.gates.approvals import approvers_of
from app.gates.steps import CaseKind
from app.gates.tables import Case


async def validators_of(session: AsyncSession, tenant_id: UUID, version_id: UUID) -> set[UUID]:
    """Return who agreed to a version's newest validation that was passed."""
    newest = await session.scalar(
        select(Case.id)
        .filter_by(
            tenant_id=tenant_id,
            version_id=version_id,
            kind=CaseKind.VALIDATION,
            result="validated",
        )
        .order_by(Case.closed_at.desc(), Case.id.desc())
        .limit(1)
    )
    return set() if newest is None else (await approvers_of(session, tenant_id, [newest]))[newest]
