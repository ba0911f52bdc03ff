from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.drift.alert_rules import (
    ACCURACY,
    NEXT,
    SIGNALS,
    STANDING,
    AlertKind,
    AlertOver,
    AlreadyAcknowledged,
    Happening,
    Seen,
    Severity,
    State,
    begins_anew,
    lasting,
    move,
    recovered,
)
from app.drift.rules import Thresholds
from app.telemetry import SCORE

START = datetime(2026, 3, 1, tzinfo=UTC)
LIMITS = Thresholds()
X = (AlertKind.DATA, "x")


def seen(
    number: int,
    *drifting: str,
    severe: tuple[str, ...] = (),
    degraded: bool | None = None,
    n: int = 600,
) -> Seen:
    until = START + timedelta(days=number)
    return Seen(
        until, n, frozenset((*drifting, *severe)), frozenset(severe),
        beyond=frozenset({ACCURACY} if degraded else ()), judged=degraded is not None,
    )  # fmt: skip


def history(*drifts: bool) -> list[Seen]:
    return [seen(place, *("x" if drift else "")) for place, drift in enumerate(drifts)]


def test_every_move_is_in_the_table_or_refused() -> None:
    for here, what in product((None, *State), Happening):
        if (here, what) in NEXT:
            assert move(here, what) is NEXT[here, what]
        else:
            with pytest.raises((AlertOver, AlreadyAcknowledged)):
                move(here, what)


def test_what_is_over_goes_on_only_by_firing_anew() -> None:
    assert {what for here, what in NEXT if here is State.RESOLVED} == {Happening.BEYOND}
    assert begins_anew(State.RESOLVED, Happening.BEYOND)
    assert begins_anew(None, Happening.BEYOND)
    for here in STANDING:
        assert not begins_anew(here, Happening.BEYOND)


def test_an_acknowledged_alert_is_not_acknowledged_again() -> None:
    with pytest.raises(AlreadyAcknowledged):
        move(State.ACKNOWLEDGED, Happening.ACKNOWLEDGE)
    with pytest.raises(AlertOver):
        move(State.RESOLVED, Happening.ACKNOWLEDGE)
    with pytest.raises(AlertOver):
        move(State.RESOLVED, Happening.RESOLVE)


def test_an_alert_is_as_severe_as_the_worst_that_lasts() -> None:
    twice = [seen(0, "x", severe=("y",)), seen(1, "x", severe=("y",))]
    once = [seen(0, "x", severe=("y",)), seen(1, "x", "y")]

    assert lasting(twice, LIMITS) == {
        (AlertKind.DATA, "x"): Severity.WARNING,
        (AlertKind.DATA, "y"): Severity.CRITICAL,
    }
    assert set(lasting(once, LIMITS).values()) == {Severity.WARNING}


def test_the_score_and_the_accuracy_are_kinds_of_their_own() -> None:
    found = lasting([seen(day, SCORE, "x", degraded=True) for day in range(2)], LIMITS)

    assert found == {
        (AlertKind.DATA, "x"): Severity.WARNING,
        (AlertKind.PREDICTION, SCORE): Severity.WARNING,
        (AlertKind.MATHEMATICAL, ACCURACY): Severity.CRITICAL,
    }


def test_every_kind_has_a_signal_and_ranks_are_in_order() -> None:
    assert {signal.kind for signal in SIGNALS} == set(AlertKind)
    ranks = [one.rank for one in (Severity.NOTICE, Severity.WARNING, Severity.CRITICAL)]
    assert ranks == sorted(ranks)


def test_it_is_over_when_as_many_windows_in_a_row_as_are_looked_at_say_so() -> None:
    # Persistent after the third, for two of three drift; quiet from the fourth on.
    told = history(True, True, False, False, False, False)
    since = told[1].until

    assert not recovered(told[:5], X, LIMITS, since)
    assert recovered(told, X, LIMITS, since)


def test_what_comes_and_goes_does_not_flap() -> None:
    told = history(*([True, True, False] * 6))

    for end in range(3, len(told) + 1):
        assert not recovered(told[:end], X, LIMITS, told[1].until)


def test_windows_before_it_fired_say_nothing_of_its_recovery() -> None:
    told = history(False, False, False, False)

    assert not recovered(told, X, LIMITS, told[1].until)
    assert recovered(told, X, LIMITS, told[0].until)


@pytest.mark.parametrize(
    ("subject", "silent"),
    [
        (X, [seen(day, n=10) for day in range(2, 9)]),
        ((AlertKind.MATHEMATICAL, ACCURACY), [seen(day, degraded=None) for day in range(2, 9)]),
    ],
)
def test_windows_that_could_not_say_are_no_recovery(
    subject: tuple[AlertKind, str], silent: list[Seen]
) -> None:
    bad = [seen(0, "x", degraded=True), seen(1, "x", degraded=True)]

    assert not recovered([*bad, *silent], subject, LIMITS, bad[-1].until)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=20), st.integers(1, 4), st.integers(1, 4))
def test_nothing_has_recovered_that_lasts(drifts: list[bool], hits: int, of: int) -> None:
    limits = Thresholds(hits=min(hits, of), of=of)
    told = history(*drifts)

    for end in range(1, len(told) + 1):
        if recovered(told[:end], X, limits, told[0].until):
            assert X not in lasting(told[:end], limits)


class Life(RuleBasedStateMachine):
    """One alert, moved by windows and people, beside a count of what its life should be."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Seen] = []
        self.state: State | None = None
        self.episodes = 0
        self.since = START
        self.quiet = 0
        """By the other way of counting: windows in a row, since it fired, that do not last."""

    @rule(drifts=st.booleans())
    def window(self, drifts: bool) -> None:  # noqa: FBT001 - what is drawn
        self.told.append(seen(len(self.told), *("x" if drifts else "")))
        last = [bool(one.drifting) for one in self.told[-LIMITS.of :]]
        lasts = sum(last) >= LIMITS.hits
        assert (X in lasting(self.told, LIMITS)) is lasts
        if lasts:
            self.quiet = 0
            if begins_anew(self.state, Happening.BEYOND):
                self.episodes += 1
                self.since = self.told[-1].until
            self.state = move(self.state, Happening.BEYOND)
        elif self.state in STANDING:
            self.quiet += 1
            over = recovered(self.told, X, LIMITS, self.since)
            assert over is (self.quiet >= LIMITS.of)
            if over:
                self.state = move(self.state, Happening.RECOVERED)

    @rule()
    def acknowledge(self) -> None:
        if self.state is State.FIRING:
            self.state = move(self.state, Happening.ACKNOWLEDGE)
        else:
            with pytest.raises((AlertOver, AlreadyAcknowledged)):
                move(self.state, Happening.ACKNOWLEDGE)

    @precondition(lambda self: self.state in STANDING)
    @rule(what=st.sampled_from([Happening.RESOLVE, Happening.LEFT]))
    def end(self, what: Happening) -> None:
        self.state = move(self.state, what)
        self.quiet = 0

    @invariant()
    def has_a_state_since_it_first_fired(self) -> None:
        assert (self.state is None) is (self.episodes == 0)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
