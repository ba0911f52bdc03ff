"""Integration runs over HTTP: a worker does them, in the caller's name."""

import time
from typing import Any

import pytest

from app.client import Client, Problem
from tests.live import (
    Live,
    Place,
    evidence,
    make_model,
    make_point,
    make_version,
    validate,
)
from tests.platform.wire import problem_of, speaker
from tests.release import endpoints
from tests.release.endpoints import served
from tests.signing import submit_signed

GOOD = {"name": "half", "input": {"x": 2.0}, "expect": [{"pointer": "/score", "value": 1.0}]}
WAIT = 20


def asked(url: str, **changes: Any) -> dict[str, Any]:
    load = {"requests": 20, "concurrency": 2}
    return {
        "endpoint": f"{url}/score",
        "cases": [GOOD],
        "load": load,
        "timeout_ms": 5000,
        **changes,
    }


def patient(live: Live, **more: Any) -> str:
    """A decision point that is content with what a busy machine measures."""
    key = make_point(live)
    contract = {"inputs": [{"name": "x"}], "events_per_minute": 1.0, "latency_ms": 5000, **more}
    live["ops"].patch(f"/v1/decision-points/{key}", {"contract": contract}, revision=1)
    return key


def opened(live: Live, **contract: Any) -> Any:
    model = make_model(live)
    place = Place(model, patient(live, **contract), make_version(live, model))
    validate(live, model, place.version)
    return live["dev"].post(
        "/v1/releases",
        {"model": model, "version": place.version, "decision_point": place.point},
    )


def done(client: Client, operation: Any) -> Any:
    for _ in range(4):
        found = client.get(f"/v1/operations/{operation['id']}", wait=WAIT)
        if found["state"] not in {"queued", "running"}:
            break
    assert found["state"] not in {"queued", "running"}, found
    return found


def test_a_run_is_evidence_that_the_server_measured(near: Live) -> None:
    case = opened(near)
    with served(endpoints.good) as endpoint:
        answer = speaker(near, "dev").post(
            f"/v1/releases/{case['id']}/integration-runs", json=asked(endpoint.url)
        )
        operation = answer.json()
        found = done(near["dev"], operation)

    assert (answer.status_code, operation["state"]) == (202, "queued")
    assert answer.headers["location"] == f"/v1/operations/{operation['id']}"
    assert (found["state"], found["problem"]) == ("succeeded", None)
    docket = near["dev"].get(f"/v1/cases/{case['id']}")
    (kept,) = docket["evidence"]
    assert (kept["kind"], kept["step"], kept["measured"]) == (
        "integration", "integration_testing", True,
    )  # fmt: skip
    assert kept["payload"] == found["result"]
    assert kept["payload"]["run"] == operation["id"]
    assert kept["payload"]["failures"] == 0
    dev = near["dev"].get("/v1/me")["id"]
    whose = ("cases_from", "asked_by", "part", "cases_by", "cases_part")
    assert [kept["payload"][name] for name in whose] == [
        "request", dev, "developed the version", dev, "developed the version",
    ]  # fmt: skip
    step = f"/v1/releases/{case['id']}/steps/integration_testing:judge"
    assert near["ops"].post(step)["passed"]
    stream = f"version:{case['version_id']}"
    actions = [entry["action"] for entry in near["aud"].pages("/v1/audit", stream=stream)]
    assert "integration.tested" in actions
    told = {
        item["type"]
        for item in near["aud"].pages("/v1/events-feed", limit=200)
        if item["data"].get("operation_id") == operation["id"]
    }
    assert told == {"release.integration.tested", "release.operation.ended"}


def test_a_run_says_what_of_the_contract_s_schema_it_did_not_look_at(near: Live) -> None:
    answered = {"score": {"type": "number"}, "by": {"format": "hostname"}}
    case = opened(near, output_schema={"properties": answered})
    with served(endpoints.good) as endpoint:
        path = f"/v1/releases/{case['id']}/integration-runs"
        found = done(near["dev"], near["dev"].post(path, asked(endpoint.url)))["result"]

    assert (found["schema_checked"], found["failures"]) == (True, 0)
    assert found["schema_unchecked"] == [
        "#/properties/by/format: 'hostname' is not one that is checked"
    ]


