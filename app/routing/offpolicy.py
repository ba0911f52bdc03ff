"""What another policy would have earned, from what this one did: logged propensities. Pure.

Self-normalised inverse propensities (SNIPS, Swaminathan and Joachims 2015) need no model; a doubly
robust estimate (Dudik, Langford and Li 2011) adds one and is right if either is. Both are refused
where the units that speak for an arm are worth fewer than two hundred.
"""

from dataclasses import dataclass

import numpy as np

from app.kit.arrays import Floats, Ints

FEWEST = 200.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an arm would have earned a unit, had it answered all of them."""

    snips: float
    snips_error: float
    robust: float
    robust_error: float
    effective: float
    """Units that speak for it, were they all given to it by the same chance."""


def estimated(
    arm: int, taken: Ints, propensities: Floats, rewards: Floats, predicted: Floats
) -> Estimate | None:
    """Return what ``arm`` would have earned; nothing where too little speaks for it.

    All are shaped (n,): which arm each unit got, by what chance, what it earned, and what a model
    says the asked arm would have earned of it.
    """
    weights = np.where(taken == arm, 1.0 / propensities, 0.0)
    total = weights.sum()
    if not total:
        return None
    effective = float(total**2 / np.square(weights).sum())
    if effective < FEWEST:
        return None
    snips = float(weights @ rewards / total)
    error = float(np.sqrt(np.square(weights * (rewards - snips)).sum()) / total)
    terms = predicted + weights * (rewards - predicted)
    spread = float(terms.std() / np.sqrt(len(terms)))
    return Estimate(snips, error, float(terms.mean()), spread, effective)
