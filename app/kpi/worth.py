"""What a version is worth: what its units bring beyond those that it was kept from. Pure.

Units are given to the holdout by chance, so that the difference is the version's doing: here, and
at every other decision point that the same units come to. Each unit counts once, with everything
it brought; the sum over the points is that of the units' own sums.
"""

from dataclasses import dataclass

from app.kit.sequences import FEWEST, Interval, Sums, difference


@dataclass(frozen=True, slots=True)
class Brought:
    """What the units of a group brought at one place: how many, the sum, the sum of squares."""

    units: int
    total: float
    squares: float


@dataclass(frozen=True, slots=True)
class Worth:
    """What a version does to a unit at one place, and to all units that it had."""

    per_unit: Interval
    total: Interval


def worth(treated: Brought, held_out: Brought, *, share: float = 1.0) -> Worth | None:
    """Return what the treated units bring more than the others; nothing of too few units.

    The interval holds at every look, however often somebody looks. ``share`` of the units were
    looked at: the total is of all of them.
    """
    found = difference(_sums(treated), _sums(held_out))
    if found is None:
        return None
    units = treated.units / share
    total = Interval(found.difference * units, found.low * units, found.high * units)
    return Worth(found, total)


def lacking(treated: int, held_out: int) -> str | None:
    """Say what keeps anything from being said."""
    few = min(treated, held_out)
    if few >= FEWEST:
        return None
    who = "the holdout" if held_out <= treated else "the version"
    return f"{who} has had {few} units; {FEWEST} of each are needed"


def _sums(brought: Brought) -> Sums:
    return Sums(brought.units, brought.total, brought.squares)