def test_a_run_says_how_much_its_cases_ask(near: Live) -> None:
    sent = {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}
    case = opened(near, input_schema=sent)
    cases = [
        {"name": "asked", "input": {"x": 1.0}, "expect": [{"pointer": "/score", "value": 1.0}]},
        {"name": "unlike", "input": {"y": 1.0}},
        {"name": "refused", "input": {"x": "n/a"}, "bad": True},
    ]
    with served(endpoints.good) as endpoint:
        path = f"/v1/releases/{case['id']}/integration-runs"
        body = {**asked(endpoint.url), "cases": cases}
        found = done(near["dev"], near["dev"].post(path, body))["result"]

    said = ("cases", "expecting", "bad_cases", "unlike")
    assert [found[name] for name in said] == [3, 1, 1, ["unlike"]]


def test_a_run_may_be_waited_for_in_the_call_that_begins_it(near: Live) -> None:
    case = opened(near)
    with served(endpoints.good) as endpoint:
        answer = speaker(near, "dev").post(
            f"/v1/releases/{case['id']}/integration-runs?wait={WAIT}", json=asked(endpoint.url)
        )

    assert (answer.status_code, answer.json()["state"]) == (200, "succeeded")
    assert answer.headers["location"] == f"/v1/operations/{answer.json()['id']}"


def test_a_case_may_speak_of_nothing(near: Live) -> None:
    """Null is a value, sent as well as expected."""
    case = opened(near)
    cases = [
        {"name": "nothing sent", "input": None},
        {"name": "nothing expected", "input": {"x": 1.0}, "expect": [{"value": None}]},
    ]
    with served(endpoints.good) as endpoint:
        body = asked(endpoint.url, cases=cases)
        run = near["dev"].post(f"/v1/releases/{case['id']}/integration-runs", body)
        found = done(near["dev"], run)

    assert found["state"] == "succeeded", found


def test_a_worse_run_takes_the_verdict_of_the_one_before(near: Live) -> None:
    case = opened(near)
    path = f"/v1/releases/{case['id']}/integration-runs"
    judge = f"/v1/releases/{case['id']}/steps/integration_testing:judge"
    with served(endpoints.good) as endpoint:
        done(near["dev"], near["dev"].post(path, asked(endpoint.url)))
    assert near["ops"].post(judge)["passed"]
    with served(endpoints.failing) as endpoint:
        worse = done(near["dev"], near["dev"].post(path, asked(endpoint.url)))

    assert (worse["state"], worse["result"]["failures"]) == ("succeeded", 2)
    steps = near["dev"].get(f"/v1/cases/{case['id']}")["steps"]
    assert {s["step"]: s["passed"] for s in steps}["integration_testing"] is None
    # Whoever submits a better one is not believed: what was measured outranks it.
    claim = {"cases": 9, "failures": 0, "p99_ms": 1}
    evidence(near["ops"], case, "integration_testing", "integration", claim)
    assert not near["ops"].post(judge)["passed"]


def test_the_newest_proof_counts_whoever_brings_it(near: Live) -> None:
    case = opened(near)
    path = f"/v1/releases/{case['id']}/integration-runs"
    judge = f"/v1/releases/{case['id']}/steps/integration_testing:judge"
    found = {"cases": 9, "failures": 0, "p99_ms": 1}

    def judged_failures() -> tuple[bool, int]:
        verdict = near["ops"].post(judge)
        return verdict["passed"], verdict["facts"]["evidence"]["integration"]["failures"]

    def signed(failures: int) -> None:
        said = {**found, "failures": failures}
        submit_signed(near["ops"], case, "integration_testing", "integration", said)

    with served(endpoints.good) as endpoint:
        done(near["dev"], near["dev"].post(path, asked(endpoint.url)))
        assert judged_failures() == (True, 0)
        signed(3)
        assert judged_failures() == (False, 3)
        evidence(near["ops"], case, "integration_testing", "integration", found)
        assert judged_failures() == (False, 3)
        done(near["dev"], near["dev"].post(path, asked(endpoint.url)))
        assert judged_failures() == (True, 0)
    with served(endpoints.failing) as endpoint:
        done(near["dev"], near["dev"].post(path, asked(endpoint.url)))
    assert judged_failures() == (False, 2)


