"""Decision rights as they are edited: at once, or under change control."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app import identity
from app.gates import changes
from app.gates.events import ChangeApproved
from app.gates.tables import Change
from app.identity import Action, Governed, RightsRevision
from app.kit.actor import Actor
from app.kit.revision import require_current


async def edit(
    session: AsyncSession, body: dict[str, Any], *, expected: int, reason: str, by: Actor
) -> RightsRevision | Change:
    """Save a new revision of the matrix, or ask for it where rights are controlled."""
    await identity.require_right(session, by, Action.EDIT_RIGHTS)
    rights = identity.checked(body)
    row = await identity.rights_row(session, by.tenant_id)
    require_current(expected, row.revision)
    before = await identity.rights_of(session, by.tenant_id)
    await identity.require_reachable(session, rights, before, by=by)
    change = await changes.propose(
        session, Governed.RIGHTS, "decision rights",
        expected=expected,
        before=before.model_dump(mode="json"), after=rights.model_dump(mode="json"),
        reason=reason, by=by,
    )  # fmt: skip
    return change or await identity.replace_rights(session, rights, expected=expected, by=by)


async def apply_rights(session: AsyncSession, event: ChangeApproved) -> None:
    """Carry out an approved change of the matrix."""
    if event.kind == Governed.RIGHTS and event.expected is not None:
        author = await identity.acting(session, event.tenant_id, event.requester_id)
        rights = identity.checked(event.after)
        await identity.replace_rights(session, rights, expected=event.expected, by=author)
