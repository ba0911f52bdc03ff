"""Turns: when the errors of a version's traffic changed, as its windows come to know of it."""

import asyncio
from collections import defaultdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import telemetry
from app.drift.regimes import Regimes, regimes

_REGIME_HOURS = 24 * 90
"""So far back changes of the errors are looked for."""


class Turns:
    """When the errors of a version's traffic changed; read once, if anybody wants to know."""

    def __init__(
        self,
        session: AsyncSession,
        tenant_id: UUID,
        traffic: telemetry.Traffic,
        matured: datetime | None = None,
    ) -> None:
        self._about = session, tenant_id, traffic, matured
        self._found: list[Regimes] | None = None

    async def known(self, until: datetime) -> list[dict[str, Any]]:
        """Return the newest change of each subject that was known by a moment."""
        if self._found is None:
            self._found = await _regimes(*self._about)
        return [known for turn in self._found if (known := turn.known(until)) is not None]


async def _regimes(
    session: AsyncSession,
    tenant_id: UUID,
    traffic: telemetry.Traffic,
    matured: datetime | None,
) -> list[Regimes]:
    """Return when the errors of a version's traffic changed, over its newest hours."""
    assert traffic.first_hour is not None  # noqa: S101 - there is traffic
    assert traffic.through is not None  # noqa: S101 - likewise
    last = telemetry.hour_at(traffic.through) + 1
    if matured is not None:
        last = min(last, telemetry.hour_at(matured))
    first = max(telemetry.hour_at(traffic.first_hour), last - _REGIME_HOURS)
    if first >= last:
        return []
    found = await telemetry.profiles_in(
        session, tenant_id, traffic.series, telemetry.ProfileKind.OUTCOMES, first, last, 1
    )
    by_hour: dict[int, list[telemetry.Tally]] = defaultdict(list)
    for hours in found.values():
        for hour, tally in hours.items():
            by_hour[hour - first].append(tally)
    done = {place: telemetry.performance(telemetry.total(some)) for place, some in by_hour.items()}
    return await asyncio.to_thread(regimes, telemetry.begins(first, 1), done, last - first)
