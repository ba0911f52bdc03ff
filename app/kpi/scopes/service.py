from collections.abc import Awaitable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, gates, identity
from app.kit.actor import Actor
from app.kit.page import Rows
from app.kit.refusal import NotFound
from app.kit.revision import require_condition
from app.kpi import ended
from app.kpi.scopes.members import (
    members_of,
    points_named,
    portfolios_of,
    processes_named,
)
from app.kpi.scopes.money import require_sound
from app.kpi.scopes.reviewing import seen, would_be
from app.kpi.scopes.rules import MOST_SCOPES, ScopeKindFixed, ScopeNamed, TooManyScoped
from app.kpi.scopes.tables import Scope, ScopeKpi, ScopePoint, ScopeProcess
from app.kpi.scopes.withdrawing import take_out
from app.kpi.tables import NOBODY
from app.platform.db import page
from app.platform.events import publish


async def scope_by_key(session: AsyncSession, key: str, *, by: Actor, lock: bool = False) -> Scope:
    """Return a scope of the caller's tenant; a key for some decision points is not for it."""
    found = await _found(session, key, by=by, lock=lock)
    if found is None:
        raise NotFound("KPI scope", key)
    return found


async def _found(session: AsyncSession, key: str, *, by: Actor, lock: bool) -> Scope | None:
    by.require_point(None)
    query = select(Scope).filter_by(tenant_id=by.tenant_id, key=key)
    return await session.scalar(query.with_for_update() if lock else query)


async def edit(
    session: AsyncSession,
    key: str,
    *,
    expected: int | None,
    fields: dict[str, Any] | None,
    reason: str,
    by: Actor,
) -> Scope | gates.Change | None:
    """Say what a scope is, say it anew or, with no ``fields``, end it.

    Where KPIs are under change control it is asked for: what a KPI is of, is part of it.
    """
    await identity.require_right(session, by, identity.Action.EDIT_KPI_SCOPE)
    found = await _found(session, key, by=by, lock=True)
    before = None
    if found is not None:
        require_condition(expected, found.revision)
        before = (await shown(session, by.tenant_id, [found]))[0]
    if fields is None:
        await _require_unnamed(session, key, found)
    else:
        await _members(session, fields, by=by)
        if found is None:
            ended.require_nothing_edited(key, expected)
    change = await gates.propose(
        session, identity.Governed.KPI, f"kpi scope {key}",
        expected=expected, before=before,
        after={
            "kpi_scope": key, "key": None, "fields": fields, "scope": await seen(session, found),
            "points": await would_be(session, fields, by=by),
        },
        reason=reason, by=by,
    )  # fmt: skip
    if change is not None:
        if fields is not None:
            await tried(session, define(session, key, expected=expected, fields=fields, by=by))
        return change
    if fields is None:
        await end(session, key, expected=expected, by=by)
        return None
    return await define(session, key, expected=expected, fields=fields, by=by)


async def tried(session: AsyncSession, act: Awaitable[object]) -> None:
    """Refuse what could not be carried out once it is approved: do it, and take it back."""
    savepoint = await session.begin_nested()
    await act
    await savepoint.rollback()


async def define(
    session: AsyncSession, key: str, *, expected: int | None, fields: dict[str, Any], by: Actor
) -> Scope:
    """Make a scope of these points and processes, or make it of others."""
    points, processes = await _members(session, fields, by=by)
    found = await _found(session, key, by=by, lock=True)
    before: dict[str, Any] | None = None
    if found is None:
        await _require_room(session, by.tenant_id)
        begins = await ended.first_revision(session, by.tenant_id, NOBODY, key, expected=expected)
        found = Scope(
            tenant_id=by.tenant_id, key=key, kind=fields["kind"], name=fields["name"],
            revision=begins,
        )  # fmt: skip
        session.add(found)
    else:
        require_condition(expected, found.revision)
        if fields["kind"] != found.kind:
            raise ScopeKindFixed(f"{key} is a {found.kind.value}.", filled={"scope": key})
        before = (await shown(session, by.tenant_id, [found]))[0]
        found.name = fields["name"]
        found.revision += 1
    await session.flush()
    await _put(session, found, points=points, processes=processes)
    await require_sound(session, [found, *await portfolios_of(session, by.tenant_id, found.id)])
    await session.refresh(found)
    await audit.record(
        session, by, "kpi.scope.set", _stream(found), key=key, before=before, **fields
    )
    return found


