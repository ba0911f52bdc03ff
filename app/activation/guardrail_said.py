"""Said: since when guardrails judge who sits there, and what they have spoken of before."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, false, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import routing
from app.activation.guardrail_tables import Breach, Guardrail, Taken
from app.activation.judging import asks_for_alerts, next_hour, spoke

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


def _thrown(seat: routing.Seat) -> ColumnElement[bool]:
    """Return which breaches threw a champion out whom somebody brought back."""
    if seat.cause != routing.REINSTATED:
        return false()
    before = select(routing.Seat.id).where(
        routing.Seat.tenant_id == seat.tenant_id,
        routing.Seat.point_id == seat.point_id,
        routing.Seat.version_id == seat.version_id,
        routing.Seat.role == routing.SeatRole.CHAMPION,
        routing.Seat.since < seat.since,
    )
    return and_(Breach.taken == Taken.ROLLED_BACK, Breach.seat_id.in_(before))


class Said:
    """What guardrails, as they now are, have said of a seat before."""

    def __init__(
        self,
        seat: routing.Seat,
        began: datetime,
        rows: Sequence[Row[Any]],
        lifted: Mapping[UUID, datetime],
    ) -> None:
        self._last = {(one.guardrail, one.revision, one.failed): one for one in rows}
        self._began = self._judged = began
        self._brought_in = began if rising(seat) else None
        if any(one.seat_id != seat.id for one in rows):
            # Whoever brought him back has looked at what he did before, and accepted it.
            self._judged = self._brought_in = next_hour(began)
        self._lifted = lifted

    @classmethod
    async def of(cls, session: AsyncSession, seat: routing.Seat, began: datetime) -> Self:
        """Return what is on record of a seat, and of the one before that threw out who is back."""
        columns = (
            "seat_id", "guardrail", "revision", "failed", "at", "taken", "occasion", "stop_id",
        )  # fmt: skip
        query = select(*(getattr(Breach, name) for name in columns)).where(
            Breach.tenant_id == seat.tenant_id, or_(Breach.seat_id == seat.id, _thrown(seat))
        )
        rows = list(await session.execute(query.order_by(Breach.at, Breach.occasion)))
        ids = {one.stop_id for one in rows if one.stop_id is not None}
        lifted = await routing.lifted(session, seat.tenant_id, ids) if ids else {}
        return cls(seat, began, rows, lifted)

    def since(self, rail: Guardrail) -> datetime:
        """Return since when a guardrail judges: one that stopped him, by the hours after that.

        Who had him go on in spite of it, or brought him back, has looked at the hours before. What
        asks for alerts waits for no hour: it speaks of newer ones alone.
        """
        if asks_for_alerts(rail.when):
            return self._began
        return self._resumed(rail) or self._judged

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
