"""Money: in which currencies the KPIs of a scope and of its points are agreed."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kpi.rules import MONEY
from app.kpi.scopes.members import Members, members_of
from app.kpi.scopes.rules import (
    MOST_POINTS,
    MixedCurrencies,
    TooManyScoped,
    adds_money,
    disagreement,
)
from app.kpi.scopes.tables import Scope, ScopeKpi
from app.kpi.tables import Definition, Terms


async def money_at(
    session: AsyncSession, tenant_id: UUID, point_ids: Collection[UUID]
) -> dict[UUID, set[str]]:
    """Return the currencies of what is agreed at points, of those where one is named."""
    rows = await session.execute(
        select(Definition.point_id, Terms.currency)
        .join(
            Terms,
            (Terms.tenant_id == Definition.tenant_id) & (Terms.definition_id == Definition.id),
        )
        .where(
            Definition.tenant_id == tenant_id,
            Definition.point_id.in_(point_ids),
            Definition.formula.in_(MONEY),
            Terms.currency.is_not(None),
        )
    )
    found: dict[UUID, set[str]] = defaultdict(set)
    for point_id, currency in rows:
        if currency is not None:
            found[point_id].add(currency)
    return found


def standing_in(
    members: Members, money: Mapping[UUID, Iterable[str]], kpis: Iterable[ScopeKpi]
) -> dict[str, list[str]]:
    """Return what is agreed in which currency: points by key, and KPIs of the scope itself."""
    found: dict[str, list[str]] = defaultdict(list)
    for key, point_id in members.points.items():
        for currency in money.get(point_id, ()):
            found[currency].append(key)
    for kpi in kpis:
        if kpi.currency is not None:
            found[kpi.currency].append(f"KPI {kpi.key} of the scope")
    return found


def is_money(kpi: ScopeKpi) -> bool:
    """Say whether it matters to a KPI of which currency what is added up is."""
    return kpi.currency is not None or adds_money(kpi.formula, kpi.expression)


async def kpis_of(
    session: AsyncSession, tenant_id: UUID, scope_ids: Collection[UUID]
) -> dict[UUID, list[ScopeKpi]]:
    """Return the KPIs of scopes, by key."""
    query = select(ScopeKpi).where(
        ScopeKpi.tenant_id == tenant_id, ScopeKpi.scope_id.in_(scope_ids)
    )
    found: dict[UUID, list[ScopeKpi]] = defaultdict(list)
    for row in await session.scalars(query.order_by(ScopeKpi.key)):
        found[row.scope_id].append(row)
    return found


async def require_sound(
    session: AsyncSession, scopes: Sequence[Scope], *, kpi: str | None = None
) -> None:
    """Refuse scopes of too many points, and those whose money is of several currencies.

    Where one ``kpi`` is edited, only its own money is looked at.
    """
    tenant_id, ids = scopes[0].tenant_id, [one.id for one in scopes]
    members = await members_of(session, tenant_id, ids)
    kpis = await kpis_of(session, tenant_id, ids)
    every = {one for scope_id in ids for one in members[scope_id].points.values()}
    money = await money_at(session, tenant_id, every)
    for scope in scopes:
        count = len(members[scope.id].points)
        if count > MOST_POINTS:
            raise TooManyScoped(
                f"The {scope.kind.value} {scope.key} would be of {count} decision points;"
                f" {MOST_POINTS} are the most."
            )
        agreed = standing_in(members[scope.id], money, kpis[scope.id])
        adding = [one.key for one in kpis[scope.id] if kpi in {None, one.key} and is_money(one)]
        mixed = disagreement(agreed)
        if adding and mixed is not None:
            said = "; ".join(f"{currency} at {', '.join(of)}" for currency, of in mixed.items())
            raise MixedCurrencies(
                f"{', '.join(adding)} of {scope.key} would be of {said}.",
                currencies=mixed,
                filled={"scope": scope.key},
            )
