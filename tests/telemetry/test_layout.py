import json
import tracemalloc
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.telemetry import Binning, Bins, Layout
from app.telemetry.layout import (
    BARE,
    MAX_CATEGORIES,
    MAX_EXACT,
    MAX_REMEMBERED,
    QUANTILES,
    category,
    fit,
    score_bins,
)
from tests.strategies import FLOATS, INTEGERS, JSON, TEXTS

MODERATE = st.floats(-1e100, 1e100)
COLUMNS = st.lists(MODERATE | st.integers(-1000, 1000) | st.none(), max_size=60)
MESSY = st.lists(JSON | FLOATS | INTEGERS, max_size=30)


def names_of(bins: Bins, column: list[Any]) -> list[str]:
    return [bins.label(int(code)) for code in bins.place(column)[0]]


@settings(max_examples=200, deadline=None)
@given(COLUMNS, MESSY, st.booleans())
def test_every_value_lands_in_exactly_one_slot(
    baseline: list[Any],
    window: list[Any],
    numeric: bool,  # noqa: FBT001 - drawn
) -> None:
    bins = fit("x", baseline, numeric=numeric)

    codes, values = bins.place(window)

    assert codes.shape == values.shape == (len(window),)
    assert ((codes >= 0) & (codes < bins.slots)).all()
    assert not np.isinf(values).any()


@settings(max_examples=200, deadline=None)
@given(st.lists(MODERATE, min_size=MAX_EXACT + 1, max_size=200, unique=True), MESSY)
def test_quantile_bins_hold_what_numpy_says(baseline: list[float], more: list[Any]) -> None:
    bins = fit("x", baseline, numeric=True)
    column = [value for value in more if type(value) in (int, float)] + baseline
    edges = np.unique(np.quantile(np.array(baseline), QUANTILES))
    values = np.array(column, dtype=float)
    # numpy closes the last bin of a histogram on the right; inf keeps every value below it.
    expected, _ = np.histogram(values, [-np.inf, *edges, np.inf])

    codes, numbers = bins.place(column)

    assert bins.binning is Binning.QUANTILES
    assert np.bincount(codes, minlength=bins.slots)[: bins.bins].tolist() == expected.tolist()
    assert numbers.tolist() == values.tolist()


def test_the_ends_are_open_and_an_edge_belongs_to_the_bin_above_it() -> None:
    bins = Bins("x", Binning.QUANTILES, (0.0, 1.0))

    assert names_of(bins, [-1e308, -1e-9, 0, 0.999, 1, 1e308]) == [
        "[-inf, 0)", "[-inf, 0)", "[0, 1)", "[0, 1)", "[1, inf)", "[1, inf)",
    ]  # fmt: skip


@pytest.mark.parametrize("marks", [(), (0.0, 5.0)])
@pytest.mark.parametrize("binning", [Binning.QUANTILES, Binning.EXACT])
def test_null_unreadable_and_infinite_numbers_have_their_own_slots(
    binning: Binning, marks: tuple[float, ...]
) -> None:
    bins = Bins("x", binning, marks)
    column = [None, float("nan"), "5", True, [1], {"a": 1}, float("inf"), float("-inf"), "", "x"]

    names = names_of(bins, column)

    assert names == ["null"] * 2 + ["invalid"] * 8
    assert not np.nan_to_num(bins.place(column)[1]).any()


@pytest.mark.parametrize(
    "column",
    [[date(2024, 1, 1)], [datetime(2024, 1, 1, tzinfo=UTC)], [UUID(int=1)], [b"1"], [timedelta(1)]],
    ids=lambda column: type(column[0]).__name__,
)
def test_what_a_file_may_hold_beside_numbers_is_invalid(column: list[Any]) -> None:
    bins = fit("x", [*column, 1.0], numeric=True)

    assert names_of(bins, column) == ["invalid"]


def test_a_number_among_few_exact_ones_is_its_own_bin_or_unseen() -> None:
    bins = fit("x", [2, 1.0, 2, None, 3.5], numeric=True)

    assert bins.marks == (1.0, 2.0, 3.5)
    assert names_of(bins, [1, 2.0, 3.5, 3.4999, 0, 99, -0.0]) == [
        "1.0", "2.0", "3.5", "unseen", "unseen", "unseen", "unseen",
    ]  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.sets(MODERATE, min_size=1, max_size=MAX_EXACT + 3))
