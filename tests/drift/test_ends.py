"""Where windows by count end."""

from hypothesis import given
from hypothesis import strategies as st

from app.drift.ends import counted_end

HOURS = st.dictionaries(st.integers(0, 60), st.integers(1, 500), max_size=40)


@given(HOURS, st.integers(0, 60), st.integers(0, 61), st.integers(1, 3000))
def test_a_window_ends_at_the_first_hour_by_which_enough_events_came(
    events: dict[int, int], since: int, last: int, wanted: int
) -> None:
    def had(end: int) -> int:
        return sum(n for hour, n in events.items() if since <= hour < min(end, last))

    end = counted_end(events, since, last, wanted)

    if end is None:
        assert had(61) < wanted
    else:
        assert had(end) >= wanted > had(end - 1)
        assert end <= last
