"""Segments that are treated otherwise than the rest: certainly, and by more than is allowed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.drift.fairness import Group
from app.drift.parity import unequal
from app.telemetry import REST

COUNTS = st.integers(0, 400)


def group(n: int, predicted: int, positives: int = 0, found: int = 0) -> Group:
    return Group(n, predicted, n, positives, found, 0)


GROUPS = st.builds(
    lambda n, p, q, t: group(n, int(n * p), int(n * q), int(n * q * t)),
    COUNTS, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1),
)  # fmt: skip


def test_a_gap_is_to_all_others_together_and_has_newcombes_interval() -> None:
    # Newcombe (1998), table II, (a): 56/70 less 48/80 at 95 %; of two groups and two rates at once
    # the interval is that of 98.75 %, which is wider.
    groups = {"a": group(70, 56), "b": group(50, 30), REST: group(30, 18)}
    (found,) = unequal("sex", groups, 0.0, 10)

    assert (found["name"], found["rate"], found["group"]) == ("sex", "selection_rate", "a")
    assert (found["value"], found["rest"], found["rows"]) == (0.8, 0.6, 70)
    assert found["gap"] == pytest.approx(0.2)
    assert found["low"] < 0.0524
    assert found["high"] > 0.3339
    assert found["certain"] == found["low"]
    assert found["beyond"] == (found["low"] > 0)


def test_true_positive_rates_are_compared_where_there_are_positives() -> None:
    groups = {"f": group(400, 200, 200, 60), "m": group(400, 200, 200, 140)}
    selection, truth = unequal("sex", groups, 0.1, 100)

    assert not selection["beyond"]
    assert (truth["rate"], truth["beyond"]) == ("true_positive_rate", True)
    assert abs(truth["gap"]) == pytest.approx(0.4)
    assert not unequal("sex", groups, 0.4, 100)[1]["beyond"]


def test_nothing_is_said_of_few_rows_of_one_group_and_of_what_has_no_name() -> None:
    many = group(500, 400)
    assert unequal("sex", {"f": group(29, 0), "m": group(29, 29)}, 0.1, 10) == []
    assert unequal("sex", {"f": many, "m": group(500, 100)}, 0.1, 1001) == []
    assert unequal("sex", {"f": many}, 0.1, 10) == []
    assert unequal("sex", {}, 0.1, 10) == []
    (found,) = unequal("sex", {"f": many, REST: group(100, 0)}, 0.1, 10)
    assert found["group"] == "f"


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "b", "c", REST]), GROUPS), st.floats(0, 0.9))
def test_beyond_is_what_no_value_of_the_interval_is_within(
    groups: dict[str, Group], tolerance: float
) -> None:
    for row in unequal("x", groups, tolerance, 10):
        assert row["group"] != REST
        assert row["low"] - 1e-12 <= row["gap"] <= row["high"] + 1e-12
        assert row["beyond"] == (row["low"] > tolerance or row["high"] < -tolerance)


def test_of_groups_that_are_treated_alike_fewer_than_one_window_in_twenty_says_more() -> None:
    rng = np.random.default_rng(11)
    names, windows, said = [str(n) for n in range(10)], 400, 0
    for _ in range(windows):
        n = rng.integers(60, 300, len(names))
        drawn = zip(names, n, rng.binomial(n, 0.3), strict=True)
        groups = {name: group(int(rows), int(hits)) for name, rows, hits in drawn}
        said += any(row["beyond"] for row in unequal("x", groups, 0.0, 10))

    assert said / windows < 0.05
