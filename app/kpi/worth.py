"""What a version is worth: what its units bring beyond those that it was kept from. Pure.

Units are given to the holdout by chance, so that the difference is the version's doing: here, and
at every other decision point that the same units come to. Each unit counts once, with everything
it brought; the sum over the points is that of the units' own sums.
"""

from dataclasses import dataclass

from app.kit.sequences import FEWEST, Interval, Sums, difference

EARNING = 40
"""Earning units that are expected of either group, before anything is said."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What the units of a group brought at one place: how many, the sum, the sum of squares.

    ``earning`` are those that brought anything at all, gain or loss.
    """

    units: int
    total: float
    squares: float
    earning: int


@dataclass(frozen=True, slots=True)
class Worth:
    """What a version does to a unit at one place, and to all units that it had."""

    per_unit: Interval
    total: Interval


def worth(treated: Brought, held_out: Brought, *, share: float = 1.0) -> Worth | None:
    """Return what the treated units bring more than the others; nothing while too few have.

    The sequence is asymptotic: from forty earning units on that either group should have, by what
    both show together, it holds at every look, however often somebody looks; of rewards with very
    heavy tails later. ``share`` of the units were looked at: the total is of all of them.
    """
    if lacking(treated, held_out) is not None:
        return None
    found = difference(_sums(treated, treated), _sums(held_out, treated))
    if found is None:
        return None
    units = treated.units / share
    total = Interval(found.difference * units, found.low * units, found.high * units)
    return Worth(found, total)


def lacking(treated: Brought, held_out: Brought) -> str | None:
    """Say what keeps anything from being said."""
    few = min(treated.units, held_out.units)
    who = "the holdout" if held_out.units <= treated.units else "the version"
    if few < FEWEST:
        return f"{who} has had {few} units; {FEWEST} of each are needed"
    rate = (treated.earning + held_out.earning) / (treated.units + held_out.units)
    if few * rate < EARNING:
        return (
            f"of the {few} units that {who} has had, {few * rate:.0f} should have brought anything;"
            f" {EARNING} are needed"
        )
    return None


def _sums(brought: Brought, like: Brought) -> Sums:
    """Return a group's sums, with one unit more that brought what an earning one does.

    A group of which nobody has brought anything is not known to bring nothing.
    """
    typical = like.total / like.earning if like.earning else 0.0
    return Sums(brought.units + 1, brought.total + typical, brought.squares + typical * typical)
