"""One version's life over HTTP, in small."""

import pytest

from app.client import Problem
from app.gates.policy import Policy, ruling_of
from app.kit.canonical import digest
from tests.live import (
    Live,
    Place,
    approve,
    champion,
    evidence,
    make_model,
    make_point,
    make_version,
    open_activation,
    ready_to_commit,
    rehearse,
    release,
    released,
    roll_back,
    route,
    validate,
    wait_folded,
    wait_routed,
)

GOVERNANCE = "management_and_governance"


@pytest.fixture(scope="module")
def place(live: Live) -> Place:
    return champion(live)


def test_a_decision_is_scored_labelled_and_traced(live: Live, place: Place) -> None:
    decision = route(live, place.point, "customer-1")
    event = {
        "token": decision["token"],
        "at": "2026-02-01T10:00:00Z",
        "features": {"x": 0.5},
        "score": 0.9,
    }
    before = wait_folded(live, place.point)["stored_events"]

    taken = live["app"].post("/v1/events", {"events": [event, event]})
    again = live["app"].post("/v1/events", {"events": [event]})
    outcome = {
        "decision_id": decision["decision_id"],
        "label": 1,
        "reward": 2.5,
        "at": "2026-02-01T11:00:00Z",
    }
    live["app"].post("/v1/outcomes", {"outcomes": [outcome]})
    found = wait_folded(live, place.point)
    trace = live["aud"].get(f"/v1/decisions/{decision['decision_id']}")

    assert (taken["accepted"], taken["duplicates"]) == (1, 1)
    assert (again["accepted"], again["duplicates"]) == (0, 1)
    assert found["stored_events"] == before + 1
    assert trace["outcome"]["reward"] == 2.5
    assert trace["events"][0]["score"] == 0.9
    assert trace["plan"]["generation"] == decision["generation"]
    assert [case["kind"] for case in trace["cases"]] == ["validation", "release", "activation"]
    assert {a["person"] for case in trace["cases"] for a in case["approvals"]} == {"val", "com"}


def test_a_traced_outcome_says_what_it_said_before_it_was_corrected(
    live: Live, place: Place
) -> None:
    decision = route(live, place.point, "customer-2")
    at = "2026-02-01T10:00:00Z"
    event = {"token": decision["token"], "at": at, "features": {"x": 0.5}, "score": 0.9}
    live["app"].post("/v1/events", {"events": [event]})
    path = f"/v1/decisions/{decision['decision_id']}"
    assert live["aud"].get(path)["outcome"] is None

    # The first correction is itself corrected, and one that was overtaken comes last.
    for revision, reward in ((0, 1.0), (5, 3.0), (7, 4.0), (2, 2.0)):
        outcome = {"decision_id": decision["decision_id"], "reward": reward, "cost": 0.5, "at": at}
        live["app"].post("/v1/outcomes", {"outcomes": [{**outcome, "revision": revision}]})

    found = live["aud"].get(path)["outcome"]
    assert (found["reward"], found["cost"], found["label"]) == (4.0, 0.5, None)
    assert found["revision"] == 7
    assert [(one["revision"], one["reward"]) for one in found["history"]] == [
        (0, 1.0), (2, 2.0), (5, 3.0),
    ]  # fmt: skip
    assert all(one["received_at"] and one["cost"] == 0.5 for one in found["history"])


def test_the_same_unit_keeps_its_arm(live: Live, place: Place) -> None:
    answers = {route(live, place.point, "customer-7")["version_id"] for _ in range(5)}

    assert len(answers) == 1


def test_an_altered_token_is_refused_and_the_good_event_beside_it_kept(
    live: Live, place: Place
) -> None:
    good = route(live, place.point, "a")["token"]
    forged = good[:-2] + ("AA" if good[-2:] != "AA" else "BB")
    at = "2026-02-01T10:00:00Z"

    taken = live["app"].post(
        "/v1/events", {"events": [{"token": forged, "at": at}, {"token": good, "at": at}]}
    )

    assert taken["accepted"] == 1
    assert [(bad["index"], bad["code"]) for bad in taken["rejected"]] == [(0, "bad_token")]


@pytest.mark.parametrize("who", ["dev", "bot"])
def test_nobody_approves_his_own_work_not_through_a_bot_either(live: Live, who: str) -> None:
    case = open_activation(live, released(live))

    with pytest.raises(Problem) as refusal:
        approve(live[who], case, GOVERNANCE)

    assert refusal.value.code == "self_approval"


def test_the_requester_does_not_approve_what_he_asked_for(live: Live) -> None:
    case = open_activation(live, released(live))

    with pytest.raises(Problem) as refusal:
        approve(live["ops"], case, GOVERNANCE)

    assert refusal.value.code == "self_approval"


def test_nothing_is_committed_before_the_committee_has_approved(live: Live) -> None:
    case = open_activation(live, released(live))

    with pytest.raises(Problem) as refusal:
        live["ops"].post(f"/v1/activations/{case['id']}:commit")

    assert refusal.value.code == "steps_open"
    assert GOVERNANCE in refusal.value.document["open"]


