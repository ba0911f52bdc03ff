"""Reviewing: an approved change is carried out on the scope that it was approved for.

A change names a scope by its key, under which another one may stand by then, or the same of other
decision points. What was there when it was asked goes into it, and so into what approvers sign.
"""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import gates
from app.kit.actor import Actor
from app.kit.canonical import plain
from app.kit.revision import Stale
from app.kpi.money import MixedCurrencies
from app.kpi.scopes.members import members_of, points_named, processes_named
from app.kpi.scopes.rules import (
    AttributedHere,
    BadScopeFormula,
    ScopeKindFixed,
    ScopeNamed,
    TooManyScoped,
    union,
)
from app.kpi.scopes.tables import Scope

WHO_ASKED_MENDS = (
    AttributedHere, BadScopeFormula, MixedCurrencies, ScopeKindFixed, ScopeNamed, TooManyScoped,
)  # fmt: skip
"""What an approver cannot put right."""


async def seen(session: AsyncSession, scope: Scope | None) -> dict[str, Any] | None:
    """Return which scope a change is about, and what it is of."""
    if scope is None:
        return None
    members = (await members_of(session, scope.tenant_id, [scope.id]))[scope.id]
    return {"id": scope.id, "revision": scope.revision, "points": list(members.points)}


async def would_be(
    session: AsyncSession, fields: dict[str, Any] | None, *, by: Actor
) -> list[str] | None:
    """Return all the points that a scope is to be of, those of its processes among them."""
    if fields is None:
        return None
    await points_named(session, fields["decision_points"], by=by)
    processes = await processes_named(session, fields["processes"], by=by)
    inside = await members_of(session, by.tenant_id, processes)
    return union(fields["decision_points"], *(one.points for one in inside.values()))


async def require_as_seen(session: AsyncSession, event: gates.ChangeApproved, *, by: Actor) -> None:
    """Refuse to carry out what was approved of a scope that is another one by now."""
    asked = event.after
    scope = await session.scalar(
        select(Scope)
        .filter_by(tenant_id=by.tenant_id, key=asked["kpi_scope"])
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if "scope" not in asked:
        raise Stale(f"The change does not say of what {asked['kpi_scope']} was: ask for it anew.")
    now = plain(await seen(session, scope))
    if now != asked["scope"]:
        raise Stale(
            f"It was asked of {_said(asked['scope'])}; {asked['kpi_scope']} is {_said(now)}."
        )
    if "points" in asked:
        points = await would_be(session, asked["fields"], by=by)
        if points != asked["points"]:
            raise Stale(
                f"It was asked for {', '.join(asked['points'] or ())}; it would be of"
                f" {', '.join(points or ())}."
            )


def _said(scope: dict[str, Any] | None) -> str:
    if scope is None:
        return "no scope"
    return f"revision {scope['revision']} of {scope['id']}, of {', '.join(scope['points'])}"
