"""The bandit against an independent one: what each loses to whoever always takes the best arm."""

import sys

import numpy as np
import pytest
from bayesianbandits import DirichletClassifier, NormalInverseGammaRegressor

from app.kit.arrays import Floats
from app.routing.bandit import SCALE, Evidence, learn

ROUNDS, UNITS = 40, 100
TOLERANCE = 0.10


class World:
    """Arms' mean rewards, and whether less is better."""

    def __init__(self, means: tuple[float, ...], *, binary: bool, lower: bool) -> None:
        self.means = np.array(means)
        self.binary, self.lower = binary, lower

    def rewards(self, dice: np.random.Generator, arm: int, count: int) -> Floats:
        if self.binary:
            return dice.binomial(1, self.means[arm], count).astype(float)
        return dice.normal(self.means[arm], 1.0, count)

    @property
    def gaps(self) -> Floats:
        turned = -self.means if self.lower else self.means
        return np.asarray(turned.max() - turned)


def ours(dice: np.random.Generator, world: World) -> float:
    """Return the regret of the product's bandit: weights a round, learnt from all before it."""
    count = len(world.means)
    n, total, squares, lost = (np.zeros(count) for _ in range(4))
    weights = np.full(count, 1 / count)
    for _ in range(ROUNDS):
        for arm, units in enumerate(dice.multinomial(UNITS, weights)):
            rewards = world.rewards(dice, arm, units)
            n[arm] += units
            total[arm] += rewards.sum()
            squares[arm] += np.square(rewards).sum()
            lost[arm] += units * world.gaps[arm]
        found = learn(
            [
                Evidence(str(arm), float(n[arm]), float(total[arm]) if world.binary else 0.0,
                         float(total[arm]), float(squares[arm]))
                for arm in range(count)
            ],
            binary=world.binary, floor=0.0, burn_in_units=0, burn_in_conversions=0,
            lower_is_better=world.lower, draws_each=4_000,
        )  # fmt: skip
        weights = np.array(list(found.weights.values())) / SCALE
    return float(lost.sum())


def its(dice: np.random.Generator, world: World) -> float:
    """Return the regret of `bayesianbandits` learners: a draw a unit, learnt a round at a time."""
    learners = [_learner(dice, world) for _ in world.means]
    one, lost = np.ones((1, 1)), 0.0
    for _ in range(ROUNDS):
        draws = np.stack([_draws(learner, one, world) for learner in learners])
        best = (-draws if world.lower else draws).argmax(axis=0)
        for arm, units in enumerate(np.bincount(best, minlength=len(learners))):
            if units:
                rewards = world.rewards(dice, arm, int(units))
                said = rewards.astype(int) if world.binary else rewards
                learners[arm].partial_fit(np.ones((len(said), 1)), said)
            lost += units * world.gaps[arm]
    return float(lost)


def _learner(dice: np.random.Generator, world: World) -> DirichletClassifier:
    if world.binary:
        return DirichletClassifier({0: 1, 1: 1}, random_state=dice)
    return NormalInverseGammaRegressor(mu=0.0, lam=1e-3, a=1.0, b=1.0, random_state=dice)


def _draws(learner: DirichletClassifier, one: Floats, world: World) -> Floats:
    drawn = np.asarray(learner.sample(one, size=UNITS))
    return drawn[..., 1].reshape(UNITS) if world.binary else drawn.reshape(UNITS)


WORLDS = {
    "two arms": World((0.10, 0.20), binary=True, lower=False),
    "three arms": World((0.10, 0.15, 0.25), binary=True, lower=False),
    "two arms, less is better": World((0.10, 0.20), binary=True, lower=True),
    "three arms, less is better": World((0.05, 0.15, 0.20), binary=True, lower=True),
    "three arms of any reward": World((0.0, 0.2, 0.5), binary=False, lower=False),
    "two arms of any reward, less is better": World((0.0, 0.4), binary=False, lower=True),
}


def compared(name: str, runs: int) -> tuple[float, float]:
    """Return the ratio of both regrets and its standard error, and print them."""
    world = WORLDS[name]
    mine = [ours(np.random.default_rng([7, run]), world) for run in range(runs)]
    other = [its(np.random.default_rng([8, run]), world) for run in range(runs)]
    ratio = float(np.mean(mine) / np.mean(other))
    error = ratio * np.hypot(*(np.std(one) / np.mean(one) / runs**0.5 for one in (mine, other)))
    even = ROUNDS * UNITS * world.gaps.mean()
    losses = f"{np.mean(mine):.1f} and {np.mean(other):.1f} of {even:.0f}"
    print(f"{name}: {losses}: {ratio:.3f} ± {error:.3f}", flush=True)
    return ratio, float(np.mean(mine) / even)


@pytest.mark.slow
@pytest.mark.parametrize("name", WORLDS)
def test_regret_is_within_a_tenth_of_an_independent_bandits(name: str) -> None:
    """Of 150 runs, as time is short; ``python -m tests.routing.test_regret 1000`` has more."""
    ratio, of_even = compared(name, 150)

    assert abs(ratio - 1) <= TOLERANCE
    assert of_even < 0.3, "both learn"


def test_a_few_runs_learn_as_an_independent_bandit_does() -> None:
    world = WORLDS["three arms"]
    mine = [ours(np.random.default_rng([7, run]), world) for run in range(20)]
    other = [its(np.random.default_rng([8, run]), world) for run in range(20)]

    assert np.mean(mine) == pytest.approx(np.mean(other), rel=0.5)
    assert max(np.mean(mine), np.mean(other)) < ROUNDS * UNITS * world.gaps.mean()


@pytest.mark.parametrize("count", [2, 5, 20])
def test_in_the_long_run_no_arm_has_less_than_the_floor(count: int) -> None:
    dice, floor = np.random.default_rng(3), 0.01
    means = np.array([0.5] + [0.05] * (count - 1))
    n, hits, given = np.zeros(count), np.zeros(count), np.zeros(count)
    weights = np.full(count, SCALE // count)
    for _ in range(60):
        units = dice.multinomial(5_000, weights / weights.sum())
        n += units
        hits += dice.binomial(units, means)
        given += weights / weights.sum()
        evidence = [
            Evidence(str(arm), float(n[arm]), float(hits[arm]), float(hits[arm]), float(hits[arm]))
            for arm in range(count)
        ]
        found = learn(evidence, binary=True, floor=floor, burn_in_units=100, burn_in_conversions=0)
        weights = np.array(list(found.weights.values()))
        assert weights.min() >= floor * SCALE

    assert given.min() / given.sum() >= floor
    assert weights[0] == SCALE - (count - 1) * floor * SCALE, "the best has all the rest"


if __name__ == "__main__":
    wide = [name for name in WORLDS if abs(compared(name, int(sys.argv[1]))[0] - 1) > TOLERANCE]
    sys.exit(len(wide))
