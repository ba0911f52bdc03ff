"""Rewards: what an arm's hours add up to, once those count that are old enough. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from math import inf
from typing import Self

from app.kit.sequences import Sums
from app.routing.arms import Rewarded
from app.telemetry import Hour, hour_at

_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Earned:
    """An arm's events and what they have earned; fractions, where old rewards count less."""

    events: float = 0.0
    rewarded: float = 0.0
    conversions: float = 0.0
    reward: float = 0.0
    squares: float = 0.0

    @classmethod
    def in_hour(cls, hour: Hour) -> Self:
        """Return what one hour holds."""
        found = hour.performance
        return cls(
            hour.events, found.rewarded, found.conversions, found.reward, found.reward_squared
        )

    def plus(self, other: "Earned", times: float = 1.0) -> "Earned":
        """Return both together, the other one so many times."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Earned(*(mine + times * its for mine, its in pairs))

    def units(self, terms: Rewarded) -> float:
        """Return how many rewards are known: with a window, those that never came are 0."""
        return max(self.events, self.rewarded) if terms.attribution_hours else self.rewarded

    def sums(self, terms: Rewarded) -> Sums:
        """Return them as samples are compared by."""
        if terms.reward == "binary":
            return Sums(self.units(terms), self.conversions, self.conversions)
        return Sums(self.units(terms), self.reward, self.squares)


def earned(
    hours: Sequence[Hour],
    terms: Rewarded,
    *,
    since: datetime,
    now: datetime,
    until: datetime | None = None,
    before: Earned | None = None,
    past: Earned | None = None,
    half_life: int | None = None,
) -> Earned:
    """Return what an arm has earned since a moment, of decisions that are old enough.

    Hours are whole, the one of ``until`` among them; ``before`` is what the first of them held
    already at ``since``. Where rewards are waited for that hour is left out: those still to come of
    what it held before would count for nobody. After a ``half_life`` in hours an hour's rewards
    count half.
    """
    found, present = Earned(), hour_at(now)
    if past is not None:
        # Replayed or late: its time is older than the experiment, its decision is not.
        found = before_hour(hours, since).plus(past, -1.0)
    for hour, part in _counted(hours, terms, since, now, until, before):
        old = max(present - hour - 1, 0)
        found = found.plus(part, 1.0 if half_life is None else 0.5 ** (old / half_life))
    return found


def before_hour(hours: Iterable[Hour], at: datetime) -> Earned:
    """Return what all hours before that of a moment hold."""
    found, number = Earned(), hour_at(at)
    for hour in hours:
        if hour.hour < number:
            found = found.plus(Earned.in_hour(hour))
    return found


def by_day(
    hours: Iterable[Hour],
    terms: Rewarded,
    *,
    since: datetime,
    now: datetime,
    until: datetime | None = None,
    before: Earned | None = None,
) -> dict[int, Earned]:
    """Return what an arm had earned by the end of each day since a moment, if anything that day."""
    found, days, first = Earned(), dict[int, Earned](), hour_at(since)
    for hour, part in _counted(hours, terms, since, now, until, before):
        found = found.plus(part)
        days[(hour - first) // 24] = found
    return days


def _counted(
    hours: Iterable[Hour],
    terms: Rewarded,
    since: datetime,
    now: datetime,
    until: datetime | None,
    before: Earned | None,
) -> Iterator[tuple[int, Earned]]:
    waits = terms.attribution_hours
    first = hour_at(since) + (1 if waits else 0)
    last = inf if until is None else hour_at(until)
    ripe = now.timestamp() / _SECONDS - waits if waits else inf
    for hour in hours:
        if not first <= hour.hour <= last or hour.hour + 1 > ripe:
            continue
        part = Earned.in_hour(hour)
        if hour.hour == hour_at(since) and before is not None:
            part = part.plus(before, -1.0)
        yield hour.hour, part
