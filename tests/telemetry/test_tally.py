import struct
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.kit.arrays import Floats, Ints
from app.telemetry import Layout, Tally
from app.telemetry.layout import fit
from app.telemetry.outcomes import Labelled, performance
from app.telemetry.sheaf import FIRST_OUTCOMES as FIRST
from app.telemetry.tally import by_hour, summed, tally, total
from tests.telemetry.folds import fold

SLOTS, VARIABLES = 9, 3
# Whole numbers: their sums are exact, so that equal means equal.
NUMBERS = st.integers(-(10**6), 10**6).map(float)


@dataclass
class Rows:
    codes: Ints
    values: Floats

    def tallied(self) -> Tally:
        return tally(self.codes, self.values, SLOTS)


@st.composite
def rows(draw: st.DrawFn) -> Rows:
    size = draw(st.integers(0, 12))
    return drawn(draw, size)


def drawn(draw: Callable[[st.SearchStrategy[list[float]]], list[float]], size: int) -> Rows:
    """Draw codes of variable i in slots 3i to 3i+2, as a layout gives them."""
    cells = size * VARIABLES
    within = draw(st.lists(st.integers(0, 2).map(float), min_size=cells, max_size=cells))
    numbers = draw(st.lists(NUMBERS, min_size=cells, max_size=cells))
    codes = np.array(within, dtype=np.int64).reshape(size, VARIABLES)
    return Rows(codes + 3 * np.arange(VARIABLES), np.array(numbers).reshape(size, VARIABLES))


def same(one: Tally, two: Tally) -> bool:
    return (
        one.n == two.n
        and np.array_equal(one.counts, two.counts)
        and np.array_equal(one.sums, two.sums)
        and np.array_equal(one.moments, two.moments)
    )


def merged(*parts: Tally) -> Tally:
    found = total(parts)
    assert found is not None
    return found


@settings(max_examples=80, deadline=None)
@given(rows())
def test_a_tally_counts_and_sums_what_a_loop_counts_and_sums(some: Rows) -> None:
    counts, sums = [0] * SLOTS, [0.0] * SLOTS
    for codes, values in zip(some.codes, some.values, strict=True):
        for code, value in zip(codes, values, strict=True):
            counts[code] += 1
            sums[code] += value

    found = some.tallied()

    assert found.n == len(some.codes)
    assert found.counts.tolist() == counts
    assert found.sums.tolist() == sums
    for index in range(VARIABLES):
        column = [float(value) for value in some.values[:, index]]
        assert found.moments[index].tolist() == [
            min(column, default=np.inf),
            max(column, default=-np.inf),
            sum(value**2 for value in column),
        ]


@settings(max_examples=80, deadline=None)
@given(rows(), rows(), rows())
def test_merging_is_commutative_associative_and_has_a_zero(a: Rows, b: Rows, c: Rows) -> None:
    x, y, z = a.tallied(), b.tallied(), c.tallied()

    assert same(merged(x, y), merged(y, x))
    assert same(merged(merged(x, y), z), merged(x, merged(y, z)))
    assert same(merged(x, Tally.empty(SLOTS, VARIABLES)), x)


@settings(max_examples=80, deadline=None)
@given(st.lists(rows(), min_size=1, max_size=5))
def test_merged_parts_are_the_tally_of_all_their_rows(parts: list[Rows]) -> None:
    whole = Rows(
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.values for part in parts]),
    )

    assert same(merged(*(part.tallied() for part in parts)), whole.tallied())


@settings(max_examples=50, deadline=None)
@given(rows(), rows())
def test_a_total_leaves_its_parts_as_they_were(a: Rows, b: Rows) -> None:
    parts = [a.tallied(), b.tallied()]
    before = deepcopy(parts)

    total(parts)

    assert all(same(one, two) for one, two in zip(parts, before, strict=True))


def test_a_total_of_nothing_is_nothing() -> None:
    assert total([]) is None


def test_tallies_of_different_layouts_do_not_mix() -> None:
    with pytest.raises(ValueError, match="different layouts"):
        Tally.empty(3, 1).add(Tally.empty(4, 1))


@settings(max_examples=80, deadline=None)
@given(rows())
def test_a_tally_survives_being_stored(some: Rows) -> None:
    found = some.tallied()

    stored = Tally.decode(found.encode())
    assert same(stored, found)

    stored.add(found)
    assert same(stored, merged(found, found))


OUTCOMES = st.builds(
    Labelled,
    *(st.floats(-1e9, 1e9) | st.just(np.nan) for _ in range(2)),
    st.sampled_from([0.0, 1.0, np.nan]),
    *(st.floats(-1e9, 1e9) | st.just(np.nan) for _ in range(2)),
)


