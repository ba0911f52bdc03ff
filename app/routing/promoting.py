"""Promoting: whether an arm has earned to be champion, and what it still lacks. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from app.routing import bandit
from app.routing.sequences import FEWEST, MISMATCH, Interval, Sums, difference

DAYS, P_BEST, LOSS = 14, 0.95, 0.005
"""How long, how surely and at what relative loss: all have to hold."""


class Advice(StrEnum):
    """What the evidence says to do."""

    PROMOTE = "promote"
    KEEP = "keep"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Observed:
    """What an experiment has shown up to a moment."""

    arms: Mapping[str, Sums]
    control: str
    binary: bool
    lower_is_better: bool
    days: float
    mismatch: float | None
    stopped: Sequence[str] = ()
    """Arms that a stop keeps from answering."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How the arms stand: what is known of each, and what follows."""

    p_best: dict[str, float]
    expected_loss: dict[str, float]
    differences: dict[str, Interval | None]
    """To the control, turned so that more is better; by arm."""
    best: str
    advice: Advice
    lacking: list[str]
    """Why the best arm is not to be promoted yet, in words."""


def stand(observed: Observed) -> Standing:
    """Judge an experiment by DESIGN's promotion rule; the control is the champion."""
    turned = {
        name: replace(sums, total=-sums.total) if observed.lower_is_better else sums
        for name, sums in observed.arms.items()
    }
    learnt = bandit.learn(
        [
            bandit.Evidence(
                name, sums.n, round(sums.total) if observed.binary else 0, sums.total, sums.squares
            )
            for name, sums in observed.arms.items()
        ],
        binary=observed.binary,
        floor=0.0,
        burn_in_units=0,
        burn_in_conversions=0,
        lower_is_better=observed.lower_is_better,
    )
    control = turned[observed.control]
    differences = {
        name: difference(sums, control) for name, sums in turned.items() if name != observed.control
    }
    best = max(learnt.p_best, key=lambda name: learnt.p_best[name])
    lacking = _lacking(observed, turned, learnt, differences, best)
    if best == observed.control:
        beaten = all(found is not None and found.high < 0 for found in differences.values())
        advice = Advice.KEEP if beaten and differences else Advice.WAIT
    else:
        advice = Advice.WAIT if lacking else Advice.PROMOTE
    return Standing(learnt.p_best, learnt.expected_loss, differences, best, advice, lacking)


def _lacking(
    observed: Observed,
    turned: Mapping[str, Sums],
    learnt: bandit.Learnt,
    differences: Mapping[str, Interval | None],
    best: str,
) -> list[str]:
    lacks = []
    if best == observed.control:
        lacks.append("The champion is the best so far.")
    few = [name for name, sums in turned.items() if sums.n < FEWEST]
    if few:
        lacks.append(f"Fewer than {FEWEST} rewards of {', '.join(sorted(few))}.")
    if observed.days < DAYS:
        lacks.append(f"It has run for {observed.days:.1f} of {DAYS} days.")
    if learnt.p_best[best] < P_BEST:
        lacks.append(f"{best} is the best with {learnt.p_best[best]:.1%}; {P_BEST:.0%} are asked.")
    scale = abs(turned[observed.control].mean)
    loss = learnt.expected_loss[best]
    if loss > LOSS * scale:
        lacks.append(f"Promoting {best} risks {loss:.4g} a unit; at most {LOSS * scale:.4g}.")
    found = differences.get(best)
    if best != observed.control and (found is None or found.low <= 0):
        lacks.append(f"The confidence sequence of {best} against the champion does not exclude 0.")
    if observed.mismatch is not None and observed.mismatch < MISMATCH:
        lacks.append(f"The arms' shares are not the plan's (p = {observed.mismatch:.1g}).")
    if observed.stopped:
        lacks.append(f"Stopped: {', '.join(sorted(observed.stopped))}.")
    return lacks
