"""Cases: the docket of a validation, release or activation, from opening to close."""

from collections.abc import Collection
from typing import Any, TypedDict
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased

from app import audit, catalog, identity
from app.gates.covered import Shapers
from app.gates.policy import WayOut
from app.gates.rules import CaseClosed, NotTheRequester
from app.gates.steps import RELEASED, VOIDED, CaseKind
from app.gates.tables import Approval, Case
from app.kit.actor import Actor
from app.kit.refusal import NotFound
from app.platform.events import ask


async def case_of(
    session: AsyncSession, case_id: UUID, *, by: Actor, kind: CaseKind | None = None
) -> Case:
    """Return a case of the caller's tenant."""
    case = await session.get(Case, (by.tenant_id, case_id))
    if case is None or (kind is not None and case.kind is not kind):
        raise NotFound(kind or "case", case_id)
    if (point := place(case)["point"]) is not None:
        by.require_point(point)
    return case


def seen_by(by: Actor, point_id: InstrumentedAttribute[UUID | None]) -> ColumnElement[bool]:
    """Return whether a row is about a point that the key in hand is for, or about none."""
    if by.points is None:
        return true()
    return or_(point_id.is_(None), point_id.in_(catalog.ids_of(by.tenant_id, by.points)))


async def cases_by_id(
    session: AsyncSession, tenant_id: UUID, ids: Collection[UUID]
) -> dict[UUID, Case]:
    """Return cases by id."""
    query = select(Case).where(Case.tenant_id == tenant_id, Case.id.in_(ids))
    return {case.id: case for case in await session.scalars(query)}


async def lock(session: AsyncSession, case_id: UUID, tenant_id: UUID) -> Case:
    """Return an open case, locked until the transaction ends, and its version before it.

    Whoever holds several takes them in this order: version, cases, log.
    """
    of_case = select(Case.version_id).filter_by(tenant_id=tenant_id, id=case_id).scalar_subquery()
    await catalog.hold_version(session, tenant_id, of_case)
    case = await session.get(
        Case, (tenant_id, case_id), with_for_update=True, populate_existing=True
    )
    if case is None:
        raise NotFound("case", case_id)
    if case.closed_at is not None:
        raise closed(case)
    return case


def closed(case: Case, why: str = "") -> CaseClosed:
    """Return the refusal of what comes too late for a case: how it ended, and what opens the next.

    After ``released`` as well: another release for the same point is another look at the same
    version. What was sent back is followed by another version.
    """
    details = case.details
    named = f'"model": "{details["model"]}", "version": {details["number"]}'
    if case.point_id is not None:
        named += f', "decision_point": "{details["decision_point"]}"'
    mend = f"POST /v1/{case.kind}s {{{named}}} opens the next one."
    if case.result in set(WayOut):
        path = f"/v1/models/{details['model']}/versions"
        mend = f"GET {path}/{details['number']}/hand-back says what to mend; then POST {path}."
    elif case.result == "retired":
        mend = f"POST /v1/models/{details['model']}/versions: nothing is opened on what is retired."
    elif case.closed_at is None:
        mend = f"GET /v1/cases/{case.id} shows what was decided; {mend}"
    when = f" at {case.closed_at:%Y-%m-%dT%H:%M:%SZ}" if case.closed_at is not None else ""
    what = f"This {case.kind} came to be {case.result}{when}"
    return CaseClosed(
        f"{what}: {why}." if why else f"{what}.",
        case_id=case.id, result=case.result, closed_at=case.closed_at, mend=mend,
    )  # fmt: skip


async def close_case(session: AsyncSession, case: Case, *, result: str, by: Actor) -> None:
    """End a case; nothing is added to it while it is closed."""
    await lock(session, case.id, case.tenant_id)
    case.closed_at = func.now()
    await _conclude(session, case, result, "closed", by)


async def reopen_case(session: AsyncSession, case: Case, *, result: str, by: Actor) -> None:
    """Go on with a case that was closed: its version is back in its place."""
    case.closed_at = None
    await _conclude(session, case, result, "reopened", by)


