"""Bringing: what the units of groups brought at decision points, a unit's own sums together.

A unit has one pseudonym within a tenant, so that what was decided about it here is seen beside what
it did elsewhere. Looked at are raw events, while they are kept, and of a share of the units when
there are many.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Double, Subquery, case, cast, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncSession

from app.telemetry.returning import PSEUDONYMS, SAMPLED, happened, pseudonym
from app.telemetry.tables import Outcome, RawEvent

_LEAST = 1e-60
"""What is less is nothing: its fourth power is no number that a double holds."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What the units of a group brought at one place.

    ``earning`` are those that brought anything, gain or loss; ``cubes`` and ``fourths`` are of
    what lies between each unit's sum and their mean: of the sums themselves little would be left.
    """

    total: float = 0.0
    squares: float = 0.0
    cubes: float = 0.0
    fourths: float = 0.0
    earning: int = 0


@dataclass(frozen=True, slots=True)
class Groups:
    """Units of each group, and what they brought at each place and in all.

    ``brought`` is by group, then by place; ``""`` is all places together.
    """

    share: float
    units: dict[str, int]
    brought: dict[str, dict[str, Figures]]


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
    share = _share(events)
    group = _group(groups)
    net: Any = func.coalesce(Outcome.reward, 0.0) - func.coalesce(Outcome.cost, 0.0)
    names = list(places)
    sums = [
        func.coalesce(
            func.sum(net).filter(RawEvent.series_id.in_(list(places[name]))), cast(0.0, Double())
        ).label(f"s{index}")
        for index, name in enumerate(names)
    ]
    wanted = [one for ids in places.values() for one in ids]
    # In one pass: joined to itself on a unit, for which there is no index, it may take a square.
    a_unit = (
        select(func.min(group).label("name"), *sums)
        .select_from(RawEvent)
        .outerjoin(
            Outcome,
            (Outcome.tenant_id == RawEvent.tenant_id)
            & (Outcome.decision_id == RawEvent.decision_id),
        )
        .where(*_between(tenant_id, since, until, share), RawEvent.series_id.in_(wanted))
        .group_by(RawEvent.unit)
        .having(func.count(group.distinct()) == 1)
        .subquery()
    )
    columns = [a_unit.c[f"s{index}"] for index in range(len(names))]
    whole: Any = sum(columns[1:], columns[0])
    beside = select(a_unit.c.name)
    for index, one in enumerate((*columns, whole)):
        mean = func.avg(one).over(partition_by=a_unit.c.name)
        beside = beside.add_columns(one.label(f"v{index}"), (one - mean).label(f"d{index}"))
    each = beside.subquery()
    figures: list[ColumnElement[Any]] = []
    for index in range(len(names) + 1):
        one, away = each.c[f"v{index}"], _held(each.c[f"d{index}"])
        figures += (
            func.sum(one), func.sum(_held(one) * _held(one)), func.sum(away * away * away),
            func.sum(away * away * away * away), func.count().filter(one != 0.0),
        )  # fmt: skip
    rows = await session.execute(select(each.c.name, func.count(), *figures).group_by(each.c.name))
    found = Groups(
        share, dict.fromkeys(groups, 0),
        {name: dict.fromkeys([*names, ""], Figures()) for name in groups},
    )  # fmt: skip
    wide = len(fields(Figures))
    for name, units, *flat in rows:
        found.units[name] = units
        for index, place in enumerate([*names, ""]):
            found.brought[name][place] = Figures(*flat[index * wide : (index + 1) * wide])
    return found


async def came_by(
    session: AsyncSession,
    tenant_id: UUID,
    groups: Mapping[str, Sequence[UUID]],
    parts: Sequence[datetime],
    until: datetime,
    *,
    events: int,
) -> dict[str, list[tuple[int, int | None, int]]]:
    """Return how many units came to each group in each part, by the part they last came in before.

    ``parts`` are when they begin; the last ends ``until``. A unit that had not come before in any
    of them has no part before. About ``events`` of the groups lie between.
    """
    came = _members(groups, *_between(tenant_id, parts[0], until, _share(events)))
    bounds = literal(list(parts), ARRAY(TIMESTAMP(timezone=True)))
    part = (func.width_bucket(came.c.at, bounds) - 1).label("part")
    once = select(came.c.name, came.c.unit, part).distinct().subquery()
    before = func.lag(once.c.part).over(
        partition_by=(once.c.name, once.c.unit), order_by=once.c.part
    )
    again = select(once.c.name, once.c.part, before.label("before")).subquery()
    each = (again.c.name, again.c.part, again.c.before)
    found: dict[str, list[tuple[int, int | None, int]]] = {name: [] for name in groups}
    for name, at, last, units in await session.execute(select(*each, func.count()).group_by(*each)):
        found[name].append((at, last, units))
    return found


def _share(events: int) -> float:
    return min(1.0, SAMPLED / max(events, 1))


def _between(
    tenant_id: UUID, since: datetime, until: datetime, share: float
) -> tuple[ColumnElement[bool], ...]:
    return (
        RawEvent.tenant_id == tenant_id,
        *happened(since, until),
        pseudonym() < literal(share * PSEUDONYMS),
    )


def _members(groups: Mapping[str, Sequence[UUID]], *between: ColumnElement[bool]) -> Subquery:
    """Return which units came to which group, and when."""
    known = [one for ids in groups.values() for one in ids]
    return (
        select(RawEvent.unit, RawEvent.at, _group(groups).label("name"))
        .where(*between, RawEvent.series_id.in_(known))
        .subquery()
    )


def _group(groups: Mapping[str, Sequence[UUID]]) -> ColumnElement[str]:
    """Return which group's series an event is of; nothing of another's."""
    return case(*((RawEvent.series_id.in_(list(ids)), name) for name, ids in groups.items()))


def _held(value: Any) -> Any:
    """Return a value, or nothing where the database would refuse to raise it to its powers."""
    return case((func.abs(value) < _LEAST, 0.0), else_=value)
