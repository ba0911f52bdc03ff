import re
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app.catalog import ReturnTo, Stage
from app.gates import WayOut
from app.release.lifecycle import NEXT, RETURN, IllegalMove, require_edge

FORWARD = [
    Stage.PUBLISHED,
    Stage.VALIDATED,
    Stage.CANDIDATE,
    Stage.RELEASED,
    Stage.ACTIVATED,
    Stage.RETIRED,
]


class Life(RuleBasedStateMachine):
    """A version that is moved by somebody who does not know the rules."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage.PUBLISHED
        self.past: list[Stage] = []

    @initialize()
    def publish(self) -> None:
        self.stage, self.past = Stage.PUBLISHED, []

    @rule(to=st.sampled_from(Stage))
    def move(self, to: Stage) -> None:
        if to in self.legal():
            require_edge(self.stage, to)
            self.past.append(self.stage)
            self.stage = to
        else:
            with pytest.raises(IllegalMove) as refusal:
                require_edge(self.stage, to)
            assert refusal.value.extra["stage"] == self.stage
            assert set(refusal.value.extra["next"]) == self.legal()

    def legal(self) -> set[Stage]:
        """The small model: one step on, back to development, or out; from there, validation."""
        if self.stage is Stage.RETIRED:
            return set()
        if self.stage is Stage.RETURNED:
            return {Stage.VALIDATED, Stage.RETIRED}
        return {FORWARD[FORWARD.index(self.stage) + 1], Stage.RETURNED, Stage.RETIRED}

    @invariant()
    def nothing_was_skipped(self) -> None:
        """Whoever stands at a stage has, since he was last sent back, passed all before it."""
        if self.stage in {Stage.RETURNED, Stage.RETIRED}:
            return
        sent_back = [index for index, stage in enumerate(self.past) if stage is Stage.RETURNED]
        since = self.past[sent_back[-1] + 1 :] if sent_back else self.past
        needed = FORWARD[: FORWARD.index(self.stage)]
        assert since == (needed[1:] if sent_back else needed)

    @invariant()
    def only_the_retired_are_at_the_end(self) -> None:
        assert (not NEXT[self.stage]) == (self.stage is Stage.RETIRED)
        assert Stage.RETIRED not in self.past


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestLife: Any = Life.TestCase


def reachable(start: Stage) -> set[Stage]:
    found, waiting = {start}, [start]
    while waiting:
        fresh = NEXT[waiting.pop()] - found
        found |= fresh
        waiting += fresh
    return found


def test_the_machine_knows_every_stage() -> None:
    assert set(NEXT) == set(Stage)
    assert all(ways <= set(Stage) for ways in NEXT.values())


def test_every_stage_is_reached_from_published() -> None:
    assert reachable(Stage.PUBLISHED) == set(Stage)


@pytest.mark.parametrize("stage", sorted(set(Stage) - {Stage.RETIRED}))
def test_every_stage_but_retired_has_a_way_on_and_can_be_retired(stage: Stage) -> None:
    assert NEXT[stage]
    assert Stage.RETIRED in reachable(stage)


def test_a_retired_version_stays_retired() -> None:
    assert reachable(Stage.RETIRED) == {Stage.RETIRED}
    with pytest.raises(IllegalMove, match="nowhere"):
        require_edge(Stage.RETIRED, Stage.PUBLISHED)


@pytest.mark.parametrize("stage", sorted(set(Stage) - {Stage.RETIRED, Stage.RETURNED}))
def test_a_version_can_be_sent_back_from_anywhere(stage: Stage) -> None:
    require_edge(stage, Stage.RETURNED)


def test_a_version_that_was_sent_back_begins_with_validation_again() -> None:
    assert NEXT[Stage.RETURNED] == {Stage.VALIDATED, Stage.RETIRED}


@pytest.mark.parametrize("stage", Stage)
def test_no_version_moves_to_where_it_stands_or_becomes_published_again(stage: Stage) -> None:
    assert not NEXT[stage] & {stage, Stage.PUBLISHED}


def test_only_a_released_version_is_activated() -> None:
    assert [stage for stage in Stage if Stage.ACTIVATED in NEXT[stage]] == [Stage.RELEASED]


def test_each_of_the_three_drifts_leads_back_to_its_own_step() -> None:
    assert RETURN == {
        WayOut.DATA_DRIFT: ReturnTo.DATA_ACQUISITION,
        WayOut.BUSINESS_DRIFT: ReturnTo.BUSINESS_UNDERSTANDING,
        WayOut.MATHEMATICAL_DRIFT: ReturnTo.ANALYSIS,
    }
    assert set(WayOut) - set(RETURN) == {WayOut.DELIVERS}
    assert set(RETURN.values()) == set(ReturnTo)


@pytest.mark.parametrize("here", Stage)
def test_a_refused_move_names_the_call_that_leads_on(here: Stage) -> None:
    to = next(stage for stage in Stage if stage not in NEXT[here])

    with pytest.raises(IllegalMove) as refusal:
        require_edge(here, to)

    assert re.search(r"\b(POST|GET) ", refusal.value.mend or "")
