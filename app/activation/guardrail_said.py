"""Said: since when guardrails judge who sits there, and what they have spoken of before."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any, Self
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import routing
from app.activation.guardrail_tables import Breach, Guardrail, Taken
from app.activation.judging import next_hour, spoke

_MOVED = frozenset({Taken.ROLLED_BACK, Taken.HELD})
"""What becomes of ramps, which may be resumed."""


def rising(seat: routing.Seat) -> bool:
    """Say whether it is a challenger's: he may be brought in long after he was seated."""
    return seat.role is routing.SeatRole.CHALLENGER


async def began_of(session: AsyncSession, seat: routing.Seat) -> datetime | None:
    """Return since when who sits there is guarded: the champion, and whom a ramp brings in.

    In a test or a bandit's hands a challenger is compared, and not yet trusted. Who was rolled back
    and is brought in again is judged by the hours after that.
    """
    if not rising(seat):
        return seat.since
    found = (await routing.rising(session, seat.tenant_id, seat.point_id)).get(seat.version_id)
    if found is None:
        return None
    before = select(Breach.id).filter_by(tenant_id=seat.tenant_id, seat_id=seat.id)
    moved = before.where(Breach.at < found, Breach.taken.in_(_MOVED))
    if await session.scalar(moved.limit(1)) is None:
        return found
    return next_hour(found)


async def _accepted(
    session: AsyncSession, seat: routing.Seat, thrown: Collection[UUID]
) -> datetime | None:
    """Return when a champion was last brought back in spite of what guardrails threw him out for.

    That was about all he had done by then, however he comes to sit there since. ``thrown`` are the
    seats that guardrails ended.
    """
    if rising(seat) or not thrown:
        return None
    rows = await session.execute(
        select(routing.Seat.id, routing.Seat.since, routing.Seat.cause)
        .filter_by(**_whose(seat), role=seat.role)
        .order_by(routing.Seat.since)
    )
    back = [
        one.since
        for before, one in pairwise(rows)
        if before.id in thrown and one.cause == routing.REINSTATED
    ]
    return max(back, default=None)


def _whose(seat: routing.Seat) -> dict[str, UUID]:
    return {
        "tenant_id": seat.tenant_id, "point_id": seat.point_id, "version_id": seat.version_id,
    }  # fmt: skip


class Said:
    """What guardrails, as they now are, have said of a seat before."""

    def __init__(
        self,
        seat: routing.Seat,
        began: datetime,
        rows: Iterable[Row[Any]],
        lifted: Mapping[UUID, datetime],
        accepted: datetime | None,
    ) -> None:
        self.seat, self.accepted = seat, accepted
        self._began = max(began, next_hour(accepted)) if accepted else began
        self._brought_in = began if rising(seat) else None
        self._last = {(one.guardrail, one.revision, one.failed): one for one in rows}
        self._lifted = lifted

    @classmethod
    async def of(cls, session: AsyncSession, seat: routing.Seat, began: datetime) -> Self:
        """Return what is on record of a seat."""
        columns = (
            "seat_id", "guardrail", "revision", "failed", "at", "taken", "occasion", "stop_id",
        )  # fmt: skip
        query = select(*(getattr(Breach, name) for name in columns)).filter_by(**_whose(seat))
        told = list(await session.execute(query.order_by(Breach.occasion)))
        rows = [one for one in told if one.seat_id == seat.id]
        ids = {one.stop_id for one in rows if one.stop_id is not None}
        lifted = await routing.lifted(session, seat.tenant_id, ids) if ids else {}
        thrown = {one.seat_id for one in told if one.taken is Taken.ROLLED_BACK}
        return cls(seat, began, rows, lifted, await _accepted(session, seat, thrown))

    def since(self, rail: Guardrail) -> datetime:
        """Return since when a guardrail judges: one that stopped him, by the hours after that.

        Who had him go on in spite of it has looked at the hours before; who brought him back, for
        every guardrail.
        """
        return self._resumed(rail) or self._began

    def _resumed(self, rail: Guardrail) -> datetime | None:
        found = self._last.get((rail.name, rail.revision, False))
        if found is None:
            return None
        if found.taken in _MOVED:
            return self._brought_in
        lifted = self._lifted.get(found.stop_id)
        return next_hour(lifted) if lifted else None

    def last(self, rail: Guardrail) -> datetime | None:
        """Return when a guardrail last spoke."""
        found = self._last.get((rail.name, rail.revision, False))
        return found.at if found else None

    def heard(self, rail: Guardrail) -> datetime | None:
        """Return up to when alerts are no news: it spoke of them, or somebody accepted them."""
        known = (one for one in (self.last(rail), self.accepted) if one is not None)
        return max(known, default=None)

    def already(self, rail: Guardrail, newest_alert: datetime | None) -> bool:
        """Say whether a guardrail has said what it has to say."""
        last, resumed = self.last(rail), self._resumed(rail)
        return spoke(rail.when, last, resumed=resumed, newest_alert=newest_alert)

    def failed(self, rail: Guardrail) -> bool:
        """Say whether it is on record that a guardrail has no answer."""
        return (rail.name, rail.revision, True) in self._last

    def occasion(self, rail: Guardrail, *, failed: bool) -> int:
        """Return the number of the next time that it speaks."""
        found = self._last.get((rail.name, rail.revision, failed))
        return found.occasion + 1 if found else 1
