from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import beta

from app.routing.bandit import SCALE, Evidence, Learnt, learn, whole


def arm(name: str, units: int, conversions: int) -> Evidence:
    return Evidence(name, units, conversions, float(conversions), float(conversions))


def earner(name: str, rewards: np.ndarray) -> Evidence:
    return Evidence(name, len(rewards), 0, float(rewards.sum()), float(np.square(rewards).sum()))


def learnt(
    evidence: list[Evidence], *, binary: bool = True, floor: float = 0.0, burn_in: int = 0
) -> Learnt:
    return learn(
        evidence,
        binary=binary,
        floor=floor,
        burn_in_units=burn_in,
        burn_in_conversions=burn_in // 2,
    )


@st.composite
def arms(draw: st.DrawFn) -> list[Evidence]:
    found = []
    for index in range(draw(st.integers(2, 20))):
        units = draw(st.integers(0, 100_000))
        found.append(arm(f"arm-{index}", units, draw(st.integers(0, units))))
    return found


SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=20).filter(lambda found: sum(found) > 0.01)


@settings(max_examples=300, deadline=None)
@given(SHARES)
def test_whole_weights_add_up_and_are_within_one_of_exact(shares: list[float]) -> None:
    exact = np.array(shares) / np.sum(shares) * SCALE

    weights = whole(np.array(shares))

    assert sum(weights) == SCALE
    assert all(isinstance(weight, int) and weight >= 0 for weight in weights)
    assert np.abs(np.array(weights) - exact).max() < 1 + 1e-6


def test_what_is_left_over_goes_to_the_largest_remainders() -> None:
    assert whole(np.array([0.6, 9999.4])) == [1, 9999]
    assert whole(np.array([1.0, 1.0, 1.0])) in (
        [3334, 3333, 3333],
        [3333, 3334, 3333],
        [3333, 3333, 3334],
    )


@settings(max_examples=30, deadline=None)
@given(arms(), st.floats(0, 0.05))
def test_every_arm_keeps_its_floor_and_the_weights_add_up(
    evidence: list[Evidence], floor: float
) -> None:
    found = learnt(evidence, floor=floor)

    assert list(found.weights) == [item.arm for item in evidence]
    assert sum(found.weights.values()) == SCALE
    assert min(found.weights.values()) >= np.floor(floor * SCALE)
    for name, weight in found.weights.items():
        exact = floor + (1 - len(evidence) * floor) * found.p_best[name]
        assert weight == pytest.approx(exact * SCALE, abs=1.001)


@settings(max_examples=20, deadline=None)
@given(arms())
def test_chances_add_up_to_one_and_losses_are_not_negative(evidence: list[Evidence]) -> None:
    found = learnt(evidence)

    assert sum(found.p_best.values()) == pytest.approx(1)
    assert all(loss >= 0 for loss in found.expected_loss.values())


@pytest.mark.parametrize(("units", "conversions"), [(0, 0), (200, 60), (50_000, 25_000)])
@pytest.mark.parametrize("count", [2, 5])
def test_equal_evidence_has_about_equal_weights(count: int, units: int, conversions: int) -> None:
    found = learnt([arm(f"arm-{index}", units, conversions) for index in range(count)])

    # 5 standard deviations of a share of 40,000 draws are at most 0.0125.
    assert list(found.weights.values()) == pytest.approx([SCALE / count] * count, abs=130)


@pytest.mark.parametrize(
    ("one", "two"),
    [((100, 50), (100, 50)), ((100, 55), (120, 50)), ((1000, 100), (1000, 120)), ((0, 0), (40, 30)),
     ((5000, 40), (5000, 52)), ((30, 30), (300, 290))],
)  # fmt: skip
def test_the_chance_to_be_best_is_that_of_numerical_integration(
    one: tuple[int, int], two: tuple[int, int]
) -> None:
    a, b = (beta(1 + hits, 1 + units - hits) for units, hits in (one, two))
    middle = float(a.mean())
    chance, _ = quad(lambda x: a.pdf(x) * b.cdf(x), 0, 1, points=[middle], limit=200)
    loss, _ = quad(lambda x: b.cdf(x) * a.sf(x), 0, 1, points=[middle], limit=200)

    found = learnt([arm("one", *one), arm("two", *two)])

    assert found.p_best["one"] == pytest.approx(chance, abs=0.0125)
    # E[max(a, b)] - E[b] is the integral of P(b < x < a).
    assert found.expected_loss["two"] == pytest.approx(loss, rel=0.06, abs=2e-4)