def test_a_run_can_be_cancelled_by_who_began_it_and_leaves_nothing(near: Live) -> None:
    case = opened(near)
    path = f"/v1/releases/{case['id']}/integration-runs"
    with served(endpoints.hanging) as endpoint:
        cases = [{**GOOD, "name": str(n)} for n in range(20)]
        body = asked(endpoint.url, cases=cases, timeout_ms=10_000)
        operation = near["dev"].post(path, body)
        cancel = f"/v1/operations/{operation['id']}:cancel"
        problem_of(speaker(near, "ops").post(cancel), 403, "not_your_operation")
        second = problem_of(speaker(near, "ops").post(path, json=body), 409, "run_under_way")
        assert second["operation"] == operation["id"]
        until = time.monotonic() + 10
        while not endpoint.asked and time.monotonic() < until:
            time.sleep(0.1)
        stopped = near["dev"].post(cancel)
        problem_of(speaker(near, "dev").post(cancel), 409, "operation_over")

    assert stopped["state"] == "cancelled"
    assert near["dev"].get(f"/v1/cases/{case['id']}")["evidence"] == []


def test_a_run_of_a_case_that_was_closed_meanwhile_writes_nothing(near: Live) -> None:
    case = opened(near)
    path = f"/v1/releases/{case['id']}/integration-runs"
    with served(endpoints.slow) as endpoint:
        body = asked(endpoint.url, load={"requests": 60, "concurrency": 1})
        operation = near["dev"].post(path, body)
        until = time.monotonic() + 10
        while not endpoint.asked and time.monotonic() < until:
            time.sleep(0.05)
        near["dev"].post(f"/v1/cases/{case['id']}:withdraw")
        found = done(near["dev"], operation)
        with pytest.raises(Problem, match="case_closed"):
            near["dev"].post(path, body)

    assert (found["state"], found["problem"]["code"]) == ("failed", "case_closed")
    assert near["dev"].get(f"/v1/cases/{case['id']}")["evidence"] == []


def test_what_must_not_be_called_is_refused_when_it_is_asked_for(near: Live) -> None:
    path = f"/v1/releases/{opened(near)['id']}/integration-runs"
    for url in (
        "ftp://a.example",
        "http://127.0.0.1:99999/",
        "http://user:pw@127.0.0.1/",
        "http://127.0.0.1/?key=secret",
    ):
        refused = speaker(near, "dev").post(path, json=asked(url, endpoint=url))
        problem_of(refused, 422, "address_refused")
    # A name is looked up when it is called: then the operation fails, and nothing is written.
    body = asked("http://10.0.0.1")
    found = done(near["dev"], near["dev"].post(path, body))
    assert (found["state"], found["problem"]["code"]) == ("failed", "address_refused")


def test_the_cases_of_a_point_serve_every_release(near: Live) -> None:
    case = opened(near)
    point = case["details"]["decision_point"]
    kept = f"/v1/decision-points/{point}/contract-cases"
    run_path = f"/v1/releases/{case['id']}/integration-runs"
    with served(endpoints.good) as endpoint:
        body = {key: value for key, value in asked(endpoint.url).items() if key != "cases"}
        with pytest.raises(Problem, match="no_cases"):
            near["dev"].post(run_path, body)
        first = near["ops"].put(kept, {"cases": [GOOD]})
        found = done(near["dev"], near["dev"].post(run_path, body))
    problem_of(speaker(near, "ops").put(kept, json={"cases": [GOOD]}), 428)
    twice = {"cases": [GOOD, GOOD]}
    problem_of(speaker(near, "ops").put(kept, json=twice), 422, "invalid")

    assert first["revision"] == 1
    assert near["dev"].get(kept)["cases"][0]["name"] == "half"
    assert (found["result"]["cases_from"], found["result"]["failures"]) == ("revision 1", 0)
    assert found["result"]["cases_by"] == near["ops"].get("/v1/me")["id"]
    assert found["result"]["cases_part"] is None
