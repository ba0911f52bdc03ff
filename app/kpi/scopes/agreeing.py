"""Agreeing: the KPIs of a scope, and changes of them that somebody had to approve."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, gates, identity
from app.kit.actor import Actor
from app.kit.page import Rows
from app.kit.refusal import NotFound
from app.kit.revision import require_condition
from app.kpi import ended
from app.kpi.approved import for_who_asked
from app.kpi.rules import ATTRIBUTED
from app.kpi.scopes import service
from app.kpi.scopes.formula import Expression
from app.kpi.scopes.members import members_of
from app.kpi.scopes.money import kpis_of, require_sound
from app.kpi.scopes.parsing import BadFormula
from app.kpi.scopes.reviewing import WHO_ASKED_MENDS, require_as_seen, seen
from app.kpi.scopes.rules import (
    MOST_KPIS,
    AttributedHere,
    BadScopeFormula,
    ScopeFormula,
    TooManyScoped,
)
from app.kpi.scopes.tables import Scope, ScopeKpi
from app.kpi.scopes.withdrawing import TERMS, agreed_terms, take_out
from app.platform.db import page
from app.platform.events import publish


async def edit(
    session: AsyncSession,
    scope_key: str,
    key: str,
    *,
    expected: int | None,
    fields: dict[str, Any] | None,
    reason: str,
    by: Actor,
) -> ScopeKpi | gates.Change | None:
    """Agree on a KPI of a scope, change it or, with no ``fields``, withdraw it.

    Where KPIs are under change control it is asked for.
    """
    await identity.require_right(session, by, identity.Action.EDIT_KPI_SCOPE)
    scope = await service.scope_by_key(session, scope_key, by=by, lock=True)
    found = await _found(session, scope, key)
    if found is not None:
        require_condition(expected, found.revision)
    elif fields is None:
        raise NotFound("KPI of this scope", key)
    else:
        ended.require_nothing_edited(key, expected)
    if fields is not None:
        await _require_sensible(session, scope, key, fields)
    else:
        await _require_reckonable(session, scope, key, None)
    change = await gates.propose(
        session, identity.Governed.KPI, f"kpi {key} of scope {scope_key}",
        expected=expected, before=agreed_terms(found) if found else None,
        after={
            "kpi_scope": scope_key, "key": key, "fields": fields,
            "scope": await seen(session, scope),
        },
        reason=reason, by=by,
    )  # fmt: skip
    if change is not None:
        if fields is not None:
            terms: dict[str, Any] = {"expected": expected, "fields": fields, "by": by}
            await service.tried(session, define(session, scope_key, key, **terms))
        return change
    if fields is None:
        await withdraw(session, scope_key, key, expected=expected, by=by)
        return None
    return await define(session, scope_key, key, expected=expected, fields=fields, by=by)


async def apply_kpi_scope(session: AsyncSession, event: gates.ChangeApproved) -> None:
    """Carry out an approved change of a scope, or of a KPI of one."""
    if event.kind != identity.Governed.KPI or "kpi_scope" not in event.after:
        return
    author = await identity.acting(session, event.tenant_id, event.requester_id)
    with for_who_asked(event, *WHO_ASKED_MENDS):
        await require_as_seen(session, event, by=author)
        await _carry_out(session, event, by=author)


async def _carry_out(session: AsyncSession, event: gates.ChangeApproved, *, by: Actor) -> None:
    scope, key, fields = (event.after[name] for name in ("kpi_scope", "key", "fields"))
    condition: dict[str, Any] = {"expected": event.expected, "by": by}
    if key is None and fields is None:
        await service.end(session, scope, **condition)
    elif key is None:
        await service.define(session, scope, fields=fields, **condition)
    elif fields is None:
        await withdraw(session, scope, key, **condition)
    else:
        await define(session, scope, key, fields=fields, **condition)


async def define(
    session: AsyncSession,
    scope_key: str,
    key: str,
    *,
    expected: int | None,
    fields: dict[str, Any],
    by: Actor,
) -> ScopeKpi:
    """Agree on a KPI of a scope, or change it."""
    scope = await service.scope_by_key(session, scope_key, by=by, lock=True)
    await _require_sensible(session, scope, key, fields)
    found = await _found(session, scope, key)
    before = None
    terms = {name: fields[name] for name in TERMS}
    if found is None:
        count = len((await kpis_of(session, by.tenant_id, [scope.id]))[scope.id])
        if count >= MOST_KPIS:
            raise TooManyScoped(f"{scope_key} has {count} KPIs; {MOST_KPIS} are the most.")
        place = (session, by.tenant_id, scope.id, key)
        begins = await ended.first_revision(*place, expected=expected)
        found = ScopeKpi(
            tenant_id=by.tenant_id, scope_id=scope.id, key=key, revision=begins, **terms
        )
        session.add(found)
    else:
        require_condition(expected, found.revision)
        before = agreed_terms(found)
        for name, value in terms.items():
            setattr(found, name, value)
        found.revision += 1
    await session.flush()
    await session.refresh(found)
    await require_sound(session, [scope], kpi=key)
    await audit.record(
        session, by, "kpi.scope.agreed", f"kpi-scope:{scope.id}", key=key, before=before, **terms
    )
    return found


async def withdraw(
    session: AsyncSession, scope_key: str, key: str, *, expected: int | None, by: Actor
) -> None:
    """Agree on a KPI no longer; what was reported of it and how it stood stays on record."""
    scope = await service.scope_by_key(session, scope_key, by=by, lock=True)
    found = await _found(session, scope, key)
    if found is None:
        raise NotFound("KPI of this scope", key)
    require_condition(expected, found.revision)
    await _require_reckonable(session, scope, key, None)
    before = agreed_terms(found)
    gone = await take_out(session, scope, found, ended_too=False)
    await session.flush()
    await audit.record(
        session, by, "kpi.scope.withdrawn", f"kpi-scope:{scope.id}", key=key, before=before
    )
    await publish(session, gone)


async def kpi_of(session: AsyncSession, scope_key: str, key: str, *, by: Actor) -> ScopeKpi:
    """Return a KPI of a scope."""
    scope = await service.scope_by_key(session, scope_key, by=by)
    found = await _found(session, scope, key)
    if found is None:
        raise NotFound("KPI of this scope", key)
    return found


async def list_kpis(
    session: AsyncSession, scope_key: str, *, cursor: str | None, limit: int, by: Actor
) -> Rows[ScopeKpi]:
    """List the KPIs of a scope by key."""
    scope = await service.scope_by_key(session, scope_key, by=by)
    query = select(ScopeKpi).filter_by(tenant_id=by.tenant_id, scope_id=scope.id)
    return await page(session, query, ScopeKpi.key, cursor=cursor, limit=limit)


async def _found(session: AsyncSession, scope: Scope, key: str) -> ScopeKpi | None:
    return await session.scalar(
        select(ScopeKpi).filter_by(tenant_id=scope.tenant_id, scope_id=scope.id, key=key)
    )


async def _require_sensible(
    session: AsyncSession, scope: Scope, key: str, fields: dict[str, Any]
) -> None:
    """Refuse what is attributed, which a scope cannot be, and an expression over nothing."""
    formula = ScopeFormula(fields["formula"])
    if formula.value in {one.value for one in ATTRIBUTED}:
        members = (await members_of(session, scope.tenant_id, [scope.id]))[scope.id]
        point = next(iter(members.points), "{key}")
        raise AttributedHere(
            f"{formula.value} compares a version with the holdout of one decision point.",
            filled={"key": point, "kpi": key, "formula": formula.value},
        )
    await _require_reckonable(session, scope, key, fields)


async def _require_reckonable(
    session: AsyncSession, scope: Scope, key: str, fields: dict[str, Any] | None
) -> None:
    """Try every expression of a scope with a KPI as it is to be, or without it."""
    kpis = (await kpis_of(session, scope.tenant_id, [scope.id]))[scope.id]
    formulas = {one.key: (one.formula, one.expression) for one in kpis}
    formulas.pop(key, None)
    if fields is not None:
        formulas[key] = (ScopeFormula(fields["formula"]), fields["expression"])
    pushed = frozenset(name for name, (one, _) in formulas.items() if one is ScopeFormula.PUSHED)
    members = (await members_of(session, scope.tenant_id, [scope.id]))[scope.id]
    # What names a point that has left is told so when it is measured.
    left = frozenset(members.points)
    for name, (_, text) in formulas.items():
        if text is None:
            continue
        try:
            read = Expression.read(text)
            read.require(left if name == key else left | read.points, pushed)
        except BadFormula as fault:
            raise BadScopeFormula(
                f"{name}, line {fault.line}, column {fault.column}: {fault.problem}.",
                errors=[
                    {
                        "kpi": name, "problem": fault.problem, "line": fault.line,
                        "column": fault.column,
                    }
                ],
                filled={"scope": scope.key},
            ) from fault  # fmt: skip
