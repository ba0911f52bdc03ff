"""Who reigned at a moment: every moment of a succession has its one answer."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kit.moment import InTheFuture, require_past
from app.routing.asof import in_force, nothing_then

TICK = timedelta(microseconds=1)
EARLY = datetime(2026, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 50).map(lambda ticks: EARLY + ticks * TICK)


@dataclass(frozen=True)
class Span:
    since: datetime
    until: datetime | None


@st.composite
def successions(draw: st.DrawFn) -> list[Span]:
    """Reigns one after the other, some with a time between that belongs to nobody."""
    ends = sorted(draw(st.lists(MOMENTS, min_size=2, max_size=9, unique=True)))
    spans = [Span(since, until) for since, until in pairwise(ends) if draw(st.booleans())]
    return [*spans, Span(ends[-1], None)] if draw(st.booleans()) or not spans else spans


@given(successions(), MOMENTS)
def test_a_moment_has_the_one_reign_that_began_and_has_not_ended(
    reigns: list[Span], at: datetime
) -> None:
    found = in_force(reigns, at)

    holding = [
        one for one in reigns if one.since <= at and not (one.until is not None and one.until <= at)
    ]
    assert len(holding) <= 1
    assert found == (holding[0] if holding else None)


@given(successions(), MOMENTS)
def test_the_last_to_begin_is_all_that_has_to_be_looked_at(
    reigns: list[Span], at: datetime
) -> None:
    """What the query does: it fetches one row."""
    begun = [reign for reign in reigns if reign.since <= at]

    assert in_force(begun[-1:], at) == in_force(reigns, at)


@given(successions())
def test_a_reign_begins_at_its_first_instant_and_does_not_hold_at_its_last(
    reigns: list[Span],
) -> None:
    for reign in reigns:
        assert in_force(reigns, reign.since) == reign
        if reign.until is not None:
            assert in_force(reigns, reign.until - TICK) == reign
            assert in_force(reigns, reign.until) != reign


@given(successions(), st.permutations(range(3)))
def test_the_order_in_which_reigns_are_told_does_not_matter(
    reigns: list[Span], order: list[int]
) -> None:
    told = [reigns[index] for index in order if index < len(reigns)]

    assert in_force(told, EARLY + 20 * TICK) == in_force(reigns[:3], EARLY + 20 * TICK)


def test_this_moment_is_not_the_future_and_the_next_is() -> None:
    require_past(EARLY, EARLY)
    with pytest.raises(InTheFuture, match=r"2026-01-01T00:00:00.000001Z is in the future"):
        require_past(EARLY + TICK, EARLY)
    with pytest.raises(InTheFuture):
        require_past(datetime.fromisoformat("9999-12-31T23:59:59-14:00"), EARLY)


def test_a_refusal_says_since_when_there_is_something() -> None:
    def sentence(first: datetime | None) -> str:
        return nothing_then("A champion of p", EARLY, first).detail

    then = "A champion of p did not exist at 2026-01-01T00:00:00Z"
    assert sentence(None) == "A champion of p has never been."
    assert sentence(EARLY + TICK) == f"{then}; the first is of 2026-01-01T00:00:00.000001Z."
    assert sentence(EARLY - TICK) == f"{then}."
