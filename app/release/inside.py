"""What is inside of an ensemble, as rules ask for it."""

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, gates

_GRAVITY = {tier.value: gravity for gravity, tier in enumerate(catalog.RiskTier)}


async def lighter_inside(session: AsyncSession, case: gates.Case) -> list[str]:
    """Return what is inside of a case's version and was validated by lighter rules than the case's.

    At whatever depth, each with the tier of its newest validation: what its model is said to be by
    now was not asked for then. What was sent back since counts as not validated.
    """
    inside = set(await catalog.inside_of(session, case.tenant_id, {case.version_id}))
    if not inside:
        return []
    tiers = await gates.validated_at(session, case.tenant_id, inside)
    named = await catalog.versions_by_id(session, case.tenant_id, inside)
    lost = await catalog.unfit_inside(session, case.tenant_id, {case.version_id})
    unfit = {member.id for _, member in lost.get(case.version_id, ())}
    return sorted(
        f"{model.name}@{version.number}"
        f" ({version.stage if version.id in unfit else tiers.get(version.id, 'never validated')})"
        for model, version in named.values()
        if version.id in unfit or _GRAVITY.get(tiers.get(version.id, ""), -1) < _GRAVITY[case.tier]
    )
