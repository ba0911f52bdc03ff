"""The hand-off: given by who made the version, taken by who will run it, and by nobody twice."""

from typing import Any

import pytest

from tests.activation.deploying import (
    activation,
    another_person,
    judge,
    refused,
)
from tests.live import Live, Place, evidence, released

STEP = "model_activation"
RECORD = {
    "runbook": "https://wiki.example/runbook",
    "contact": "pricing@example.com",
    "service_level": "99.9 % within 50 ms",
    "documents": ["https://wiki.example/design"],
}


@pytest.fixture(scope="module")
def place(near: Live) -> Place:
    return released(near)


@pytest.fixture(scope="module")
def case(near: Live, place: Place) -> Any:
    return activation(near, place)


def give(near: Live, case: Any, by: str = "dev", **more: Any) -> Any:
    return near[by].post(f"/v1/activations/{case['id']}/hand-off", {**RECORD, **more})


def accept(near: Live, case: Any, digest: str, by: str = "ops") -> Any:
    return near[by].post(f"/v1/activations/{case['id']}/hand-off:accept", {"digest": digest})


def facts(near: Live, case: Any) -> Any:
    return judge(near, case, STEP)["facts"]["evidence"]["hand_off"]


def test_what_was_submitted_counts_while_nothing_was_recorded(near: Live, case: Any) -> None:
    refused(lambda: accept(near, case, "sha256:none"), "nothing_handed_off")
    submitted = {"runbook": "restart it", "contact": "olga"}
    evidence(near["ops"], case, STEP, "hand_off", submitted)

    assert facts(near, case) == {**submitted, "said_by": {"part": None}}


def test_a_hand_off_is_measured_and_accepted_by_another(near: Live, case: Any) -> None:
    given = give(near, case)
    assert given["accepted_by"] is None
    found = facts(near, case)
    assert (found["runbook"], found["contact"]) == (RECORD["runbook"], RECORD["contact"])
    assert (found["accepted"], found["accepted_by"], found["on_call"]) == (False, None, False)
    assert found["compliant"] == {
        "card": True, "variables": True, "documents": False, "lineage": False,
        "foundations": True,
    }  # fmt: skip

    taken = accept(near, case, given["digest"])

    assert (taken["given_by"], taken["accepted_by"]) == ("dev", "ops")
    assert facts(near, case)["accepted"] is True
    refused(lambda: accept(near, case, given["digest"]), "hand_off_changed")


def test_a_new_record_voids_what_was_accepted(near: Live, case: Any) -> None:
    first = give(near, case)
    accept(near, case, first["digest"])
    assert judge(near, case, STEP)["passed"]

    second = give(near, case, contact="somebody else")

    # The verdict that rested on the record before counts no more either.
    steps = near["aud"].get(f"/v1/cases/{case['id']}")["steps"]
    assert next(s["passed"] for s in steps if s["step"] == STEP) is None
    verdict = judge(near, case, STEP)
    assert verdict["facts"]["evidence"]["hand_off"]["accepted"] is False
    assert not verdict["passed"]
    refused(lambda: accept(near, case, first["digest"]), "hand_off_changed")
    listed = list(near["aud"].pages(f"/v1/activations/{case['id']}/hand-offs"))
    assert [one["digest"] for one in listed[:2]] == [second["digest"], first["digest"]]
    assert [one["accepted_by"] for one in listed[:2]] == [None, "ops"]


def test_nobody_takes_over_from_himself(near: Live, case: Any) -> None:
    with another_person(near, "developer", "operator") as both:
        path = f"/v1/activations/{case['id']}/hand-off"
        mine = both.post(path, RECORD)
        refused(lambda: both.post(f"{path}:accept", {"digest": mine["digest"]}), "own_hand_off")
    assert accept(near, case, mine["digest"])["accepted_by"] == "ops"


def test_who_may_neither_give_nor_take(near: Live, case: Any) -> None:
    refused(lambda: give(near, case, by="ops"), "decision_denied")
    refused(lambda: give(near, case, by="val"), "decision_denied")
    refused(lambda: give(near, case, by="aud"), "permission_denied")
    given = give(near, case)
    refused(lambda: accept(near, case, given["digest"], by="val"), "permission_denied")
    refused(lambda: accept(near, case, given["digest"], by="dev"), "permission_denied")


def test_the_case_holds_what_was_handed_over(near: Live, case: Any) -> None:
    given = give(near, case)

    docket = near["aud"].get(f"/v1/cases/{case['id']}")

    submitted = [e for e in docket["evidence"] if e["kind"] == "hand_off" and not e["measured"]]
    assert submitted[-1]["payload"]["runbook"] == given["runbook"]


def test_the_log_vouches_for_it_without_its_names(near: Live, case: Any) -> None:
    give(near, case, contact="a person by name")

    entry = near["aud"].get("/v1/audit", action="hand_off.given", limit=1)["items"][0]

    assert "a person by name" not in str(entry["details"])
    assert near["aud"].post("/v1/audit:verify")["faults"] == []
