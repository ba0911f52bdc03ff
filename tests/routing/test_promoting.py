"""Promotion and its intervals, against simulated experiments that somebody looks at every day."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, norm

from app.kit.arrays import Floats
from app.kit.sequences import FEWEST, MISMATCH, Sums, difference, mismatch, radius
from app.routing.promoting import Advice, Observed, stand
from app.telemetry import Returning

DAYS = 42


def sums(rewards: Floats) -> Sums:
    return Sums(len(rewards), float(rewards.sum()), float(np.square(rewards).sum()))


def observed(arms: dict[str, Sums], *, days: float = 30, **more: object) -> Observed:
    found = {
        "binary": True,
        "lower_is_better": False,
        "mismatch": None,
        "measured": True,
        "fixed": True,
        **more,
    }
    return Observed(arms=arms, control=next(iter(arms)), days=days, **found)  # type: ignore[arg-type]


def runs(
    dice: np.random.Generator, count: int, each_day: int, means: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Cumulated rewards of two arms by run and day: shaped (runs, days) each."""
    drawn = [dice.binomial(each_day, mean, (count, DAYS)).cumsum(axis=1) for mean in means]
    return drawn[0].astype(float), drawn[1].astype(float)


@pytest.mark.parametrize("mean", [0.05, 0.4])
@pytest.mark.parametrize("each_day", [20, 300])
def test_an_interval_covers_the_truth_at_every_daily_peek(mean: float, each_day: int) -> None:
    truth = 0.02
    control, arm = runs(np.random.default_rng(7), 1_000, each_day, (mean, mean + truth))
    missed = 0
    for run in range(len(control)):
        for day in range(DAYS):
            n = each_day * (day + 1)
            found = difference(
                Sums(n, arm[run, day], arm[run, day]), Sums(n, control[run, day], control[run, day])
            )
            if found is not None and not found.low <= truth <= found.high:
                missed += 1
                break

    assert missed <= 0.05 * len(control)


def test_of_two_equal_arms_peeked_at_daily_hardly_one_is_promoted() -> None:
    each_day = 100
    control, arm = runs(np.random.default_rng(11), 2_000, each_day, (0.1, 0.1))
    promoted = naive = 0
    for run in range(len(control)):
        peeks = []
        for day in range(DAYS):
            n = each_day * (day + 1)
            old, new = float(control[run, day]), float(arm[run, day])
            pair = {"old": Sums(n, old, old), "new": Sums(n, new, new)}
            peeks.append((day + 1, pair))
        # What promotes excludes 0 first; the rest of the rule costs a thousand times as much.
        hopeful = [
            (day, pair)
            for day, pair in peeks
            if (found := difference(pair["new"], pair["old"])) is not None and found.low > 0
        ]
        promoted += any(
            stand(observed(pair, days=day)).advice is Advice.PROMOTE for day, pair in hopeful
        )
        naive += any(_surely_better(pair["new"], pair["old"]) for _, pair in peeks)

    assert promoted <= 0.02 * len(control)
    assert naive > 0.15 * len(control), "the rule is tried where a naive one fails"


def _surely_better(arm: Sums, control: Sums) -> bool:
    """Say whether P(best) is .95 by the posteriors' normal approximation, and nothing else."""
    spread = np.sqrt(arm.variance / arm.n + control.variance / control.n) or 1.0
    return bool(norm.cdf((arm.mean - control.mean) / spread) >= 0.95)


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("others", [1, 2])
@pytest.mark.parametrize("binary", [False, True])
def test_a_better_arm_is_promoted_in_time(lower: bool, others: int, binary: bool) -> None:  # noqa: FBT001
    dice = np.random.default_rng(3)
    better = -0.05 if lower else 0.05

    def rewards(mean: float) -> Floats:
        if binary:
            return dice.binomial(1, mean, 8_000).astype(float)
        return dice.normal(mean, 0.4, 8_000)

    arms = {"old": sums(rewards(0.3))}
    arms |= {f"same-{number}": sums(rewards(0.3)) for number in range(others - 1)}
    arms["new"] = sums(rewards(0.3 + better))

    found = stand(observed(arms, binary=binary, lower_is_better=lower))

    assert (found.best, found.advice, found.lacking) == ("new", Advice.PROMOTE, [])
    assert found.p_best["new"] > 0.99
    interval = found.differences["new"]
    assert interval is not None
    assert 0 < interval.low < 0.05 < interval.high


