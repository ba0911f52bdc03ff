"""Grants: roles that decide are given like any other governed thing, by request and approval."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import identity
from app.gates import changes
from app.gates.events import ChangeApproved
from app.gates.tables import Change
from app.identity import Governed, GrantWanted, Principal, Role
from app.kit.actor import Actor


async def ask_grant(session: AsyncSession, wanted: GrantWanted) -> UUID | None:
    """Open the change request that somebody's deciding roles wait for."""
    principal = wanted.principal
    after = {
        "principal_id": principal.id, "holding": wanted.holding, "roles": wanted.roles,
        # Nobody agrees to his own elevation, nor to that of a machine he answers for.
        "barred": [principal.person_id], "part": "would have the roles",
    }  # fmt: skip
    change = await changes.propose(
        session, Governed.GRANT, f"principal:{principal.id}",
        expected=None, before={"roles": wanted.holding}, after=after,
        reason=wanted.reason, by=wanted.by,
    )  # fmt: skip
    return None if change is None else change.id


async def grantee_of(session: AsyncSession, change: Change, *, by: Actor) -> Principal | None:
    """Return who is to have the roles, if a change is a grant: whoever agrees must know whom to."""
    if change.kind != Governed.GRANT:
        return None
    return await identity.get_principal(session, UUID(change.after["principal_id"]), by=by)


async def apply_grant(session: AsyncSession, event: ChangeApproved) -> None:
    """Give the roles that were agreed to."""
    if event.kind == Governed.GRANT:
        asked = event.after
        await identity.grant(
            session,
            UUID(asked["principal_id"]),
            holding=asked["holding"],
            roles={Role(role) for role in asked["roles"]},
            change_id=event.change_id,
            by=await identity.acting(session, event.tenant_id, event.requester_id),
        )