def of_the_first_release(found: Tally) -> bytes:
    """Return what the first release wrote: fewer slots, no rest."""
    used = np.flatnonzero((found.counts[:FIRST] != 0) | (found.sums[:FIRST] != 0.0))
    packed = (
        used.astype("<u4").tobytes(), found.counts[used].astype("<i8").tobytes(),
        found.sums[used].astype("<f8").tobytes(),
    )  # fmt: skip
    return b"".join((struct.pack("<QIII", found.n, FIRST, len(used), 0), *packed))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.lists(OUTCOMES, max_size=4), st.booleans()), max_size=6))
def test_what_is_summed_as_stored_is_the_total_to_the_last_bit(
    hours: list[tuple[list[Labelled], bool]],
) -> None:
    """Of outcomes, those of the first release among them."""
    folded = [(fold(some), old) for some, old in hours]
    payloads = [of_the_first_release(one) if old else one.encode() for one, old in folded]

    found, reference = summed(payloads), total(map(Tally.decode, payloads))

    assert (found is None) is (reference is None)
    assert found is None or reference is None or same(found, reference)


@settings(max_examples=50, deadline=None)
@given(st.lists(rows(), max_size=4))
def test_what_has_variables_is_summed_as_well(parts: list[Rows]) -> None:
    payloads = [part.tallied().encode() for part in parts]

    found, reference = summed(payloads), total(map(Tally.decode, payloads))

    assert (found is None) is (reference is None)
    assert found is None or reference is None or same(found, reference)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(allow_nan=False), min_size=4, max_size=4), st.integers(0, 2**63 - 1))
def test_a_stored_tally_keeps_every_bit_of_any_numbers(sums: list[float], n: int) -> None:
    found = Tally(n, np.array([n, 0, 1, 0]), np.array(sums), np.array([sums[:3]]))

    assert same(Tally.decode(found.encode()), found)


def test_empty_slots_cost_nothing() -> None:
    small, large = Tally.empty(10, 1), Tally.empty(100_000, 1)

    assert len(small.encode()) == len(large.encode())


@settings(max_examples=80, deadline=None)
@given(st.data(), st.lists(st.integers(0, 4), min_size=1, max_size=20))
def test_hours_part_the_rows_exactly(data: st.DataObject, hours: list[int]) -> None:
    some = drawn(data.draw, len(hours))
    marks = np.array(hours, dtype=np.int64)

    parts = by_hour(marks, some.codes, some.values, SLOTS)

    assert [hour for hour, _, _ in parts] == sorted(set(hours))
    for hour, rows, payload in parts:
        inside = marks == hour
        assert rows == inside.sum()
        assert payload == Rows(some.codes[inside], some.values[inside]).tallied().encode()


def test_no_rows_have_no_hours() -> None:
    codes, values = np.zeros((0, VARIABLES), np.int64), np.zeros((0, VARIABLES))

    assert by_hour(np.zeros(0, np.int64), codes, values, SLOTS) == []


def test_least_and_greatest_values_are_of_values_and_not_of_gaps() -> None:
    layout = Layout((fit("x", [1.0, 2.0], numeric=True),))

    codes, values = layout.place([[5.0, None, 7.0, "?"]])
    least, greatest, squares = tally(codes, values, layout.size).moments[0]

    assert (least, greatest, squares) == (5.0, 7.0, 74.0)


def read_by_the_first_release(raw: bytes) -> Tally:
    """Decode as it did: what stands behind the moments is nothing to it."""
    n, slots, used, variables = struct.unpack_from("<QIII", raw)
    at = 20
    index = np.frombuffer(raw, "<u4", used, at)
    counts, sums = np.zeros(slots, np.int64), np.zeros(slots)
    counts[index] = np.frombuffer(raw, "<i8", used, at + 4 * used)
    sums[index] = np.frombuffer(raw, "<f8", used, at + 12 * used)
    moments = np.frombuffer(raw, "<f8", 3 * variables, at + 20 * used).reshape(variables, 3)
    return Tally(n, counts, sums, moments.copy())


@settings(max_examples=60, deadline=None)
@given(rows())
def test_the_release_before_reads_the_profiles_of_this_one(some: Rows) -> None:
    found = some.tallied()

    assert same(read_by_the_first_release(found.encode()), found)


def test_the_release_before_adds_up_outcomes_of_this_one_and_its_own() -> None:
    written = fold([Labelled(0.7, np.nan, 1.0, 2.5, 0.5)])
    own = Tally.empty(FIRST, 0)

    seen = read_by_the_first_release(written.encode())
    own.add(seen)

    assert len(seen.counts) == FIRST
    assert performance(own).rewarded == performance(written).rewarded == 1
    assert Tally.decode(written.encode()).encode() == written.encode()
    assert performance(Tally.decode(written.encode())).cost == 0.5
