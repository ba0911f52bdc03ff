from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.kit.exact import GREATEST, Sums

FINITE = st.floats(allow_nan=False, allow_infinity=False)
PLACED = st.lists(st.tuples(st.integers(0, 3), FINITE), max_size=40)
SIZE = 4


def summed(rows: list[tuple[int, float]], size: int = SIZE) -> Sums:
    places = np.array([place for place, _ in rows], np.int64)
    return Sums.of(places, np.array([value for _, value in rows], np.float64), size)


def exactly(found: Sums) -> list[Fraction]:
    """Read the digits as they are meant to be read."""
    return [
        sum(
            (Fraction(int(digit)) * Fraction(2) ** (32 * (found.first + at - 36))
             for at, digit in enumerate(row)),
            Fraction(0),
        )
        for row in found.digits
    ]  # fmt: skip


def spelt(found: Sums) -> list[list[int]]:
    return [one.tolist() for one in found.used()]


@settings(max_examples=300, deadline=None)
@given(PLACED)
def test_a_sum_is_that_of_the_fractions(rows: list[tuple[int, float]]) -> None:
    expected = [Fraction(0)] * SIZE
    for place, value in rows:
        expected[place] += Fraction(value)

    assert exactly(summed(rows)) == expected


@settings(max_examples=300, deadline=None)
@given(PLACED, st.data())
def test_order_and_batches_leave_no_trace(
    rows: list[tuple[int, float]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(0, len(rows)))

    parts = [summed(shuffled[:cut]), summed(shuffled[cut:])]

    assert spelt(Sums.total(parts, SIZE)) == spelt(summed(rows))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(FINITE, min_size=3, max_size=3), min_size=1, max_size=SIZE), PLACED)
def test_rows_of_values_are_added_up_as_values_with_their_place_are(
    rows: list[list[float]], before: list[tuple[int, float]]
) -> None:
    places = np.repeat(np.arange(len(rows)), 3)
    values = np.array(rows)

    found = Sums.along(values)

    assert spelt(found) == spelt(Sums.of(places, values.ravel(), len(rows)))
    both = [(SIZE + int(place), value) for place, value in zip(places, values.flat, strict=True)]
    together = summed([*before, *both], SIZE + len(rows))
    assert spelt(summed(before).then(found)) == spelt(together)


@settings(max_examples=200, deadline=None)
@given(PLACED)
def test_a_float_is_within_a_bit_of_the_sum_and_the_rest_is_not_lost(
    rows: list[tuple[int, float]],
) -> None:
    found = summed(rows)
    floats = found.floats()
    rest = found.minus(floats)

    for exact, near, left in zip(exactly(found), floats, exactly(rest), strict=True):
        assert Fraction(float(near)) + left == exact
        assert abs(left) <= abs(exact) / 2**51 or abs(exact) > GREATEST


@settings(max_examples=200, deadline=None)
@given(PLACED)
def test_single_digits_say_the_same_sums(rows: list[tuple[int, float]]) -> None:
    found = summed(rows)

    assert exactly(Sums.sparse(*found.used(), SIZE)) == exactly(found)


@given(st.lists(FINITE, min_size=1, max_size=4))
def test_one_float_a_place_comes_back_as_it_was(values: list[float]) -> None:
    found = Sums.of(np.arange(len(values)), np.array(values), len(values))

    assert found.floats().tolist() == [value + 0.0 for value in values]


def test_more_rows_than_are_added_at_once_are_added_exactly() -> None:
    values = np.random.default_rng(5).normal(size=1_200_000) * 1e9
    found = Sums.of(np.zeros(len(values), np.int64), values, 1)
    halves = [Sums.of(np.zeros(len(part), np.int64), part, 1) for part in np.split(values, 2)]

    assert spelt(found) == spelt(Sums.total(halves, 1))
    assert abs(found.floats()[0] - values.sum()) < 1e-2
