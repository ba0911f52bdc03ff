import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.kit.bucket import Bucket, Buckets


def test_a_burst_passes_and_then_so_many_a_second() -> None:
    buckets = Buckets(rate=2, burst=3)

    assert [buckets.take("a", 0.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("b", 0.0) == 0
    assert buckets.take("a", 0.5) == 0
    assert buckets.take("a", 0.5) == 0.5


def test_a_bucket_never_holds_more_than_a_burst() -> None:
    buckets = Buckets(rate=100, burst=2)
    buckets.take("a", 10.0)

    assert [buckets.take("a", 1e6) for _ in range(3)][:2] == [0, 0]


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([0.5, 1.0, 2.0, 8.0]),
    st.integers(1, 5),
    st.lists(st.integers(0, 20), max_size=100),
)
def test_one_moment_says_all_that_a_count_of_tokens_would(
    rate: float, burst: int, eighths: list[int]
) -> None:
    bucket, now, tokens = Bucket(rate=rate, burst=burst), 1000.0, float(burst)
    for gap in eighths:  # of a second: neither sum is ever rounded
        now += gap / 8
        tokens = min(burst, tokens + gap / 8 * rate)
        expected = 0.0 if tokens >= 1 else (1 - tokens) / rate
        tokens -= not expected

        assert bucket.take(now) == pytest.approx(expected)


@given(st.lists(st.floats(0, 1), max_size=100))
def test_with_a_rate_of_0_a_bucket_never_empties(gaps: list[float]) -> None:
    bucket, now = Bucket(rate=0, burst=1), 0.0
    for gap in gaps:
        now += gap
        assert bucket.take(now) == 0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 5), min_size=1, max_size=200))
def test_no_more_pass_than_burst_and_rate_allow(gaps: list[float]) -> None:
    buckets, now, passed = Buckets(rate=3, burst=5), 0.0, 0
    for gap in gaps:
        now += gap
        passed += buckets.take("a", now) == 0

    assert passed <= 5 + 3 * (now - gaps[0]) + 1e-6


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 5), max_size=50))
def test_what_one_will_have_to_wait_can_be_asked_without_taking(gaps: list[float]) -> None:
    buckets, now = Buckets(rate=3, burst=5), 0.0
    for gap in gaps:
        now += gap
        expected = [buckets.wait("a", now) for _ in range(3)]
        found = buckets.take("a", now)

        assert expected == [found] * 3
        assert buckets.wait("a", now + found + 1e-6) == 0 or not found


def test_what_is_owed_is_waited_for() -> None:
    buckets = Buckets(rate=2, burst=3)
    for _ in range(5):
        buckets.spend("a", 0.0)

    assert buckets.wait("a", 0.0) == buckets.take("a", 0.0) == 1.5
    assert buckets.take("a", 1.5) == 0


def test_who_never_came_waits_for_nothing_and_is_not_remembered() -> None:
    buckets = Buckets(rate=1, burst=1)

    assert buckets.wait("a", 0.0) == 0
    assert not buckets._found


def test_names_that_never_come_again_are_forgotten() -> None:
    buckets = Buckets(rate=1, burst=1)
    for number in range(20_000):
        buckets.take(number, 0.0)

    assert len(buckets._found) <= 10_000
