"""Signed evidence: of one case, step and kind, said at one moment, and taken once.

A case is of one version at one decision point, so its id binds both.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import identity
from app.gates.cases import makers
from app.gates.evidence import last_proven
from app.gates.rules import Overtaken, SignedLongAgo
from app.gates.tables import Case
from app.kit.actor import Actor
from app.kit.canonical import canonical
from app.platform.db import clock

LONGEST = timedelta(days=1)
AHEAD = timedelta(minutes=5)
"""So far clocks may go before the database's."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What came with a piece of evidence: the key's id, when it was signed, and the signature."""

    key_id: UUID
    at: str
    value: str


async def attested(
    session: AsyncSession,
    case: Case,
    step: str,
    kind: str,
    payload: dict[str, Any],
    sealed: Sealed,
    *,
    by: Actor,
) -> dict[str, str | None]:
    """Return who signed a piece of evidence about this very step, and how that is seen again.

    ``part`` is what he had to do with making the version. The case is locked: of two copies of
    one body the second comes after the first.
    """
    words = canonical(
        {"at": sealed.at, "case": str(case.id), "step": step, "kind": kind, "payload": payload}
    )
    signed = await identity.signed_by(
        session, sealed.key_id, signature=sealed.value, words=words, by=by
    )
    said = _moment(sealed.at)
    now = await clock(session)
    if not now - LONGEST <= said <= now + AHEAD:
        raise SignedLongAgo(f"It was signed as of {sealed.at}; here it is {now.isoformat()}.")
    last = await last_proven(session, case, step, kind)
    if last is not None and said <= last:
        raise Overtaken(
            f"It was signed as of {sealed.at}; evidence `{kind}` of {last.isoformat()} is there.",
            proven_at=last,
        )
    return {
        "principal": str(signed.principal_id),
        "key_id": str(signed.key_id),
        "at": sealed.at,
        "value": sealed.value,
        "part": (await makers(session, case)).get(by.person_id),
    }


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise SignedLongAgo(f"{text} is no moment.")
    return found
