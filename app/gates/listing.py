"""Cases in lists: what is open, and for what and whom it waits."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog
from app.gates import docket, policies
from app.gates.approvals import counts, standing
from app.gates.cases import seen_by
from app.gates.counting import awaited, deciders
from app.gates.covered import covered_all
from app.gates.policy import passed
from app.gates.rules import VersionOfNoModel
from app.gates.steps import CaseKind
from app.gates.tables import Case
from app.kit.actor import Actor
from app.kit.page import Rows, encode
from app.platform.db import clock, page

_LOOKED_THROUGH = 200
"""So many cases at a time."""


class CaseState(StrEnum):
    """Whether something can still be added to a case."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Wait:
    """A required step that is not passed: what did not hold, and whose word is awaited."""

    step: str
    before_commit: bool
    judged: bool
    rules: list[str]
    roles: list[str]


@dataclass(frozen=True, slots=True)
class Listed:
    """A case, and the steps that it waits for; a closed one waits for nothing."""

    case: Case
    waits_for: list[Wait]


async def list_cases(
    session: AsyncSession,
    *,
    model: str | None,
    number: int | None,
    kind: CaseKind | None,
    state: CaseState | None,
    point_key: str | None,
    tier: catalog.RiskTier | None,
    role: str | None = None,
    cursor: str | None,
    limit: int,
    by: Actor,
) -> Rows[Listed]:
    """List cases newest first, or a version's in order of opening.

    Of the points that a key in hand is for, and those about none. With a ``role``, those that wait
    for somebody's word in it: open cases are looked through until a page is full.
    """
    query = select(Case).where(Case.tenant_id == by.tenant_id, seen_by(by, Case.point_id))
    if model is None and number is not None:
        raise VersionOfNoModel(f"Version {number} of which model?")
    if model is not None and number is not None:
        version = await catalog.find_version(session, model, number, by=by)
        query = query.where(Case.version_id == version.id)
    elif model is not None:
        found = await catalog.model_of(session, model, by=by)
        versions = select(catalog.Version.id).filter_by(tenant_id=by.tenant_id, model_id=found.id)
        query = query.where(Case.version_id.in_(versions))
    if point_key is not None:
        point = await catalog.point_by_key(session, point_key, by=by)
        query = query.where(Case.point_id == point.id)
    for column, asked in ((Case.kind, kind), (Case.tier, tier)):
        if asked is not None:
            query = query.where(column == asked)
    if state is not None:
        closed = Case.closed_at.is_not(None)
        query = query.where(closed if state is CaseState.CLOSED else ~closed)
    if role is not None:
        query = query.where(Case.closed_at.is_(None))
    listed = partial(_listed, session, query, by.tenant_id, newest_first=number is None)
    return await (listed(cursor, limit) if role is None else _awaiting(role, listed, cursor, limit))


async def _awaiting(
    role: str,
    listed: Callable[[str | None, int], Awaitable[Rows[Listed]]],
    cursor: str | None,
    limit: int,
) -> Rows[Listed]:
    """Return a page of those listed that wait for a word in a role."""
    mine: list[Listed] = []
    while True:
        some = await listed(cursor, _LOOKED_THROUGH)
        mine += [one for one in some.items if any(role in wait.roles for wait in one.waits_for)]
        if len(mine) > limit:
            last = mine[limit - 1].case
            return Rows(mine[:limit], encode([last.opened_at, last.id]))
        cursor = some.next_cursor
        if cursor is None:
            return Rows(mine, None)


async def _listed(
    session: AsyncSession,
    query: Select[Any],
    tenant_id: UUID,
    cursor: str | None,
    limit: int,
    *,
    newest_first: bool,
) -> Rows[Listed]:
    rows: Rows[Case] = await page(
        session, query, Case.opened_at, Case.id,
        cursor=cursor, limit=limit, newest_first=newest_first,
    )  # fmt: skip
    waits = await _waits(session, tenant_id, [one for one in rows.items if not one.closed_at])
    return Rows([Listed(one, waits.get(one.id, [])) for one in rows.items], rows.next_cursor)


async def _waits(
    session: AsyncSession, tenant_id: UUID, cases: Sequence[Case]
) -> dict[UUID, list[Wait]]:
    """Return what open cases wait for, by case, with a few queries for all."""
    if not cases:
        return {}
    laws = await policies.laws_of(session, tenant_id, cases)
    states = await docket.states_of(session, tenant_id, cases)
    steps = [(case, state) for case in cases for state in states[case.id] if state.open]
    gates = {
        (case.id, state.step): laws[case.id][1].gates[f"{case.kind}.{state.step}"]
        for case, state in steps
    }
    decided = [(case, state.step) for case, state in steps if deciders(gates[case.id, state.step])]
    parts = await covered_all(session, tenant_id, decided) if decided else {}
    given = await standing(session, tenant_id, [case.id for case, _ in decided])
    now = await clock(session)
    roles = {}
    for place, covers in parts.items():
        gate = gates[place]
        mine = [one for one in given if (one.case_id, one.step) == place]
        roles[place] = awaited(gate, [one for one in mine if counts(one, covers, gate, now)])
    found: dict[UUID, list[Wait]] = {case.id: [] for case in cases}
    for case, state in steps:
        results = state.verdict.results if state.verdict else []
        found[case.id].append(
            Wait(
                step=state.step,
                before_commit=state.before_commit,
                judged=state.verdict is not None,
                rules=[item["rule"] for item in results if not passed([item])],
                roles=roles.get((case.id, state.step), []),
            )
        )
    return found


def shown(listed: Listed) -> dict[str, Any]:
    """Return a row as callers see it."""
    columns = {column.key: getattr(listed.case, column.key) for column in Case.__table__.columns}
    return {**columns, "waits_for": listed.waits_for}
