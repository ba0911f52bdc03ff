"""Bayesian linear regression per arm: what each arm would earn of a unit like this one. Pure.

The prior is Normal-inverse-gamma with precision 1 on every coefficient of standardised features. A
decision takes the arms' chances to be best, by Monte Carlo over draws that were made once a round:
they are seeded by what was learnt, so that anyone can recompute a unit's chances years later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Self

import numpy as np
from pydantic import TypeAdapter

from app.kit.arrays import Floats
from app.kit.canonical import digest
from app.routing.bandit import whole
from app.routing.contexts import Contextual, Feature, vector

_FEATURES: TypeAdapter[tuple[Feature, ...]] = TypeAdapter(tuple[Feature, ...])

DRAWS = 400
"""A chance is known to within 2.5 %, which is what a propensity can be off by."""
_PRECISION, _SHAPE, _RATE = 1.0, 1.0, 1.0


@dataclass(frozen=True, slots=True)
class Posterior:
    """What is known of one arm: of ``n`` units, in units of the rewards' spread.

    ``centre`` is shaped (width,), ``precision`` (width, width).
    """

    n: int
    centre: Floats
    precision: Floats
    shape: float
    rate: float

    @classmethod
    def of(cls, contexts: Floats, rewards: Floats) -> Self:
        """Return what rewards, shaped (n,), say in their contexts, shaped (n, width)."""
        width = contexts.shape[1]
        precision: Floats = _PRECISION * np.eye(width) + contexts.T @ contexts
        weighted = contexts.T @ rewards
        centre: Floats = np.linalg.solve(precision, weighted).astype(float)
        left = max(float(rewards @ rewards - centre @ weighted), 0.0)
        n = len(rewards)
        return cls(n, centre, precision, _SHAPE + n / 2, _RATE + left / 2)

    def drawn(self, dice: np.random.Generator, count: int) -> Floats:
        """Return draws of the coefficients, shaped (count, width)."""
        variances = self.rate / dice.gamma(self.shape, 1.0, count)
        turned = np.linalg.solve(
            np.linalg.cholesky(self.precision).T, dice.normal(size=(len(self.centre), count))
        )
        return np.asarray(self.centre + (np.sqrt(variances) * turned).T)

    def stored(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "n": self.n,
            "centre": self.centre.tolist(),
            "precision": self.precision.tolist(),
            "shape": self.shape,
            "rate": self.rate,
        }

    @classmethod
    def read(cls, stored: dict[str, Any]) -> Self:
        """Return a posterior as it was stored."""
        return cls(
            stored["n"],
            np.array(stored["centre"], dtype=float),
            np.array(stored["precision"], dtype=float),
            float(stored["shape"]),
            float(stored["rate"]),
        )


class Linear:
    """A segment's arms by what they would earn of a unit: whom each unit gets, and how likely.

    ``stored`` is all of it as JSON values.
    """

    __slots__ = ("_draws", "_features", "_floor", "stored")

    def __init__(self, stored: Mapping[str, Any]) -> None:
        self.stored = stored
        self._features = _FEATURES.validate_python(stored["features"])
        self._floor = stored["floor"]
        self._draws = np.stack(
            [
                Posterior.read(one).drawn(np.random.default_rng(_seed(one, place)), DRAWS)
                for place, one in enumerate(stored["arms"])
            ]
        ) * (-1.0 if stored["lower"] else 1.0)

    def chances(self, context: Mapping[str, Any]) -> Floats:
        """Return each arm's chance of a unit, the floor added, shaped (arms,)."""
        return self.of(vector(self._features, context))

    def of(self, context: Floats) -> Floats:
        """Return the same of a context as the models take it, shaped (width,)."""
        best = (self._draws @ context).argmax(axis=0)
        count = len(self._draws)
        shares = np.bincount(best, minlength=count) / DRAWS
        found: Floats = self._floor + (1 - count * self._floor) * shares
        return found

    def bounds(self, context: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the same as cumulated weights of a unit's buckets."""
        return tuple(accumulate(whole(self.chances(context))))


def linear_of(strategy: Contextual, arms: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what ``Linear`` is made of: a strategy's terms with the stored models of its arms."""
    return {
        "features": [one.model_dump() for one in strategy.features],
        "floor": strategy.floor,
        "lower": strategy.better == "lower",
        "arms": list(arms),
    }


def _seed(stored: Mapping[str, Any], place: int) -> int:
    return int(digest([place, stored]).removeprefix("sha256:")[:16], 16)
