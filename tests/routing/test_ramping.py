"""A ramp's steps, by simulated rewards that somebody looks at all the time."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.kit.arrays import Floats
from app.kit.sequences import MISMATCH, Sums
from app.routing.adaptive import EVERYBODY, Ramp
from app.routing.arms import VersionArm
from app.routing.ramping import Position, Seen, Status, turn, weights

ARM = VersionArm(name="new", model="price", version=2)
LOOKS = 24
"""In each step's time."""


def ramp(**more: object) -> Ramp:
    return Ramp.model_validate({"kind": "ramp", "arm": ARM.model_dump(), **more})


def sums(rewards: Floats) -> Sums:
    return Sums(len(rewards), float(rewards.sum()), float(np.square(rewards).sum()))


def converted(units: int, hits: int) -> Sums:
    return Sums(units, hits, hits)


def climbed(
    dice: np.random.Generator, plan: Ramp, means: tuple[float, float], units: int
) -> tuple[Position, int]:
    """Let a ramp go as far as it does within three times its time; return where, and after what.

    ``units`` come in each step's time and are looked at ``LOOKS`` times.
    """
    position, spent = Position(), 0
    arm, control, minutes = converted(0, 0), converted(0, 0), 0.0
    for _ in range(3 * LOOKS * len(plan.steps)):
        share = weights(plan, position)["new"] / EVERYBODY
        new = dice.binomial(units // LOOKS, share)
        old = units // LOOKS - new
        arm = _more(arm, new, dice.binomial(new, means[1]))
        control = _more(control, old, dice.binomial(old, means[0]))
        minutes += plan.step_minutes / LOOKS
        spent += new
        after = turn(plan, position, Seen(arm, control, minutes))
        if after.status in {Status.ROLLED_BACK, Status.DONE}:
            return after, spent
        if after.step != position.step:
            arm, control, minutes = converted(0, 0), converted(0, 0), 0.0
        position = after
    return position, spent


def _more(one: Sums, units: int, hits: int) -> Sums:
    return Sums(one.n + units, one.total + hits, one.squares + hits)


RUNS = 400


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_a_harmless_version_is_rolled_back_in_at_most_one_of_twenty_ramps(better: str) -> None:
    dice, plan = np.random.default_rng(5), ramp(better=better)

    ended = [climbed(dice, plan, (0.1, 0.1), 20_000)[0].status for _ in range(RUNS)]

    assert ended.count(Status.ROLLED_BACK) <= 0.05 * RUNS
    assert ended.count(Status.DONE) >= 0.6 * RUNS, "most get through within three times their time"


def test_a_better_version_gets_to_the_end_in_its_time() -> None:
    dice, plan = np.random.default_rng(6), ramp()

    ended = [climbed(dice, plan, (0.1, 0.13), 20_000)[0].status for _ in range(RUNS)]

    assert ended.count(Status.DONE) >= 0.95 * RUNS


def test_a_harmful_version_is_rolled_back_while_few_have_seen_it() -> None:
    dice, plan, units = np.random.default_rng(7), ramp(), 20_000

    ends = [climbed(dice, plan, (0.1, 0.05), units) for _ in range(RUNS)]

    assert all(end.status is Status.ROLLED_BACK for end, _ in ends)
    # Brought in all at once, half of a step's units would have met it before the first look back.
    assert np.mean([spent for _, spent in ends]) < 0.2 * units


def test_what_never_succeeds_is_rolled_back_though_its_rewards_are_all_alike() -> None:
    seen = Seen(converted(2_000, 0), converted(8_000, 800), minutes=5)

    assert turn(ramp(), Position(1), seen).status is Status.ROLLED_BACK
    worst = Seen(converted(2_000, 2_000), converted(8_000, 800), minutes=5)
    assert turn(ramp(better="lower"), Position(1), worst).status is Status.ROLLED_BACK


GOOD = Seen(converted(1_000, 110), converted(9_000, 900), minutes=2_000)
WORSE = Seen(converted(1_000, 85), converted(9_000, 900), minutes=2_000)


@pytest.mark.parametrize(
    ("here", "seen", "there"),
    [
        (Position(0), GOOD, (1, Status.RUNNING)),
        (Position(4), GOOD, (4, Status.DONE)),
        (Position(1), replace(GOOD, minutes=100), (1, Status.RUNNING)),
        (Position(1), replace(GOOD, arm=converted(99, 20)), (1, Status.RUNNING)),
        (Position(1), WORSE, (1, Status.HOLDING)),
        (Position(1), replace(GOOD, stopped=True), (1, Status.HOLDING)),
        (Position(1), replace(GOOD, mismatch=MISMATCH / 2), (1, Status.HOLDING)),
        (Position(1, Status.HOLDING), GOOD, (2, Status.RUNNING)),
        (Position(1, Status.HELD), GOOD, (1, Status.HELD)),
        (Position(1, Status.ROLLED_BACK), GOOD, (1, Status.ROLLED_BACK)),
        (Position(4, Status.DONE), WORSE, (4, Status.DONE)),
    ],
)
def test_where_a_ramp_goes(here: Position, seen: Seen, there: tuple[int, Status]) -> None:
    found = turn(ramp(), here, seen)

    assert (found.step, found.status) == there
    stays = (found.step, found.status) == (here.step, here.status)
    assert not stays or found.why or here.status in {Status.HELD, Status.ROLLED_BACK}


@pytest.mark.parametrize("status", [Status.DONE, Status.HELD, Status.HOLDING])
def test_wherever_it_stands_it_is_still_guarded(status: Status) -> None:
    harmful = Seen(converted(5_000, 300), converted(5_000, 600), minutes=9_000)

    assert turn(ramp(), Position(4, status), harmful).status is Status.ROLLED_BACK


def test_a_hold_ends_later_than_it_begins() -> None:
    between = replace(GOOD, arm=converted(1_000, 91))  # a standard error below

    assert turn(ramp(), Position(1), between).status is Status.RUNNING
    assert turn(ramp(), Position(1, Status.HOLDING), between).status is Status.HOLDING
    assert turn(ramp(), Position(1, Status.HOLDING), GOOD) == Position(2)


def test_a_loss_that_is_put_up_with_holds_nothing() -> None:
    assert turn(ramp(tolerance=0.5), Position(1), WORSE) == Position(2)


def test_the_last_step_of_everybody_waits_for_no_control() -> None:
    plan = ramp(steps=[50, 100])

    assert turn(plan, Position(1), replace(GOOD, control=converted(0, 0))).status is Status.DONE


@given(st.integers(0, 4), st.sampled_from(Status))
def test_weights_are_the_steps_and_nobodys_after_a_rollback(step: int, status: Status) -> None:
    plan = ramp()
    found = weights(plan, Position(step, status))

    assert sum(found.values()) == EVERYBODY
    percent = 0 if status is Status.ROLLED_BACK else plan.steps[step]
    assert found["new"] == percent * 100


@pytest.mark.parametrize(
    "steps",
    [[], [5, 5], [5, 1], [0, 5], [50, 101], [0.001, 5], [1e-9], [1, 1 + 1e-9], list(range(1, 30))],
)
def test_steps_rise_from_above_nothing_to_at_most_everybody(steps: list[float]) -> None:
    with pytest.raises(ValidationError):
        ramp(steps=steps)


def test_steps_may_be_hundredths_of_a_percent() -> None:
    plan = ramp(steps=[0.01, 1.1, 33.33])

    assert [arm.weight for arm in plan.at(1.1)] == [110, 9890]
    assert plan.written()[0].weight == 1