async def end(session: AsyncSession, key: str, *, expected: int | None, by: Actor) -> None:
    """End a scope and its KPIs; what was reported and how it stood stays on record."""
    found = await _found(session, key, by=by, lock=True)
    await _require_unnamed(session, key, found)
    assert found is not None  # noqa: S101 - or it was refused
    require_condition(expected, found.revision)
    before = (await shown(session, by.tenant_id, [found]))[0]
    place = {"tenant_id": by.tenant_id, "scope_id": found.id}
    kpis = list(await session.scalars(select(ScopeKpi).filter_by(**place)))
    gone = [await take_out(session, found, one, ended_too=True) for one in kpis]
    for kind in (ScopePoint, ScopeProcess):
        for row in await session.scalars(select(kind).filter_by(**place)):
            await session.delete(row)
    await session.flush()
    await session.delete(found)
    ended.keep(
        session, by.tenant_id, NOBODY,
        id_=found.id, key=key, revision=found.revision, said=before,
    )  # fmt: skip
    await session.flush()
    await audit.record(
        session, by, "kpi.scope.ended", _stream(found), key=key, before=before,
        kpis=sorted(one.kpi for one in gone),
    )  # fmt: skip
    await publish(session, *gone)


async def list_scopes(
    session: AsyncSession, *, cursor: str | None, limit: int, by: Actor
) -> Rows[dict[str, Any]]:
    """List the scopes of a tenant by key."""
    by.require_point(None)
    query = select(Scope).filter_by(tenant_id=by.tenant_id)
    found = await page(session, query, Scope.key, cursor=cursor, limit=limit)
    return Rows(await shown(session, by.tenant_id, found.items), found.next_cursor)


async def shown(
    session: AsyncSession, tenant_id: UUID, scopes: Sequence[Scope]
) -> list[dict[str, Any]]:
    """Return scopes with what they are made of, by name."""
    members = await members_of(session, tenant_id, [one.id for one in scopes])
    return [
        {
            "id": one.id, "key": one.key, "kind": one.kind, "name": one.name,
            "revision": one.revision,
            "decision_points": list(members[one.id].own),
            "processes": list(members[one.id].processes),
            "points": list(members[one.id].points),
        }
        for one in scopes
    ]  # fmt: skip


async def _members(
    session: AsyncSession, fields: dict[str, Any], *, by: Actor
) -> tuple[set[UUID], set[UUID]]:
    points = await points_named(session, fields["decision_points"], by=by)
    return points, await processes_named(session, fields["processes"], by=by)


async def _put(
    session: AsyncSession, scope: Scope, *, points: set[UUID], processes: set[UUID]
) -> None:
    """Have a scope name these and no others."""
    place = {"tenant_id": scope.tenant_id, "scope_id": scope.id}
    rows = {
        row.point_id: row for row in await session.scalars(select(ScopePoint).filter_by(**place))
    }
    for point_id in rows.keys() - points:
        await session.delete(rows[point_id])
    session.add_all(ScopePoint(**place, point_id=one) for one in sorted(points - rows.keys()))
    named = {
        row.process_id: row
        for row in await session.scalars(select(ScopeProcess).filter_by(**place))
    }
    for process_id in named.keys() - processes:
        await session.delete(named[process_id])
    session.add_all(
        ScopeProcess(**place, process_id=one) for one in sorted(processes - named.keys())
    )
    await session.flush()


async def _require_unnamed(session: AsyncSession, key: str, found: Scope | None) -> None:
    if found is None:
        raise NotFound("KPI scope", key)
    naming = [one.key for one in await portfolios_of(session, found.tenant_id, found.id)]
    if naming:
        raise ScopeNamed(
            f"Portfolios are made of {key}: {', '.join(naming)}.",
            portfolios=naming,
            filled={"portfolio": naming[0]},
        )


async def _require_room(session: AsyncSession, tenant_id: UUID) -> None:
    count = await session.scalar(select(func.count()).where(Scope.tenant_id == tenant_id))
    if (count or 0) >= MOST_SCOPES:
        raise TooManyScoped(f"There are {count} scopes; {MOST_SCOPES} are the most.")


def _stream(scope: Scope) -> str:
    return f"kpi-scope:{scope.id}"
