"""The declared fallback: what answers while a decision point is stopped."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, gates, identity
from app.kit.actor import Actor
from app.kit.canonical import plain
from app.kit.revision import require_condition, require_current
from app.platform.events import publish
from app.routing import service
from app.routing.events import FallbackChanged
from app.routing.rules import HoldoutUnanswered, NotAFallback
from app.routing.seats import FIT, succession_of
from app.routing.tables import Fallback, FallbackKind, Seat, SeatRole


@dataclass(frozen=True, slots=True)
class StandIn:
    """What answers in place of what is stopped: a version, or a constant."""

    version_id: UUID | None
    endpoint: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    constant: Any = None


async def declared(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> Fallback | None:
    """Return the fallback that was last declared for a point, if one was."""
    return await session.scalar(
        select(Fallback)
        .filter_by(tenant_id=tenant_id, point_id=point_id)
        .order_by(Fallback.revision.desc())
        .limit(1)
    )


async def stand_in(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    *,
    stopped: Collection[UUID] = (),
    whole: bool = True,
    crowned: Seat | None = None,
) -> StandIn | None:
    """Return what answers while a point is stopped; nothing if nobody can.

    Without a declaration that is whom a rollback would go back to, of those who are not
    ``stopped``; what was declared by name is, unless it is retired or stopped. Where the ``whole``
    point is, its champion is, whatever was declared. With ``crowned`` as it would be if a rollback
    brought that seat back.
    """
    row = await declared(session, point.tenant_id, point.id)
    if whole:
        champions = await _champions(session, point) if crowned is None else [crowned.version_id]
        stopped = {*stopped, *champions}
    if row is not None and row.kind is FallbackKind.CONSTANT:
        return StandIn(None, constant=row.constant["value"])
    if row is not None and row.kind is FallbackKind.VERSION:
        assert row.version_id is not None  # noqa: S101 - the table has it so
        version = await catalog.version_by_id(session, point.tenant_id, row.version_id)
        if version.stage is catalog.Stage.RETIRED or version.id in stopped:
            return None
        return StandIn(version.id, row.endpoint, row.parameters)
    seat = await _predecessor(session, point, stopped, crowned)
    return StandIn(seat.version_id, seat.endpoint, seat.parameters) if seat else None


async def _champions(session: AsyncSession, point: catalog.DecisionPoint) -> list[UUID]:
    query = select(Seat.version_id).filter_by(
        tenant_id=point.tenant_id, point_id=point.id, role=SeatRole.CHAMPION, until=None
    )
    return list(await session.scalars(query))


async def _predecessor(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    stopped: Collection[UUID],
    crowned: Seat | None,
) -> Seat | None:
    known = await succession_of(session, point.tenant_id, point.id)
    return known.back(stopped=stopped, crowned=crowned)


async def edit_fallback(
    session: AsyncSession,
    key: str,
    *,
    kind: FallbackKind,
    model: str | None,
    number: int | None,
    endpoint: str | None,
    parameters: dict[str, Any],
    constant: dict[str, Any],
    expected: int | None,
    reason: str,
    by: Actor,
) -> Fallback | gates.Change:
    """Declare what answers in an emergency, or ask for it where plans are under change control."""
    point = await catalog.point_by_key(session, key, by=by, lock=True)
    makers: set[UUID] = set()
    version = None
    if model is not None and number is not None:
        # Held: who retires it meanwhile finds it declared, or is found to have retired it.
        version = await catalog.find_version(session, model, number, by=by, lock=True)
        makers = {version.developer_id}
    roles = await gates.roles_at(session, point.id, by=by, beside=makers)
    await identity.require_right(session, by, identity.Action.EDIT_PLAN, point=key, roles=roles)
    if version is not None:
        await _require_fit(session, point, version)
    await _require_version_for_holdout(session, point, kind)
    before = await declared(session, by.tenant_id, point.id)
    _require_expected(before, expected)
    terms = {
        "kind": kind.value,
        "version_id": version and str(version.id),
        "endpoint": endpoint,
        "parameters": plain(parameters),
        "constant": constant,
    }
    change = await gates.propose(
        session, identity.Governed.PLAN, f"fallback of {key}",
        expected=before.revision if before else 0, before=_terms(before) if before else None,
        after={
            "point": key, "fallback": terms, "barred": sorted(makers),
            "part": "developed the version that is to stand in",
        },
        scope={"point": key}, reason=reason, by=by,
    )  # fmt: skip
    return change or await _append(session, point, terms, by=by)


async def apply_fallback(session: AsyncSession, event: gates.ChangeApproved) -> None:
    """Carry out an approved change of a fallback."""
    if event.kind != identity.Governed.PLAN or "fallback" not in event.after:
        return
    author = await identity.acting(session, event.tenant_id, event.requester_id)
    point = await catalog.point_by_key(session, event.after["point"], by=author, lock=True)
    before = await declared(session, event.tenant_id, point.id)
    require_current(event.expected or 0, before.revision if before else 0)
    terms = event.after["fallback"]
    await _require_version_for_holdout(session, point, FallbackKind(terms["kind"]))
    if terms["version_id"] is not None:
        version = await catalog.lock_version(session, event.tenant_id, UUID(terms["version_id"]))
        await _require_fit(session, point, version)
    await _append(session, point, terms, by=author)


async def _require_version_for_holdout(
    session: AsyncSession, point: catalog.DecisionPoint, kind: FallbackKind
) -> None:
    """Refuse a constant where the fallback answers a holdout: its outcomes would be nobody's."""
    row = await service.current_plan(session, point.tenant_id, point.id)
    if kind is FallbackKind.CONSTANT and row is not None and row.spec.get("holdout"):
        raise HoldoutUnanswered(f"A constant would answer who is held out at {point.key}.")


