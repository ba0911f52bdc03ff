"""Trials: what a segment's arms have shown up to a moment, and what follows."""

import asyncio
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, telemetry
from app.kit.sequences import Sums, mismatch
from app.platform.db import clock
from app.routing import promoting, rounds, seats, stops
from app.routing.arms import Rewarded
from app.routing.contexts import Contextual
from app.routing.courses import Course
from app.routing.logged import fitted, logged
from app.routing.offpolicy import estimated
from app.routing.promoting import Advice, Observed, Standing
from app.routing.rewards import Earned
from app.routing.runners import Runner, counted_from, returning_to, runners_of
from app.routing.spec import Bandit, Segment

_SECONDS_A_DAY = 86_400
_MOST_LOGGED = 20_000
_INCOMPARABLE = (
    "Each unit has chances of its own, so that what arms earned does not compare: see off_policy,"
    " and confirm by a split."
)


@dataclass(frozen=True, slots=True)
class Trial:
    """A segment's experiment: its arms, and what they have earned up to a moment."""

    point: catalog.DecisionPoint
    segment: Segment
    terms: Rewarded
    course: Course
    runners: Sequence[Runner]
    weights: Mapping[str, int]
    champion: UUID | None
    stopped: AbstractSet[UUID | None]
    """Versions that stops keep from answering; nobody among them: all of them."""
    now: datetime
    until: datetime
    """When it ended; else now."""
    held_out: float
    """The share of all units that the plan leaves alone: none of them is among these."""
    everybody: bool
    """Whether all other units come to it."""

    @property
    def lower(self) -> bool:
        """Whether less is better."""
        return self.terms.better == "lower"

    @property
    def fixed(self) -> bool:
        """Whether the arms' shares stand still; a bandit moves them by what it sees."""
        return not isinstance(self.terms, Bandit | Contextual)

    @property
    def measured(self) -> list[Runner]:
        """The arms under which the champion answers as he was activated."""
        return [
            one
            for one in self.runners
            if one.version_id == self.champion and not one.written.parameters
        ]

    @property
    def control(self) -> str:
        """The arm that the others are compared with: the champion's; the first, if he has none."""
        return (self.measured or self.runners)[0].name

    @property
    def days(self) -> float:
        """How long its evidence has counted."""
        return (self.until - self.course.since).total_seconds() / _SECONDS_A_DAY

    @property
    def ended(self) -> bool:
        """Whether nobody comes to it any more."""
        return self.until < self.now

    def earned(self) -> dict[str, Earned]:
        """Return what every arm has earned."""
        return {
            one.name: self.course.earned(
                one.name, one.hours, self.terms, now=self.now, until=self.until
            )
            for one in self.runners
        }

    def by_day(self) -> dict[int, dict[str, Sums]]:
        """Return the same as it stood at the end of each day on which something came."""
        of = {
            one.name: self.course.by_day(
                one.name, one.hours, self.terms, now=self.now, until=self.until
            )
            for one in self.runners
        }
        days = sorted({day for found in of.values() for day in found})
        stood = {name: Earned() for name in of}
        found = {}
        for day in days:
            stood |= {name: known[day] for name, known in of.items() if day in known}
            found[day] = {name: known.sums(self.terms) for name, known in stood.items()}
        return found


async def tried(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    book: rounds.Book,
    segment: Segment,
    until: datetime | None,
) -> Trial:
    """Return how a segment's experiment stands, or stood when it ended."""
    terms, course, now = segment.strategy, book.courses[segment.name], await clock(session)
    assert isinstance(terms, Rewarded)  # noqa: S101 - what is compared is rewarded
    # At the end itself somebody else may be champion: that may be why it ended.
    at = None if until is None else until - timedelta(microseconds=1)
    champion = await seats.champion_then(session, point, at)
    holding = await stops.held_at(session, point.tenant_id, point.id, at)
    since = counted_from(segment, course)
    runners = await runners_of(session, point, segment, since, champion=champion)
    held_out = book.plan.holdout.rate if book.plan.holdout is not None else 0.0
    moved = book.weights
    weights = {one.name: moved.get(one.name, one.written.weight) for one in runners}
    return Trial(
        point, segment, terms, course, runners, weights, champion,
        {stop.version_id for stop in holding}, now, until or now, held_out,
        book.plan.segments == (segment,),
    )  # fmt: skip


async def reported(session: AsyncSession, trial: Trial) -> dict[str, Any]:
    """Return what a segment's experiment has shown since it began, and what follows."""
    terms, since = trial.terms, trial.course.since
    returning = await returning_to(
        session, trial.point.tenant_id, trial.runners, terms,
        since=since, until=trial.until, now=trial.now,
    )  # fmt: skip
    # Who keeps an arm may have been given it by other weights than the present ones.
    keeping = trial.segment.sticky and trial.course.shuffled < since
    units = {name: known.units for name, known in returning.items()}
    unlikely = mismatch(units, trial.weights) if trial.fixed and not keeping else None
    gathered = trial.earned()
    sums = {
        name: replace(
            found.sums(terms), each=returning[name].design_effect if name in returning else 1.0
        )
        for name, found in gathered.items()
    }
    # Posteriors of many arms are drawn for longer than others should wait.
    found = await asyncio.to_thread(
        promoting.stand,
        Observed(
            arms=sums,
            control=trial.control,
            binary=terms.reward == "binary",
            lower_is_better=trial.lower,
            days=trial.days,
            mismatch=unlikely,
            keeping=keeping,
            stopped=[one.name for one in trial.runners if {one.version_id, None} & trial.stopped],
            measured=bool(trial.measured),
            fixed=trial.fixed,
        ),
    )
    shown = {
        "reward": terms.reward,
        "better": terms.better,
        "since": since,
        "control": trial.control,
        "arms": [
            _shown(trial, one, gathered[one.name], sums, found, returning.get(one.name))
            for one in trial.runners
        ],
        "over_time": _over_time(trial, sums),
        "mismatch_p": unlikely,
        "off_policy": await _off_policy(session, trial),
        "regret": _regret(sums, {name: one.mean for name, one in sums.items() if one.n}, trial),
        "best": found.best,
        "advice": found.advice,
        "lacking": found.lacking,
        "next": None if trial.ended else await _next(session, trial, found),
    }
    return _of_their_own(shown, sums, trial) if isinstance(terms, Contextual) else shown


