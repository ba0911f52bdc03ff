"""Withdrawing: a KPI is taken from its scope, by itself or with it, and what it was is kept."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.kpi import ended
from app.kpi.scopes.events import ScopeKpiWithdrawn
from app.kpi.scopes.rules import Standing
from app.kpi.scopes.tables import Scope, ScopeKpi, ScopeLook

TERMS = (
    "name", "formula", "direction", "threshold", "tolerance", "unit", "currency", "target",
    "prices", "aggregate", "expression", "window_days", "wait_days",
)  # fmt: skip


async def take_out(
    session: AsyncSession, scope: Scope, kpi: ScopeKpi, *, ended_too: bool
) -> ScopeKpiWithdrawn:
    """Take a KPI from a scope; return what is told of it, so that nothing about it stays open."""
    look = await session.get(ScopeLook, (kpi.tenant_id, kpi.id), populate_existing=True)
    known = None
    if look is not None:
        known = look.known or (None if look.standing is Standing.UNKNOWN else look.standing)
        await session.delete(look)
    ended.keep(
        session, kpi.tenant_id, scope.id,
        id_=kpi.id, key=kpi.key, revision=kpi.revision, said=agreed_terms(kpi),
    )  # fmt: skip
    await session.delete(kpi)
    return ScopeKpiWithdrawn(
        tenant_id=kpi.tenant_id, scope_id=scope.id, scope=scope.key, kpi_id=kpi.id, kpi=kpi.key,
        known=None if known is None else known.value, ended=ended_too,
    )  # fmt: skip


def agreed_terms(kpi: ScopeKpi) -> dict[str, Any]:
    """Return all that is agreed about a KPI."""
    return {name: getattr(kpi, name) for name in TERMS}
