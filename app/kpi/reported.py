"""Reported: what the values come to that business systems report of a KPI, by time and segment."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, cast, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app.kpi.rules import NONE, Aggregate, Found

_SECONDS_AN_HOUR = 3600


class Reported(NamedTuple):
    """What the values of a time come to, in each of the three ways."""

    total: float
    mean: float
    newest: float
    values: int

    def found(self, aggregate: Aggregate) -> Found:
        """Return it as one KPI reads it."""
        ways = {
            Aggregate.SUM: self.total, Aggregate.MEAN: self.mean, Aggregate.NEWEST: self.newest,
        }  # fmt: skip
        return Found(ways[aggregate], self.values)


def reported_of(reported: Reported | None, aggregate: Aggregate) -> Found:
    """Return what was reported of a time, or nothing."""
    return NONE if reported is None else reported.found(aggregate)


async def reported_by(
    session: AsyncSession,
    table: Any,
    by: Sequence[Any],
    where: Sequence[ColumnElement[bool]],
    width: int | None = None,
    shift: int = 0,
) -> dict[tuple[Any, ...], dict[int, Reported]]:
    """Return what a table's values come to by some of its columns, then by bucket.

    The highest revision of a value stands, and if it takes the value back, none. Of one time what
    was said of the whole counts, else its segments; each by itself if it is among the columns.
    Buckets are ``width`` hours wide, counted since 1970, or so many hours (``shift``) before it;
    without a width, all is in one, 0.
    """
    names = [one.key for one in by]
    apart = "segment" in names
    place = (*(one for one in by if one.key != "segment"), table.at, table.segment)
    standing = (
        select(*place, table.value)
        .where(*where)
        .ext(distinct_on(*place))
        .order_by(*place, table.revision.desc())
        .subquery()
    )
    hours = func.floor(func.extract("epoch", standing.c.at) / _SECONDS_AN_HOUR)
    bucket = cast(func.floor((hours + shift) / width), BigInteger) if width else cast(0, BigInteger)
    rows = select(standing, bucket.label("bucket")).where(standing.c.value.is_not(None))
    if not apart:
        whole = standing.alias()
        same = [whole.c[name] == standing.c[name] for name in (*names, "at")]
        said_whole = (
            select(whole.c.at)
            .where(*same, whole.c.segment == "", whole.c.value.is_not(None))
            .exists()
        )
        rows = rows.where((standing.c.segment == "") | ~said_whole)
    each = rows.subquery()
    groups = [each.c[name] for name in (*names, "bucket")]
    newest = func.max(each.c.at).over(partition_by=groups)
    last = select(each, newest.label("newest")).subquery()
    groups = [last.c[name] for name in (*names, "bucket")]
    found: dict[tuple[Any, ...], dict[int, Reported]] = {}
    for row in await session.execute(
        select(
            *groups, func.sum(last.c.value), func.avg(last.c.value),
            func.avg(last.c.value).filter(last.c.at == last.c.newest), func.count(),
        )
        .group_by(*groups)
        .order_by(*groups)
    ):  # fmt: skip
        *which, at, total, mean, last_of_all, values = row
        found.setdefault(tuple(which), {})[at] = Reported(total, mean, last_of_all, values)
    return found
