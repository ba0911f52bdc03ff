"""Stranding: stops under which a rollback would leave nobody to answer.

Who stands in while a point is stopped is the champion before, unless something else is declared. A
rollback makes just him champion, whom the same stop then keeps from answering.
"""

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog
from app.routing import diversion
from app.routing.rules import WouldStrand
from app.routing.standing_in import stand_in
from app.routing.stops import stopped
from app.routing.tables import Seat, Stop


async def require_answered(
    session: AsyncSession, point: catalog.DecisionPoint, present: Seat, back: Seat
) -> None:
    """Refuse a rollback to ``back`` for which nobody would answer any more where somebody does."""
    holding = await stopped(session, point.tenant_id, point.id)
    whole = diversion.of_everything(holding) is not None
    named = {stop.version_id for stop in holding if stop.version_id is not None}
    if not whole and back.version_id not in named:
        return
    if whole or present.version_id in named:
        answers = await stand_in(session, point, stopped=named, whole=whole)
        if answers is None:
            return
    then = await stand_in(session, point, stopped=named, whole=whole, crowned=back)
    if then is not None:
        return
    in_the_way = [
        stop for stop in holding if stop.version_id is None or stop.version_id == back.version_id
    ]
    raise WouldStrand(
        f"{point.key} is stopped, and who stands in is who would be champion: then nobody answers.",
        stops=[_told(point, stop) for stop in in_the_way],
    )


def _told(point: catalog.DecisionPoint, stop: Stop) -> dict[str, object]:
    return {
        "id": stop.id,
        "version_id": stop.version_id,
        "cause": stop.cause,
        "since": stop.since,
        "mend": f'POST /v1/decision-points/{point.key}:resume {{"stop_id": "{stop.id}"}}',
    }
