"""What a version is worth beside a holdout, by simulation with a known truth."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.stats import kurtosis, skew

from app.kit.arrays import Floats
from app.kpi.worth import Brought, Worth, lacking, peers, worth


def brought(values: Floats) -> Brought:
    away = values - values.mean()
    squared = away * away
    return Brought(
        len(values), float(values.sum()), float(values @ values), float(away @ squared),
        float(squared @ squared), int(np.count_nonzero(values)),
    )  # fmt: skip


def successes(units: int, earning: int) -> Brought:
    return brought(np.repeat([1.0, 0.0], [earning, units - earning]))


def looked_at(values: Floats, held: NDArray[np.bool_], every: int) -> list[Worth | None]:
    """Return what units that are not held are worth beside those that are, after every so many."""
    ends = np.arange(every, len(values) + 1, every)
    groups = []
    for mine in (~held, held):
        own = values * mine
        columns = [mine, own != 0.0, own, own**2, own**3, own**4]
        n, earning, one, two, three, four = (np.cumsum(column)[ends - 1] for column in columns)
        mean = one / n
        cubes = three - 3 * mean * two + 2 * n * mean**3
        fourths = four - 4 * mean * three + 6 * mean**2 * two - 3 * n * mean**4
        columns = [column.tolist() for column in (n, one, two, cubes, fourths, earning)]
        groups.append([Brought(*row) for row in zip(*columns, strict=True)])
    return [worth(*pair) for pair in zip(*groups, strict=True)]


def test_sums_so_far_are_those_of_the_units_so_far() -> None:
    rng = np.random.default_rng(3)
    values, held = rng.lognormal(0, 1, 4000) * (rng.random(4000) < 0.2), rng.random(4000) < 0.3
    some, kept = values[:3000], held[:3000]

    third = looked_at(values, held, 1000)[2]
    whole = worth(brought(some[~kept]), brought(some[kept]))

    assert third is not None
    assert whole is not None
    one, other = third.per_unit, whole.per_unit
    assert (one.low, one.high) == pytest.approx((other.low, other.high), rel=1e-9)


@pytest.mark.parametrize("effect", [0.0, 0.8])
def test_the_interval_covers_what_was_truly_done_at_every_look(effect: float) -> None:
    """Of a hundred histories looked at twenty times each, at most five are wrong anywhere."""
    rng = np.random.default_rng(11)
    wrong = 0
    for _ in range(100):
        treated = rng.exponential(2.0, 4000) * (rng.random(4000) < 0.3) + effect
        kept = rng.exponential(2.0, 1000) * (rng.random(1000) < 0.3)
        looks = [
            worth(brought(treated[: 4 * end]), brought(kept[:end])) for end in range(50, 1001, 50)
        ]
        known = [one.per_unit for one in looks if one is not None]
        assert known
        wrong += any(not one.low <= effect <= one.high for one in known)

    assert wrong <= 5


def test_a_gain_here_that_costs_more_there_is_a_loss_in_all() -> None:
    rng = np.random.default_rng(12)
    here, there = rng.normal(1.0, 1, 5000), rng.normal(-1.5, 1, 5000)
    kept = rng.normal(0, 1, (2, 2000))

    gained = worth(brought(here), brought(kept[0]))
    lost = worth(brought(there), brought(kept[1]))
    together = worth(brought(here + there), brought(kept.sum(axis=0)))

    assert gained is not None
    assert lost is not None
    assert together is not None
    assert gained.per_unit.low > 0
    assert together.per_unit.high < 0
    parts = gained.per_unit.difference + lost.per_unit.difference
    assert together.per_unit.difference == pytest.approx(parts)


def test_the_total_is_of_all_units_where_a_share_was_looked_at() -> None:
    rng = np.random.default_rng(13)
    found = worth(brought(rng.normal(2, 1, 900)), brought(rng.normal(1, 1, 900)), share=0.1)

    assert found is not None
    assert found.total.difference == pytest.approx(found.per_unit.difference * 9000)


@pytest.mark.parametrize(
    ("rate", "spread", "kept_share"),
    [(0.05, 1.0, 0.3), (0.02, 1.0, 0.05), (0.02, None, 0.05), (0.01, 1.5, 0.02)],
)
def test_rare_and_skewed_rewards_are_not_called_early(
    rate: float, spread: float | None, kept_share: float
) -> None:
    """Of 150 histories without any effect, looked at sixty times each; promised is one in 20."""
    rng = np.random.default_rng(17)
    wrong, said = 0, 0
    for _ in range(150):
        units = 60_000
        paid = rng.lognormal(0, spread, units) if spread else np.ones(units)
        values = paid * (rng.random(units) < rate)
        held = rng.random(units) < kept_share
        looks = looked_at(values, held, 1000)
        known = [one.per_unit for one in looks if one is not None]
        said += bool(known)
        wrong += any(not one.low <= 0 <= one.high for one in known)

    assert wrong <= 9
    assert said > 100 or (spread and kept_share < 0.1)


def test_a_holdout_that_brings_nothing_is_an_answer() -> None:
    """No call, no revenue."""
    found = worth(successes(9000, 4000), successes(1000, 0))

    assert found is not None
    assert found.per_unit.low > 0.35


def test_who_has_had_too_few_units_is_named() -> None:
    of = successes
    assert lacking(of(5000, 900), of(20, 3)) == (
        "the holdout has had 20 units; 100 of each are needed"
    )
    assert lacking(of(20, 3), of(500, 90)) == "the version has had 20 units; 100 of each are needed"
    assert lacking(of(9000, 90), of(1000, 10)) == (
        "of the 1000 units that the holdout has had, 10 should have brought anything; 40 are needed"
    )
    assert lacking(of(9000, 8910), of(1000, 990)) == (
        "of the 1000 units that the holdout has had, 10 should have brought nothing; 40 are needed"
    )
    assert lacking(of(100, 50), of(100, 50)) is None


def credit(rng: np.random.Generator, units: int) -> Floats:
    return np.where(rng.random(units) < 0.01, -5000.0, 100.0)


def heavy(rng: np.random.Generator, units: int) -> Floats:
    return rng.lognormal(0, 2, units)


@pytest.mark.parametrize(
    ("draw", "kept_share", "units", "speaks"),
    [(credit, 0.1, 20_000, True), (credit, 0.02, 90_000, True), (heavy, 0.05, 40_000, False)],
)
def test_rare_large_amounts_where_everybody_earns_are_not_called_early(
    *,
    draw: Callable[[np.random.Generator, int], Floats],
    kept_share: float,
    units: int,
    speaks: bool,
) -> None:
    """Each third of them was wrong somewhere when earning units alone were counted."""
    rng = np.random.default_rng(19)
    wrong, said = 0, 0
    for _ in range(80):
        values, held = draw(rng, units), rng.random(units) < kept_share
        looks = looked_at(values, held, units // 40)
        known = [one.per_unit for one in looks if one is not None]
        said += bool(known)
        wrong += any(not one.low <= 0 <= one.high for one in known)

    assert wrong <= 6
    assert (said > 70) is speaks


def test_that_rare_large_amounts_are_the_reason_is_said() -> None:
    def lent(units: int, lost: int) -> Brought:
        return brought(np.repeat([100.0, -5000.0], [units - lost, lost]))

    why = lacking(lent(6300, 63), lent(700, 7))

    assert why == (
        "what units bring differs mostly by rare, large amounts: of the 700 units that the holdout"
        " has had, as good as 7 say how they differ; 10 are needed, so that more units or a longer"
        " time have to be looked at"
    )
    assert worth(lent(6300, 63), lent(700, 7)) is None
    assert worth(lent(9900, 99), lent(1100, 11)) is not None


@pytest.mark.parametrize("level", [0.0, 3.0, 1e9, -1e13])
def test_of_units_that_are_all_alike_nothing_is_said_but_why(level: float) -> None:
    alike = brought(np.full(5000, level))

    assert worth(alike, alike) is None
    assert lacking(alike, alike)


@given(
    arrays(np.float64, st.integers(100, 150), elements=st.floats(-1e3, 1e3)),
    arrays(np.float64, st.integers(100, 150), elements=st.floats(-1e3, 1e3)),
)
def test_the_share_that_carries_the_variance_is_that_of_both_groups_as_one(
    ours: Floats, theirs: Floats
) -> None:
    both = np.concatenate([ours, theirs])
    assume(both.std() > 1.0)
    expected = min(
        1.0, 1 / max(skew(both) ** 2, 1e-9), 2 / kurtosis(both, fisher=False)
    )  # fmt: skip

    assert peers(brought(ours), brought(theirs)) == pytest.approx(expected, rel=1e-6)
    shifted = peers(brought(ours + 1e5), brought(theirs + 1e5))
    assert shifted == pytest.approx(expected, rel=1e-3)


def test_what_gains_and_losses_make_up_for_is_no_less_rare() -> None:
    """As good as no skew, and a hundred units of whom mostly one is such a one."""
    rng = np.random.default_rng(41)
    rare = np.array([100.0, -5000.0, 7500.0])
    values = rng.choice(rare, 20_000, p=[0.98694, 0.01, 0.00306])

    assert lacking(brought(values[200:]), brought(values[:200])) is not None
    assert lacking(brought(values[2000:]), brought(values[:2000])) is None


@pytest.mark.parametrize("scale", [1e-59, 1e18])
def test_amounts_of_any_size_are_reckoned_with(scale: float) -> None:
    rng = np.random.default_rng(43)
    values = np.where(rng.random(2000) < 0.8, scale, 0.0)

    found = worth(brought(values[500:]), brought(values[:500]))

    assert found is not None
    assert found.per_unit.difference == pytest.approx(0, abs=scale)


def test_the_difference_is_the_samples_own_and_lies_in_its_interval() -> None:
    rng = np.random.default_rng(23)
    ours, theirs = rng.exponential(2, 900) + 0.7, rng.exponential(2, 150) * (rng.random(150) < 0.5)

    found = worth(brought(ours), brought(theirs))

    assert found is not None
    assert found.per_unit.difference == pytest.approx(ours.mean() - theirs.mean(), rel=1e-12)
    assert found.per_unit.low < found.per_unit.difference < found.per_unit.high