async def mark_case(session: AsyncSession, case: Case, *, result: str, by: Actor) -> None:
    """Write how far an open case has come."""
    await lock(session, case.id, case.tenant_id)
    await _conclude(session, case, result, "marked", by)


async def _conclude(session: AsyncSession, case: Case, result: str, what: str, by: Actor) -> None:
    case.result = result
    await session.flush()
    await session.refresh(case)
    await audit.record(
        session, by, f"{case.kind}.{what}", stream(case), case=case.id, result=result
    )


async def makers(session: AsyncSession, case: Case) -> dict[UUID, str]:
    """Return who made the version of a case what it is, and how."""
    return await makers_of(session, case.tenant_id, {case.version_id})


async def makers_of(
    session: AsyncSession, tenant_id: UUID, version_ids: Collection[UUID]
) -> dict[UUID, str]:
    """Return who made versions what they are, and how: none of them decides about them.

    What is inside of an ensemble makes it what it is, at whatever depth.
    """
    found = await catalog.versions_by_id(session, tenant_id, set(version_ids))
    inside = await catalog.inside_of(session, tenant_id, set(found))
    shaped = await ask(session, Shapers(tenant_id, frozenset({*found, *inside}))) or {}
    origins = await catalog.origin_developers(session, tenant_id, {*found, *inside})
    return (
        shaped
        | dict.fromkeys(origins, "developed what the version was forked from")
        | dict.fromkeys(inside.values(), "developed what is inside of the version")
        | {version.developer_id: "developed the version" for _, version in found.values()}
    )


async def parties(session: AsyncSession, case: Case) -> dict[UUID, str]:
    """Return who had a part in a case or its version, and which: none of them decides on it."""
    return {case.requester_id: "opened the case"} | await makers(session, case)


async def signed(
    session: AsyncSession, tenant_id: UUID, ids: Collection[UUID]
) -> dict[UUID, tuple[str | None, list[dict[str, Any]]]]:
    """Return by name who opened each case, and who approved what in it, in order of time."""
    person, opener = aliased(identity.Principal), aliased(identity.Principal)
    rows = await session.execute(
        select(Case.id, opener.name.label("opener"), Approval, person.name.label("person"))
        .outerjoin(opener, (opener.tenant_id == Case.tenant_id) & (opener.id == Case.requester_id))
        .outerjoin(Approval, (Approval.tenant_id == Case.tenant_id) & (Approval.case_id == Case.id))
        .outerjoin(person, (person.tenant_id == Case.tenant_id) & (person.id == Approval.person_id))
        .where(Case.tenant_id == tenant_id, Case.id.in_(ids))
        .order_by(Approval.at)
    )
    found: dict[UUID, tuple[str | None, list[dict[str, Any]]]] = {}
    for row in rows:
        known = found.setdefault(row.id, (row.opener, []))[1]
        if row.Approval is not None:
            known.append(_signature(row.Approval, row.person))
    return found


def _signature(approval: Approval, person: str) -> dict[str, Any]:
    return {
        "person": person,
        "step": approval.step,
        "approved": approval.approved,
        "reason": approval.reason,
        "at": approval.at,
    }


class Place(TypedDict):
    """Where something is decided, as decision rights are scoped."""

    tier: str
    model: str | None
    point: str | None


def place(case: Case) -> Place:
    """Return where a case decides, as decision rights are scoped."""
    return {
        "tier": case.tier,
        "model": case.details.get("model"),
        "point": case.details.get("decision_point"),
    }


def roles_in(case: Case, by: Actor) -> frozenset[str]:
    """Return the roles somebody acts in on a case: its developer in none that was lent."""
    return by.roles if by.person_id == case.developer_id else by.deciding({case.developer_id})


async def roles_at(
    session: AsyncSession, point_id: UUID, *, by: Actor, beside: Collection[UUID] = ()
) -> frozenset[str]:
    """Return the roles somebody acts in on a decision point's terms, as ``roles_in`` on a case.

    Whoever developed what decides there, or asks to, or what that was forked from, has a stake in
    them; ``beside`` do as well.
    """
    query = select(Case.version_id, Case.developer_id).filter_by(
        tenant_id=by.tenant_id, point_id=point_id, closed_at=None
    )
    developed = {row.version_id: row.developer_id for row in await session.execute(query)}
    origins = await catalog.origin_developers(session, by.tenant_id, developed.keys())
    developers = {*developed.values(), *origins, *beside}
    return by.roles if by.person_id in developers else by.deciding(developers)