@example(set(map(float, range(MAX_EXACT))))
@example(set(map(float, range(MAX_EXACT + 1))))
def test_exact_values_are_kept_up_to_their_limit(values: set[float]) -> None:
    distinct = {value + 0.0 for value in values}

    bins = fit("x", list(values), numeric=True)

    assert (bins.binning is Binning.EXACT) == (len(distinct) <= MAX_EXACT)
    assert not set(names_of(bins, list(values))) & {"unseen", "null", "invalid"}


def test_categories_are_the_most_frequent_then_other_then_unseen() -> None:
    common = [f"c{index:03}" for index in range(MAX_CATEGORIES)]
    rare = ["rare", "scarce"]

    bins = fit("x", [*(common * 2), *rare, None], numeric=False)

    assert bins.marks == tuple(common)
    assert names_of(bins, ["c007", "rare", "scarce", "new", None, "null", ""]) == [
        "c007", "other", "other", "unseen", "null", "unseen", "unseen",
    ]  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXTS.filter(str), max_size=80))
def test_categories_rank_by_count_then_by_name(column: list[str]) -> None:
    counted = sorted(Counter(column).items(), key=lambda item: (-item[1], item[0]))

    assert fit("x", column, numeric=False).marks == tuple(name for name, _ in counted)


def test_categories_remembered_are_bounded() -> None:
    bins = fit("x", [str(index) for index in range(MAX_REMEMBERED + 500)], numeric=False)

    assert len(bins.marks) + len(bins.rest) == MAX_REMEMBERED


def test_one_long_category_does_not_cost_its_length_for_every_row() -> None:
    column = ["a"] * 2000 + ["b" * 10_000]
    tracemalloc.start()

    bins = fit("x", column, numeric=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert bins.marks == ("a", "b" * 10_000)
    assert peak < 5_000_000


@pytest.mark.parametrize(
    ("one", "other"), [(1, 1.0), (1, "1"), (True, "true"), (-0.0, 0), (2.5, "2.5")]
)
def test_one_category_has_one_spelling_whatever_json_carried(one: Any, other: Any) -> None:
    bins = fit("x", [one], numeric=False)

    assert category(one) == category(other)
    assert bins.place([other])[0].tolist() == [0]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1.7e308, 1.7e308), min_size=25, max_size=60, unique=True))
@example([-1.7e308 + step * 3.4e306 for step in range(100)])
def test_edges_are_finite_and_ascending_however_large_the_values(values: list[float]) -> None:
    marks = np.array(fit("x", values, numeric=True).marks)

    assert np.isfinite(marks).all()
    assert (marks[1:] > marks[:-1]).all()


def layouts() -> st.SearchStrategy[Layout]:
    numeric = st.builds(lambda column: fit("n", column, numeric=True), COLUMNS)
    textual = st.builds(
        lambda column: fit("c", column, numeric=False), st.lists(TEXTS, max_size=120)
    )
    variables = st.lists(numeric | textual, min_size=1, max_size=4)
    return st.builds(lambda found: Layout((*found, score_bins())), variables)


@settings(max_examples=80, deadline=None)
@given(layouts())
def test_a_layout_survives_being_stored(layout: Layout) -> None:
    assert Layout.load(json.loads(json.dumps(layout.dump()))) == layout


def test_a_stored_layout_remembers_the_categories_that_have_no_slot() -> None:
    bins = fit("c", [f"c{index:03}" for index in range(MAX_CATEGORIES + 5)], numeric=False)

    (stored,) = Layout.load(json.loads(json.dumps(Layout((bins,)).dump()))).variables

    assert stored == bins
    assert names_of(stored, ["c104", "c105"]) == ["other", "unseen"]


@settings(max_examples=80, deadline=None)
@given(layouts(), st.integers(0, 5), st.data())
def test_each_variable_counts_in_its_own_run_of_slots(
    layout: Layout, rows: int, data: st.DataObject
) -> None:
    columns = [data.draw(st.lists(JSON, min_size=rows, max_size=rows)) for _ in layout.variables]

    codes, values = layout.place(columns)

    assert codes.shape == values.shape == (rows, len(layout.variables))
    counts = np.bincount(codes.ravel(), minlength=layout.size)
    assert len(counts) == layout.size == sum(bins.slots for bins in layout.variables)
    assert [counts[span].sum() for _, span in layout.spans()] == [rows] * len(layout.variables)


def test_a_probability_is_binned_in_hundredths_and_null_apart() -> None:
    codes, _ = BARE.place([[0.0, 0.005, 0.01, 0.5, 0.99, 1.0, None]])

    assert codes.ravel().tolist() == [0, 0, 1, 50, 99, 99, 100]
