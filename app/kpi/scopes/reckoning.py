"""Reckoning: what a scope's KPI comes to over what was read, or what keeps it from that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.kpi.currencies import money_at
from app.kpi.money import listed
from app.kpi.reported import Reported, reported_of
from app.kpi.rules import FREE, NONE, Found, Prices
from app.kpi.scopes.formula import Expression, NotReckoned, Quantities
from app.kpi.scopes.members import Members, members_of
from app.kpi.scopes.money import Money, kpis_of
from app.kpi.scopes.reading import Read
from app.kpi.scopes.rules import ScopeFormula, value
from app.kpi.scopes.spread import error_of, few_of
from app.kpi.scopes.tables import Scope, ScopeKpi


@dataclass(frozen=True, slots=True)
class Ground:
    """What a scope's KPIs are measured on: its members, its KPIs, and of what money they are."""

    scope: Scope
    members: Members
    kpis: Sequence[ScopeKpi]
    money: Money

    @property
    def points(self) -> dict[str, UUID]:
        """The points, by key."""
        return self.members.points

    @property
    def pushed(self) -> list[str]:
        """The KPIs that are reported."""
        return [one.key for one in self.kpis if one.formula is ScopeFormula.PUSHED]


async def ground_of(session: AsyncSession, scope: Scope) -> Ground:
    """Return what a scope's KPIs are measured on."""
    members = (await members_of(session, scope.tenant_id, [scope.id]))[scope.id]
    kpis = (await kpis_of(session, scope.tenant_id, [scope.id]))[scope.id]
    money = await money_at(session, scope.tenant_id, set(members.points.values()))
    return Ground(scope, members, kpis, Money.of(members, money, kpis))


def counts_outcomes(kpi: ScopeKpi) -> bool:
    """Say whether a KPI is of outcomes, and not of what is reported only."""
    if kpi.formula is ScopeFormula.EXPRESSION:
        return bool(Expression.read(kpi.expression or "").quantities)
    return kpi.formula is not ScopeFormula.PUSHED


def found_in(
    ground: Ground, kpi: ScopeKpi, done: Read, sums: Mapping[str, Reported]
) -> tuple[Found, str | None]:
    """Return what a KPI came to, and what keeps anything from being said."""
    mixed = ground.money.mixed_for(kpi)
    if mixed is not None:
        return NONE, f"money of different currencies is not added up: {listed(mixed)}"
    if kpi.formula is ScopeFormula.PUSHED:
        found = reported_of(sums.get(kpi.key), kpi.aggregate)
        return found, None if found.outcomes else "nothing was reported of this time"
    if kpi.formula is ScopeFormula.EXPRESSION:
        return reckoned(ground, kpi, done, sums)
    found = value(kpi.formula, done.whole, prices_of(kpi))
    return found, found.few if found.value is not None else "no outcomes of this time say it"


def reckoned(
    ground: Ground, kpi: ScopeKpi, done: Read, sums: Mapping[str, Reported]
) -> tuple[Found, str | None]:
    """Return what an expression comes to, or why it comes to nothing."""
    expression = Expression.read(kpi.expression or "")
    pushed = {
        one.key: reported_of(sums.get(one.key), one.aggregate).value
        for one in ground.kpis
        if one.formula is ScopeFormula.PUSHED
    }
    outcomes = max(done.whole.valued, done.whole.labelled, done.whole.erred)
    if expression.quantities and not outcomes:
        return NONE, "there are no outcomes of this time"
    try:
        over = Quantities(done.whole, done.points, pushed)
        result, error = expression.reckon(over), error_of(expression, over)
        few = few_of(expression, over, outcomes) if expression.quantities else None
    except NotReckoned as why:
        return Found(None, outcomes), str(why)
    return Found(result, outcomes, error=error, few=few), few


def prices_of(kpi: ScopeKpi) -> Prices:
    """Return what an answer of a kind brings."""
    return Prices(**kpi.prices) if kpi.prices else FREE
