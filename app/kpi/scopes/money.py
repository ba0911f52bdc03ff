"""Money: in which currencies the KPIs of a scope and of its points are agreed."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kpi.currencies import money_at
from app.kpi.money import MixedCurrencies, Sort, currencies_for, disagreement, listed
from app.kpi.scopes.members import Members, members_of
from app.kpi.scopes.rules import MOST_POINTS, ScopeFormula, TooManyScoped, sorts_of
from app.kpi.scopes.tables import Scope, ScopeKpi


@dataclass(frozen=True, slots=True)
class Money:
    """Of what money a scope's points are, and what is agreed of itself."""

    points: Mapping[str, Mapping[Sort, Iterable[str]]]
    own: Sequence[ScopeKpi]

    @staticmethod
    def of(
        members: Members,
        found: Mapping[UUID, Mapping[Sort, Iterable[str]]],
        kpis: Sequence[ScopeKpi],
    ) -> "Money":
        """Return that of a scope, from what is agreed at points."""
        return Money({key: found.get(id_, {}) for key, id_ in members.points.items()}, kpis)

    def standing(self, sort: Sort) -> dict[str, list[str]]:
        """Return what is agreed in which currency: points by key, and KPIs of the scope itself."""
        found: dict[str, list[str]] = defaultdict(list)
        for key, agreed in self.points.items():
            for currency in currencies_for(sort, agreed):
                found[currency].append(key)
        for kpi in self.own:
            if kpi.currency is not None and sort in sorts(kpi):
                found[kpi.currency].append(f"KPI {kpi.key} of the scope")
        return found

    def mixed_for(self, kpi: ScopeKpi) -> dict[str, list[str]] | None:
        """Return what keeps a KPI's money from being added up: what stands in which currency."""
        mixed = (disagreement(self.standing(sort)) for sort in sorted(sorts(kpi)))
        return next((one for one in mixed if one is not None), None)

    def currency_of(self, kpi: ScopeKpi) -> str | None:
        """Return of which money a KPI is: its own, or all that is known of what it adds up."""
        if kpi.currency is not None or kpi.formula is ScopeFormula.EXPRESSION:
            return kpi.currency
        known = {one for sort in sorts(kpi) for one in self.standing(sort)}
        return known.pop() if len(known) == 1 else None

    def unknown_to(self, kpi: ScopeKpi) -> list[str]:
        """Return the points of which nobody said in what currency they are, and the KPI is."""
        if self.currency_of(kpi) is None or kpi.formula is ScopeFormula.PUSHED:
            return []
        return [
            key
            for key, agreed in self.points.items()
            if not any(currencies_for(sort, agreed) for sort in sorts(kpi))
        ]


def sorts(kpi: ScopeKpi) -> frozenset[Sort]:
    """Return what money of different points a KPI adds up."""
    return sorts_of(kpi.formula, kpi.expression, kpi.currency)


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
        agreed = Money.of(members[scope.id], money, kpis[scope.id])
        for one in kpis[scope.id]:
            mixed = agreed.mixed_for(one) if kpi in {None, one.key} else None
            if mixed is not None:
                raise MixedCurrencies(
                    f"{one.key} of {scope.key} would be of {listed(mixed)}.",
                    currencies=mixed,
                    filled={"scope": scope.key},
                )
