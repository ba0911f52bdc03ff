"""Ramps: the next step, a hold or the way back, by what the arm earns beside the champion. Pure.

At each step both arms' shares stand still, so that each step is an experiment of its own; its
confidence sequence has its part of alpha, so that a harmless version is rolled back in at most one
of twenty ramps, however often somebody looks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from math import sqrt

from app.kit.sequences import ALPHA, FEWEST, MISMATCH, Interval, Sums, difference
from app.routing.adaptive import Ramp

_DOUBTFUL, _HOPEFUL = 1.2816, 0.6745
"""So many standard errors below what is tolerated: likely worse with nine in ten, with three in
four. A hold begins at the one and ends at the other, lest each reward begin or end it."""


class Status(StrEnum):
    """Where a ramp stands."""

    RUNNING = "running"
    HOLDING = "holding"
    """By itself: something speaks against the next step."""
    HELD = "held"
    """By a person, until somebody resumes it."""
    ROLLED_BACK = "rolled_back"
    DONE = "done"
    """At its last step; what would roll it back still does, where a control is left."""


@dataclass(frozen=True, slots=True)
class Position:
    """A ramp's step, counted from 0, and why it goes no further."""

    step: int = 0
    status: Status = Status.RUNNING
    why: tuple[str, ...] = ()

    def moved(self, before: "Position") -> bool:
        """Say whether it stands elsewhere than before; what it waits for may be told anew."""
        return (self.step, self.status) != (before.step, before.status)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a step has shown so far."""

    arm: Sums
    control: Sums
    minutes: float
    mismatch: float | None = None
    stopped: bool = False
    """Whether a stop keeps the arm from answering."""


def weights(ramp: Ramp, position: Position) -> dict[str, int]:
    """Return the arms' weights at a position."""
    gone = position.status is Status.ROLLED_BACK
    arms = ramp.at(0.0 if gone else ramp.steps[position.step])
    return {arm.name: arm.weight for arm in arms}


def turn(ramp: Ramp, position: Position, seen: Seen) -> Position:
    """Return where a ramp goes from a position by what its step has shown."""
    if position.status is Status.ROLLED_BACK:
        return position
    gain, tolerated = _gain(ramp, seen), -ramp.tolerance * abs(seen.control.mean)
    if gain is not None and gain.high < tolerated:
        why = f"{ramp.arm.name} earns {gain.difference:.4g} a unit, at most {gain.high:.4g}."
        return replace(position, status=Status.ROLLED_BACK, why=(why,))
    if position.status is Status.HELD:
        return position
    holding = position.status is Status.HOLDING
    doubts = _doubts(ramp, seen, tolerated, _HOPEFUL if holding else _DOUBTFUL)
    if position.status is Status.DONE:
        return replace(position, why=doubts)
    if doubts:
        return replace(position, status=Status.HOLDING, why=doubts)
    return _onward(ramp, position, seen)


def _doubts(ramp: Ramp, seen: Seen, tolerated: float, errors: float) -> tuple[str, ...]:
    """Return what speaks against the next step."""
    return _that_hold(
        {
            f"{ramp.arm.name} likely earns less than is tolerated.":
                _likely_worse(ramp, seen, tolerated, errors),
            f"The arms' shares are not the ramp's (p = {seen.mismatch or 0:.1g}).":
                seen.mismatch is not None and seen.mismatch < MISMATCH,
            f"{ramp.arm.name} is stopped.": seen.stopped,
        }
    )  # fmt: skip


def _onward(ramp: Ramp, position: Position, seen: Seen) -> Position:
    """Return the next step, if the present one has lasted and shown enough."""
    given = weights(ramp, position)
    of = {ramp.arm.name: seen.arm, ramp.control: seen.control}
    few = [name for name, sums in of.items() if given[name] and sums.n < ramp.min_rewards]
    waits = _that_hold(
        {
            f"Its step has lasted {seen.minutes:.0f} of {ramp.step_minutes} minutes.":
                seen.minutes < ramp.step_minutes,
            f"Fewer than {ramp.min_rewards} rewards of {' and '.join(few)}.": bool(few),
        }
    )  # fmt: skip
    if waits:
        return Position(position.step, Status.RUNNING, waits)
    if position.step + 1 < len(ramp.steps):
        return Position(position.step + 1)
    return Position(position.step, Status.DONE)


def _gain(ramp: Ramp, seen: Seen) -> Interval | None:
    return difference(*_compared(ramp, seen), alpha=ALPHA / len(ramp.steps))


def _likely_worse(ramp: Ramp, seen: Seen, tolerated: float, errors: float) -> bool:
    arm, control = _compared(ramp, seen)
    if min(arm.worth, control.worth) < FEWEST:
        return False
    error = sqrt(arm.variance / arm.worth + control.variance / control.worth)
    return arm.mean - control.mean < tolerated - errors * error


def _compared(ramp: Ramp, seen: Seen) -> tuple[Sums, Sums]:
    """Return both arms so that more is better, with the wider spread of the two.

    Who had few successes by chance seems to have little spread as well: by its own an arm of some
    hundred units would be found worse too often, and one that never succeeds would not be at all.
    """
    arm, control = (_turned(ramp, sums) for sums in (seen.arm, seen.control))
    return _spread(ramp, arm, control), _spread(ramp, control, arm)


def _spread(ramp: Ramp, sums: Sums, other: Sums) -> Sums:
    wider = max(sums.variance, other.variance)
    if not wider and ramp.reward == "binary" and sums.n:
        wider = 1 / sums.n  # as if one unit had done otherwise
    return replace(sums, squares=sums.n * (wider + sums.mean**2))


def _turned(ramp: Ramp, sums: Sums) -> Sums:
    return replace(sums, total=-sums.total) if ramp.better == "lower" else sums


def _that_hold(found: Mapping[str, bool]) -> tuple[str, ...]:
    return tuple(said for said, holds in found.items() if holds)