def _of_their_own(shown: dict[str, Any], sums: dict[str, Sums], trial: Trial) -> dict[str, Any]:
    """Return a report of arms whose units were chosen for them: their means do not compare.

    What each would have earned alone does, where enough speaks for all of them.
    """
    known = {name: one["robust"] for name, one in shown["off_policy"].items() if one is not None}
    whole = len(known) == len(sums)
    turned = -1 if trial.lower else 1
    none = {"p_best": None, "expected_loss": None, "gain": None}
    return {
        **shown,
        "arms": [{**arm, **none} for arm in shown["arms"]],
        "over_time": [],
        "regret": _regret(sums, known, trial) if whole else None,
        "best": max(known, key=lambda name: turned * known[name]) if whole else None,
        "advice": Advice.WAIT,
        "lacking": [_INCOMPARABLE],
        "next": None,
    }


async def _off_policy(session: AsyncSession, trial: Trial) -> dict[str, Any] | None:
    """Return what each arm would have earned alone, where shares follow what is seen."""
    if trial.fixed:
        return None
    rows = await logged(
        session, trial.point.tenant_id, trial.runners, trial.terms,
        since=trial.course.since, now=trial.now, until=trial.until, most=_MOST_LOGGED,
    )  # fmt: skip

    def estimate() -> dict[str, Any]:
        fit = fitted(rows, len(trial.runners))
        return {
            one.name: found and asdict(found)
            for place, one in enumerate(trial.runners)
            for found in (
                estimated(
                    place, rows.taken, rows.propensities / (1 - trial.held_out), rows.rewards,
                    fit.predicted(rows.contexts, place),
                ),
            )
        }  # fmt: skip

    return await asyncio.to_thread(estimate)


def _shown(
    trial: Trial,
    runner: Runner,
    gathered: Earned,
    sums: dict[str, Sums],
    found: Standing,
    returning: telemetry.Returning | None,
) -> dict[str, Any]:
    name = runner.name
    mine, interval = sums[name], found.differences.get(name)
    return {
        "arm": name,
        "version_id": runner.version_id,
        "parameters": runner.written.parameters,
        "weight": trial.weights[name],
        "exposures": int(gathered.events),
        "units": round(returning.units / returning.share) if returning is not None else 0,
        "rewarded": int(mine.n),
        "design_effect": mine.each,
        "mean": mine.mean if mine.n else None,
        "standard_error": (mine.variance / mine.worth) ** 0.5 if mine.n else None,
        "p_best": found.p_best[name],
        "expected_loss": found.expected_loss[name],
        "gain": interval and asdict(interval),
    }


def _over_time(trial: Trial, known: dict[str, Sums]) -> list[dict[str, Any]]:
    """Return each arm's gain over the control as it stood at the end of each day.

    How often units come again is taken from the whole: of the first days that is too much.
    """
    first, found = telemetry.hour_at(trial.course.since), []
    for day, stood in trial.by_day().items():
        until = datetime.fromtimestamp((first + 24 * (day + 1)) * 3600, UTC)
        sums = {name: replace(one, each=known[name].each) for name, one in stood.items()}
        gains = promoting.gains(sums, trial.control, lower_is_better=trial.lower)
        found += [
            {"arm": name, "until": until, **asdict(gain)}
            for name, gain in gains.items()
            if gain is not None
        ]
    return found


def _regret(sums: dict[str, Sums], means: dict[str, float], trial: Trial) -> float | None:
    """Return what all rewards together lack to those of the arm that earns most a unit."""
    if not means:
        return None
    turned = -1 if trial.lower else 1
    best = max(turned * mean for mean in means.values())
    return sum(one.n * best - turned * one.total for one in sums.values())


async def wanted(session: AsyncSession, trial: Trial, name: str) -> dict[str, Any] | None:
    """Return what to ask for so that an arm's version becomes champion as it answers there.

    Nothing where the champion himself answers under the arm: he has to be released anew.
    """
    arm = next(one for one in trial.runners if one.name == name)
    version_id = arm.version_id
    if version_id is None or version_id == trial.champion:
        return None
    seat = await seats.open_seat(session, trial.point.tenant_id, trial.point.id, version_id)
    return {
        "model": arm.written.model,
        "version": arm.written.version,
        "decision_point": trial.point.key,
        "endpoint": seat.endpoint if seat else None,
        "parameters": {**(seat.parameters if seat else {}), **arm.written.parameters},
    }


async def _next(session: AsyncSession, trial: Trial, found: Standing) -> str | None:
    """Return the call that follows: the evidence promotes nobody, people do."""
    if found.advice is not Advice.PROMOTE:
        return None
    body = await wanted(session, trial, found.best)
    if body is None:
        arm = next(one for one in trial.runners if one.name == found.best)
        parameters = orjson.dumps(arm.written.parameters).decode()
        return f"Have a version released that answers as {parameters}."
    said = {name: value for name, value in body.items() if value}
    return f"POST /v1/activations {orjson.dumps(said).decode()}"
