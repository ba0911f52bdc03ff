"""Turns: when the errors of a version's traffic changed, as its windows come to know of it."""

import asyncio
from collections import defaultdict
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import telemetry
from app.drift.digests import digest, told
from app.drift.regimes import Regimes, regimes
from app.drift.tables import Window

_REGIME_HOURS = 24 * 90
"""So far back changes of the errors are looked for."""


class _Read(NamedTuple):
    """The first of the hours, what came of each by its place from there, and what changed."""

    first: int
    done: dict[int, telemetry.Performance]
    found: list[Regimes]


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
        hours = [
            part for place in sorted(read.done) if read.first + place < until
            for part in (b"%d" % place, told(read.done[place]))
        ]  # fmt: skip
        begun = telemetry.begins(read.first, 1).isoformat()
        window.basis = {
            **window.basis, "hours": {"since": begun, "digest": digest(hours)}
        }  # fmt: skip


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
    first = max(telemetry.hour_at(traffic.first_hour), last - _REGIME_HOURS)
    if begun is not None:
        first = telemetry.hour_at(begun)
    if first >= last:
        return _Read(first, {}, [])
    found = await telemetry.profiles_in(
        session, tenant_id, traffic.series, telemetry.ProfileKind.OUTCOMES, first, last, 1
    )
    by_hour: dict[int, list[telemetry.Tally]] = defaultdict(list)
    for hours in found.values():
        for hour, tally in hours.items():
            by_hour[hour - first].append(tally)
    done = {place: telemetry.performance(telemetry.total(some)) for place, some in by_hour.items()}
    turned = await asyncio.to_thread(regimes, telemetry.begins(first, 1), done, last - first)
    return _Read(first, done, turned)
