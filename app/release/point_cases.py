"""The contract cases a decision point keeps, for every release to be tried with."""

from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, gates, identity
from app.kit.actor import Actor
from app.kit.canonical import digest as digest_of
from app.kit.canonical import plain
from app.kit.refusal import NotFound
from app.kit.revision import require_condition
from app.release.tables import PointCases


async def kept(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> PointCases | None:
    """Return a point's cases, if it has any."""
    return await session.get(PointCases, (tenant_id, point_id))


async def in_force(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> str | None:
    """Return what a run by a point's cases as they stand says of where they are from."""
    found = await kept(session, tenant_id, point_id)
    return None if found is None else source(found)


def source(cases: PointCases) -> str:
    """Return what a run says of where its cases are from."""
    return f"revision {cases.revision}"


async def cases_of(session: AsyncSession, key: str, *, by: Actor) -> PointCases:
    """Return the contract cases of a decision point."""
    point = await catalog.point_by_key(session, key, by=by)
    found = await kept(session, by.tenant_id, point.id)
    if found is None:
        raise NotFound("contract cases of decision point", key)
    return found


async def keep(
    session: AsyncSession, key: str, *, expected: int | None, cases: list[Any], by: Actor
) -> PointCases:
    """Keep a decision point's contract cases: whoever developed what is tried lends no roles."""
    point = await catalog.point_by_key(session, key, by=by, lock=True)
    roles = await gates.roles_at(session, point.id, by=by)
    await identity.require_right(session, by, identity.Action.EDIT_POINT, point=key, roles=roles)
    found = await kept(session, by.tenant_id, point.id)
    if found is None:
        found = PointCases(
            tenant_id=by.tenant_id, point_id=point.id, cases=plain(cases), author_id=by.person_id
        )
        session.add(found)
    else:
        require_condition(expected, found.revision)
        found.cases = plain(cases)
        found.author_id = by.person_id
        found.revision += 1
        found.at = func.now()
    await session.flush()
    await session.refresh(found)
    await audit.record(
        session, by, "contract_cases.kept", f"point:{point.id}",
        cases=len(found.cases), digest=digest_of(found.cases), revision=found.revision,
    )  # fmt: skip
    return found
