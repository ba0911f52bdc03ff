"""Bringing: what the units of groups brought at decision points, a unit's own sums together.

A unit has one pseudonym within a tenant, so that what was decided about it here is seen beside what
it did elsewhere. Looked at are raw events, while they are kept, and of a share of the units when
there are many.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Double, case, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.telemetry.returning import PSEUDONYMS, SAMPLED, happened, pseudonym
from app.telemetry.tables import Outcome, RawEvent


@dataclass(frozen=True, slots=True)
class Groups:
    """Units of each group, and what they brought at each place and in all.

    ``sums``, ``squares`` and ``earning``, the units that brought anything, are by group, then by
    place; ``""`` is all places together.
    """

    share: float
    units: dict[str, int]
    sums: dict[str, dict[str, float]]
    squares: dict[str, dict[str, float]]
    earning: dict[str, dict[str, int]]


async def brought_by(
    session: AsyncSession,
    tenant_id: UUID,
    groups: Mapping[str, Sequence[UUID]],
    places: Mapping[str, Sequence[UUID]],
    *,
    since: datetime,
    until: datetime,
    events: int,
) -> Groups:
    """Return what units brought, reward less cost, by events whose time is in ``[since, until)``.

    ``groups`` are series that say which group a unit is of; one that came to several is left out.
    ``places`` are the series of each place. About ``events`` lie between.
    """
    share = min(1.0, SAMPLED / max(events, 1))
    between = (
        RawEvent.tenant_id == tenant_id,
        *happened(since, until),
        pseudonym() < literal(share * PSEUDONYMS),
    )
    group = case(*((RawEvent.series_id.in_(list(ids)), name) for name, ids in groups.items()))
    known = [one for ids in groups.values() for one in ids]
    member = (
        select(RawEvent.unit, func.min(group).label("name"))
        .where(*between, RawEvent.series_id.in_(known))
        .group_by(RawEvent.unit)
        .having(func.count(group.distinct()) == 1)
        .subquery()
    )
    net: Any = func.coalesce(Outcome.reward, 0.0) - func.coalesce(Outcome.cost, 0.0)
    names = list(places)
    sums = [
        func.coalesce(
            func.sum(net).filter(RawEvent.series_id.in_(list(places[name]))), cast(0.0, Double())
        ).label(f"s{index}")
        for index, name in enumerate(names)
    ]
    wanted = [one for ids in places.values() for one in ids]
    a_unit = (
        select(member.c.name, *sums)
        .select_from(member)
        .join(RawEvent, RawEvent.unit == member.c.unit)
        .outerjoin(
            Outcome,
            (Outcome.tenant_id == RawEvent.tenant_id)
            & (Outcome.decision_id == RawEvent.decision_id),
        )
        .where(*between, RawEvent.series_id.in_(wanted))
        .group_by(member.c.name, member.c.unit)
        .subquery()
    )
    columns = [a_unit.c[f"s{index}"] for index in range(len(names))]
    whole: Any = sum(columns[1:], columns[0])
    figures = [
        (func.sum(one), func.sum(one * one), func.count().filter(one != 0.0))
        for one in (*columns, whole)
    ]
    rows = await session.execute(
        select(a_unit.c.name, func.count(), *(one for pair in figures for one in pair)).group_by(
            a_unit.c.name
        )
    )
    found = Groups(share, dict.fromkeys(groups, 0), {}, {}, {})
    for name in groups:
        found.sums[name] = dict.fromkeys([*names, ""], 0.0)
        found.squares[name] = dict.fromkeys([*names, ""], 0.0)
        found.earning[name] = dict.fromkeys([*names, ""], 0)
    for name, units, *flat in rows:
        found.units[name] = units
        found.sums[name] = dict(zip([*names, ""], flat[::3], strict=True))
        found.squares[name] = dict(zip([*names, ""], flat[1::3], strict=True))
        found.earning[name] = dict(zip([*names, ""], flat[2::3], strict=True))
    return found