def _require_expected(before: Fallback | None, expected: int | None) -> None:
    if before is not None:
        require_condition(expected, before.revision)
    elif expected is not None:
        require_current(expected, 0)


async def _require_fit(
    session: AsyncSession, point: catalog.DecisionPoint, version: catalog.Version
) -> None:
    """Refuse a version that was never found fit for this point, or is no more."""
    if version.stage not in FIT:
        raise NotAFallback(f"The version is {version.stage}.", stage=version.stage.value)
    if await gates.passed_release(session, point.tenant_id, version.id, point.id):
        return
    seated = select(Seat.id).filter_by(
        tenant_id=point.tenant_id, point_id=point.id, version_id=version.id, until=None
    )
    if await session.scalar(seated) is None:
        raise NotAFallback(f"The version was not released for {point.key}.", point=point.key)


def _terms(row: Fallback) -> dict[str, Any]:
    return {
        "kind": row.kind.value,
        "version_id": row.version_id and str(row.version_id),
        "endpoint": row.endpoint,
        "parameters": row.parameters,
        "constant": row.constant,
    }


async def _append(
    session: AsyncSession, point: catalog.DecisionPoint, terms: dict[str, Any], *, by: Actor
) -> Fallback:
    before = await declared(session, point.tenant_id, point.id)
    named = terms["version_id"]
    row = Fallback(
        tenant_id=point.tenant_id,
        point_id=point.id,
        revision=(before.revision if before else 0) + 1,
        **{**terms, "kind": FallbackKind(terms["kind"]), "version_id": named and UUID(named)},
        author_id=by.person_id,
    )
    session.add(row)
    await session.flush()
    await session.refresh(row)
    generation = await service.bump(session, point.tenant_id, point.id)
    await audit.record(
        session, by, "fallback.declared", f"point:{point.id}",
        revision=row.revision, generation=generation, **terms,
    )  # fmt: skip
    await publish(
        session,
        FallbackChanged(
            tenant_id=point.tenant_id, point=point.key, revision=row.revision, kind=row.kind.value
        ),
    )
    return row


async def shown(session: AsyncSession, key: str, *, by: Actor) -> dict[str, Any]:
    """Return a point's fallback as it is declared, and what would answer by it now."""
    point = await catalog.point_by_key(session, key, by=by)
    return await show(session, point, await declared(session, by.tenant_id, point.id))


async def show(
    session: AsyncSession, point: catalog.DecisionPoint, row: Fallback | None
) -> dict[str, Any]:
    """Return a fallback as the API tells of it."""
    standing = await stand_in(session, point)
    ids = {row.version_id} if row and row.version_id else set()
    ids |= {standing.version_id} if standing and standing.version_id else set()
    found = await catalog.versions_by_id(session, point.tenant_id, ids)

    def named(version_id: UUID | None) -> dict[str, Any]:
        if version_id is None:
            return {"model": None, "version": None}
        model, version = found[version_id]
        return {"model": model.name, "version": version.number}

    constant = row.constant if row else {}
    return {
        "decision_point": point.key,
        "kind": row.kind if row else FallbackKind.PREVIOUS_CHAMPION,
        **named(row.version_id if row else None),
        "endpoint": row.endpoint if row else None,
        "parameters": row.parameters if row else {},
        "constant": constant.get("value"),
        "revision": row.revision if row else 0,
        "answers": standing
        and {**named(standing.version_id), "constant": standing.version_id is None},
    }


async def falls_back_to(
    session: AsyncSession, tenant_id: UUID, version_id: UUID
) -> list[tuple[catalog.DecisionPoint, bool]]:
    """Return the points at which a version would stand in: by declaration (true), or unasked."""
    past = select(Seat.point_id).filter_by(
        tenant_id=tenant_id, version_id=version_id, role=SeatRole.CHAMPION
    )
    named = select(Fallback.point_id).filter_by(tenant_id=tenant_id, version_id=version_id)
    ids = {*await session.scalars(past), *await session.scalars(named)}
    found = []
    for point in (await catalog.points_by_id(session, tenant_id, ids)).values():
        row = await declared(session, tenant_id, point.id)
        if row is not None and row.version_id == version_id:
            found.append((point, True))
            continue
        standing = await stand_in(session, point)
        if standing is not None and standing.version_id == version_id:
            found.append((point, False))
    return found
