"""The endpoint that is activated is the one that was tested, or it is said that it is not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.activation.tested import Trial, standing
from app.gates.packs import TIERS, tier_policy
from app.gates.policy import check, passed
from tests.activation.deploying import activation, commit, judge, refused
from tests.gates.dockets import in_order
from tests.live import (
    Live,
    Place,
    approve,
    crown,
    evidence,
    make_model,
    make_version,
    rehearse,
    validate,
)
from tests.release import endpoints
from tests.release.endpoints import served
from tests.release.test_operations_live import GOOD, WAIT, asked, done, patient
from tests.signing import submit_signed

STEP = "model_deployment"
RULE = "tested_endpoint"
UNCALLED = (
    "The server cannot call it, and nobody who took no part in the version has signed a test of it"
    " (evidence `integration` that names this `endpoint`)."
)
RELEASE = ("model_release", "endpoint_identification", "parameter_testing", "kpi_validation")


def candidate(live: Live, *, point: str | None = None) -> tuple[Place, Any]:
    """A version in its release, rehearsed, and nothing tested yet."""
    model = make_model(live)
    place = Place(model, point or patient(live), make_version(live, model))
    validate(live, model, place.version)
    rehearse(live, place)
    named = {"model": model, "version": place.version, "decision_point": place.point}
    return place, live["dev"].post("/v1/releases", named)


def release(live: Live, case: Any) -> None:
    for step in RELEASE:
        verdict = live["ops"].post(f"/v1/releases/{case['id']}/steps/{step}:judge")
    assert verdict["passed"], verdict["results"]


def proven_at(live: Live, url: str) -> Place:
    """A version that was released after the server had called ``url``."""
    place, case = candidate(live)
    keep_cases(live, place)
    path = f"/v1/releases/{case['id']}/integration-runs?wait={WAIT}"
    run = live["dev"].post(path, asked(url, cases=None))
    assert done(live["dev"], run)["state"] == "succeeded"
    release(live, case)
    return place


def opened(live: Live, place: Place, endpoint: str | None) -> Any:
    case = activation(live, place, endpoint=endpoint, parameters={})
    evidence(live["ops"], case, STEP, "deployment", {"digest": "sha256:" + "0" * 64})
    return case


def said(live: Live, case: Any) -> tuple[Any, Any]:
    """What the step's facts say of the endpoint, and the rule's result."""
    verdict = judge(live, case, STEP)
    (result,) = (one for one in verdict["results"] if one["rule"] == RULE)
    return verdict["facts"]["evidence"]["endpoint"], result


def keep_cases(live: Live, place: Place) -> None:
    live["ops"].put(f"/v1/decision-points/{place.point}/contract-cases", {"cases": [GOOD]})


def instances(place: Place) -> str:
    return f"/v1/models/{place.model}/versions/{place.version}/instances"


def instance(live: Live, place: Place, endpoint: str) -> Any:
    body = {"key": "nsw", "segment": {"state": "NSW"}, "endpoint": endpoint}
    return live["dev"].post(instances(place), body)


def pin(live: Live, place: Place, endpoint: str) -> None:
    """Have the champion answer as its instance."""
    instance(live, place, endpoint)
    path = f"/v1/decision-points/{place.point}/plan"
    plan = {"segments": [{"name": "all", "instance": "nsw", "strategy": {"kind": "champion"}}]}
    change = live["ops"].put(path, plan, revision=live["ops"].get(path)["revision"])
    live["com"].post(f"/v1/changes/{change['id']}:approve", {"reason": "agreed"})


def tried(live: Live, case: Any, **more: Any) -> Any:
    path = f"/v1/activations/{case['id']}/integration-runs?wait={WAIT}"
    load = {"load": {"requests": 20, "concurrency": 2}, "timeout_ms": 5000, **more}
    return done(live["ops"], live["ops"].post(path, load))


@pytest.fixture(scope="module")
def staged(near: Live) -> tuple[Place, str]:
    """A released version, and the address at which it was tested."""
    with served(endpoints.good) as staging:
        return proven_at(near, staging.url), f"{staging.url}/score"


def test_who_was_tested_there_is_activated_there_without_a_word(
    near: Live, staged: tuple[Place, str]
) -> None:
    place, url = staged
    case = opened(near, place, url + "/")
    found, result = said(near, case)
    near["ops"].post(f"/v1/cases/{case['id']}:withdraw")

    assert case["details"]["endpoint_test"]["tested"] is True
    assert (found["tested"], found["tested_endpoints"], found["why"]) == (True, [url], None)
    assert result["passed"] is True


def test_another_endpoint_than_was_tested_is_said_and_mended_by_testing_it(
    near: Live, staged: tuple[Place, str]
) -> None:
    place, url = staged
    with served(endpoints.good) as production:
        case = opened(near, place, f"{production.url}/score")
        before, failed = said(near, case)
        path = f"/v1/activations/{case['id']}/integration-runs"
        run = tried(near, case)
        after, passed = said(near, case)

    assert case["details"]["endpoint_test"]["tested"] is False
    assert before == {
        "endpoint": f"{production.url}/score", "tested": False, "agreed": None,
        "tested_endpoints": [url], "why": f"Tested was {url}.", "instances": [],
    }  # fmt: skip
    assert (failed["passed"], failed["severity"]) == (False, "warn")
    assert any(call.endswith("/integration-runs") for call in failed["mend"])
    assert run["state"] == "succeeded"
    assert (run["result"]["endpoint"], run["result"]["failures"]) == (f"{production.url}/score", 0)
    assert (after["tested"], after["agreed"], passed["passed"]) == (True, True, True)

    approve(near["com"], case, "management_and_governance")
    assert judge(near, case, "management_and_governance")["passed"]
    assert commit(near, case)["endpoint"] == f"{production.url}/score"
    late = refused(lambda: near["ops"].post(path, {}), "case_closed")
    assert "committed" in late["detail"]


def test_an_endpoint_that_answers_wrongly_is_not_tested(near: Live) -> None:
    place, case = candidate(near)
    release(near, case)
    with served(endpoints.shapeless) as endpoint:
        case = opened(near, place, f"{endpoint.url}/score")
        path = f"/v1/activations/{case['id']}/integration-runs"
        unkept = refused(lambda: near["ops"].post(path, {}), "no_cases")
        keep_cases(near, place)
        before, _ = said(near, case)
        assert tried(near, case)["result"]["failures"] > 0
        found, result = said(near, case)

    assert f"/v1/decision-points/{place.point}/contract-cases" in unkept["mend"]
    assert (before["tested"], before["why"]) == (
        False, "No integration test of the version is on record.",
    )  # fmt: skip
    assert (found["tested"], found["why"]) == (False, "Its newest test failed.")
    assert not result["passed"]


def test_what_nobody_said_was_tested_was_not(near: Live) -> None:
    place, case = candidate(near)
    found = {"cases": 40, "failures": 0, "p99_ms": 4.5}
    submit_signed(near["ops"], case, "integration_testing", "integration", found)
    release(near, case)
    told = {}
    for endpoint in ("https://scoring.example/1", "urn:scorer:1", None):
        case = opened(near, place, endpoint)
        found, result = said(near, case)
        wanted = None if endpoint is None else False
        assert (found["tested"], result["passed"]) == (wanted, endpoint is None)
        assert case["details"]["endpoint_test"]["tested"] is wanted
        told[endpoint] = found["why"]
        uncalled = f"/v1/activations/{case['id']}/integration-runs"
        if endpoint != "https://scoring.example/1":
            refused(lambda path=uncalled: near["ops"].post(path, {}), "no_address")  # type: ignore[misc]
        near["ops"].post(f"/v1/cases/{case['id']}:withdraw")

    assert list(told.values()) == [
        "Whoever signed the test did not say which endpoint was called.",
        UNCALLED,
        "Applications are given no endpoint.",
    ]


def test_in_the_highest_tier_an_endpoint_that_was_not_tested_stays_closed() -> None:
    gate = "activation.model_deployment"
    blocked = {}
    for tier in TIERS:
        for tested, agreed in ((True, True), (None, None), (False, None), (True, False)):
            found = in_order(gate)
            found["evidence"]["endpoint"] |= {"tested": tested, "agreed": agreed}
            results = check(tier_policy(tier).gates[gate].rules, found)
            blocked[tier, tested, agreed] = not passed(results)

    assert {where for where, closed in blocked.items() if closed} == {
        ("high", False, None), ("high", True, False),
    }  # fmt: skip


@pytest.mark.parametrize(
    "endpoint",
    [
        " https://evil.example/score", "//evil.example/score", "evil.example/score", "",
        "http://user:pw@host.example/score", "grpc://user:pw@host.example:9000", "file:///etc/x",
        "https://host.example/score#x", "javascript:alert(1)", "localhost:9000/score", "urn:",
        "HTTPS:/evil.example/score", "grpc://host.example:9000/a b",
    ],
)  # fmt: skip
def test_an_endpoint_in_another_form_is_refused_when_it_is_given(
    near: Live, staged: tuple[Place, str], endpoint: str
) -> None:
    place, _ = staged
    point = f"/v1/decision-points/{place.point}"
    named = {"kind": "version", "model": place.model, "version": place.version}
    for found in (
        refused(lambda: activation(near, place, endpoint=endpoint, parameters={}), "bad_endpoint"),
        refused(
            lambda: near["ops"].put(f"{point}/fallback", {**named, "endpoint": endpoint}),
            "bad_endpoint",
        ),
    ):
        assert found["status"] == 422
        assert "grpc:" in found["mend"]
        assert "https" in found["mend"]


def test_no_secret_is_taken_as_evidence_with_an_endpoint(near: Live) -> None:
    _, case = candidate(near)
    found = {"cases": 40, "failures": 0, "endpoint": "https://u:pw@a.example/score"}

    refused(
        lambda: submit_signed(near["ops"], case, "integration_testing", "integration", found),
        "bad_endpoint",
    )


def test_what_the_server_cannot_call_is_tested_by_who_took_no_part_and_names_it(near: Live) -> None:
    endpoint = "grpc://scoring.example:9000/score"
    told = {}
    for who, named in (("ops", endpoint), ("dev", endpoint), ("ops", f"{endpoint}/other")):
        place, case = candidate(near)
        payload = {"cases": 40, "failures": 0, "p99_ms": 4.5, "endpoint": named}
        submit_signed(near[who], case, "integration_testing", "integration", payload)
        release(near, case)
        found, result = said(near, opened(near, place, endpoint))
        assert result["passed"] is found["tested"]
        told[who, named] = found["tested"]

    assert [where for where, tested in told.items() if tested] == [("ops", endpoint)]


def test_the_instances_that_the_plan_pins_are_tested_as_well(near: Live) -> None:
    with served(endpoints.good) as staging, served(endpoints.good) as region:
        url = f"{staging.url}/score"
        first = crown(near, proven_at(near, staging.url))
        pin(near, first, url)
        coming, case = candidate(near, point=first.point)
        run = near["dev"].post(
            f"/v1/releases/{case['id']}/integration-runs?wait={WAIT}",
            asked(staging.url, cases=None),
        )
        assert done(near["dev"], run)["state"] == "succeeded"
        release(near, case)
        instance(near, coming, f"{region.url}/score")
        case = opened(near, coming, url)
        before, failed = said(near, case)
        run = tried(near, case, instance="nsw")
        after, passed = said(near, case)
        approve(near["com"], case, "management_and_governance")
        assert judge(near, case, "management_and_governance")["passed"]

        near["dev"].delete(f"{instances(coming)}/nsw")
        instance(near, coming, url)
        approve(near["com"], case, "management_and_governance")
        assert judge(near, case, "management_and_governance")["passed"]
        late = refused(lambda: commit(near, case), "steps_open")
        assert judge(near, case, STEP)["passed"]
        commit(near, case)

    assert (before["tested"], failed["passed"]) == (False, False)
    assert before["why"] == f"Instance nsw: Tested was {url}."
    assert [(one["key"], one["tested"]) for one in before["instances"]] == [("nsw", False)]
    assert run["result"]["endpoint"] == f"{region.url}/score"
    assert (after["tested"], after["agreed"], passed["passed"]) == (True, True, True)
    assert late["open"] == [STEP]
    assert "nsw" in late["detail"]


ADDRESSES = st.sampled_from(
    ["https://a.example/score", "https://b.example/score", "https://a.example/other"]
)
TRIALS = st.lists(st.builds(Trial, ADDRESSES | st.none(), st.booleans(), st.booleans()), max_size=6)


@given(ADDRESSES, TRIALS)
def test_what_is_tested_was_called_there_last_without_a_failure(
    endpoint: str, trials: list[Trial]
) -> None:
    found = standing(endpoint, trials)
    here = [one for one in trials if one.endpoint == endpoint]

    if here:
        assert found["tested"] is here[0].passed
        assert found["agreed"] == (
            any(one.passed and one.agreed for one in here) if here[0].passed else None
        )
    else:
        assert found["tested"] is False
    assert (found["why"] is None) == (found["tested"] is True and found["agreed"] is True)


@pytest.mark.parametrize(
    ("tested", "activated", "base", "same"),
    [
        ("https://a.example/score", "https://A.example:443/score/", False, True),
        ("http://a.example:80", "http://a.example/", False, True),
        ("https://a.example/score", "http://a.example/score", False, False),
        ("https://a.example/score", "https://a.example/score?v=2", False, False),
        ("https://a.example:8443/score", "https://a.example/score", False, False),
        ("https://a.example", "https://a.example/v2/models/m/infer", True, True),
        ("https://a.example", "https://a.example/v2/models/m/infer", False, False),
        ("https://a.example", "https://a.example/v2beta", True, False),
        ("https://[2001:db8::1]/s", "https://[2001:DB8::1]:443/s", False, True),
        ("https://a.example:port/", "https://a.example:port/", False, True),
        ("https://a.example/score", "https://u:pw@a.example/score", False, False),
        ("https://u@a.example/score", "https://a.example/score", False, False),
    ],
)
def test_an_address_is_the_same_however_it_is_written(
    tested: str, activated: str, *, base: bool, same: bool
) -> None:
    assert Trial(tested, passed=True, agreed=True, base=base).at(activated) is same


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        ({"cases": 3, "failures": 0, "cases_from": "revision 1", "endpoint": "e"}, (True, True)),
        ({"cases": 3, "failures": 0, "cases_from": "revision 2", "endpoint": "e"}, (True, False)),
        ({"cases": 3, "failures": 0, "cases_from": "request", "endpoint": "e"}, (True, False)),
        (
            {"cases": 3, "failures": 0, "cases_from": "revision 1", "cases_part": "developed it"},
            (True, False),
        ),
        ({"cases": 0, "failures": 0, "cases_from": "revision 1"}, (False, True)),
        ({"cases": True, "failures": "0", "signed_by": {"part": None}}, (False, True)),
        ({"cases": 3, "failures": 0, "signed_by": {"part": "developed it"}}, (True, False)),
        ({}, (False, False)),
    ],
)
def test_of_what_was_submitted_only_what_it_surely_says_counts(
    payload: dict[str, Any], wanted: tuple[bool, bool]
) -> None:
    found = Trial.of(payload, "revision 1")
    assert not Trial.of({**payload, "cases_from": None}, None).agreed or "signed_by" in payload
    assert (found.passed, found.agreed) == wanted
