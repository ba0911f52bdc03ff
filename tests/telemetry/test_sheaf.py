"""Many profiles at once: the same as each by itself, in memory that does not grow with them."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from app.kit.arrays import Floats, Ints
from app.telemetry import Tally
from app.telemetry.outcomes import Labelled, fold_each
from app.telemetry.sheaf import UnlikeProfiles, merged, portions
from app.telemetry.tally import by_hour, tally
from tests.telemetry.folds import fold

BINS, MEGABYTE = 30, 1 << 20
FAR = (1e150, 1e-150)
"""Numbers so far apart need as many digits as there are between them."""


def drawn(rows: int, variables: int, seed: int = 0) -> tuple[Ints, Floats]:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, BINS, (rows, variables)) + BINS * np.arange(variables)
    values = rng.normal(size=(rows, variables))
    values[0, 0], values[1, -1] = FAR
    values[rng.random(values.shape) < 0.1] = np.nan
    return codes, values


def test_hours_of_any_size_are_each_as_if_it_were_alone() -> None:
    rng = np.random.default_rng(1)
    codes, values = drawn(30_000, 8)
    hours = np.where(rng.random(30_000) < 0.5, 7, rng.integers(0, 900, 30_000))
    also = rng.integers(-1, 2, 30_000) + np.int64(8 * BINS)
    also[also < 8 * BINS] = -1

    found = by_hour(hours, codes, values, 8 * BINS + 2, also)

    assert [hour for hour, _, _ in found] == sorted(set(hours.tolist()))
    for hour, rows, payload in found:
        mine = hours == hour
        wanted = tally(codes[mine], values[mine], 8 * BINS + 2)
        wanted.counts[-2:] = [(also[mine] == 8 * BINS + slot).sum() for slot in (0, 1)]
        assert (rows, payload) == (mine.sum(), wanted.encode())


def test_profiles_of_outcomes_are_each_as_if_it_were_alone() -> None:
    rng = np.random.default_rng(2)
    rows = [Labelled(*one) for one in rng.random((6000, 5)).round(1).tolist()]
    whose = np.where(rng.random(6000) < 0.4, 3, rng.integers(0, 1500, 6000)).tolist()

    found = fold_each(rows, whose, [1] * 6000, 1500)

    for place, (n, payload) in enumerate(found):
        mine = [row for row, one in zip(rows, whose, strict=True) if one == place]
        assert (n, payload) == (len(mine), fold(mine).encode())


def test_groups_of_another_layout_are_added_up_beside_one_another() -> None:
    wide, narrow = tally(*drawn(5, 3), 3 * BINS), tally(*drawn(4, 1), BINS)
    older = Tally.empty(206, 0)

    found = merged([[one.encode()] * 2 for one in (wide, narrow, older, wide)])

    assert [n for n, _ in found] == [10, 8, 0, 10]
    assert found[0] == found[3]
    with pytest.raises(UnlikeProfiles):
        merged([[wide.encode(), narrow.encode()]])


def hours_at_once() -> None:
    codes, values = drawn(10_000, 50)
    by_hour(np.arange(10_000) % 5000, codes, values, 50 * BINS)


def outcomes_at_once() -> None:
    rows = [Labelled(0.5, 0.5, 1.0, one, 1.0) for one in (*FAR, *[2.5] * 19_998)]
    fold_each(rows, range(20_000), [1] * 20_000, 20_000)


def profiles_at_once() -> None:
    one = tally(*drawn(3, 8), 8 * BINS).encode()
    merged([[one]] * 6000)


@pytest.mark.parametrize("work", [hours_at_once, outcomes_at_once, profiles_at_once])
def test_numbers_far_apart_cost_what_a_portion_costs(work: Callable[[], None]) -> None:
    tracemalloc.start()
    try:
        work()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most < 150 * MEGABYTE


@pytest.mark.parametrize(
    ("sizes", "wanted"),
    [([], []), ([9], [1]), ([1, 1, 1], [3]), ([2, 2, 2, 9, 1], [2, 1, 1, 1]), ([0, 0, 4], [3])],
)
def test_a_portion_is_no_more_than_may_be_or_one(sizes: list[int], wanted: list[int]) -> None:
    found = list(portions(sizes, 4))

    assert [len(sizes[one]) for one in found] == wanted
    assert [size for one in found for size in sizes[one]] == sizes
