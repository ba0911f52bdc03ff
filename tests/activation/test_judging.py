"""Since when a guardrail judges, as a pure function."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.activation.judging import JUDGED_HOURS, judged_since

NOW = datetime(2026, 1, 2, 12, 34, 56, tzinfo=UTC)


def test_a_young_champion_is_judged_since_his_swap() -> None:
    swap = NOW - timedelta(hours=3)
    assert judged_since(swap, NOW) == swap


def test_an_old_one_by_his_newest_whole_hours() -> None:
    assert judged_since(NOW - timedelta(days=300), NOW) == datetime(2026, 1, 1, 13, tzinfo=UTC)


@given(st.integers(0, 10**7), st.integers(0, 10**6))
def test_the_window_never_goes_back_and_is_never_longer(reign: int, later: int) -> None:
    swap = NOW - timedelta(seconds=reign)
    then = NOW + timedelta(seconds=later)
    assert swap <= judged_since(swap, NOW) <= judged_since(swap, then)
    assert then - judged_since(swap, then) <= timedelta(hours=JUDGED_HOURS)
