"""Arms: under which name a version's traffic stands, and which of it is production's."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.events import Question, ask
from app.telemetry.events import GIVEN_PREFIX, REHEARSAL, SHADOW_PREFIX
from app.telemetry.tables import Series

_LATER = f"{REHEARSAL}:"
"""Before the number of releases that ended before; no arm of a plan has a colon."""


@dataclass(frozen=True, slots=True)
class ReleasesEnded(Question[int]):
    """How many releases of a version for a point have ended: the next has its own rehearsal."""

    tenant_id: UUID
    point_id: UUID
    version_id: UUID


async def rehearsal_arm(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, version_id: UUID
) -> str:
    """Return the arm of what is rehearsed for the release that is open, or that comes next."""
    ended = await ask(session, ReleasesEnded(tenant_id, point_id, version_id)) or 0
    return f"{_LATER}{ended}" if ended else REHEARSAL


def is_rehearsal(arm: str) -> bool:
    """Say whether an arm is of the guarded perimeter, of whichever release."""
    return arm == REHEARSAL or arm.startswith(_LATER)


def is_shadow(arm: str) -> bool:
    """Say whether an arm only watches."""
    return arm.startswith(SHADOW_PREFIX)


def is_given(arm: str) -> bool:
    """Say whether an arm's rows were counted elsewhere, and their profile given."""
    return arm.startswith(GIVEN_PREFIX)


def decides() -> ColumnElement[bool]:
    """Return whether a series' traffic is production's: not rehearsed, and no shadow's."""
    return ~(
        (Series.arm == REHEARSAL)
        | Series.arm.startswith(_LATER)
        | Series.arm.startswith(SHADOW_PREFIX)
    )
