"""Retirement: a version that nothing needs any more goes, and what is known of it stays."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, gates, identity, release, routing
from app.activation import membership
from app.activation.dependants import Dependant, Weight, dependants_of
from app.activation.rules import StandsInTheWay
from app.catalog import Stage
from app.identity import Action
from app.kit.actor import Actor

RETIRED = "retired"


async def retire(
    session: AsyncSession,
    name: str,
    number: int,
    *,
    reason: str,
    accept_dependants: bool,
    validate_only: bool,
    drained_after: timedelta,
    by: Actor,
) -> dict[str, Any]:
    """Retire a version for good, if nothing that needs it is left; its open cases end with it.

    With ``validate_only`` only say what would happen. Its row is held: whoever activates it, lets
    it shadow or declares it a fallback meanwhile comes before or after, never in between.
    """
    version = await catalog.find_version(session, name, number, by=by, lock=True)
    model = await catalog.model_of(session, name, by=by)
    makers = await gates.makers_of(session, by.tenant_id, {version.id})
    roles = by.roles if by.person_id in makers else by.deciding(makers)
    await identity.require_right(
        session, by, Action.RETIRE_VERSION, tier=model.risk_tier, model=name, roles=roles
    )
    release.require_edge(version.stage, Stage.RETIRED)
    found = await dependants_of(session, model, version, drained_after=drained_after)
    left = [item for item in found if _blocks(item, accepted=accept_dependants)]
    if left:
        raise StandsInTheWay(
            f"{name}@{number} is still needed: {left[0].detail}"
            + (f" And {len(left) - 1} more." if len(left) > 1 else ""),
            in_the_way=[asdict(item) for item in left],
        )
    cases = [case.id for case in await gates.open_cases_of(session, by.tenant_id, version.id)]
    if not validate_only:
        accepted = [item.detail for item in found if item.weight is Weight.ACCEPTABLE]
        await release.move(
            session, version.id, Stage.RETIRED, by=by, accepted=accepted,
            personal={"reason": reason},
        )  # fmt: skip
        await gates.close_open_cases(session, version.id, result=RETIRED, by=by)
    return {
        "model": name,
        "number": number,
        "stage": version.stage,
        "validate_only": validate_only,
        "warnings": [asdict(item) for item in found],
        "cases": cases,
    }


def _blocks(item: Dependant, *, accepted: bool) -> bool:
    return item.weight is Weight.BLOCKS or (item.weight is Weight.ACCEPTABLE and not accepted)


async def list_dependants(
    session: AsyncSession, name: str, number: int, *, drained_after: timedelta, by: Actor
) -> list[dict[str, Any]]:
    """List what needs a version, each with the call that ends the need."""
    version = await catalog.find_version(session, name, number, by=by)
    model = await catalog.model_of(session, name, by=by)
    found = await dependants_of(session, model, version, drained_after=drained_after)
    return [asdict(item) for item in found]


async def reconsider(session: AsyncSession, event: release.VersionMoved) -> None:
    """Let what relies on a version think again when it falls from grace, or is fit again.

    Where it may stand in, points look for whom they are answered by; of ensembles that decide with
    it, people are told.
    """
    if event.target in {Stage.RETURNED, Stage.RETIRED, Stage.RELEASED}:
        await routing.reconsider(session, event.tenant_id, event.version_id)
    if event.target in {Stage.RETURNED, Stage.RETIRED}:
        await membership.warn_of(session, event)
