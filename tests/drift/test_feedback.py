import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy as scipys_entropy
from scipy.stats import ttest_ind

from app.drift.feedback import (
    acted_drift,
    contrast,
    entropy,
    entropy_trend,
    feedback,
)
from app.kit.arrays import Floats, Ints
from tests.drift.cohorts import Rows, made


def test_the_contrast_is_welchs_of_the_rows_residuals() -> None:
    rng = np.random.default_rng(1)
    one, two = made(rng, 2_000), made(rng, 20_000, bias=-0.2)
    expected = ttest_ind(two.labels - two.scores, one.labels - one.scores, equal_var=False)

    found = contrast(one.binned(), two.binned())

    assert found is not None
    assert found.explored == pytest.approx((one.labels - one.scores).mean())
    assert found.exploited == pytest.approx((two.labels - two.scores).mean())
    assert found.z == pytest.approx(expected.statistic, rel=2e-3)


def test_exploration_and_exploitation_alike_are_hardly_ever_apart() -> None:
    rng = np.random.default_rng(2)
    found = [
        contrast(made(rng, 600, slope=1.3).binned(), made(rng, 5_000, slope=1.3).binned())
        for _ in range(400)
    ]

    assert sum(one.apart for one in found if one is not None) <= 5


def test_labels_that_follow_the_score_only_where_the_model_acts_are_seen() -> None:
    rng = np.random.default_rng(3)
    exploited = made(rng, 5_000)
    obeyed = np.where(rng.random(5_000) < 0.4, exploited.scores > 0.35, exploited.labels)
    found = contrast(
        made(rng, 5_000).binned(), Rows(exploited.scores, obeyed.astype(np.int64)).binned()
    )

    assert found is not None
    assert found.apart
    assert contrast(made(rng, 499).binned(), exploited.binned()) is None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=12).filter(any))
def test_entropy_is_scipys_and_what_small_samples_lack(counts: list[int]) -> None:
    rows, used = sum(counts), sum(map(bool, counts))
    expected = float(scipys_entropy(counts, base=2))

    found, variance = entropy(np.array(counts))

    assert found == pytest.approx(expected + (used - 1) / (2 * rows * np.log(2)), abs=1e-9)
    assert variance >= 0


def test_entropy_of_small_samples_is_right_on_average_and_so_is_its_error() -> None:
    rng = np.random.default_rng(4)
    chances = np.array([0.5, 0.3, 0.15, 0.05])
    found = [entropy(rng.multinomial(200, chances)) for _ in range(3000)]
    values, variances = np.array(found).T

    assert values.mean() == pytest.approx(float(scipys_entropy(chances, base=2)), abs=3e-3)
    assert variances.mean() == pytest.approx(values.var(), rel=0.1)


def actions(rng: np.random.Generator, shares: list[list[float]]) -> list[Ints]:
    return [rng.multinomial(3000, one).astype(np.int64) for one in shares]


def test_actions_that_become_less_varied_fall() -> None:
    rng = np.random.default_rng(5)
    narrowing = [[0.25 + 0.05 * at, *[(0.75 - 0.05 * at) / 3] * 3] for at in range(10)]

    found = entropy_trend(actions(rng, narrowing))

    assert found is not None
    assert found.falls


def test_actions_that_stay_as_varied_hardly_ever_fall() -> None:
    rng = np.random.default_rng(6)
    found = [entropy_trend(actions(rng, [[0.4, 0.3, 0.2, 0.1]] * 8)) for _ in range(400)]

    assert sum(one.falls for one in found if one is not None) / 400 <= 0.045
    assert entropy_trend(actions(rng, [[0.5, 0.5]] * 5)) is None
    assert entropy_trend([np.zeros(3, np.int64)] * 8) is None


@pytest.mark.parametrize(("by", "suspected"), [(0.0002, False), (0.001, False), (0.01, True)])
def test_however_many_rows_make_it_certain_a_trivial_fall_is_no_sign(
    by: float,
    suspected: bool,  # noqa: FBT001 - a table's column
) -> None:
    rng = np.random.default_rng(16)
    shares = [[0.3 - by * at, 0.7 + by * at] for at in range(10)]
    windows = [rng.multinomial(20_000_000, one).astype(np.int64) for one in shares]

    found = entropy_trend(windows)

    assert found is not None
    assert found.falls
    assert feedback(entropy=found).suspected is suspected


def binned(scores: Floats) -> Ints:
    return np.bincount((scores * 20).astype(np.int64), minlength=20).astype(np.int64)


def beta(rng: np.random.Generator, a: float, rows: int = 3000) -> Ints:
    return binned(rng.beta(a, 3, rows))


def test_scores_that_move_only_for_acted_units_are_a_sign() -> None:
    rng = np.random.default_rng(7)
    still = (beta(rng, 3), beta(rng, 3))
    moved = (beta(rng, 3), beta(rng, 8))

    said = {
        name: acted_drift(acted, others)
        for name, (acted, others) in {
            "acted": (moved, still),
            "both": (moved, moved),
            "others": (still, moved),
            "none": (still, still),
        }.items()
    }

    assert {name for name, one in said.items() if one is not None and one.only_acted} == {"acted"}


def test_of_no_drift_the_divergence_less_its_bias_is_nothing_on_average() -> None:
    rng = np.random.default_rng(8)
    found = [acted_drift((beta(rng, 3, 600), beta(rng, 3, 600)), (beta(rng, 3), beta(rng, 3)))
             for _ in range(400)]  # fmt: skip
    one = [side for side in found if side is not None]

    assert np.mean([side.acted for side in one]) < 0.004
    assert max(side.acted for side in one) < 0.03
    assert np.mean([abs(side.z) > 3 for side in one]) <= 0.01
    assert not any(side.only_acted for side in one)


def test_too_few_rows_of_any_side_say_nothing() -> None:
    rng = np.random.default_rng(9)
    enough, few = beta(rng, 3), beta(rng, 3, 499)

    assert acted_drift((enough, enough), (enough, few)) is None
    assert acted_drift((few, enough), (enough, enough)) is None


def test_a_verdict_gives_its_reasons_and_without_signs_none() -> None:
    rng = np.random.default_rng(10)
    apart = contrast(made(rng, 5_000).binned(), made(rng, 5_000, bias=0.5).binned())
    falls = entropy_trend(actions(rng, [[0.5 + 0.05 * at, 0.5 - 0.05 * at] for at in range(9)]))
    moved = acted_drift((beta(rng, 3), beta(rng, 8)), (beta(rng, 3), beta(rng, 3)))

    every = feedback(contrast=apart, entropy=falls, drift=moved)
    none = feedback(
        contrast=contrast(made(rng, 5_000).binned(), made(rng, 5_000).binned()),
        entropy=entropy_trend(actions(rng, [[0.5, 0.5]] * 8)),
        drift=None,
    )

    assert every.suspected
    assert len(every.reasons) == 3
    assert not none.suspected
    assert none.reasons == ()
