"""Errors with a daily or weekly rhythm: no change while it stays, and a change beneath it is."""

from itertools import pairwise
from math import log
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.drift.concept import changes
from app.drift.cuts import Hours as Beneath
from app.drift.cuts import Sketch
from app.drift.rhythms import WEEK, turns
from app.kit.arrays import Floats, Ints

Hours = tuple[Ints, Floats, Floats]
WEEKS = 7
MONTHS = np.arange(WEEK * WEEKS)


def flat(at: Ints) -> Floats:
    return np.full(len(at), 0.1)


def daily(at: Ints) -> Floats:
    return np.where((at % 24 >= 8) & (at % 24 < 20), 0.1, 0.2)


def weekly(at: Ints) -> Floats:
    return daily(at) + 0.1 * (at // 24 % 7 >= 5)


def drawn(seed: int, rates: Floats, rows: int) -> Hours:
    rng = np.random.default_rng(seed)
    n = rng.poisson(rows, len(rates)).astype(np.int64)
    hits = rng.binomial(n, rates).astype(np.float64)
    return n, hits, hits


@pytest.mark.parametrize("rates", [flat, daily, weekly])
@pytest.mark.parametrize("rows", [20, 100, 1000])
def test_a_rhythm_that_stays_as_it_is_is_no_change(rates: object, rows: int) -> None:
    assert callable(rates)

    found = [turns(*drawn(seed, rates(MONTHS), rows)) for seed in range(3)]

    assert found == [[]] * 3


def test_without_like_hours_a_daily_rhythm_changes_twice_a_day() -> None:
    found = changes(*drawn(0, daily(MONTHS), 1000), strict=True)

    assert len(found) / (7 * WEEKS) > 1.9


@pytest.mark.parametrize("rates", [flat, daily, weekly])
@pytest.mark.parametrize(("rows", "by", "most"), [(100, 0.1, 20), (1000, 0.02, 48)])
def test_a_change_beneath_a_rhythm_is_found_and_placed(
    rates: object, rows: int, by: float, most: int
) -> None:
    assert callable(rates)
    turned = 4 * WEEK
    at = np.arange(turned + WEEK)

    for seed in range(4):
        (one,) = turns(*drawn(seed, rates(at) + by * (at >= turned), rows))

        assert 0 <= one.found - turned <= most
        assert abs(one.hour - turned) <= most
        assert one.rose
        assert one.after - one.before == pytest.approx(by, rel=0.8)


def test_before_an_hour_of_the_week_has_come_twice_nothing_is_said() -> None:
    at = np.arange(WEEK)
    week = drawn(1, np.where(at < 80, 0.1, 0.5), 500)
    more = drawn(1, np.where(np.arange(2 * WEEK) < 80, 0.1, 0.5), 500)

    assert turns(*week) == []
    assert [one.rose for one in turns(*more)] == [True]


LOADS = st.lists(st.tuples(st.integers(0, 60), st.floats(0, 1)), max_size=40)


def loads(pairs: list[tuple[int, float]]) -> Hours:
    n = np.array([rows for rows, _ in pairs], np.int64)
    hits = np.array([round(rows * share) for rows, share in pairs], np.float64)
    return n, hits, hits


@pytest.mark.parametrize("seed", range(10))
def test_of_hours_that_are_all_of_one_place_it_is_adwin(seed: int) -> None:
    rates = np.repeat(np.random.default_rng(seed).uniform(0, 1, 4), 40)
    hours = drawn(seed, rates, 20)

    found = turns(*hours, period=1, wanders=False)
    expected = changes(*hours, strict=True)

    assert len(expected) >= 1
    assert [(one.hour, one.found) for one in found] == [(one.hour, one.found) for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert (one.before, one.after) == pytest.approx((other.before, other.after))
        assert one.epsilon == pytest.approx(other.epsilon)


@settings(max_examples=100, deadline=None)
@given(LOADS, st.lists(st.floats(-3, 3), min_size=5, max_size=5))
def test_whatever_rhythm_is_laid_over_the_values_it_finds_the_same(
    pairs: list[tuple[int, float]], rhythm: list[float]
) -> None:
    n, sums, squares = loads(pairs)
    more = np.array(rhythm)[np.arange(len(n)) % 5]

    found = turns(n, sums, squares, period=5)
    laid = turns(n, sums + n * more, squares + 2 * more * sums + n * more**2, period=5)

    # At a hair's breadth rounding decides.
    if all(abs(abs(one.after - one.before) / one.epsilon - 1) > 1e-6 for one in found + laid):
        assert [one.found for one in found] == [one.found for one in laid]


@settings(max_examples=100, deadline=None)
@given(LOADS, st.integers(0, 40), st.sampled_from([1, 3, 7]))
def test_what_was_found_stays_found_whatever_comes_after(
    pairs: list[tuple[int, float]], upto: int, period: int
) -> None:
    whole = turns(*loads(pairs), period=period)

    early = turns(*loads(pairs[:upto]), period=period)

    assert early == [one for one in whole if one.found < upto]
    assert all(one.hour < other.hour for one, other in pairwise(whole))
    for one in whole:
        assert abs(one.after - one.before) > one.epsilon * (1 - 1e-9)


def test_ninety_days_of_hours_take_a_moment() -> None:
    hours = drawn(0, weekly(np.arange(24 * 90)), 100)
    began = process_time()

    assert turns(*hours) == []
    assert process_time() - began < 2  # a seventh of a second where nothing else runs


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([0.4, 3, 200]), st.sampled_from([5, 24, 168]))
def test_what_is_sketched_from_end_to_end_is_what_all_hours_say(
    seed: int, rows: float, period: int
) -> None:
    rng = np.random.default_rng(seed)
    n = rng.poisson(rows, 400).astype(np.float64)
    busy = np.flatnonzero(n)
    values: list[Floats] = [n[busy], rng.normal(size=len(busy)) * n[busy], 2.0 * n[busy]]
    hours = Beneath.of(busy % period, period, busy // 24, *values)
    start = int(rng.integers(0, max(len(busy) - 40, 1)))
    sketch = Sketch(hours, 1.0, 0.002)
    found: int | None = 0
    for end in range(start + 2, len(busy) + 1):
        if found is not None and found < end:
            found = sketch.next(start, end)
        wanted, _ = hours.cuts(start, end)
        room = wanted.room(1.0, log(2 * (end - start - 1) / 0.002))
        if (np.abs(wanted.away) > room).any():
            assert found == end
        if found == end:
            for one, two in zip(sketch.cuts(end), wanted, strict=True):
                assert one == pytest.approx(two, rel=1e-9, abs=1e-9 * n.sum())
        some = rng.integers(start + 1, end, 3)
        for one, two in zip(hours.some(start, end, some), wanted, strict=True):
            assert one == pytest.approx(two[some - start - 1], rel=1e-9, abs=1e-9 * n.sum())
