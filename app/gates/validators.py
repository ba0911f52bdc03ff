"""Who validated a version: those who hear of it when it no longer does what they looked at."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
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


async def validated_at(
    session: AsyncSession, tenant_id: UUID, version_ids: Collection[UUID]
) -> dict[UUID, str]:
    """Return at which tier versions were last validated, of those that were."""
    rows = await session.execute(
        select(Case.version_id, Case.tier)
        .where(
            Case.tenant_id == tenant_id,
            Case.version_id.in_(version_ids),
            Case.kind == CaseKind.VALIDATION,
            Case.result == "validated",
        )
        .ext(distinct_on(Case.version_id))
        .order_by(Case.version_id, Case.closed_at.desc(), Case.id.desc())
    )
    return {row.version_id: row.tier for row in rows}
