"""Reporting: what business systems say of a process or a portfolio, by time and segment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, telemetry
from app.kit.actor import Actor
from app.kit.canonical import digest as digest_of
from app.kit.moment import require_past
from app.kit.page import Rows
from app.kit.refusal import NotFound
from app.kpi import ended
from app.kpi.pushed import NotPushed, as_listed, store
from app.kpi.reported import Reported, reported_by
from app.kpi.scopes import service
from app.kpi.scopes.money import kpis_of
from app.kpi.scopes.records import on_record
from app.kpi.scopes.rules import ScopeFormula
from app.kpi.scopes.tables import ScopeValue
from app.platform.db import clock, page


@dataclass(frozen=True, slots=True)
class Report:
    """One value as it was sent."""

    kpi: str
    at: datetime
    value: float | None
    segment: str
    revision: int


async def report(
    session: AsyncSession, scope_key: str, values: Sequence[Report], *, by: Actor
) -> int:
    """Store values of a scope's KPIs, all or none; return how many had not been stored before."""
    scope = await service.scope_by_key(session, scope_key, by=by)
    now = await clock(session)
    agreed = (await kpis_of(session, by.tenant_id, [scope.id]))[scope.id]
    formulas = {one.key: one.formula for one in agreed}
    for one in values:
        if one.kpi not in formulas:
            raise NotFound("KPI of this scope", one.kpi)
        if formulas[one.kpi] is not ScopeFormula.PUSHED:
            raise NotPushed(
                f"{one.kpi} is computed as {formulas[one.kpi].value}.", filled={"kpi": one.kpi}
            )
        require_past(one.at, now)
    lives = await ended.lives(session, by.tenant_id, scope.id, {one.kpi for one in values})
    rows = [
        {
            "tenant_id": by.tenant_id, "scope_id": scope.id, "key": one.kpi, "at": one.at,
            "segment": one.segment, "revision": one.revision, "life": lives[one.kpi],
            "value": one.value, "person_id": by.person_id,
        }
        for one in values
    ]  # fmt: skip
    count = await store(session, ScopeValue, rows)
    if count:
        said = [
            [one.kpi, one.at.isoformat(), one.segment, one.revision, one.value] for one in values
        ]
        await audit.record(
            session, by, "kpi.scope.values.pushed", f"kpi-scope:{scope.id}",
            values=count, digest=digest_of(said),
        )  # fmt: skip
    return count


async def list_values(
    session: AsyncSession,
    scope_key: str,
    *,
    kpi: str | None,
    cursor: str | None,
    limit: int,
    by: Actor,
) -> Rows[dict[str, Any]]:
    """List what was reported of a scope, corrected values too, oldest first; see ``on_record``."""
    scope_id = await on_record(session, scope_key, by=by)
    query = select(ScopeValue).filter_by(tenant_id=by.tenant_id, scope_id=scope_id)
    if kpi is not None:
        query = query.filter_by(key=kpi)
    order: tuple[Any, ...] = (
        ScopeValue.at, ScopeValue.key, ScopeValue.segment, ScopeValue.life, ScopeValue.revision,
    )  # fmt: skip
    found = await page(session, query, *order, cursor=cursor, limit=limit)
    shown = await as_listed(session, by.tenant_id, scope_id, found.items)
    return Rows(shown, found.next_cursor)


async def reported(
    session: AsyncSession,
    tenant_id: UUID,
    scope_id: UUID,
    keys: Sequence[str],
    first: int,
    last: int,
    width: int | None = None,
    shift: int = 0,
) -> dict[str, dict[int, Reported]]:
    """Return what values of the hours ``[first, last)`` come to, by KPI and bucket.

    Buckets are ``width`` hours wide, counted since 1970, or so many hours (``shift``) before it;
    without a width, all is in one, 0.
    """
    if not keys:
        return {}
    lives = await ended.lives(session, tenant_id, scope_id, keys)
    found = await reported_by(
        session,
        ScopeValue,
        [ScopeValue.key],
        [
            ScopeValue.tenant_id == tenant_id,
            ScopeValue.scope_id == scope_id,
            tuple_(ScopeValue.key, ScopeValue.life).in_(list(lives.items())),
            ScopeValue.at >= telemetry.begins(first, 1),
            ScopeValue.at < telemetry.begins(last, 1),
        ],
        width,
        shift,
    )
    return {key: buckets for (key,), buckets in found.items()}
