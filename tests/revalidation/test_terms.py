"""When a version is due, and who is told at which moment: as pure functions."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.gates import Revalidation
from app.revalidation.terms import Notice, State, days_left, notice_of, state_of, term_of

DUE = datetime(2026, 7, 1, 12, tzinfo=UTC)
ORDER = list(State)
TERMS = st.builds(
    Revalidation,
    remind_days=st.lists(st.integers(0, 400), max_size=5).map(tuple),
    escalate_days=st.integers(0, 100),
)
HOURS = st.integers(-24 * 200, 24 * 500)


def at(days: float) -> datetime:
    """So many days before it is due."""
    return DUE - timedelta(days=days)


@pytest.mark.parametrize(
    ("days", "state", "notice"),
    [
        (200, State.FINE, None),
        (31.1, State.FINE, None),
        (30.9, State.DUE_SOON, (Notice.DUE, 30)),
        (8, State.DUE_SOON, (Notice.DUE, 30)),
        (7.5, State.DUE, (Notice.DUE, 7)),
        (1, State.DUE, (Notice.DUE, 7)),
        (0.5, State.DUE, (Notice.DUE, 0)),
        (0, State.DUE, (Notice.DUE, 0)),
        (-0.1, State.OVERDUE, (Notice.OVERDUE, 0)),
        (-6.9, State.OVERDUE, (Notice.OVERDUE, 0)),
        (-7, State.ESCALATED, (Notice.ESCALATED, 7)),
        (-400, State.ESCALATED, (Notice.ESCALATED, 7)),
    ],
)
def test_the_owner_is_reminded_and_the_committee_told_as_policy_says_by_default(
    days: float, state: State, notice: tuple[Notice, int] | None
) -> None:
    terms = Revalidation()

    assert state_of(DUE, at(days), within=365, terms=terms) is state
    assert notice_of(DUE, at(days), within=365, terms=terms) == notice


def test_a_short_term_is_not_reminded_of_before_it_begins() -> None:
    assert state_of(DUE, at(4.9), within=5, terms=Revalidation()) is State.FINE
    assert notice_of(DUE, at(4.9), within=5, terms=Revalidation()) is None
    assert notice_of(DUE, at(0.9), within=5, terms=Revalidation()) == (Notice.DUE, 0)


@given(HOURS, st.integers(0, 500), st.integers(1, 400), TERMS)
def test_a_version_only_comes_nearer_to_its_day(
    hours: int, later: int, within: int, terms: Revalidation
) -> None:
    now = at(hours / 24)
    first = state_of(DUE, now, within=within, terms=terms)
    then = state_of(DUE, now + timedelta(hours=later), within=within, terms=terms)

    assert ORDER.index(first) <= ORDER.index(then)


@settings(deadline=None)
@given(st.integers(1, 400), TERMS)
def test_looking_twice_a_day_tells_each_thing_once_and_in_order(
    within: int, terms: Revalidation
) -> None:
    told: list[tuple[Notice, int]] = []
    for hours in range(within * 24, -24 * (terms.escalate_days + 2), -12):
        notice = notice_of(DUE, at(hours / 24), within=within, terms=terms)
        if notice is not None and notice not in told:
            told.append(notice)

    reminders = sorted({days for days in terms.remind_days if days < within}, reverse=True)
    late = [(Notice.OVERDUE, 0)] if terms.escalate_days else []
    assert told == [
        *((Notice.DUE, days) for days in reminders), *late, (Notice.ESCALATED, terms.escalate_days)
    ]  # fmt: skip


@given(HOURS, st.integers(1, 400), TERMS)
def test_who_is_told_something_sees_it_in_the_state(
    hours: int, within: int, terms: Revalidation
) -> None:
    now = at(hours / 24)
    state = state_of(DUE, now, within=within, terms=terms)
    notice = notice_of(DUE, now, within=within, terms=terms)

    assert (notice is None) is (state is State.FINE)
    assert (days_left(DUE, now) < 0) is (state in {State.OVERDUE, State.ESCALATED})


@given(HOURS, st.integers(1, 400))
def test_what_expires_is_looked_at_by_then(hours: int, days: int) -> None:
    began, expires = DUE - timedelta(days=days), DUE + timedelta(hours=hours)

    due, within = term_of(began, days, expires)

    assert due == min(DUE, expires)
    assert 1 <= within <= days
    assert term_of(began, days, None) == (DUE, days)
