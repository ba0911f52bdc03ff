from math import exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm
from scipy.stats.contingency import relative_risk

from app.drift.fairness import (
    MIN_ROWS,
    Group,
    Parity,
    Rate,
    best,
    four_fifths,
    gaps,
    rates,
    wilson,
)
from app.drift.reinforcing import pooled, reinforcements


@st.composite
def groups(draw: st.DrawFn, least: int = 0) -> Group:
    tp, fn, fp, tn = (draw(st.integers(least, 300)) for _ in range(4))
    waiting = draw(st.integers(0, 100))
    return Group(
        n=tp + fn + fp + tn + waiting,
        predicted=tp + fp + draw(st.integers(0, waiting)),
        labelled=tp + fn + fp + tn,
        positives=tp + fn,
        true_positives=tp,
        false_positives=fp,
    )


NAMED = st.dictionaries(st.sampled_from("abcde"), groups(), max_size=5)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 500), st.integers(1, 500), st.sampled_from([0.8, 0.95, 0.99]))
def test_a_share_has_scipys_wilson_interval(hits: int, more: int, confidence: float) -> None:
    rows = hits + more
    expected = binomtest(hits, rows).proportion_ci(confidence, method="wilson")

    found = wilson(hits, rows, confidence)

    assert found is not None
    assert found.low == pytest.approx(expected.low, abs=1e-12)
    assert found.high == pytest.approx(expected.high, abs=1e-12)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_rates_are_what_the_field_calls_them() -> None:
    one = Group(n=100, predicted=40, labelled=80, positives=50, true_positives=30,
                false_positives=6)  # fmt: skip

    found = {rate: rates({"a": one}, rate)["a"].value for rate in Rate}

    assert found == {
        Rate.SELECTION: 0.4,
        Rate.TRUE_POSITIVE: 0.6,
        Rate.FALSE_POSITIVE: 0.2,
    }


def test_a_gap_has_newcombes_published_interval() -> None:
    # Newcombe (1998), table II, example (a): 56/70 against 48/80, method 10.
    found = gaps({"a": Group(70, 56), "b": Group(80, 48)}, Rate.SELECTION)

    assert [(gap.group, gap.best) for gap in found] == [("b", "a")]
    assert found[0].value == pytest.approx(0.2)
    assert found[0].low == pytest.approx(0.0524, abs=5e-5)
    assert found[0].high == pytest.approx(0.3339, abs=5e-5)


@settings(max_examples=100, deadline=None)
@given(NAMED, st.sampled_from(list(Rate)))
def test_no_group_is_better_off_than_the_best_and_gaps_lie_in_their_intervals(
    found: dict[str, Group], rate: Rate
) -> None:
    shares = rates(found, rate)
    first = best(shares, rate)
    able = {name for name, share in shares.items() if share.rows >= MIN_ROWS}

    assert (first is None) is (not able)
    for gap in gaps(found, rate):
        assert gap.best == first
        assert -1 <= gap.low <= gap.value + 1e-12
        assert gap.value - 1e-12 <= gap.high <= 1
        if gap.group in able:
            assert gap.value >= 0


def test_the_best_false_positive_rate_is_the_lowest() -> None:
    low = Group(200, 0, labelled=200, positives=100, false_positives=10)
    high = Group(200, 0, labelled=200, positives=100, false_positives=40)

    found = gaps({"low": low, "high": high}, Rate.FALSE_POSITIVE)

    assert (found[0].group, found[0].best) == ("high", "low")
    assert found[0].value == pytest.approx(0.3)


