"""Whom a point goes back to, against a small model: a stack, and who was thrown off it."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.routing.succession import REINSTATED, ROLLED_BACK, Line, Reign, line_of

START = datetime(2026, 1, 1, tzinfo=UTC)
A, B, C, D = (UUID(int=number) for number in range(1, 5))
VERSIONS = st.sampled_from([A, B, C, D])


class History:
    """Champion seats as the server writes them."""

    def __init__(self) -> None:
        self.seats: list[Reign] = []

    def leave(self) -> None:
        if self.seats and self.seats[-1].until is None:
            self.seats[-1] = replace(self.seats[-1], until=self._now)

    def take(self, version_id: UUID, cause: str) -> None:
        self.leave()
        seat_id = UUID(int=len(self.seats))
        self.seats.append(Reign(seat_id, version_id, cause, self._now, None))

    @property
    def _now(self) -> datetime:
        return START + timedelta(hours=len(self.seats))

    @property
    def line(self) -> Line:
        return line_of(self.seats)

    def back(self, unfit: Iterable[UUID] = ()) -> UUID | None:
        found = self.line.behind(set(unfit))
        return found.version_id if found is not None else None


def after(*acts: UUID | str) -> History:
    """What activations, rollbacks (``back``) and their undoing (``undo``) leave behind."""
    found = History()
    for act in acts:
        if isinstance(act, UUID):
            found.take(act, "activated")
        elif act == "back":
            to = found.back()
            assert to is not None
            found.take(to, ROLLED_BACK)
        else:
            seat = found.line.forward()
            assert seat is not None
            found.take(seat.version_id, REINSTATED)
    return found


def test_a_second_rollback_goes_one_further() -> None:
    assert after(A, B, C, "back").back() == A
    assert after(A, B, C, "back", "back").back() is None


def test_who_wins_after_a_rollback_is_gone_back_from_to_who_came_back() -> None:
    assert after(A, B, C, "back", D).back() == B
    assert after(A, B, C, "back", D, "back").back() == A


def test_who_wins_again_is_gone_back_from_to_whom_he_replaced() -> None:
    assert after(A, B, A).back() == B
    assert after(A, B, A, "back").back() is None
    assert after(A, B, "back", B, "back").back() is None
    assert after(A, B, C, "back", C, D).back() == C


def test_what_took_turns_before_there_was_this_rule_does_not_go_on() -> None:
    toggled = after(A, B, C, "back")
    for version in (C, B, C):
        toggled.take(version, ROLLED_BACK)

    assert toggled.back() == A


class Throne(RuleBasedStateMachine):
    """A point's champions: the model is a stack that is edited, and copies of it to undo by."""

    def __init__(self) -> None:
        super().__init__()
        self.history = History()
        self.stack: list[UUID] = []
        self.thrown: set[UUID] = set()
        self.past: list[tuple[list[UUID], set[UUID]]] = []
        self.unfit: set[UUID] = set()

    def below(self) -> list[UUID]:
        """The stack down to whom it would go back to."""
        found = self.stack[:-1]
        barred = self.thrown | self.unfit | set(self.stack[-1:])
        while found and found[-1] in barred:
            found = found[:-1]
        return found

    @rule(version=VERSIONS)
    def activate(self, version: UUID) -> None:
        self.history.take(version, "activated")
        self.stack.append(version)
        self.thrown.discard(version)
        self.past.clear()

    @precondition(lambda self: self.below())
    @rule()
    def roll_back(self) -> None:
        self.past.append((list(self.stack), set(self.thrown)))
        self.thrown.add(self.stack[-1])
        self.stack = self.below()
        self.history.take(self.stack[-1], ROLLED_BACK)

    @precondition(lambda self: self.past)
    @rule()
    def undo(self) -> None:
        self.stack, self.thrown = self.past.pop()
        self.history.take(self.stack[-1], REINSTATED)

    @rule(version=VERSIONS)
    def fall_or_rise(self, version: UUID) -> None:
        self.unfit ^= {version}

    @rule()
    def unseat(self) -> None:
        self.history.leave()

    @invariant()
    def they_agree(self) -> None:
        line, below = self.history.line, self.below()
        assert [seat.version_id for seat in line.reigns] == self.stack
        assert self.history.back(self.unfit) == (below[-1] if below else None)
        forward = line.forward()
        assert (forward and forward.version_id) == (self.past[-1][0][-1] if self.past else None)

    @invariant()
    def rollbacks_alone_come_to_an_end_and_to_nobody_twice(self) -> None:
        line, seen = self.history.line, [seat.version_id for seat in self.history.line.reigns[-1:]]
        while (seat := line.behind(self.unfit)) is not None:
            passed = line.over(seat)
            assert set(passed) <= self.unfit | line.thrown
            line = line.crowning(seat)
            seen.append(seat.version_id)
        assert len(set(seen)) == len(seen)

    @invariant()
    def what_would_be_is_what_comes_to_be(self) -> None:
        line = self.history.line
        seat = line.behind(self.unfit)
        if seat is not None:
            then = line.after(replace(seat, cause=ROLLED_BACK))
            assert line.crowning(seat).behind(self.unfit) == then.behind(self.unfit)
            assert line.crowning(seat).thrown == then.thrown


TestThrone = Throne.TestCase


@given(st.lists(VERSIONS, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_order_in_which_seats_are_read_changes_nothing(
    versions: list[UUID], rng: object
) -> None:
    history = after(*versions)
    mixed = list(history.seats)
    rng.shuffle(mixed)  # type: ignore[attr-defined]

    assert line_of(mixed) == history.line
