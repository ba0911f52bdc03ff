from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import linregress
from scipy.stats import t as student

from app.drift.trends import trend

VALUES = st.lists(st.floats(-10, 10), min_size=6, max_size=30)


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_equal_weights_are_scipys_regression(values: list[float]) -> None:
    assume(np.ptp(values) > 1e-3)
    expected: Any = linregress(np.arange(len(values)), values)
    room = expected.stderr * student.ppf(0.975, len(values) - 2)

    found = trend(values, [0.3] * len(values))

    assert found is not None
    assert found.slope == pytest.approx(expected.slope, abs=1e-9)
    assert found.high - found.slope == pytest.approx(room, abs=1e-6)
    assert found.slope - found.low == pytest.approx(room, abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(VALUES, st.integers(0, 1000))
def test_weights_are_those_of_the_normal_equations(values: list[float], seed: int) -> None:
    variances = np.random.default_rng(seed).uniform(0.1, 2, len(values))
    design = np.stack([np.ones(len(values)), np.arange(len(values))], axis=1)
    information = design.T @ (design / variances[:, None])
    beta = np.linalg.solve(information, design.T @ (values / variances))
    scale = (((values - design @ beta) ** 2) / variances).sum() / (len(values) - 2)
    error = np.sqrt(scale * np.linalg.inv(information)[1, 1])

    found = trend(values, variances.tolist())

    assert found is not None
    assert found.slope == pytest.approx(beta[1], abs=1e-8)
    room = error * student.ppf(0.975, len(values) - 2)
    assert found.high - found.low == pytest.approx(2 * room, abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_upside_down_a_rise_is_a_fall(values: list[float]) -> None:
    one = trend(values, [1.0] * len(values))
    other = trend([-value for value in values], [1.0] * len(values))

    assert one is not None
    assert other is not None
    assert one.rises == other.falls
    assert not (one.rises and one.falls)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_what_stays_the_same_has_no_trend(value: float) -> None:
    found = trend([value] * 8, [0.0] * 8)

    assert found is not None
    assert not found.rises
    assert not found.falls


def test_five_windows_say_nothing_and_a_missing_one_keeps_its_place() -> None:
    nan = float("nan")

    assert trend([1, 2, 3, 4, 5], [1] * 5) is None
    assert trend([1, 2, 3, nan, 5], [1] * 5) is None
    found = trend([1, 2, 3, nan, 5, 6, 7], [1] * 7)
    assert found is not None
    assert found.windows == 6
    assert found.slope == pytest.approx(1)


def test_noise_is_called_a_trend_as_often_as_the_interval_says() -> None:
    rng = np.random.default_rng(1)
    found = [trend(rng.normal(size=8).tolist(), [1.0] * 8) for _ in range(2000)]

    said = sum(one.rises or one.falls for one in found if one is not None)

    assert said / 2000 == pytest.approx(0.05, abs=0.02)
