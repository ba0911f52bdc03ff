"""Calls in any order over HTTP: a version's stage moves along the lifecycle's edges or not at all.

Each call is made by whoever may make it, whether or not it makes sense now. A small model says
where the version stands afterwards; what does not fit is refused with what is missing.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run

from app.catalog import Stage
from app.client import Client, Problem
from app.gates import WayOut
from app.release import NEXT
from tests.live import (
    Live,
    Place,
    approve,
    evidence,
    make_model,
    make_point,
    make_version,
    rehearse,
)

pytestmark = pytest.mark.slow

STEPS = ("model_release", "endpoint_identification", "parameter_testing", "kpi_validation")
BEFORE_SWAP = ("management_and_governance", "model_deployment")
TECHNICAL = "technical_validation"
FURTHER = {Stage.VALIDATED, Stage.CANDIDATE, Stage.RELEASED, Stage.ACTIVATED}


class Life(RuleBasedStateMachine):
    """The life of one version on a server."""

    live: Live
    seen: set[Stage]

    def __init__(self) -> None:
        super().__init__()
        model = make_model(self.live)
        self.place = Place(model, make_point(self.live), make_version(self.live, model))
        self.version = {"model": model, "version": self.place.version}
        self.path = f"/v1/models/{model}/versions/{self.place.version}"
        self.stage = Stage.PUBLISHED
        self.cases: dict[str, Any] = {}
        self.drifts = self.rehearsed = False

    def tried(self, who: Client, path: str, body: Any = None) -> Any:
        """Make a call; return nothing where it was refused, which has to say what helps."""
        try:
            return who.post(path, body) if body is not None else who.post(path)
        except Problem as problem:
            refusal = problem
        assert refusal.status in {404, 409, 422}, refusal.document
        assert refusal.document["mend"], refusal.document
        return None

    def of(self, kind: str) -> str:
        """The path of the newest case of a kind, or of none at all."""
        nobody = "00000000-0000-7000-8000-000000000000"
        return f"/v1/{kind}/{self.cases.get(kind, {'id': nobody})['id']}"

    @rule()
    def ask_for_validation(self) -> None:
        case = self.tried(self.live["dev"], "/v1/validations", self.version)
        if case is not None:
            self.cases["validations"] = case
            evidence(self.live["val"], case, TECHNICAL, "technical",
                     {"holdout_rows": 200, "reproducible": True})  # fmt: skip
            approve(self.live["val"], case, TECHNICAL)

    @precondition(lambda self: "validations" in self.cases)
    @rule()
    def judge_the_validation(self) -> None:
        path = f"{self.of('validations')}/steps/{TECHNICAL}:judge"
        verdict = self.tried(self.live["val"], path)
        if verdict and verdict["passed"] and self.stage not in FURTHER:
            self.stage = Stage.VALIDATED

    @precondition(lambda self: "validations" in self.cases)
    @rule(way=st.sampled_from(["data_drift", "business_drift", "mathematical_drift"]))
    def fail_the_validation(self, way: str) -> None:
        body = {"path": WayOut(way), "reason": "a test"}
        failed = self.tried(self.live["val"], f"{self.of('validations')}:fail", body)
        if failed and Stage.RETURNED in NEXT[self.stage]:
            self.stage = Stage.RETURNED

    @rule()
    def ask_for_release(self) -> None:
        body = {**self.version, "decision_point": self.place.point}
        case = self.tried(self.live["dev"], "/v1/releases", body)
        if case is not None:
            self.cases["releases"] = case
            if self.stage is Stage.VALIDATED:
                self.stage = Stage.CANDIDATE

    @precondition(lambda self: "releases" in self.cases and not self.rehearsed)
    @rule(drifts=st.booleans())
    def send_traffic(self, drifts: bool) -> None:  # noqa: FBT001 - drawn
        rehearse(self.live, self.place, shift=6.0 if drifts else 0.0)
        self.rehearsed, self.drifts = True, drifts

    @precondition(lambda self: "releases" in self.cases)
    @rule(steps=st.just(STEPS) | st.permutations(STEPS))
    def judge_the_release(self, steps: tuple[str, ...]) -> None:
        for step in steps:
            verdict = self.tried(self.live["ops"], f"{self.of('releases')}/steps/{step}:judge")
            if verdict and verdict["path"] not in {None, "delivers_as_promised"}:
                assert self.drifts
                if self.stage is Stage.CANDIDATE:
                    self.stage = Stage.RETURNED
        case = self.live["aud"].get(f"/v1/cases/{self.cases['releases']['id']}")
        if case["result"] == "released" and self.stage is Stage.CANDIDATE:
            assert self.rehearsed
            assert not self.drifts
            self.stage = Stage.RELEASED

    @precondition(lambda self: "releases" in self.cases)
    @rule()
    def withdraw_the_release(self) -> None:
        path = f"/v1/cases/{self.cases['releases']['id']}:withdraw"
        self.tried(self.live["dev"], path, {"reason": "a test"})

    @rule()
    def ask_for_the_seat(self) -> None:
        body = {**self.version, "decision_point": self.place.point, "role": "champion"}
        case = self.tried(self.live["ops"], "/v1/activations", body)
        if case is not None:
            self.cases["activations"] = case
            digest = {"digest": "sha256:" + "0" * 64}
            evidence(self.live["ops"], case, "model_deployment", "deployment", digest)
            approve(self.live["com"], case, "management_and_governance")

    @precondition(lambda self: "activations" in self.cases)
    @rule(ready=st.booleans())
    def take_the_seat(self, ready: bool) -> None:  # noqa: FBT001 - drawn
        for step in BEFORE_SWAP if ready else ():
            self.tried(self.live["ops"], f"{self.of('activations')}/steps/{step}:judge")
        seat = self.tried(self.live["ops"], f"{self.of('activations')}:commit")
        if seat is not None and self.stage is Stage.RELEASED:
            self.stage = Stage.ACTIVATED

    @rule()
    def go_on_as_one_should(self) -> None:
        """Do what leads to the next stage: at random nobody comes far."""
        if self.stage in {Stage.PUBLISHED, Stage.RETURNED}:
            self.ask_for_validation()
            self.judge_the_validation()
        elif self.stage in {Stage.VALIDATED, Stage.CANDIDATE}:
            self.ask_for_release()
            if not self.rehearsed:
                self.send_traffic(drifts=False)
            self.judge_the_release(STEPS)
        elif self.stage is Stage.RELEASED:
            self.ask_for_the_seat()
            self.take_the_seat(ready=True)

    @rule(sure=st.integers(0, 3))
    def retire(self, sure: int) -> None:
        if sure:
            return
        if self.tried(self.live["ops"], f"{self.path}:retire", {"reason": "a test"}):
            self.stage = Stage.RETIRED

    @invariant()
    def it_stands_where_it_should(self) -> None:
        assert self.live["aud"].get(self.path)["stage"] == self.stage
        self.seen.add(self.stage)


def test_calls_in_any_order_reach_no_stage_but_by_the_lifecycle(live: Live) -> None:
    seen: set[Stage] = set()
    limits = settings(
        max_examples=8,
        stateful_step_count=12,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )

    run(type("LifeHere", (Life,), {"live": live, "seen": seen}), settings=limits)

    assert seen == set(Stage)
