from hypothesis import given, settings
from hypothesis import strategies as st

from app.kit.bucket import Buckets


def test_a_burst_passes_and_then_so_many_a_second() -> None:
    buckets = Buckets(rate=2, burst=3)

    assert [buckets.take("a", 0.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("b", 0.0) == 0
    assert buckets.take("a", 0.5) == 0
    assert buckets.take("a", 0.5) == 0.5


def test_a_bucket_never_holds_more_than_a_burst_and_minds_no_clock_that_goes_back() -> None:
    buckets = Buckets(rate=100, burst=2)
    buckets.take("a", 10.0)

    assert [buckets.take("a", 1e6) for _ in range(3)][:2] == [0, 0]
    assert buckets.take("a", 5.0) > 0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 5), min_size=1, max_size=200))
def test_no_more_pass_than_burst_and_rate_allow(gaps: list[float]) -> None:
    buckets, now, passed = Buckets(rate=3, burst=5), 0.0, 0
    for gap in gaps:
        now += gap
        passed += buckets.take("a", now) == 0

    assert passed <= 5 + 3 * (now - gaps[0]) + 1e-6


def test_names_that_never_come_again_are_forgotten() -> None:
    buckets = Buckets(rate=1, burst=1)
    for number in range(20_000):
        buckets.take(number, 0.0)

    assert len(buckets._found) <= 10_000
