"""Validators: who may be named to validate a version that is released."""

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, gates, identity
from app.identity import Role
from app.kit.actor import Actor
from app.kit.refusal import Invalid


class UnfitValidator(Invalid):
    """Whoever is named cannot validate this version."""

    code = "unfit_validator"
    title = "Not a validator of this version"
    mend = "Name an active person with the role validator who had no part in the version."


async def require_fit(
    session: AsyncSession, name: str, version: catalog.Version, *, by: Actor
) -> identity.Principal:
    """Return who is named, if he is an active validator and had no part in the version."""
    person = await identity.principal_by_name(session, by.tenant_id, name)
    makers = await gates.makers_of(session, by.tenant_id, {version.id})
    if person.disabled_at is not None or Role.VALIDATOR not in person.roles:
        raise UnfitValidator(f"{name} is no active validator.")
    if person.person_id in makers:
        raise UnfitValidator(f"{name} {makers[person.person_id]}.")
    return person
