"""What an arm's hours add up to."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.routing.arms import Rewarded
from app.routing.rewards import Earned, by_day, earned
from app.telemetry import Hour, Performance, hour_at

SINCE = datetime(2026, 3, 1, 10, 20, tzinfo=UTC)
FIRST = hour_at(SINCE)
AT_ONCE, WITHIN_A_DAY = Rewarded(), Rewarded(attribution_hours=24)


def hour(number: int, events: int, rewards: list[float]) -> Hour:
    return Hour(
        FIRST + number,
        events,
        Performance(
            rewarded=len(rewards),
            reward=sum(rewards),
            reward_squared=sum(one * one for one in rewards),
            conversions=sum(one > 0 for one in rewards),
        ),
    )


def after(hours: float) -> datetime:
    return SINCE.replace(minute=0) + timedelta(hours=hours)


HOURS = st.lists(
    st.builds(
        lambda number, rewards, silent: hour(number, len(rewards) + silent, rewards),
        st.integers(-5, 200),
        st.lists(st.sampled_from([0.0, 1.0, 2.5]), max_size=5),
        st.integers(0, 5),
    ),
    max_size=20,
    unique_by=lambda found: found.hour,
).map(lambda found: sorted(found, key=lambda one: one.hour))


@given(HOURS, st.sampled_from([AT_ONCE, WITHIN_A_DAY]), st.integers(0, 250))
def test_the_last_day_is_all_there_is(hours: list[Hour], terms: Rewarded, upto: int) -> None:
    now = after(upto)

    days = by_day(hours, terms, since=SINCE, now=now)

    assert list(days.values())[-1:] in ([], [earned(hours, terms, since=SINCE, now=now)])
    assert list(days) == sorted(days)
    counts = [found.events for found in days.values()]
    assert counts == sorted(counts)


@given(HOURS, st.integers(0, 250))
def test_only_what_is_older_than_the_window_counts_and_silence_is_nothing_earned(
    hours: list[Hour], upto: int
) -> None:
    found = earned(hours, WITHIN_A_DAY, since=SINCE, now=after(upto))

    # Not the first hour: what it held before would still be rewarded, for nobody.
    ripe = [one for one in hours if one.hour > FIRST and one.hour + 1 + 24 <= FIRST + upto]
    assert found.events == sum(one.events for one in ripe)
    assert found.units(WITHIN_A_DAY) == found.events >= found.rewarded
    sums = found.sums(WITHIN_A_DAY)
    assert (sums.n, sums.total) == (found.events, found.conversions)


def test_without_a_window_what_came_back_counts_at_once() -> None:
    found = earned([hour(0, 9, [1.0, 0.0])], AT_ONCE, since=SINCE, now=after(0.5))

    assert (found.events, found.units(AT_ONCE)) == (9, 2)


def test_what_the_first_hour_held_before_does_not_count() -> None:
    before = Earned(events=4, rewarded=2, conversions=1, reward=1.0, squares=1.0)
    hours = [hour(-1, 100, [1.0]), hour(0, 9, [1.0, 0.0, 2.5]), hour(1, 1, [2.5])]

    found = earned(hours, AT_ONCE, since=SINCE, now=after(2), before=before)

    assert found == Earned(events=6, rewarded=2, conversions=2, reward=5.0, squares=12.5)


@pytest.mark.parametrize(("age", "share"), [(1, 1.0), (11, 0.5), (21, 0.25)])
def test_after_a_half_life_a_reward_counts_half(age: int, share: float) -> None:
    found = earned(
        [hour(0, 8, [1.0] * 8)], AT_ONCE, since=SINCE, now=after(age), half_life=10
    )  # fmt: skip

    assert found.rewarded == pytest.approx(8 * share)
    assert found.reward == pytest.approx(8 * share)


@given(HOURS, st.integers(1, 500))
def test_forgetting_only_takes_away_and_takes_the_oldest_first(
    hours: list[Hour], half_life: int
) -> None:
    now = after(200)
    whole = earned(hours, AT_ONCE, since=SINCE, now=now)
    kept = earned(hours, AT_ONCE, since=SINCE, now=now, half_life=half_life)
    longer = earned(hours, AT_ONCE, since=SINCE, now=now, half_life=2 * half_life)

    assert 0 <= kept.rewarded <= longer.rewarded <= whole.rewarded