def test_new_evidence_voids_an_approval(live: Live) -> None:
    case = open_activation(live, released(live))
    approve(live["com"], case, GOVERNANCE)
    live["ops"].post(
        f"/v1/cases/{case['id']}/steps/{GOVERNANCE}/evidence",
        {"kind": "afterthought", "payload": {"risk": "higher than we said"}},
    )

    verdict = live["ops"].post(f"/v1/activations/{case['id']}/steps/{GOVERNANCE}:judge")

    assert not verdict["passed"]
    blocking = [r for r in verdict["results"] if r["severity"] == "block"]
    assert [r["rule"] for r in blocking if not r["passed"]] == ["production_committee"]


def test_a_rollback_and_its_undoing(live: Live) -> None:
    first = champion(live)
    second = released(live, point=first.point)
    case = open_activation(live, second)
    ready_to_commit(live, case)
    live["ops"].post(f"/v1/activations/{case['id']}:commit")
    wait_routed(live, second)

    seen = []
    for undo in (False, True):
        roll_back(live, first.point, undo=undo)
        wait_routed(live, first)
        seen.append(route(live, first.point, "u")["model"])

    assert seen == [first.model, second.model]


def test_a_release_on_drifted_data_goes_back_to_data_acquisition(live: Live) -> None:
    model = make_model(live)
    place = Place(model, make_point(live), make_version(live, model))
    validate(live, model, place.version)
    rehearse(live, place, shift=6.0)

    verdict = release(live, place)
    version = live["dev"].get(f"/v1/models/{model}/versions/{place.version}")

    assert verdict["path"] == "data_drift"
    assert (version["stage"], version["returned_to"]) == ("returned", "data_acquisition")


def test_a_step_out_of_order_says_which_call_comes_first(live: Live) -> None:
    model = make_model(live)
    make_version(live, model)

    with pytest.raises(Problem) as refusal:
        live["dev"].post(
            "/v1/releases", {"model": model, "version": 1, "decision_point": make_point(live)}
        )

    assert refusal.value.code == "illegal_move"
    assert refusal.value.document["next"] == ["retired", "returned", "validated"]


def test_a_rejection_keeps_the_gate_closed(live: Live) -> None:
    case = open_activation(live, released(live))
    path = f"/v1/cases/{case['id']}/steps/{GOVERNANCE}/approvals"
    live["val"].post(path, {"approved": False, "reason": "the card says too little"})
    approve(live["com"], case, GOVERNANCE)

    verdict = live["ops"].post(f"/v1/activations/{case['id']}/steps/{GOVERNANCE}:judge")

    assert not verdict["passed"]


def test_a_case_is_withdrawn_by_its_requester_and_opened_again(live: Live) -> None:
    place = released(live)
    case = open_activation(live, place)
    with pytest.raises(Problem) as refusal:
        live["dev"].post(f"/v1/cases/{case['id']}:withdraw")

    withdrawn = live["ops"].post(f"/v1/cases/{case['id']}:withdraw")
    again = open_activation(live, place)
    listed = live["ops"].get("/v1/cases", model=place.model, version=place.version)["items"]

    assert refusal.value.code == "not_the_requester"
    assert withdrawn["result"] == "withdrawn"
    assert [found["id"] for found in listed][-2:] == [case["id"], again["id"]]


def test_a_verdict_can_be_recomputed_from_what_it_stores(live: Live) -> None:
    place = released(live)
    listed = live["aud"].get("/v1/cases", model=place.model, version=place.version)["items"]
    verdicts = [
        v for case in listed for v in live["aud"].get(f"/v1/cases/{case['id']}")["verdicts"]
    ]
    policy = Policy.model_validate(live["aud"].get("/v1/policies/low")["body"])

    assert len(verdicts) >= 5
    for verdict in verdicts:
        kind = verdict["facts"]["case"]["kind"]
        gate = policy.gates[f"{kind}.{verdict['step']}"]
        assert digest(verdict["facts"]) == verdict["facts_digest"]
        assert ruling_of(gate, verdict["step"], verdict["facts"]).results == verdict["results"]


def test_what_the_server_measures_cannot_be_submitted_instead(live: Live) -> None:
    model = make_model(live)
    place = Place(model, make_point(live), make_version(live, model))
    validate(live, model, place.version)
    body = {"model": model, "version": place.version, "decision_point": place.point}
    case = live["dev"].post("/v1/releases", body)
    invented = {"events": 10**6, "null_share": 0.0, "invalid_share": 0.0, "velocity_ratio": 1.0}
    evidence(live["dev"], case, "parameter_testing", "parameters", invented)

    verdict = live["ops"].post(f"/v1/releases/{case['id']}/steps/parameter_testing:judge")

    assert not verdict["passed"]
    assert verdict["facts"]["evidence"]["parameters"]["events"] == 0