def stream(case: Case) -> str:
    """Return the audit stream a case writes to: its version's."""
    return f"version:{case.version_id}"


async def withdraw(session: AsyncSession, case_id: UUID, *, by: Actor) -> Case:
    """End a case that its requester no longer pursues."""
    case = await lock(session, case_id, by.tenant_id)
    by.require_point(place(case)["point"])
    left = await identity.disabled(session, case.tenant_id, among={case.requester_id})
    if left:
        # Nobody waits for ever for who has left: whoever may add to the case may end it.
        await identity.require_right(session, by, identity.Action.SUBMIT_EVIDENCE, **place(case))
    elif by.person_id != case.requester_id:
        raise NotTheRequester("Only who opened a case withdraws it.")
    if case.result is not None:
        raise closed(case, "it cannot be withdrawn")
    await close_case(session, case, result="withdrawn", by=by)
    return case


async def open_cases_of(session: AsyncSession, tenant_id: UUID, version_id: UUID) -> list[Case]:
    """Return a version's open cases in order of opening."""
    query = select(Case).filter_by(tenant_id=tenant_id, version_id=version_id, closed_at=None)
    return list(await session.scalars(query.order_by(Case.opened_at, Case.id)))


async def close_open_cases(
    session: AsyncSession,
    version_id: UUID,
    *,
    result: str,
    by: Actor,
    point_id: UUID | None = None,
    kind: CaseKind | None = None,
) -> None:
    """End every open case of a version, or those of one kind at one point."""
    query = select(Case).filter_by(tenant_id=by.tenant_id, version_id=version_id, closed_at=None)
    if point_id is not None:
        query = query.filter_by(point_id=point_id)
    if kind is not None:
        query = query.filter_by(kind=kind)
    for case in list(await session.scalars(query)):
        await close_case(session, case, result=result, by=by)


async def void_releases(session: AsyncSession, version_id: UUID, *, by: Actor) -> None:
    """Have no release that a version passed count for what comes after."""
    query = select(Case).filter_by(
        tenant_id=by.tenant_id, version_id=version_id, kind=CaseKind.RELEASE, result=RELEASED
    )
    for case in list(await session.scalars(query.order_by(Case.id).with_for_update())):
        await _conclude(session, case, VOIDED, VOIDED, by)


async def release_of(
    session: AsyncSession, tenant_id: UUID, version_id: UUID, point_id: UUID
) -> Case | None:
    """Return a version's release for a point: the open one, or the last that was not withdrawn."""
    found: Case | None = await session.scalar(
        select(Case)
        .filter_by(
            tenant_id=tenant_id, version_id=version_id, point_id=point_id, kind=CaseKind.RELEASE
        )
        .where(Case.result.is_distinct_from("withdrawn"))
        .order_by(Case.closed_at.desc().nulls_first())
        .limit(1)
        .execution_options(populate_existing=True)
    )
    return found


async def releases_ended(
    session: AsyncSession, tenant_id: UUID, version_id: UUID, point_id: UUID
) -> int:
    """Return how many releases of a version for a point have ended, however they did."""
    ended = select(func.count()).where(
        Case.tenant_id == tenant_id,
        Case.version_id == version_id,
        Case.point_id == point_id,
        Case.kind == CaseKind.RELEASE,
        Case.closed_at.is_not(None),
    )
    return await session.scalar(ended) or 0


async def passed_release(
    session: AsyncSession, tenant_id: UUID, version_id: UUID, point_id: UUID
) -> bool:
    """Say whether a version's newest finished release for a point ended in its being released."""
    result = await session.scalar(
        select(Case.result)
        .where(
            Case.tenant_id == tenant_id,
            Case.version_id == version_id,
            Case.point_id == point_id,
            Case.kind == CaseKind.RELEASE,
            Case.closed_at.is_not(None),
            Case.result != "withdrawn",
        )
        .order_by(Case.closed_at.desc())
        .limit(1)
    )
    return result == RELEASED
