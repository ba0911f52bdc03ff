"""Turns: when the errors of a version's traffic changed, as its windows come to know of it."""

import asyncio
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import telemetry
from app.drift.digests import digest, digests, told
from app.drift.regimes import Memory, Regimes, regimes
from app.drift.rhythms import WEEK
from app.drift.tables import Window

_REGIME_HOURS = 24 * 90
"""So far back changes of the errors are looked for at least."""
_STRIDE = 4 * WEEK
"""And up to so many hours more: the first that is looked at moves on by whole weeks, and seldom, as
what the hours behind it showed is looked for anew then."""
_MEMORY = Memory(512)


class _Read(NamedTuple):
    """What hours say that are counted from the ``first`` on."""

    first: int
    places: list[int]
    """Of the hours in which anything was labelled, in order."""
    digests: list[str]
    """Of so many of them: one more than there are."""
    found: list[Regimes]

    def digest(self, until: int) -> str:
        """Return the digest of the hours before one that is counted since 1970."""
        return self.digests[bisect_left(self.places, until - self.first)]


class Turns:
    """When the errors of a version's traffic changed; read once, if anybody wants to know."""

    def __init__(
        self,
        session: AsyncSession,
        tenant_id: UUID,
        traffic: telemetry.Traffic,
        matured: datetime | None = None,
        *,
        begun: datetime | None = None,
    ) -> None:
        self._about = session, tenant_id, traffic, matured, begun
        self._read: _Read | None = None

    async def judge(self, window: Window) -> None:
        """Write into a window the newest change of each subject that was known by its end.

        And what it was read from: the hours up to then, and their digest.
        """
        if self._read is None:
            self._read = await _regimes(*self._about)
        read, until = self._read, telemetry.hour_at(window.until)
        found = (turn.known(window.until) for turn in read.found)
        window.concept = [known for known in found if known is not None]
        begun = telemetry.begins(read.first, 1).isoformat()
        hours = {"since": begun, "digest": read.digest(until)}
        window.basis = {**window.basis, "hours": hours}


async def _regimes(
    session: AsyncSession,
    tenant_id: UUID,
    traffic: telemetry.Traffic,
    matured: datetime | None,
    begun: datetime | None,
) -> _Read:
    """Return when the errors of a version's traffic changed, over its newest hours."""
    assert traffic.first_hour is not None  # noqa: S101 - there is traffic
    assert traffic.through is not None  # noqa: S101 - likewise
    last = telemetry.hour_at(traffic.through) + 1
    if matured is not None:
        last = min(last, telemetry.hour_at(matured))
    first = telemetry.hour_at(traffic.first_hour)
    first += max(last - first - _REGIME_HOURS, 0) // _STRIDE * _STRIDE
    if begun is not None:
        first = telemetry.hour_at(begun)
    if first >= last:
        return _Read(first, [], [digest(())], [])
    found = await telemetry.profiles_in(
        session, tenant_id, traffic.series, telemetry.ProfileKind.OUTCOMES, first, last, 1
    )
    return await asyncio.to_thread(_found, first, last, found, tuple(traffic.series))


def _found(
    first: int, last: int, profiles: Mapping[UUID, Mapping[int, telemetry.Tally]], series: Hashable
) -> _Read:
    by_hour: dict[int, list[telemetry.Tally]] = defaultdict(list)
    for hours in profiles.values():
        for hour, tally in hours.items():
            by_hour[hour - first].append(tally)
    done = {
        place: telemetry.performance(telemetry.total(some))
        for place, some in sorted(by_hour.items())
    }
    said = digests((b"%d" % place, told(one)) for place, one in done.items())
    turned = regimes(telemetry.begins(first, 1), done, last - first, memory=_MEMORY, whose=series)
    return _Read(first, list(done), list(said), turned)
