"""What may be said of arms at any moment, however often somebody looks. Pure.

An interval of a fixed sample that is looked at every day until it excludes 0 promotes one of two
equal arms in every fourth run. An asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha,
Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences", Annals
of Statistics 2024, theorem 2.2) covers the truth at all moments together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log, sqrt

from scipy.special import chdtrc

ALPHA = 0.05
MISMATCH = 0.0005
"""A share of arms less likely than this under the plan's weights is no accident."""
_TIGHTEST_AT = 2_000
"""How many units an interval is made tightest for; it covers at every number."""
FEWEST = 100
"""Units of each arm before anything is said: the theory is of many."""
FEW = 40
"""Of successes or none, so many of the rarer must be expected of each arm: a handful is skewed, and
a sequence that begins with it excludes the truth in every seventh run."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Rewards of one arm: how many, their sum and their sum of squares."""

    n: float
    total: float
    squares: float
    each: float = 1.0
    """How many of them say as much as one of units that come once."""

    @property
    def worth(self) -> float:
        """How many rewards of different units would say as much."""
        return self.n / self.each

    @property
    def binary(self) -> bool:
        """Whether each reward is a success or none, as far as sums say it."""
        return self.total == self.squares

    @property
    def mean(self) -> float:
        """Reward a unit."""
        return self.total / self.n if self.n else 0.0

    @property
    def variance(self) -> float:
        """Spread of the rewards."""
        if not self.n:
            return 0.0
        return max(self.squares / self.n - self.mean**2, 0.0)


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a difference of means lies."""

    difference: float
    low: float
    high: float


def radius(n: float, deviation: float, *, alpha: float = ALPHA) -> float:
    """Return half the width of a mean's interval after ``n`` units of a standard deviation."""
    rho2 = (-2 * log(alpha) + log(-2 * log(alpha) + 1)) / _TIGHTEST_AT
    grown = n * rho2 + 1
    return deviation * sqrt(2 * grown / (n * n * rho2) * log(sqrt(grown) / alpha))


def difference(arm: Sums, control: Sums, *, alpha: float = ALPHA) -> Interval | None:
    """Return how much more an arm earns a unit than the control; nothing of too few units.

    The two samples are one of ``n`` units whose contributions to the difference, weighted by the
    arms' shares, have its variance. Rewards count for what they are worth.
    """
    if min(arm.worth, control.worth) < FEWEST or not min(arm.variance, control.variance):
        return None  # rewards that are all alike say nothing of how others may be
    if arm.binary and control.binary and min(arm.worth, control.worth) * _rarer(arm, control) < FEW:
        return None
    n = arm.worth + control.worth
    spread = n * (arm.variance / arm.worth + control.variance / control.worth)
    found = arm.mean - control.mean
    around = radius(n, sqrt(spread), alpha=alpha)
    return Interval(found, found - around, found + around)


def _rarer(arm: Sums, control: Sums) -> float:
    """Return the rate of successes, or of none, whichever is rarer, over both arms."""
    rate = (arm.total + control.total) / (arm.n + control.n)
    return min(rate, 1 - rate)


def mismatch(units: Mapping[str, int], weights: Mapping[str, int]) -> float | None:
    """Return how likely arms' units are under the weights; nothing while there are few.

    A mismatch says that units are lost or doubled on their way: no comparison of arms holds then.
    ``scipy.stats.chisquare`` does the same; importing it is a quarter of what a start takes.
    """
    drawn = {name: weight for name, weight in weights.items() if weight}
    total = sum(units.get(name, 0) for name in drawn)
    expected = [total * weight / sum(drawn.values()) for weight in drawn.values()]
    if len(drawn) < 2 or min(expected) < 5:  # noqa: PLR2004 - as chi-squared tests ask for
        return None
    seen = [units.get(name, 0) for name in drawn]
    away = sum((had - due) ** 2 / due for had, due in zip(seen, expected, strict=True))
    return float(chdtrc(len(drawn) - 1, away))