@settings(max_examples=100, deadline=None)
@given(st.integers(30, 400), st.integers(30, 400), st.data())
def test_a_ratio_has_scipys_interval_of_a_relative_risk(
    n: int, m: int, data: st.DataObject
) -> None:
    a, b = data.draw(st.integers(1, n)), data.draw(st.integers(1, m))
    found = four_fifths({"a": Group(n, a), "b": Group(m, b)})
    one = found[0]
    (x, size), (top, whole) = ((a, n), (b, m)) if one.group == "a" else ((b, m), (a, n))
    expected = relative_risk(x, size, top, whole)

    assert one.value == pytest.approx(expected.relative_risk)
    error = sqrt(1 / x - 1 / size + 1 / top - 1 / whole)
    assert one.high == pytest.approx(exp(log(one.value) + norm.ppf(0.975) * error))
    if x < size or top < whole:
        interval = expected.confidence_interval(0.95)
        assert (one.low, one.high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize(
    ("hits", "parity"),
    [(500, Parity.KEPT), (480, Parity.KEPT), (410, Parity.UNCLEAR), (390, Parity.UNCLEAR),
     (340, Parity.BROKEN), (0, Parity.BROKEN)],
)  # fmt: skip
def test_four_fifths_is_kept_or_broken_only_when_that_is_certain(hits: int, parity: Parity) -> None:
    found = four_fifths({"top": Group(1000, 500), "other": Group(1000, hits)})

    assert [one.parity for one in found] == [parity]


@pytest.mark.parametrize(("rows", "rate"), [(50, 0.3), (100, 0.1), (1000, 0.3)])
@pytest.mark.parametrize("count", [2, 5, 20])
def test_of_equal_groups_hardly_ever_one_is_worse_off(count: int, rows: int, rate: float) -> None:
    rng = np.random.default_rng(count * rows)
    broken, apart = 0, 0
    for _ in range(200):
        found = {str(one): Group(rows, int(rng.binomial(rows, rate))) for one in range(count)}
        broken += any(one.parity is Parity.BROKEN for one in four_fifths(found))
        apart += any(gap.low > 0 for gap in gaps(found, Rate.SELECTION))

    # Of two groups a gap to the better one is above nothing as often as its interval misses.
    assert apart <= (24 if rows < 1000 else 20)
    assert broken <= 10


def test_one_group_of_many_that_is_worse_off_is_found() -> None:
    rng = np.random.default_rng(6)
    found = 0
    for _ in range(50):
        groups = {str(one): Group(500, int(rng.binomial(500, 0.5))) for one in range(19)}
        groups["worse"] = Group(500, int(rng.binomial(500, 0.25)))
        worse = {one.group for one in four_fifths(groups) if one.parity is Parity.BROKEN}
        found += worse == {"worse"}
        assert all(gap.low > 0 for gap in gaps(groups, Rate.SELECTION) if gap.group == "worse")

    assert found >= 45


def test_without_anybody_selected_or_enough_rows_nothing_is_compared() -> None:
    assert four_fifths({"a": Group(100, 0), "b": Group(100, 0)}) == []
    assert four_fifths({"a": Group(10, 5), "b": Group(10, 1)}) == []
    assert gaps({}, Rate.SELECTION) == []
    assert wilson(0, 0) is None


def windows(
    rng: np.random.Generator, count: int, step: float, rows: int = 2000
) -> list[dict[str, Group]]:
    """Return windows of two groups whose selection rates part by ``step`` a window."""
    return [
        {
            "a": Group(rows, int(rng.binomial(rows, 0.5))),
            "b": Group(rows, int(rng.binomial(rows, 0.45 - step * at))),
        }
        for at in range(count)
    ]


def test_a_gap_that_widens_is_reinforced_and_one_that_closes_is_not() -> None:
    rng = np.random.default_rng(1)

    for step, reinforcing in ((0.02, True), (-0.01, False)):
        found = reinforcements(windows(rng, 10, step))

        assert [(one.rate, one.group, one.best) for one in found] == [(Rate.SELECTION, "b", "a")]
        assert found[0].reinforcing is reinforcing
        assert found[0].trend.slope == pytest.approx(step, abs=0.006)
        assert found[0].trend.falls is not reinforcing


@pytest.mark.parametrize(("step", "reinforcing"), [(0.0005, False), (0.002, True)])
def test_however_many_rows_make_it_certain_a_trivial_widening_reinforces_nothing(
    step: float,
    reinforcing: bool,  # noqa: FBT001 - a table's column
) -> None:
    (found,) = reinforcements(windows(np.random.default_rng(5), 10, step, rows=20_000_000))

    assert found.trend.rises
    assert found.reinforcing is reinforcing


def test_a_gap_that_stays_is_hardly_ever_called_reinforced() -> None:
    rng = np.random.default_rng(2)

    said = [reinforcements(windows(rng, 8, 0.0))[0].reinforcing for _ in range(600)]

    assert np.mean(said) <= 0.04  # one side of a 95 % interval


def test_of_many_groups_none_is_reinforced_by_being_one_of_many() -> None:
    rng = np.random.default_rng(3)
    said = 0
    for _ in range(150):
        history = [
            {name: Group(2000, int(rng.binomial(2000, 0.4))) for name in "abcdefghij"}
            for _ in range(8)
        ]
        said += any(one.reinforcing for one in reinforcements(history))

    assert said / 150 <= 0.1


def test_five_windows_say_nothing_of_reinforcement() -> None:
    assert reinforcements(windows(np.random.default_rng(4), 5, 0.05)) == []


@settings(max_examples=100, deadline=None)
@given(st.lists(NAMED, max_size=8))
def test_pooled_counts_are_the_sums(history: list[dict[str, Group]]) -> None:
    whole = pooled(history)

    assert set(whole) == set().union(*history)
    assert sum(one.n for one in whole.values()) == sum(
        one.n for window in history for one in window.values()
    )
    for one in reinforcements(history):
        assert one.trend.windows >= 6
        assert one.trend.low <= one.trend.slope <= one.trend.high
