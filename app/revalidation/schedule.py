"""The schedule: when each version in a seat is to be validated again, and who is asked.

A person's validation counts; what the server measures goes on beside it and does not stand for it.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, gates, identity, release, routing
from app.gates import CaseKind, Revalidation
from app.kit.actor import Actor
from app.kit.page import Rows, encode
from app.platform.db import clock, page
from app.revalidation.terms import State, days_left, state_of, term_of

BATCH = 200
_ALARMING = frozenset({State.OVERDUE, State.ESCALATED})


@dataclass(frozen=True, slots=True)
class Term:
    """A version in its seat, and when it is to be validated again."""

    seat: routing.Seat
    model: catalog.Model
    version: catalog.Version
    point: catalog.DecisionPoint
    validation: gates.Case | None
    due: datetime
    within: int
    terms: Revalidation
    now: datetime

    @property
    def days_left(self) -> int:
        """Whole days until then; negative when it has passed."""
        return days_left(self.due, self.now)

    @property
    def state(self) -> State:
        """How near the day is."""
        return state_of(self.due, self.now, within=self.within, terms=self.terms)


@dataclass(frozen=True, slots=True)
class Listed:
    """A term as it is shown, with names."""

    term: Term
    validated_by: list[str]
    asked: list[str]


async def terms_of(
    session: AsyncSession, tenant_id: UUID, seats: Sequence[routing.Seat]
) -> list[Term]:
    """Return the terms of seats, with the same few queries for one as for many.

    What a policy does not ask to be validated again has none.
    """
    if not seats:
        return []
    versions = await catalog.versions_by_id(session, tenant_id, {s.version_id for s in seats})
    points = await catalog.points_by_id(session, tenant_id, {seat.point_id for seat in seats})
    places = {(seat.version_id, seat.point_id) for seat in seats}
    below = await gates.foundations(session, tenant_id, places)
    tiers = {model.risk_tier.value for model, _ in versions.values()}
    policies = await gates.policies_now(session, tenant_id, tiers)
    unfit = {id_ for id_, (_, one) in versions.items() if one.stage not in routing.FIT}
    back = await release.sent_back_at(session, tenant_id, unfit)
    denied = await gates.denied_at(session, tenant_id, set(versions))
    now = await clock(session)
    found = []
    for seat in seats:
        model, version = versions[seat.version_id]
        policy = policies[model.risk_tier]
        if policy.revalidate_days is None:
            continue
        validation = _validation(below[seat.version_id, seat.point_id])
        began = validation.closed_at if validation and validation.closed_at else seat.since
        # What was sent back is due since: no validation that it had before stands for it.
        if (returned := back.get(version.id)) is not None:
            began = min(began, returned - timedelta(days=policy.revalidate_days))
        # So is what was let past a gate in a hurry that was none.
        for where, at in denied.get(version.id, ()):
            if at > began and where in {seat.point_id, None}:
                began = min(began, at - timedelta(days=policy.revalidate_days))
        due, within = term_of(began, policy.revalidate_days, catalog.expires_at(version.specifics))
        found.append(
            Term(
                seat=seat,
                model=model,
                version=version,
                point=points[seat.point_id],
                validation=validation,
                due=due,
                within=within,
                terms=policy.revalidation or Revalidation(),
                now=now,
            )
        )
    return found


def _validation(below: Collection[gates.Case]) -> gates.Case | None:
    return next((case for case in below if case.kind is CaseKind.VALIDATION), None)


async def each(
    session: AsyncSession, tenant_id: UUID, *, cursor: str | None = None
) -> AsyncIterator[Term]:
    """Yield the terms of all that sits anywhere, in order of seats, a batch at a time."""
    query = select(routing.Seat).filter_by(tenant_id=tenant_id, until=None)
    while True:
        seats = await page(session, query, routing.Seat.id, cursor=cursor, limit=BATCH)
        for term in await terms_of(session, tenant_id, seats.items):
            yield term
        cursor = seats.next_cursor
        if cursor is None:
            return


async def list_terms(
    session: AsyncSession,
    *,
    due_before: datetime | None,
    overdue: bool | None,
    cursor: str | None,
    limit: int,
    by: Actor,
) -> Rows[Listed]:
    """List when versions are to be validated again, in order of their seats."""
    found: list[Term] = []
    more: str | None = None
    async for term in each(session, by.tenant_id, cursor=cursor):
        if by.points is not None and term.point.key not in by.points:
            continue
        if due_before is not None and term.due >= due_before:
            continue
        if overdue is not None and (term.state in _ALARMING) is not overdue:
            continue
        if len(found) == limit:
            more = encode([found[-1].seat.id])
            break
        found.append(term)
    return Rows(await _named(session, by.tenant_id, found), more)


async def _named(session: AsyncSession, tenant_id: UUID, terms: Sequence[Term]) -> list[Listed]:
    cases = {term.validation.id for term in terms if term.validation}
    approvers = await gates.approvers_of(session, tenant_id, cases)
    asked = await asked_of(session, tenant_id, terms)
    ids = set().union(*approvers.values(), *asked)
    names = await identity.names_of(session, tenant_id, ids)
    return [
        Listed(
            term,
            _names(names, approvers[term.validation.id] if term.validation else ()),
            _names(names, people),
        )
        for term, people in zip(terms, asked, strict=True)
    ]


def _names(names: dict[UUID, str], people: Collection[UUID]) -> list[str]:
    return sorted(names[person] for person in people if person in names)


async def asked_of(
    session: AsyncSession, tenant_id: UUID, terms: Sequence[Term]
) -> list[list[UUID]]:
    """Return who is asked about each term: the owner, and when it is late the committee as well.

    For an owner who has left the committee is asked from the start.
    """
    committee = await identity.people_in(session, tenant_id, identity.Role.COMMITTEE)
    owners = {term.model.owner_id for term in terms}
    gone = await identity.disabled(session, tenant_id, among=owners)
    found = []
    for term in terms:
        owner = [] if term.model.owner_id in gone else [term.model.owner_id]
        late = term.state is State.ESCALATED or not owner
        found.append(list(dict.fromkeys([*owner, *(committee if late else ())])))
    return found