@pytest.mark.parametrize(
    ("evidence", "burning"),
    [
        ([arm("a", 99, 95), arm("b", 500, 400)], True),
        ([arm("a", 100, 50), arm("b", 500, 49)], True),
        ([arm("a", 100, 50), arm("b", 500, 400)], False),
    ],
)
def test_weights_are_equal_until_every_arm_is_burnt_in(
    evidence: list[Evidence],
    burning: bool,  # noqa: FBT001 - a table's column
) -> None:
    found = learnt(evidence, floor=0.01, burn_in=100)

    assert found.burning_in is burning
    assert (list(found.weights.values()) == [SCALE // 2] * 2) is burning
    assert found.p_best["a"] != pytest.approx(0.5, abs=0.05)


def test_burn_in_of_rewards_without_successes_asks_for_units_alone() -> None:
    evidence = [Evidence(name, 100, 0, -50.0, 60.0) for name in "ab"]

    assert not learnt(evidence, binary=False, burn_in=100).burning_in
    assert learnt(evidence, binary=False, burn_in=101).burning_in


@settings(max_examples=20, deadline=None)
@given(arms(), st.booleans())
def test_the_same_evidence_gives_the_same_weights_to_anyone(
    evidence: list[Evidence],
    binary: bool,  # noqa: FBT001 - drawn
) -> None:
    first = learnt(evidence, binary=binary, floor=0.01)
    again = [Evidence(**item) for item in first.evidence]

    assert again == evidence
    assert learnt(again, binary=binary, floor=0.01) == first


def test_more_successes_never_make_an_arm_less_likely_the_best() -> None:
    chances = [
        learnt([arm("a", 1000, hits), arm("b", 1000, 100)]).p_best["a"]
        for hits in range(60, 150, 15)
    ]

    assert all(less < more for less, more in pairwise(chances))


RNG_SEEDS = range(5)


@pytest.mark.parametrize("seed", RNG_SEEDS)
def test_of_continuous_rewards_the_higher_mean_is_preferred(seed: int) -> None:
    rng = np.random.default_rng(seed)
    evidence = [earner("low", rng.normal(10, 3, 2000)), earner("high", rng.normal(11, 3, 2000))]

    found = learnt(evidence, binary=False, floor=0.01)

    assert found.p_best["high"] > 0.999
    assert found.weights == {"low": SCALE // 100, "high": SCALE - SCALE // 100}
    assert found.expected_loss["low"] == pytest.approx(1, abs=0.4)


def test_of_continuous_rewards_the_chance_is_that_of_their_standard_errors() -> None:
    # Means 0.1 apart, each with standard error 1/sqrt(1000): z = 2.236, P = 0.98733.
    low = Evidence("low", 1000, 0, 5000.0, 1000 * (25 + 1.0))
    high = Evidence("high", 1000, 0, 5100.0, 1000 * (5.1**2 + 1.0))

    assert learnt([low, high], binary=False).p_best["high"] == pytest.approx(0.98733, abs=0.003)


@pytest.mark.parametrize("unit", [1e-6, 1e-3, 1e3, 1e6])
def test_what_is_learnt_does_not_depend_on_the_unit_of_the_reward(unit: float) -> None:
    rng = np.random.default_rng(7)
    low, high = rng.normal(10, 3, 500), rng.normal(10.5, 3, 500)
    names = ("low", "high")

    plain = learnt([earner(n, r) for n, r in zip(names, (low, high), strict=True)], binary=False)
    scaled = learnt(
        [earner(n, r * unit) for n, r in zip(names, (low, high), strict=True)], binary=False
    )

    assert scaled.p_best["high"] == pytest.approx(plain.p_best["high"], abs=0.02)


def test_the_order_of_arms_changes_nothing_but_noise() -> None:
    one, two = arm("one", 400, 100), arm("two", 400, 120)

    first, second = learnt([one, two]), learnt([two, one])

    assert first.p_best["two"] == pytest.approx(second.p_best["two"], abs=0.0125)
    assert list(second.weights) == ["two", "one"]
    assert learnt([replace(one, units=401), two]).p_best != first.p_best


def top_two(evidence: list[Evidence], floor: float = 0.0) -> Learnt:
    return learn(
        evidence, binary=True, floor=floor, burn_in_units=0, burn_in_conversions=0, top_two=True
    )


@settings(max_examples=30, deadline=None)
@given(arms())
def test_top_two_gives_nobody_more_than_half_and_keeps_the_floor(evidence: list[Evidence]) -> None:
    found, count = top_two(evidence, 0.01), len(evidence)

    assert sum(found.weights.values()) == SCALE
    assert min(found.weights.values()) >= SCALE // 100
    # Nobody is the best and the best of the others; a draw of 40,000 is not certain of it.
    assert max(found.weights.values()) <= (0.01 + (1 - count * 0.01) / 2) * SCALE + 10


def test_of_two_arms_top_two_gives_each_half() -> None:
    found = top_two([arm("worse", 1000, 50), arm("better", 1000, 300)])

    assert list(found.weights.values()) == pytest.approx([SCALE // 2] * 2, abs=1)
    assert found.p_best["better"] == 1.0


def test_the_challenger_is_who_would_win_another_draw() -> None:
    evidence = [arm("best", 20_000, 2_200), arm("surely less", 20_000, 2_000), arm("new", 60, 5)]
    dice = np.random.default_rng(1)
    draws = np.stack([dice.beta(1 + e.conversions, 1 + e.units - e.conversions, 400_000)
                      for e in evidence])  # fmt: skip
    first = draws.argmax(axis=0)
    again = first[dice.permutation(first.size)]
    while (same := again == first).any():  # draw until another arm is the best
        again[same] = dice.choice(first, int(same.sum()))
    expected = (np.bincount(first, minlength=3) + np.bincount(again, minlength=3)) / 2 / first.size

    found = top_two(evidence)

    shares = np.array(list(found.weights.values())) / SCALE
    assert shares == pytest.approx(expected, abs=0.01)
    assert found.weights["surely less"] < 50


def test_what_fades_does_not_burn_in_again() -> None:
    faded = [arm("a", 60, 30), arm("b", 50, 2)]
    whole_ = [arm("a", 6_000, 3_000), arm("b", 5_000, 200)]
    terms = {"binary": True, "floor": 0.01, "burn_in_units": 100, "burn_in_conversions": 40}

    assert learn(faded, **terms).burning_in  # type: ignore[arg-type]
    found = learn(faded, ever=whole_, **terms)  # type: ignore[arg-type]
    assert not found.burning_in
    assert found.weights["a"] > 9_000