GOOD = {"old": Sums(9_000, 900, 900), "new": Sums(9_000, 1_260, 1_260)}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"days": 13.9}, "13.9 of 14 days"),
        ({"mismatch": MISMATCH / 2}, "shares are not the plan's"),
        ({"stopped": ["new"]}, "Stopped: new"),
        ({"measured": False}, "what he earns is not known"),
        ({"fixed": False}, "confirm the gain by a split"),
        ({"arms": {"old": GOOD["old"], "new": Sums(9_000, 9_000, 9_000)}}, "does not exclude 0"),
        ({"arms": {**GOOD, "third": Sums(FEWEST - 1, 10, 10)}}, "Fewer than 100 rewards of third"),
        ({"arms": {"old": GOOD["old"], "new": Sums(9_000, 940, 940)}}, "does not exclude 0"),
        ({"arms": {"old": GOOD["old"], "new": Sums(9_000, 800, 800)}}, "control is the best"),
    ],
)
def test_what_lacks_is_said_and_waited_for(changes: dict[str, object], says: str) -> None:
    assert stand(observed(GOOD)).advice is Advice.PROMOTE

    found = stand(observed(**{"arms": GOOD, **changes}))  # type: ignore[arg-type]

    assert found.advice is Advice.WAIT
    assert any(says in lack for lack in found.lacking), found.lacking


def test_a_champion_who_beats_every_challenger_is_kept() -> None:
    found = stand(observed({"old": GOOD["new"], "new": GOOD["old"]}))

    assert (found.best, found.advice) == ("old", Advice.KEEP)


@pytest.mark.parametrize(
    "changes", [{"mismatch": MISMATCH / 2}, {"days": 0.1}, {"fixed": False}, {"keeping": True}]
)
def test_nobody_is_kept_by_what_would_promote_nobody(changes: dict[str, object]) -> None:
    arms = {"old": GOOD["new"], "new": GOOD["old"]}

    assert stand(observed(**{"arms": arms, **changes})).advice is Advice.WAIT  # type: ignore[arg-type]


def test_two_equal_arms_are_not_told_apart_by_units_that_come_daily() -> None:
    wrong = promoted = 0
    for run in range(60):
        dice = np.random.default_rng([8, run])
        arm, rate = dice.integers(0, 2, 600), dice.beta(0.5, 0.5, 600)
        earned, told, crowned = np.zeros(600), False, False
        for day in range(1, DAYS + 1):
            earned += dice.random(600) < rate
            arms = {name: returned(earned[arm == at], day) for at, name in enumerate("ab")}
            found = difference(arms["b"], arms["a"])
            told |= found is not None and not found.low <= 0 <= found.high
            if day % 7 == 0:
                crowned |= stand(observed(arms, days=day)).advice is Advice.PROMOTE
        wrong, promoted = wrong + told, promoted + crowned

    assert wrong <= 3
    assert promoted <= 1


def returned(earned: Floats, times: int) -> Sums:
    """What units show that each came so often: by the sums that each has earned."""
    n, total = float(len(earned) * times), float(earned.sum())
    residuals = float(np.square(earned - times * total / n).sum())
    known = Returning(len(earned), 1.0, n, total, total, residuals)
    return Sums(n, total, total, known.design_effect)


@settings(max_examples=200)
@given(st.integers(1, 10**7), st.floats(0.01, 100))
def test_an_interval_is_wider_than_a_single_looks_and_shrinks(n: int, deviation: float) -> None:
    single = norm.ppf(0.975) * deviation / np.sqrt(n)

    assert radius(n, deviation) > single
    assert radius(4 * n, deviation) < radius(n, deviation)


def test_a_radius_is_that_of_the_published_formula() -> None:
    # Theorem 2.2 with sigma 1, alpha .05, rho^2 = 0.005, written out by hand for t = 1000.
    t, rho2 = 1000, 0.005
    by_hand = np.sqrt(2 * (t * rho2 + 1) / (t**2 * rho2) * np.log(np.sqrt(t * rho2 + 1) / 0.05))
    tuned = (-2 * np.log(0.05) + np.log(-2 * np.log(0.05) + 1)) / 2_000

    assert by_hand == pytest.approx(0.0966, abs=1e-4)
    assert radius(t, 1.0) == pytest.approx(
        np.sqrt(2 * (t * tuned + 1) / (t**2 * tuned) * np.log(np.sqrt(t * tuned + 1) / 0.05))
    )


def test_shares_are_alarming_as_often_as_they_should() -> None:
    dice = np.random.default_rng(5)
    weights = {"a": 90, "b": 9, "c": 1}
    drawn = dice.multinomial(5_000, [0.9, 0.09, 0.01], 4_000)
    p = [mismatch(dict(zip("abc", row.tolist(), strict=True)), weights) for row in drawn]

    assert sum(value is not None and value < 0.05 for value in p) == pytest.approx(200, abs=60)
    assert sum(value is not None and value < MISMATCH for value in p) <= 10
    lost = mismatch({"a": 4_600, "b": 450, "c": 20}, weights)
    assert lost is not None
    assert lost < MISMATCH
    due = [5_070 * share for share in (0.9, 0.09, 0.01)]
    assert lost == pytest.approx(chisquare([4_600, 450, 20], due).pvalue)
    assert mismatch({"a": 3, "b": 1}, {"a": 1, "b": 1}) is None
    assert mismatch({"a": 500}, {"a": 1, "b": 0}) is None
