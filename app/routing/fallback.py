"""The declared fallback: what answers while a decision point is stopped."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, gates, identity
from app.kit.actor import Actor
from app.kit.canonical import plain
from app.kit.revision import Stale, require_condition, require_current
from app.platform.events import publish
from app.routing import service
from app.routing.events import FallbackChanged
from app.routing.rules import HoldoutUnanswered, NotAFallback, NotAsActivated
from app.routing.seats import FIT, newest_seat
from app.routing.standing_in import declared, predecessor, stand_in
from app.routing.tables import Fallback, FallbackKind, Seat


async def edit_fallback(
    session: AsyncSession,
    key: str,
    *,
    kind: FallbackKind,
    model: str | None,
    number: int | None,
    endpoint: str | None,
    parameters: dict[str, Any] | None,
    constant: dict[str, Any],
    expected: int | None,
    reason: str,
    by: Actor,
) -> Fallback | gates.Change:
    """Declare what answers in an emergency, or ask for it where plans are under change control.

    Who answers a holdout decides without an emergency: that is changed by agreement alone, like the
    plan that holds them out.
    """
    point = await catalog.point_by_key(session, key, by=by, lock=True)
    held_out = await _holds_out(session, point)
    makers: set[UUID] = set()
    version = None
    if model is not None and number is not None:
        # Held: who retires it meanwhile finds it declared, or is found to have retired it.
        version = await catalog.find_version(session, model, number, by=by, lock=True)
        makers = {version.developer_id}
    elif held_out and kind is FallbackKind.PREVIOUS_CHAMPION:
        makers = await _developer_of_predecessor(session, point)
    roles = await gates.roles_at(session, point.id, by=by, beside=makers)
    await identity.require_right(session, by, identity.Action.EDIT_PLAN, point=key, roles=roles)
    handed: tuple[str | None, dict[str, Any]] = (None, {})
    if version is not None:
        seat = await _require_fit(session, point, version)
        _require_as_activated(point, seat, endpoint, parameters)
        handed = seat.endpoint, seat.parameters
    if held_out:
        await _require_version(session, point, kind)
    before = await declared(session, by.tenant_id, point.id)
    _require_expected(before, expected)
    terms = {
        "kind": kind.value,
        "version_id": version and str(version.id),
        "endpoint": handed[0],
        "parameters": handed[1],
        "constant": constant,
    }
    change = await gates.propose(
        session, identity.Governed.PLAN, f"fallback of {key}",
        expected=before.revision if before else 0, before=_terms(before) if before else None,
        after={
            "point": key, "fallback": terms, "barred": sorted(makers),
            "part": "developed the version that is to stand in",
        },
        scope={"point": key}, reason=reason, grave=held_out, by=by,
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
    if await _holds_out(session, point):
        await _require_version(session, point, FallbackKind(terms["kind"]))
    if terms["version_id"] is not None:
        version = await catalog.lock_version(session, event.tenant_id, UUID(terms["version_id"]))
        seat = await _require_fit(session, point, version)
        if (seat.endpoint, seat.parameters) != (terms["endpoint"], terms["parameters"]):
            raise Stale("The version is activated there with another endpoint or parameters.")
    await _append(session, point, terms, by=author)


async def _holds_out(session: AsyncSession, point: catalog.DecisionPoint) -> bool:
    """Say whether by the plan in force the fallback answers some units without an emergency."""
    row = await service.current_plan(session, point.tenant_id, point.id)
    return row is not None and bool(row.spec.get("holdout"))


async def _require_version(
    session: AsyncSession, point: catalog.DecisionPoint, kind: FallbackKind
) -> None:
    """Refuse what is no version where it answers a holdout: its outcomes would be nobody's."""
    if kind is FallbackKind.CONSTANT:
        raise HoldoutUnanswered(f"A constant would answer who is held out at {point.key}.")
    if kind is FallbackKind.PREVIOUS_CHAMPION and await predecessor(session, point) is None:
        raise HoldoutUnanswered(f"Nothing would answer who is held out at {point.key}.")


async def _developer_of_predecessor(
    session: AsyncSession, point: catalog.DecisionPoint
) -> set[UUID]:
    seat = await predecessor(session, point)
    if seat is None:
        return set()
    version = await catalog.version_by_id(session, point.tenant_id, seat.version_id)
    return {version.developer_id}


def _require_expected(before: Fallback | None, expected: int | None) -> None:
    if before is not None:
        require_condition(expected, before.revision)
    elif expected is not None:
        require_current(expected, 0)


async def _require_fit(
    session: AsyncSession, point: catalog.DecisionPoint, version: catalog.Version
) -> Seat:
    """Return a version's newest seat at a point; refuse what was never activated, or is unfit."""
    if version.stage not in FIT:
        raise NotAFallback(
            f"The version is {version.stage}.", stage=version.stage.value, filled={"key": point.key}
        )
    unfit = await catalog.unfit_inside(session, point.tenant_id, {version.id})
    if unfit:
        inner, member = unfit[version.id][0]
        raise NotAFallback(
            f"Inside of it {inner.name}@{member.number} is {member.stage}.",
            stage=version.stage.value, filled={"key": point.key},
        )  # fmt: skip
    seat = await newest_seat(session, point.tenant_id, point.id, version.id)
    if seat is None:
        raise NotAFallback(
            f"The version was never activated at {point.key}.",
            point=point.key,
            filled={"key": point.key},
        )
    if seat.until is not None and not await gates.passed_release(
        session, point.tenant_id, version.id, point.id
    ):
        raise NotAFallback(
            f"The version is not released for {point.key} any more.",
            point=point.key,
            filled={"key": point.key},
        )
    return seat


def _require_as_activated(
    point: catalog.DecisionPoint,
    seat: Seat,
    endpoint: str | None,
    parameters: dict[str, Any] | None,
) -> None:
    """Refuse to hand applications what no activation was approved for; unsaid is as activated."""
    others = [
        name
        for name, said, own in (
            ("endpoint", endpoint, seat.endpoint),
            ("parameters", parameters and plain(parameters), seat.parameters),
        )
        if said is not None and said != own
    ]
    if others:
        raise NotAsActivated(
            f"At {point.key} the version was activated with another {' and other '.join(others)}.",
            endpoint=seat.endpoint,
            parameters=seat.parameters,
            filled={"key": point.key},
        )


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
        and {
            **named(standing.version_id),
            "endpoint": standing.endpoint,
            "parameters": standing.parameters,
            "constant": standing.version_id is None,
        },
    }
