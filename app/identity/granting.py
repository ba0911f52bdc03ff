"""Granting: whoever hands roles out does not by himself make somebody who decides.

An administrator can put any name to anybody, himself included. So the roles that judge and approve
wait until others have agreed, who know the person; the rest hold at once. A tenant begins with
nobody who could agree: its administrator appoints the first ones alone.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Text, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.identity.decisions import Action, BadRights, Control, DecisionRights, Governed
from app.identity.rights import rights_of
from app.identity.rules import DECIDING, PrincipalKind, Role
from app.identity.tables import Delegation, Key, Principal, Tenant
from app.kit.actor import SYSTEM_ID, Actor
from app.platform.events import Question, ask

_WORKING = (Key.revoked_at.is_(None), Key.expires_at > func.now())


@dataclass(frozen=True, slots=True)
class GrantWanted(Question[UUID]):
    """Roles that others must agree to; the answer is the change request they wait for."""

    principal: Principal
    holding: list[str]
    roles: list[str]
    reason: str
    by: Actor


async def give(
    session: AsyncSession, principal: Principal, roles: set[Role], *, reason: str, by: Actor
) -> None:
    """Give a principal these roles and no others; those that decide wait where two must agree."""
    gained = (roles & DECIDING) - set(principal.roles)
    rights = await rights_of(session, by.tenant_id)
    controlled = Governed.GRANT in rights.change_control
    # Whoever may run commands beside the database is trusted with it.
    wait = gained and controlled and by.id != SYSTEM_ID and await _founded(session, by.tenant_id)
    principal.roles = sorted(roles - gained if wait else roles)
    # What was asked before is overtaken, whatever is said to it.
    principal.change_id = None
    await session.flush()
    if Role.ADMINISTRATOR in roles:
        await _return_loans(session, principal, by=by)
    if wait:
        wanted = GrantWanted(principal, principal.roles, sorted(roles), reason, by)
        principal.change_id = await ask(session, wanted)
        await session.flush()
    elif gained:
        await found(session, by.tenant_id, by=by)


async def rest(session: AsyncSession, principal: Principal, *, reason: str, by: Actor) -> None:
    """Let a principal's deciding roles rest until others agree to them anew.

    A key in new hands, or an old one that works again, shall not decide on one person's word; so
    roles that were lent go back as well.
    """
    await _return_loans(session, principal, by=by)
    roles = {Role(role) for role in principal.roles}
    if roles & DECIDING:
        principal.roles = sorted(roles - DECIDING)
        await give(session, principal, roles, reason=reason, by=by)


async def _return_loans(session: AsyncSession, principal: Principal, *, by: Actor) -> None:
    """End what was lent to somebody."""
    loans = await session.scalars(
        select(Delegation)
        .filter_by(tenant_id=principal.tenant_id, to_id=principal.id, ended_at=None)
        .order_by(Delegation.id)
        .with_for_update()
    )
    for loan in loans:
        loan.ended_at = func.now()
        await audit.record(
            session, by, "delegation.ended", f"principal:{loan.from_id}", delegation=loan.id
        )


async def working_key(session: AsyncSession, principal: Principal) -> bool:
    """Say whether somebody holds a key of a principal's."""
    query = select(Key.id).filter_by(tenant_id=principal.tenant_id, principal_id=principal.id)
    return await session.scalar(query.where(*_WORKING).limit(1)) is not None


async def people_who_approve(
    session: AsyncSession, rights: DecisionRights, control: Control, tenant_id: UUID
) -> int:
    """Return how many people are here, with a key that works, who could approve under a control."""
    able = [role for role in control.roles if rights.allows({role}, Action.APPROVE_CHANGE)]
    working = select(Key.id).where(
        Key.tenant_id == tenant_id, Key.principal_id == Principal.id, *_WORKING
    )
    found = await session.scalar(
        select(func.count())
        .select_from(Principal)
        .filter_by(tenant_id=tenant_id, kind=PrincipalKind.PERSON, disabled_at=None)
        .where(Principal.roles.has_any(cast(able, ARRAY(Text))), working.exists())
    )
    return found or 0


async def require_reachable(
    session: AsyncSession, rights: DecisionRights, before: DecisionRights, *, by: Actor
) -> None:
    """Refuse change control that takes more people than there are: nobody could ever lift it."""
    for governed, control in rights.change_control.items():
        if control == before.change_control.get(governed):
            continue
        able = await people_who_approve(session, rights, control, by.tenant_id)
        if able < control.approvals:
            raise BadRights(
                f"change_control.{governed}: {control.approvals} must approve, and {able} could.",
                people=able,
            )


async def unreachable(session: AsyncSession, tenant_id: UUID) -> dict[str, tuple[int, int]]:
    """Return what cannot be changed any more: how many could approve, and how many must.

    While the tenant is being founded that is as it should be.
    """
    tenant = await session.get_one(Tenant, tenant_id)
    if tenant.founded_at is None:
        return {}
    rights = await rights_of(session, tenant_id)
    able = {
        control: await people_who_approve(session, rights, control, tenant_id)
        for control in set(rights.change_control.values())
    }
    return {
        governed.value: (able[control], control.approvals)
        for governed, control in rights.change_control.items()
        if able[control] < control.approvals
    }


async def found(session: AsyncSession, tenant_id: UUID, *, by: Actor) -> None:
    """End the time in which the administrator appoints alone, once there are people to agree.

    Called when somebody gets a key: before that he could not have agreed to anything.
    """
    if await _founded(session, tenant_id):
        return
    rights = await rights_of(session, tenant_id)
    control = rights.change_control.get(Governed.GRANT)
    if control is None:
        return
    able = await people_who_approve(session, rights, control, tenant_id)
    if able >= control.approvals:
        tenant = await session.get_one(Tenant, tenant_id)
        tenant.founded_at = func.clock_timestamp()
        await session.flush()
        await session.refresh(tenant)
        await audit.record(session, by, "tenant.founded", f"tenant:{tenant_id}", approvers=able)


async def _founded(session: AsyncSession, tenant_id: UUID) -> bool:
    """Say whether there has ever been somebody to agree; the first appointments queue up here."""
    tenant = await session.get_one(Tenant, tenant_id)
    if tenant.founded_at is None:
        await session.refresh(tenant, with_for_update={"key_share": True})
    return tenant.founded_at is not None
