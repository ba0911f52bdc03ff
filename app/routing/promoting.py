"""Promoting: whether an arm has earned to be champion, and what it still lacks. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from app.kit.sequences import ALPHA, FEWEST, MISMATCH, Interval, Sums, difference
from app.routing import bandit

_AHEAD_NONE = "The control is the best so far."
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
    measured: bool
    """Whether the control is the champion, as he was activated."""
    fixed: bool
    """Whether the arms' shares are; a bandit moves them by what it sees."""
    binary: bool
    lower_is_better: bool
    days: float
    mismatch: float | None
    keeping: bool = False
    """Whether units keep arms that other weights than the present ones gave them."""
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
    turned = _turned(observed.arms, lower_is_better=observed.lower_is_better)
    learnt = bandit.learn(
        [
            bandit.Evidence(
                name,
                sums.worth,
                round(sums.total / sums.each) if observed.binary else 0,
                sums.total / sums.each,
                sums.squares / sums.each,
            )
            for name, sums in observed.arms.items()
        ],
        binary=observed.binary,
        floor=0.0,
        burn_in_units=0,
        burn_in_conversions=0,
        lower_is_better=observed.lower_is_better,
    )
    differences = gains(observed.arms, observed.control, lower_is_better=observed.lower_is_better)
    best = max(learnt.p_best, key=lambda name: learnt.p_best[name])
    lacking = _lacking(observed, turned, learnt, differences, best)
    if best == observed.control:
        beaten = all(found is not None and found.high < 0 for found in differences.values())
        kept = beaten and bool(differences) and lacking == [_AHEAD_NONE]
        advice = Advice.KEEP if kept else Advice.WAIT
    else:
        advice = Advice.WAIT if lacking else Advice.PROMOTE
    return Standing(learnt.p_best, learnt.expected_loss, differences, best, advice, lacking)


def gains(
    arms: Mapping[str, Sums], control: str, *, lower_is_better: bool
) -> dict[str, Interval | None]:
    """Return each arm's gain over the control, so that more is better: all hold together."""
    turned = _turned(arms, lower_is_better=lower_is_better)
    alpha = ALPHA / max(len(turned) - 1, 1)
    return {
        name: difference(sums, turned[control], alpha=alpha)
        for name, sums in turned.items()
        if name != control
    }


def _turned(arms: Mapping[str, Sums], *, lower_is_better: bool) -> dict[str, Sums]:
    if not lower_is_better:
        return dict(arms)
    return {name: replace(sums, total=-sums.total) for name, sums in arms.items()}


def _lacking(
    observed: Observed,
    turned: Mapping[str, Sums],
    learnt: bandit.Learnt,
    differences: Mapping[str, Interval | None],
    best: str,
) -> list[str]:
    few = sorted(name for name, sums in turned.items() if sums.worth < FEWEST)
    again = any(turned[name].n >= FEWEST for name in few)
    most = LOSS * abs(turned[observed.control].mean)
    loss, surely = learnt.expected_loss[best], learnt.p_best[best]
    gain, unlikely = differences.get(best), observed.mismatch
    ahead = best != observed.control
    found = {
        "No arm is the champion as he was activated: what he earns is not known.":
            not observed.measured,
        "A bandit's shares follow its rewards: confirm the gain by a split.": not observed.fixed,
        "Units keep arms that other weights gave them: a new salt begins a clean test.":
            observed.keeping,
        _AHEAD_NONE: not ahead,
        f"Fewer than {FEWEST} rewards of {', '.join(few)}"
        f"{', of units that come again counted as what they are worth' if again else ''}.":
            bool(few),
        f"It has run for {observed.days:.1f} of {DAYS} days.": observed.days < DAYS,
        f"{best} is the best with {surely:.1%}; {P_BEST:.0%} are asked.": surely < P_BEST,
        f"Promoting {best} risks {loss:.4g} a unit; at most {most:.4g}.": loss > most,
        f"The confidence sequence of {best} against the control does not exclude 0.":
            ahead and (gain is None or gain.low <= 0),
        f"The arms' shares are not the plan's (p = {unlikely or 0:.1g}).":
            unlikely is not None and unlikely < MISMATCH,
        f"Stopped: {', '.join(sorted(observed.stopped))}.": bool(observed.stopped),
    }  # fmt: skip
    return [lack for lack, holds in found.items() if holds]
