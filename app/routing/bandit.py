"""Thompson sampling: from matured rewards to weights. Pure.

Weights are the probability that an arm is the best one, by Monte Carlo over the posteriors, with
a floor added: ``f + (1 - K·f)·P(best)``. With ``top_two`` half of the units go to
who is the best of a draw that somebody else would not win: ``p_j · Σ p_i / (1 - p_i)`` over all
others (Russo, "Simple Bayesian algorithms for best-arm identification", Operations Research 2020);
of two arms each has half. The draws are seeded from the evidence itself, so that
anyone can recompute a weight from what was stored with it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from app.kit.arrays import Floats
from app.kit.canonical import digest

DRAWS = 40_000
SCALE = 10_000
"""Weights are whole numbers that add up to this."""
_ROUNDING = 1e-6
"""A share of a whole weight, such as a floor, is not lost to what floats are short of it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One arm's matured rewards."""

    arm: str
    units: float
    conversions: float
    reward: float
    reward_squared: float


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a round of learning found, arm by arm."""

    weights: dict[str, int]
    p_best: dict[str, float]
    expected_loss: dict[str, float]
    burning_in: bool
    evidence: list[dict[str, Any]]


def learn(
    evidence: Sequence[Evidence],
    *,
    binary: bool,
    floor: float,
    burn_in_units: int,
    burn_in_conversions: int,
    lower_is_better: bool = False,
    top_two: bool = False,
    draws_each: int = DRAWS,
    ever: Sequence[Evidence] | None = None,
) -> Learnt:
    """Return weights from evidence; equal ones until every arm is burnt in.

    That is judged by all there ever was, ``ever``, where the evidence itself fades.
    """
    rng = np.random.default_rng(_seed(evidence))
    unit, standard = (1.0, evidence) if binary else _standardised(evidence)
    draws = np.stack([_posterior(item, rng, draws_each, binary=binary) for item in standard])
    if lower_is_better:
        draws = -draws
    best = draws.max(axis=0)
    chances = np.bincount(draws.argmax(axis=0), minlength=len(evidence)) / draws_each
    loss = (best - draws).mean(axis=1) * unit
    burning = any(
        item.units < burn_in_units or (binary and item.conversions < burn_in_conversions)
        for item in ever or evidence
    )
    count = len(evidence)
    shares = chances
    if top_two:
        # Never 0 nor 1: who always wins the draws still has a challenger.
        sure = (chances * draws_each + 1) / (draws_each + count)
        odds = sure / (1 - sure)
        shares = sure * (1 + odds.sum() - odds) / 2
    wanted = np.full(count, 1 / count) if burning else floor + (1 - count * floor) * shares
    return Learnt(
        weights=dict(zip((item.arm for item in evidence), whole(wanted), strict=True)),
        p_best={item.arm: float(share) for item, share in zip(evidence, chances, strict=True)},
        expected_loss={item.arm: float(lost) for item, lost in zip(evidence, loss, strict=True)},
        burning_in=burning,
        evidence=[asdict(item) for item in evidence],
    )


def whole(shares: Floats) -> list[int]:
    """Return whole weights that add up to ``SCALE`` (largest remainders)."""
    exact = shares / shares.sum() * SCALE
    floors = np.floor(exact + _ROUNDING).astype(int)
    for index in np.argsort(floors - exact)[: SCALE - floors.sum()]:
        floors[index] += 1
    return [int(weight) for weight in floors]


def _standardised(evidence: Sequence[Evidence]) -> tuple[float, list[Evidence]]:
    """Return the rewards' pooled standard deviation, and the evidence in units of it.

    A weak prior is weak only where rewards are of the order of one, whatever their currency.
    """
    units = sum(item.units for item in evidence)
    mean = sum(item.reward for item in evidence) / units if units else 0.0
    squares = sum(item.reward_squared for item in evidence)
    variance = squares / units - mean**2 if units else 0.0
    unit = float(np.sqrt(variance)) if variance > 0 else 1.0
    return unit, [
        replace(
            item,
            reward=(item.reward - item.units * mean) / unit,
            reward_squared=(item.reward_squared - 2 * mean * item.reward + item.units * mean**2)
            / unit**2,
        )
        for item in evidence
    ]


def _posterior(item: Evidence, rng: np.random.Generator, count: int, *, binary: bool) -> Floats:
    """Draw the arm's mean reward: Beta(1, 1) prior, or a weak Normal-inverse-gamma one."""
    if binary:
        misses = item.units - item.conversions
        return rng.beta(1 + item.conversions, 1 + misses, count)
    n = item.units
    mean = item.reward / n if n else 0.0
    squares = max(item.reward_squared - n * mean**2, 0.0)
    strength, shape = 1e-3 + n, 1.0 + n / 2
    centre = n * mean / strength
    scale = 1.0 + squares / 2 + 1e-3 * n * mean**2 / (2 * strength)
    variance = scale / rng.gamma(shape, 1.0, count)
    return rng.normal(centre, np.sqrt(variance / strength))


def _seed(evidence: Sequence[Evidence]) -> int:
    return int(digest([asdict(item) for item in evidence]).removeprefix("sha256:")[:16], 16)
