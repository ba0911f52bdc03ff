"""Bias reinforcement: does a model treat groups less and less alike, by its own doing? Pure.

A gap between groups that widens from window to window is what self-fulfilling decisions look like:
who is refused brings no label that could prove the refusal wrong (Ensign et al., 2018).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.drift.fairness import CONFIDENCE, Group, Rate, best, rates, sign_of
from app.drift.trends import LEAST_WINDOWS, Trend, trend

LEAST_WIDENING = 0.01
"""Of any less, however many rows make it certain, nobody is worse off."""


@dataclass(frozen=True, slots=True)
class Reinforcement:
    """How a group's gap to the best one develops; of several at once, intervals are wider."""

    rate: Rate
    group: str
    best: str
    trend: Trend

    @property
    def reinforcing(self) -> bool:
        """Say whether the gap certainly widens, and by enough over the time looked at."""
        return self.trend.rises and self.trend.slope * (self.trend.windows - 1) >= LEAST_WIDENING


def reinforcements(
    windows: Sequence[Mapping[str, Group]], *, confidence: float = CONFIDENCE
) -> list[Reinforcement]:
    """Return the trend of every group's gaps over windows, oldest first.

    The best group is that of all windows together, so that it stays the same. The confidence is
    of all trends at once (Bonferroni): with ten groups and three rates, one in twenty would else
    be reinforcing by chance. Fewer than ``LEAST_WINDOWS`` windows say nothing.
    """
    whole = pooled(windows)
    pairs = [
        (rate, name, first)
        for rate in Rate
        if (first := best(found := rates(whole, rate), rate)) is not None
        for name in sorted(found)
        if name != first
    ]
    if len(windows) < LEAST_WINDOWS or not pairs:
        return []
    each = 1 - (1 - confidence) / len(pairs)
    trends = [
        (rate, name, first, _trend(windows, rate, name, first, each)) for rate, name, first in pairs
    ]
    return [
        Reinforcement(rate, name, first, found)
        for rate, name, first, found in trends
        if found is not None
    ]


def pooled(windows: Sequence[Mapping[str, Group]]) -> dict[str, Group]:
    """Return the groups' counts over all windows."""
    whole: dict[str, Group] = {}
    for window in windows:
        for name, group in window.items():
            whole[name] = whole[name] + group if name in whole else group
    return whole


def _trend(
    windows: Sequence[Mapping[str, Group]], rate: Rate, name: str, first: str, confidence: float
) -> Trend | None:
    nobody = Group(0, 0)
    values, variances = [], []
    for window in windows:
        value, variance = float("nan"), 0.0
        sides = [window.get(one, nobody).counts(rate) for one in (first, name)]
        if all(rows for _, rows in sides):
            (a, n), (b, m) = sides
            value = sign_of(rate) * (a / n - b / m)
            variance = _variance(a, n) + _variance(b, m)
        values.append(value)
        variances.append(variance)
    return trend(values, variances, confidence=confidence)


def _variance(hits: int, rows: int) -> float:
    """Return a share's variance by Agresti and Coull (1998): a share of 0 is not certain."""
    share = (hits + 2) / (rows + 4)
    return share * (1 - share) / (rows + 4)
