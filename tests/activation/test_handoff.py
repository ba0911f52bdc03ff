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
def place(works: Live) -> Place:
    return released(works)


@pytest.fixture(scope="module")
def case(works: Live, place: Place) -> Any:
    return activation(works, place)


def give(works: Live, case: Any, by: str = "dev", **more: Any) -> Any:
    return works[by].post(f"/v1/activations/{case['id']}/hand-off", {**RECORD, **more})


def accept(works: Live, case: Any, digest: str, by: str = "ops") -> Any:
    return works[by].post(f"/v1/activations/{case['id']}/hand-off:accept", {"digest": digest})


def facts(works: Live, case: Any) -> Any:
    return judge(works, case, STEP)["facts"]["evidence"]["hand_off"]


def test_what_was_submitted_counts_while_nothing_was_recorded(works: Live, case: Any) -> None:
    refused(lambda: accept(works, case, "sha256:none"), "nothing_handed_off")
    submitted = {"runbook": "restart it", "contact": "olga"}
    evidence(works["ops"], case, STEP, "hand_off", submitted)

    assert facts(works, case) == submitted


def test_a_hand_off_is_measured_and_accepted_by_another(works: Live, case: Any) -> None:
    given = give(works, case)
    assert given["accepted_by"] is None
    found = facts(works, case)
    assert (found["runbook"], found["contact"]) == (RECORD["runbook"], RECORD["contact"])
    assert (found["accepted"], found["accepted_by"], found["on_call"]) == (False, None, False)
    assert found["compliant"] == {
        "card": True, "variables": True, "documents": False, "lineage": False,
        "foundations": True,
    }  # fmt: skip

    taken = accept(works, case, given["digest"])

    assert (taken["given_by"], taken["accepted_by"]) == ("dev", "ops")
    assert facts(works, case)["accepted"] is True
    refused(lambda: accept(works, case, given["digest"]), "hand_off_changed")


def test_a_new_record_voids_what_was_accepted(works: Live, case: Any) -> None:
    first = give(works, case)
    accept(works, case, first["digest"])
    assert judge(works, case, STEP)["passed"]

    second = give(works, case, contact="somebody else")

    # The verdict that rested on the record before counts no more either.
    steps = works["aud"].get(f"/v1/cases/{case['id']}")["steps"]
    assert next(s["passed"] for s in steps if s["step"] == STEP) is None
    verdict = judge(works, case, STEP)
    assert verdict["facts"]["evidence"]["hand_off"]["accepted"] is False
    assert not verdict["passed"]
    refused(lambda: accept(works, case, first["digest"]), "hand_off_changed")
    listed = list(works["aud"].pages(f"/v1/activations/{case['id']}/hand-offs"))
    assert [one["digest"] for one in listed[:2]] == [second["digest"], first["digest"]]
    assert [one["accepted_by"] for one in listed[:2]] == [None, "ops"]


def test_nobody_takes_over_from_himself(works: Live, case: Any) -> None:
    with another_person(works, "developer", "operator") as both:
        path = f"/v1/activations/{case['id']}/hand-off"
        mine = both.post(path, RECORD)
        refused(lambda: both.post(f"{path}:accept", {"digest": mine["digest"]}), "own_hand_off")
    assert accept(works, case, mine["digest"])["accepted_by"] == "ops"


def test_who_may_neither_give_nor_take(works: Live, case: Any) -> None:
    refused(lambda: give(works, case, by="ops"), "decision_denied")
    refused(lambda: give(works, case, by="val"), "decision_denied")
    refused(lambda: give(works, case, by="aud"), "permission_denied")
    given = give(works, case)
    refused(lambda: accept(works, case, given["digest"], by="val"), "permission_denied")
    refused(lambda: accept(works, case, given["digest"], by="dev"), "permission_denied")


def test_the_case_holds_what_was_handed_over(works: Live, case: Any) -> None:
    given = give(works, case)

    docket = works["aud"].get(f"/v1/cases/{case['id']}")

    submitted = [e for e in docket["evidence"] if e["kind"] == "hand_off" and not e["measured"]]
    assert submitted[-1]["payload"]["runbook"] == given["runbook"]


def test_the_log_vouches_for_it_without_its_names(works: Live, case: Any) -> None:
    give(works, case, contact="a person by name")

    entry = works["aud"].get("/v1/audit", action="hand_off.given", limit=1)["items"][0]

    assert "a person by name" not in str(entry["details"])
    assert works["aud"].post("/v1/audit:verify")["faults"] == []
