"""Currencies: in which of them the KPIs of decision points are agreed."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog
from app.kit.actor import Actor
from app.kpi.money import MixedCurrencies, Sort, currencies_for, disagreement, listed, sort_of
from app.kpi.rules import MONEY, Formula
from app.kpi.tables import Definition, Terms

_UNSEEN = "a decision point downstream"
_OF_ITS_OWN = frozenset({Formula.PUSHED, Formula.ERROR_COST})


class _Agreed(NamedTuple):
    """A KPI of a point that is agreed in a currency."""

    point_id: UUID
    key: str
    formula: Formula
    sort: Sort
    currency: str


async def _agreed(
    session: AsyncSession, tenant_id: UUID, point_ids: Collection[UUID]
) -> list[_Agreed]:
    rows = await session.execute(
        select(Definition.point_id, Definition.key, Definition.formula, Terms.currency)
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
    return [
        _Agreed(point_id, key, formula, sort, currency)
        for point_id, key, formula, currency in rows
        if (sort := sort_of(formula)) is not None and currency is not None
    ]


async def money_at(
    session: AsyncSession,
    tenant_id: UUID,
    point_ids: Collection[UUID],
    *,
    but: tuple[UUID, str] | None = None,
) -> dict[UUID, dict[Sort, set[str]]]:
    """Return the currencies of what is agreed at points, by what it is of.

    Of those points where one is named; one KPI of a point is left out (``but``). What is reported,
    or has prices of its own, says what decisions bring only where nothing else does.
    """
    found: dict[UUID, dict[Sort, set[str]]] = defaultdict(lambda: defaultdict(set))
    hints: dict[UUID, set[str]] = defaultdict(set)
    for one in await _agreed(session, tenant_id, point_ids):
        if (one.point_id, one.key) == but:
            continue
        if one.formula in _OF_ITS_OWN:
            hints[one.point_id].add(one.currency)
        else:
            found[one.point_id][one.sort].add(one.currency)
    for point_id, currencies in hints.items():
        if Sort.VALUE not in found[point_id]:
            found[point_id][Sort.VALUE] = currencies
    return found


class Downstream(NamedTuple):
    """Of what money decisions are, here and downstream."""

    mixed: Mapping[str, Sequence[str]] | None
    unknown: list[str]
    """Points at which no currency is agreed, where one is at others."""


async def downstream_money(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    *,
    keys: AbstractSet[str] | None,
    kpi: tuple[str, str | None] | None = None,
) -> Downstream:
    """Return whether money of a point and of those downstream is of one currency.

    With a ``kpi`` of the point as it is to be, by key and currency. Points that are not among the
    ``keys`` are not named.
    """
    points = [point, *await catalog.downstream_of(session, point)]
    money = await money_at(
        session, point.tenant_id, {one.id for one in points},
        but=None if kpi is None else (point.id, kpi[0]),
    )  # fmt: skip
    agreed: dict[str, list[str]] = defaultdict(list)
    unknown = []
    for one in points:
        known = currencies_for(Sort.VALUE, money.get(one.id, {}))
        if kpi is not None and one is point and kpi[1] is not None:
            known.add(kpi[1])
        seen = keys is None or one.key in keys
        for currency in known:
            agreed[currency].append(one.key if seen else _UNSEEN)
        if not known and seen:
            unknown.append(one.key)
    return Downstream(disagreement(agreed), unknown if agreed else [])


async def require_one_currency(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    key: str,
    fields: dict[str, Any],
    *,
    by: Actor,
) -> None:
    """Refuse a second currency of one stream, and a sum with what is lost downstream in another."""
    await _require_agreed(session, point, key, fields)
    if fields["formula"] != Formula.UPLIFT_ACROSS:
        return
    kpi = (key, fields.get("currency"))
    mixed = (await downstream_money(session, point, keys=by.points, kpi=kpi)).mixed
    if mixed is not None:
        raise MixedCurrencies(
            f"{key} would be one sum of {listed(mixed)}.",
            currencies=mixed,
            mend=f"PUT /v1/decision-points/{point.key}/kpis/{key} with `formula` uplift, which is"
            " of this point alone, or have the KPIs agreed in one currency where `currencies`"
            " says.",
        )


async def _require_agreed(
    session: AsyncSession, point: catalog.DecisionPoint, key: str, fields: dict[str, Any]
) -> None:
    """Refuse what other KPIs say of the same outcomes to be of another currency.

    What is reported, or has prices of its own, may be of any.
    """
    currency, sort = fields.get("currency"), sort_of(Formula(fields["formula"]))
    if currency is None or sort is None or fields["formula"] in _OF_ITS_OWN:
        return
    agreed: dict[str, list[str]] = defaultdict(list, {currency: [key]})
    for one in await _agreed(session, point.tenant_id, [point.id]):
        if one.sort is sort and one.key != key and one.formula not in _OF_ITS_OWN:
            agreed[one.currency].append(one.key)
    mixed = disagreement(agreed)
    if mixed is not None:
        said = "; ".join(f"{one} by {', '.join(keys)}" for one, keys in mixed.items())
        what = "How far forecasts are off" if sort is Sort.ERRORS else "What decisions bring"
        raise MixedCurrencies(
            f"{what} at {point.key} would be of several currencies: {said}.",
            currencies=mixed,
            mend="Name the currency that the others of these KPIs are agreed in; to change it, PUT"
            " those others without `currency` first.",
        )
