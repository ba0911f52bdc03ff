from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.drift.alert_rules import (
    NEXT,
    STANDING,
    AlertKind,
    AlertOver,
    AlreadyAcknowledged,
    Happening,
    Seen,
    Severity,
    State,
    Subject,
    Voice,
    begins_anew,
    lasting,
    lasts,
    left,
    move,
    untold,
)
from app.drift.rules import Thresholds

START = datetime(2026, 3, 1, tzinfo=UTC)
LIMITS = Thresholds()
X = (AlertKind.DATA, "x")


ON_X, ON_Y = (Voice(AlertKind.DATA, name) for name in "xy")
BY_ANSWERS, BY_LABELS = (
    Voice(AlertKind.FAIRNESS, "sex", rate) for rate in ("selection_rate", "true_positive_rate")
)
UNFAIR = BY_ANSWERS.subject


def seen(number: int, says: Mapping[Voice, Severity | None]) -> Seen:
    """A day's window: how far what it can tell of is out of its bounds."""
    beyond = {voice: severity for voice, severity in says.items() if severity is not None}
    return Seen(START + timedelta(days=number), says.keys(), beyond)


def history(*words: bool | Severity | None, voice: Voice = ON_X) -> list[Seen]:
    """Days of which nothing is said with no word."""
    said = [Severity.WARNING if word is True else word or None for word in words]
    return [
        seen(place, {} if word is None else {voice: severity})
        for place, (word, severity) in enumerate(zip(words, said, strict=True))
    ]


def recovered(told: list[Seen], subject: Subject, limits: Thresholds, since: datetime) -> bool:
    return left(told, subject, limits, since, Severity.WARNING) is None


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
    mild, severe = {ON_X: Severity.WARNING}, {ON_Y: Severity.CRITICAL}
    twice = [seen(day, {**mild, **severe}) for day in range(2)]
    once = [twice[0], seen(1, {**mild, ON_Y: Severity.WARNING})]
    moved = [seen(0, {ON_X: Severity.NOTICE}), seen(1, mild)]

    assert lasting(twice, LIMITS) == {
        ON_X.subject: Severity.WARNING, ON_Y.subject: Severity.CRITICAL,
    }  # fmt: skip
    assert set(lasting(once, LIMITS).values()) == {Severity.WARNING}
    assert set(lasting(moved, LIMITS).values()) == {Severity.NOTICE}


def test_ranks_are_in_order() -> None:
    ranks = [one.rank for one in (Severity.NOTICE, Severity.WARNING, Severity.CRITICAL)]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize(("hits", "of"), [(1, 1), (2, 3), (3, 3), (1, 3), (5, 10), (1, 10)])
def test_it_is_over_after_so_many_quiet_windows_in_a_row_as_are_looked_at(
    hits: int, of: int
) -> None:
    limits = Thresholds(hits=hits, of=of)
    told = history(*[True] * hits, *[False] * of)
    since = told[hits - 1].until

    assert not recovered(told[:-1], X, limits, since)
    assert recovered(told, X, limits, since)


def test_what_comes_and_goes_does_not_flap() -> None:
    told = history(*([True, True, False] * 6))

    for end in range(3, len(told) + 1):
        assert not recovered(told[:end], X, LIMITS, told[1].until)


def test_windows_before_it_fired_say_nothing_of_its_recovery() -> None:
    told = history(False, False, False, False)

    assert not recovered(told, X, LIMITS, told[1].until)
    assert recovered(told, X, LIMITS, told[0].until)


def test_windows_that_could_not_say_are_no_recovery() -> None:
    """Nor are those that say something of another subject of the kind."""
    bad, silent = history(True, True), [seen(day, {}) for day in range(2, 9)]
    other = [seen(day, {ON_Y: None}) for day in range(2, 9)]

    for since in (bad[-1].until, bad[0].until):
        assert not recovered([*bad, *silent], X, LIMITS, since)
        assert not recovered([*bad, *other], X, LIMITS, since)


