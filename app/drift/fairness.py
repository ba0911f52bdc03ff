"""Does a model treat groups alike? Pure.

Selection rate, true and false positive rate by group (demographic parity, equal opportunity and
equalised odds; Hardt et al., 2016), and the four-fifths rule of the EEOC (1978).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import exp, log, sqrt

from scipy.special import ndtri

CONFIDENCE = 0.95
FOUR_FIFTHS = 0.8
MIN_ROWS = 30
"""A rate of fewer says too little to be what the others are measured by."""


class Rate(StrEnum):
    """What is compared between groups."""

    SELECTION = "selection_rate"
    TRUE_POSITIVE = "true_positive_rate"
    FALSE_POSITIVE = "false_positive_rate"


class Parity(StrEnum):
    """What the four-fifths rule says, its interval considered."""

    KEPT = "kept"
    BROKEN = "broken"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Group:
    """One group's counts; of ``n`` rows, ``labelled`` have a label."""

    n: int
    predicted: int
    """Predicted positive, of all."""
    labelled: int = 0
    positives: int = 0
    true_positives: int = 0
    false_positives: int = 0

    def counts(self, rate: Rate) -> tuple[int, int]:
        """Return how many of how many a rate is."""
        if rate is Rate.SELECTION:
            return self.predicted, self.n
        if rate is Rate.TRUE_POSITIVE:
            return self.true_positives, self.positives
        return self.false_positives, self.labelled - self.positives

    def __add__(self, other: "Group") -> "Group":
        return Group(
            self.n + other.n,
            self.predicted + other.predicted,
            self.labelled + other.labelled,
            self.positives + other.positives,
            self.true_positives + other.true_positives,
            self.false_positives + other.false_positives,
        )


@dataclass(frozen=True, slots=True)
class Share:
    """``hits`` of ``rows`` with Wilson's (1927) interval."""

    hits: int
    rows: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Gap:
    """How much worse a group is off than the best, with Newcombe's (1998) interval.

    Of several groups it is wider (``one_of_many``).
    """

    group: str
    best: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """A group's selection rate over the highest, with Katz's (1978) log interval.

    Of several groups it is wider (``one_of_many``).
    """

    group: str
    best: str
    value: float
    low: float
    high: float
    parity: Parity


def wilson(hits: int, rows: int, confidence: float = CONFIDENCE) -> Share | None:
    """Return a share with Wilson's interval; ``None`` of no rows."""
    if not rows:
        return None
    z = _z(confidence)
    share = hits / rows
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    room = z / (1 + z * z / rows) * sqrt(share * (1 - share) / rows + (z / (2 * rows)) ** 2)
    low, high = max(middle - room, 0.0), min(middle + room, 1.0)
    # At the ends the interval reaches the share itself, which rounding may miss.
    return Share(hits, rows, share, min(low, share), max(high, share))


def rates(
    groups: Mapping[str, Group], rate: Rate, confidence: float = CONFIDENCE
) -> dict[str, Share]:
    """Return each group's rate, those left out that have no rows for it."""
    found = {name: wilson(*group.counts(rate), confidence) for name, group in groups.items()}
    return {name: share for name, share in found.items() if share is not None}


def best(found: Mapping[str, Share], rate: Rate) -> str | None:
    """Return the group that is best off, of those with ``MIN_ROWS``; ties by name."""
    sign = sign_of(rate)
    able = [name for name, share in found.items() if share.rows >= MIN_ROWS]
    return min(able, key=lambda name: (-sign * found[name].value, name), default=None)


def one_of_many(found: Mapping[str, Share]) -> float:
    """Return the confidence that each comparison with the best needs, for ``CONFIDENCE`` of all.

    The best is what chance made best too: of equal groups, the one that it favoured. So that no two
    groups are told apart by being the ends of many, every pair counts that might have been compared
    (Bonferroni): those with ``MIN_ROWS`` among themselves, and with each of the smaller ones.
    """
    able = sum(share.rows >= MIN_ROWS for share in found.values())
    pairs = able * (able - 1) // 2 + able * (len(found) - able)
    return 1 - (1 - CONFIDENCE) / max(pairs, 1)


def gaps(groups: Mapping[str, Group], rate: Rate) -> list[Gap]:
    """Return how much worse off each group is than the best: 0 or more by their own shares."""
    plain = rates(groups, rate)
    first = best(plain, rate)
    if first is None:
        return []
    found = rates(groups, rate, one_of_many(plain))
    return [
        Gap(name, first, *difference(*(found[first], share)[:: sign_of(rate)]))
        for name, share in sorted(found.items())
        if name != first
    ]


def difference(one: Share, two: Share) -> tuple[float, float, float]:
    """Return one − two with Newcombe's (1998) hybrid score interval."""
    value = one.value - two.value
    low = value - sqrt((one.value - one.low) ** 2 + (two.high - two.value) ** 2)
    high = value + sqrt((one.high - one.value) ** 2 + (two.value - two.low) ** 2)
    return value, low, high


def four_fifths(groups: Mapping[str, Group]) -> list[Ratio]:
    """Return each group's selection rate as a share of the highest, and whether 4/5 is kept.

    Broken or kept is what the whole interval is, at 95 % over all groups together; otherwise more
    rows are needed.
    """
    found = rates(groups, Rate.SELECTION)
    first = best(found, Rate.SELECTION)
    if first is None or not found[first].hits:
        return []
    confidence = one_of_many(found)
    return [
        _ratio(name, share, first, found[first], confidence)
        for name, share in sorted(found.items())
        if name != first
    ]


def _ratio(name: str, share: Share, first: str, top: Share, confidence: float) -> Ratio:
    hits = share.hits or 0.5  # of none selected the logarithm has no error: Haldane's half
    error = sqrt(max(1 / hits - 1 / share.rows, 0.0) + 1 / top.hits - 1 / top.rows)
    middle = log(hits / share.rows / top.value)
    low, high = (exp(middle + side * _z(confidence) * error) for side in (-1, 1))
    value = share.value / top.value
    low = min(low, value)
    parity = Parity.UNCLEAR
    if high < FOUR_FIFTHS:
        parity = Parity.BROKEN
    elif low >= FOUR_FIFTHS:
        parity = Parity.KEPT
    return Ratio(name, first, value, low, high, parity)


def sign_of(rate: Rate) -> int:
    """Return 1 of what is good to have, −1 of a false alarm."""
    return -1 if rate is Rate.FALSE_POSITIVE else 1


def _z(confidence: float) -> float:
    return float(ndtri(0.5 + confidence / 2))
