"""What comes late belongs to windows that there are, or that there should have been."""

from datetime import UTC, datetime, timedelta

from hypothesis import assume, given
from hypothesis import strategies as st

from app.drift.gaps import MARGIN, Known, missing, next_end, stale

NOW = datetime(2026, 5, 1, tzinfo=UTC)
HOURS = st.sets(st.integers(0, 60), max_size=20)


def windows(ends: set[int], width: int) -> list[Known]:
    return [Known(end - width, end, NOW) for end in sorted(ends)]


def test_an_hour_in_a_gap_gets_the_window_of_its_step() -> None:
    there = windows({10, 34}, 1)

    assert missing(there, {3, 9, 12, 33, 40}, 1, 1) == [(3, 4), (12, 13)]
    assert missing(windows({48, 120}, 24), {50, 71, 100}, 24, 24) == [(48, 72)]
    assert missing([], {1}, 24, 24) == []


def test_of_windows_that_overlap_all_that_hold_an_hour() -> None:
    there = windows({24, 60}, 24)

    assert missing(there, {30}, 24, 6) == [(12, 36), (18, 42), (24, 48), (30, 54)]


def test_windows_are_looked_at_again_if_their_seasons_weeks_got_something_late() -> None:
    week = 168
    there = windows({24 + week * back for back in range(6)}, 24)

    again = stale(there, {5: NOW + timedelta(days=1)})

    assert [one.end for one in again] == [24 + week * back for back in range(5)]
    long = [Known(week * at, week * (at + 2), NOW) for at in range(0, 20, 2)]
    assert [one.first // week for one in stale(long, {5: NOW})] == [0, 2, 4, 6, 8]


@given(st.sets(st.integers(1, 60), min_size=1, max_size=12), HOURS, st.integers(1, 24), st.data())
def test_every_hour_before_the_last_window_is_held_and_nothing_is_made_twice(
    steps: set[int], hours: set[int], width: int, data: st.DataObject
) -> None:
    step = data.draw(st.integers(1, width))
    ends = {width + step * one for one in steps}
    there = windows(ends, width)

    made = missing(there, hours, width, step)

    held = {hour for first, end in made for hour in range(first, end)}
    held |= {hour for one in there for hour in range(one.first, one.end)}
    assert {hour for hour in hours if hour < max(ends)} <= held
    assert not {end for _, end in made} & ends
    assert all((end - first, (max(ends) - end) % step) == (width, 0) for first, end in made)
    assert all(any(first <= hour < end for hour in hours) for first, end in made)
    again = windows(ends | {end for _, end in made}, width)
    assert missing(again, hours, width, step) == []


@given(HOURS, st.integers(0, 60), st.integers(1, 12))
def test_a_window_is_stale_if_one_of_its_hours_was_folded_since(
    hours: set[int], first: int, width: int
) -> None:
    one = Known(first, first + width, NOW)
    assume(hours)

    assert stale([one], dict.fromkeys(hours, NOW - MARGIN)) == []
    later = stale([one], dict.fromkeys(hours, NOW + timedelta(seconds=1)))
    assert bool(later) == any(first <= hour < first + width for hour in hours)


def test_the_next_window_is_the_first_that_holds_what_came_before_it() -> None:
    assert next_end(124, None, 3, 24, 24) == 27
    assert next_end(24, None, 0, 168, 24) == 168  # the monitor looks at weeks meanwhile
    assert next_end(144, 48, 50, 24, 24) == 72
    assert next_end(144, 48, 100, 24, 24) == 120
    assert next_end(144, 48, 120, 24, 24) == 144
    assert next_end(144, 48, None, 24, 24) == 144
    assert next_end(72, 48, 50, 1, 1) == 51  # and now at hours
    assert next_end(124, 48, 60, 24, 4) == 64
    assert next_end(40, 48, 50, 24, 24) == 40  # windows went by count


@given(st.integers(0, 40) | st.none(), HOURS, st.integers(1, 24), st.integers(0, 12), st.data())
def test_windows_from_the_next_on_hold_all_that_is_behind_the_newest(
    newest: int | None, hours: set[int], width: int, away: int, data: st.DataObject
) -> None:
    step = data.draw(st.integers(1, width))
    behind = {hour for hour in hours if newest is None or hour >= newest}
    assume(newest is not None or behind)
    upcoming = max(hours) + width if newest is None else newest + step * (1 + away)

    end = next_end(upcoming, newest, min(behind, default=None), width, step)

    walked = range(end, max(hours, default=0) + width + step, step)
    held = {hour for until in walked for hour in range(until - width, until)}
    assert behind <= held
    assert end <= upcoming
    if newest is None:
        assert end == min(behind) + width
    else:
        assert newest < end
        assert (end - newest) % step == 0
