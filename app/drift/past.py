"""Past: the windows before one, of which it is seen how far they wander by themselves."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.drift.levels import REACH, Earlier
from app.drift.rules import Thresholds
from app.drift.tables import Window
from app.kit.canonical import digest

_USED = ("shift_effect", "null_share", "counts")


async def earlier(
    session: AsyncSession,
    whose: Mapping[str, UUID],
    limits: Thresholds,
    baseline: str,
    since: datetime,
    until: datetime,
) -> list[Earlier]:
    """Return what was measured beside the same baseline in windows as wide, oldest first.

    None of them overlaps another. By count, windows are as wide as so many events take.
    """
    query = (
        select(Window.until, Window.n, Window.variables)
        .filter_by(**whose)
        .where(Window.until <= since, Window.basis["baseline"].astext == baseline)
        .order_by(Window.until.desc())
        .limit(REACH)
    )
    if limits.window_events is None:
        width = until - since
        ago = cast(func.extract("epoch", since - Window.until), BigInteger)
        query = query.where(
            Window.until - Window.since == width,
            func.mod(ago, int(width.total_seconds())) == 0,
        )
    rows = list(await session.execute(query))
    return [
        Earlier(until - end, n, {row["name"]: row for row in variables})
        for end, n, variables in reversed(rows)
    ]


def digests(before: Sequence[Earlier], until: datetime) -> dict[str, str]:
    """Return what each of the windows said that is used of it, digested, by when it ended."""
    return {
        (until - one.ago).isoformat(): digest(
            [one.n, *([row["name"], *(row.get(name) for name in _USED)]
                      for row in one.variables.values())]
        )
        for one in before
    }  # fmt: skip
