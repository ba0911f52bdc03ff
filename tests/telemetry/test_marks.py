"""Where values lie among marks: as the binary search says, whatever lies where."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.kit.arrays import Floats
from app.telemetry.layout import QUANTILES
from app.telemetry.marks import Side, search

SIDES: list[Side] = ["left", "right"]
NUMBERS = st.floats(allow_nan=False) | st.floats(-3, 3) | st.integers(-5, 5).map(float)


def around(marks: Floats) -> Floats:
    """Return marks, their neighbours among all floats, and what lies beyond."""
    with np.errstate(over="ignore"):
        beside = [np.nextafter(marks, way) for way in (-np.inf, np.inf)]
    return np.concatenate([marks, *beside, [np.inf, -np.inf, 0.0, -0.0, 5e-324, 1e308, -1e308]])


@settings(max_examples=300, deadline=None)
@given(st.lists(NUMBERS.filter(np.isfinite), min_size=1, max_size=40), st.lists(NUMBERS))
def test_each_lies_where_a_binary_search_finds_it(some: list[float], values: list[float]) -> None:
    marks = np.unique(some)
    column = np.append(around(marks), values)

    for side in SIDES:
        found = search(tuple(marks.tolist()), column, side)

        assert found.tolist() == np.searchsorted(marks, column, side).tolist()


@pytest.mark.parametrize("shape", ["normal", "lognormal", "cauchy", "far"])
def test_so_it_is_of_many_values_of_any_shape(shape: str) -> None:
    rng = np.random.default_rng(2)
    drawn = {
        "normal": rng.normal(size=100_000),
        "lognormal": rng.lognormal(0, 3, 100_000),
        "cauchy": rng.standard_cauchy(100_000),
        "far": 1e9 + rng.normal(size=100_000) * 1e-6,
    }[shape]
    marks = np.unique(np.quantile(drawn[:50_000], QUANTILES))

    for side in SIDES:
        found = search(tuple(marks.tolist()), drawn, side)

        assert np.array_equal(found, np.searchsorted(marks, drawn, side))


def test_what_is_no_number_is_somewhere_and_troubles_nobody() -> None:
    marks = tuple(np.arange(50).tolist())
    values = np.array([np.nan, 3.5, -np.nan, np.inf, 70.0])

    with np.errstate(all="raise"):
        found = search(marks, values, "right")

    assert found[[1, 3, 4]].tolist() == [4, 50, 50]
    assert ((found >= 0) & (found <= 50)).all()
