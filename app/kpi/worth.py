"""What a version is worth: what its units bring beyond those that it was kept from. Pure.

Units are given to the holdout by chance, so that the difference is the version's doing: here, and
at every other decision point that the same units come to. Each unit counts once, with everything
it brought; the sum over the points is that of the units' own sums.
"""

from dataclasses import dataclass
from math import sqrt

from app.kit.sequences import FEWEST, Interval, Sums, difference

EARNING = 40
"""Earning units that are expected of either group, before anything is said."""
VARYING = 10
"""Units of the smaller group that carry the variance, before anything is said: where everybody
earns 100 and one in a hundred loses 5,000, that one is of them. Of fewer the mean is skewed, and a
sequence that begins with it excludes the truth in every third run."""
_ALIKE = 1e-12
"""A variance that is no more of the mean square is what rounding left."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What the units of a group brought at one place: how many, the sum, the sum of squares.

    ``earning`` are those that brought anything at all, gain or loss; ``cubes`` and ``fourths`` are
    sums of the powers of what lies between a unit and the group's mean.
    """

    units: int
    total: float
    squares: float
    cubes: float
    fourths: float
    earning: int

    @property
    def mean(self) -> float:
        """What a unit brought."""
        return self.total / self.units

    @property
    def away(self) -> float:
        """The squares of what lies between the units and their mean."""
        return max(self.squares - self.total * self.mean, 0.0)


@dataclass(frozen=True, slots=True)
class Worth:
    """What a version does to a unit at one place, and to all units that it had."""

    per_unit: Interval
    total: Interval


def worth(treated: Brought, held_out: Brought, *, share: float = 1.0) -> Worth | None:
    """Return what the treated units bring more than the others; nothing while too few have.

    The sequence is asymptotic: once forty earning units, and ten that carry the variance, are
    to be expected of either group by what both show together, it holds at every look, however
    often somebody looks. ``share`` of the units were looked at: the total is of all of them.
    """
    if lacking(treated, held_out) is not None:
        return None
    found = difference(_sums(treated, treated), _sums(held_out, treated))
    if found is None:
        return None
    own = treated.mean - held_out.mean
    each = Interval(own, min(found.low, own), max(found.high, own))
    units = treated.units / share
    return Worth(each, Interval(each.difference * units, each.low * units, each.high * units))


def lacking(treated: Brought, held_out: Brought) -> str | None:
    """Say what keeps anything from being said."""
    few = min(treated.units, held_out.units)
    who = "the holdout" if held_out.units <= treated.units else "the version"
    if few < FEWEST:
        return f"{who} has had {few} units; {FEWEST} of each are needed"
    for which, expected in _expected(treated, held_out, few):
        if expected < EARNING:
            return (
                f"of the {few} units that {who} has had, {expected:.0f} should have brought"
                f" {which}; {EARNING} are needed"
            )
    for whom, brought in (("the version", treated), ("the holdout", held_out)):
        smoothed = _sums(brought, treated)
        if smoothed.variance <= _ALIKE * smoothed.squares / smoothed.n:
            return f"all units that {whom} has had brought the same: that says nothing of others"
    carrying = few * peers(treated, held_out)
    if carrying < VARYING:
        return (
            f"what units bring differs mostly by rare, large amounts: of the {few} units that {who}"
            f" has had, as good as {carrying:.0f} say how they differ; {VARYING} are needed, so"
            " that more units or a longer time have to be looked at"
        )
    return None


def _expected(treated: Brought, held_out: Brought, few: int) -> list[tuple[str, float]]:
    """Return how many of few units should have brought anything, and of successes also nothing."""
    units = treated.units + held_out.units
    rate = (treated.earning + held_out.earning) / units
    binary = all(one.total == one.squares == one.earning for one in (treated, held_out))
    return [("anything", few * rate), *([("nothing", few * (1 - rate))] if binary else [])]


def peers(treated: Brought, held_out: Brought) -> float:
    """Return the share of the units that carry the variance, by all of them as one sample.

    It is m₂³/m₃², of rare successes their rate: how many units skew the mean as much as one that
    is such a success. Where gains and losses make up for each other in m₃ it is no more than
    2m₂²/m₄. Groups are put together as by Pébay, "Formulas for robust, one-pass parallel
    computation of covariances and arbitrary-order statistical moments" (SAND2008-6212).
    """
    a, b = treated.units, held_out.units
    n, apart = a + b, held_out.mean - treated.mean
    between = apart * apart * a * b / n
    second = treated.away + held_out.away + between
    third = (
        treated.cubes + held_out.cubes + between * apart * (a - b) / n
        + 3 * apart * (a * held_out.away - b * treated.away) / n
    )  # fmt: skip
    fourth = (
        treated.fourths + held_out.fourths
        + between * apart * apart * (a * a - a * b + b * b) / (n * n)
        + 6 * apart * apart * (a * a * held_out.away + b * b * treated.away) / (n * n)
        + 4 * apart * (a * held_out.cubes - b * treated.cubes) / n
    )  # fmt: skip
    # Divided before they are multiplied: powers of what is reckoned with are numbers of a double.
    skew, peaked = third / second * sqrt(n / second), fourth / second * (n / second)
    return min(1 / max(skew * skew, 1.0), 2 / max(peaked, 2.0))


def _sums(brought: Brought, like: Brought) -> Sums:
    """Return a group's sums, with one unit more that brought what an earning one does.

    A group of which nobody has brought anything is not known to bring nothing.
    """
    typical = like.total / like.earning if like.earning else 0.0
    return Sums(brought.units + 1, brought.total + typical, brought.squares + typical * typical)