def test_of_what_one_window_in_three_can_judge_those_count() -> None:
    """An AUC needs so many of each class: most windows may have too few."""
    told = history(*[True, None, None] * 4)

    assert lasts(told[:4], X, LIMITS) is Severity.WARNING
    assert lasts(told, X, LIMITS) is Severity.WARNING
    assert lasts(told[:3], X, LIMITS) is None


def test_what_is_left_of_it_is_the_worst_of_as_many_windows_as_are_looked_at() -> None:
    notice, warning, critical = Severity
    told = history(critical, critical, notice, warning, notice, notice, notice, False, None, False)
    since = told[1].until

    found = [left(told[:end], X, LIMITS, since, critical) for end in range(2, len(told) + 1)]
    assert found == [critical] * 3 + [warning] * 2 + [notice] * 4
    assert left([*told, *history(False)], X, LIMITS, since, critical) is None
    # It comes down only: what gets worse has to last first.
    assert left(told[:3], X, LIMITS, START - timedelta(days=1), notice) is notice


WORDS = st.tuples(st.sampled_from(Severity), st.sampled_from(sorted(STANDING)))


@given(st.none() | WORDS, WORDS)
def test_what_is_told_leads_from_what_was_told_to_what_is(
    told: tuple[Severity, State] | None, now: tuple[Severity, State]
) -> None:
    """But that nobody looks at it any more: it got worse, and less so again, meanwhile."""
    state = told[1] if told else None
    for what in untold(told, *now):
        state = move(state, what)

    severities = {Happening.WORSENED: 1, Happening.EASED: -1}
    rise = sum(severities.get(what, 0) for what in untold(told, *now))
    assert rise == 0 if told is None else rise * (now[0].rank - told[0].rank) >= abs(rise)
    if told is None or now[1] is State.ACKNOWLEDGED or now[0].rank > told[0].rank:
        assert state is now[1]
    assert untold(now, *now) == []


def test_rates_that_wait_for_labels_are_judged_by_their_own_windows() -> None:
    """Of young windows only answers are known: they neither hide what labels say, nor end it."""
    old = [seen(day, {BY_ANSWERS: None, BY_LABELS: Severity.WARNING}) for day in range(3)]
    young = [seen(day, {BY_ANSWERS: None}) for day in range(3, 12)]
    back = [seen(day, {BY_ANSWERS: None, BY_LABELS: None}) for day in range(3, 6)]

    assert lasting([*old, *young], LIMITS) == {UNFAIR: Severity.WARNING}
    assert not recovered([*old, *young], UNFAIR, LIMITS, old[-1].until)
    assert not recovered([*old, *back[:2], *young[2:]], UNFAIR, LIMITS, old[-1].until)
    assert recovered([*old, *back, *young[3:]], UNFAIR, LIMITS, old[-1].until)


def test_what_answers_alone_say_is_over_by_answers_alone() -> None:
    told = history(True, True, False, False, False, voice=BY_ANSWERS)

    assert recovered(told, UNFAIR, LIMITS, told[1].until)


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
        """By the other way of counting: windows in a row, since it fired, that do not drift."""

    @rule(drifts=st.booleans())
    def window(self, drifts: bool) -> None:  # noqa: FBT001 - what is drawn
        self.told.append(seen(len(self.told), {ON_X: Severity.WARNING if drifts else None}))
        last = [bool(one.beyond) for one in self.told[-LIMITS.of :]]
        there = sum(last) >= LIMITS.hits
        assert (X in lasting(self.told, LIMITS)) is there
        self.quiet = 0 if drifts or self.state not in STANDING else self.quiet + 1
        if there:
            if begins_anew(self.state, Happening.BEYOND):
                self.episodes += 1
                self.since = self.told[-1].until
            self.state = move(self.state, Happening.BEYOND)
        elif self.state in STANDING:
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
