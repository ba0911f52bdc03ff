"""Integration testing against real servers: the good, the slow, the broken and the hostile."""

import time
from typing import Any

import pytest

from app.platform.outbound import Outbound, OutboundRefused
from app.release.contract_cases import ContractCase, Load
from app.release.integration import Protocol
from app.release.probing import Plan, probe
from tests.platform.resolvers import NAME, NEAR, STRICT, outbound
from tests.release import endpoints
from tests.release.endpoints import served

pytestmark = pytest.mark.anyio

GOOD = {"name": "half", "input": {"x": 2.0}, "expect": [{"pointer": "/score", "value": 1.0}]}
BAD = {"name": "text", "input": {"x": "many"}, "bad": True}
SCHEMA = {
    "type": "object",
    "required": ["score"],
    "properties": {"score": {"type": "number", "minimum": 0, "maximum": 100}},
}


def plan(url: str, *cases: dict[str, Any], **changes: Any) -> Plan:
    found = cases or (GOOD, BAD)
    fields: dict[str, Any] = {
        "endpoint": f"{url}/score",
        "protocol": Protocol.JSON,
        "cases": tuple(ContractCase.model_validate(case) for case in found),
        "load": Load(requests=40, concurrency=4),
        "timeout_ms": 5000,
        "remote_model": "half",
        "remote_version": None,
        "schema": SCHEMA,
    }
    return Plan(**{**fields, **changes})


async def tried(found: Plan, near: Outbound | None = None) -> dict[str, Any]:
    async def told(_: dict[str, Any]) -> None:
        pass

    return await probe(near or Outbound(NEAR), found, told, about={"run": "r"})


def reasons(facts: dict[str, Any], case: str = "half") -> str:
    found = {item["case"]: item["reasons"] for item in facts["failed"]}
    return "; ".join(found.get(case, []))


async def test_a_good_endpoint_passes_with_its_latencies() -> None:
    with served(endpoints.good) as endpoint:
        facts = await tried(plan(endpoint.url))

    assert (facts["cases"], facts["failures"], facts["failed"]) == (2, 0, [])
    assert 0 < facts["p50_ms"] <= facts["p95_ms"] <= facts["p99_ms"] < 5000
    assert facts["cold_start_ms"] > 0
    assert (facts["error_share"], facts["requests"], facts["concurrency"]) == (0, 40, 4)
    assert facts["per_second"] > 0
    assert len(endpoint.asked) == 42
    assert {asked.path for asked in endpoint.asked} == {"/score"}
    # Latencies are not those of handshakes: connections are kept.
    assert endpoint.connections <= 4


async def test_a_slow_endpoint_is_measured_as_slow() -> None:
    with served(endpoints.slow) as endpoint:
        facts = await tried(plan(endpoint.url, load=Load(requests=16, concurrency=16)))

    assert facts["failed"] == []
    assert facts["p50_ms"] >= 80


async def test_who_mixes_up_what_comes_at_once_is_found_out_under_load() -> None:
    other = {"name": "ten", "input": {"x": 10.0}, "expect": [{"pointer": "/score", "value": 5.0}]}
    with served(endpoints.crossed()) as endpoint:
        facts = await tried(plan(endpoint.url, GOOD, other, load=Load(requests=60, concurrency=8)))

    assert [item["case"] for item in facts["failed"]] == ["load"]
    assert facts["error_share"] > 0.1
    assert "/score: " in reasons(facts, "load")
    assert facts["unchecked"] == 0


async def test_of_answers_too_many_and_too_different_it_is_said_how_many_nobody_read() -> None:
    with served(endpoints.different()) as endpoint:
        facts = await tried(plan(endpoint.url, GOOD, load=Load(requests=100, concurrency=4)))

    assert facts["failed"] == []
    assert 0 < facts["unchecked"] < 100


@pytest.mark.parametrize(
    ("talk", "reason"),
    [
        (endpoints.failing, "answered 500"),
        (endpoints.shapeless, "'score' is a required property"),
        (endpoints.talking, "the answer is not JSON"),
        (endpoints.undefined, "the answer holds NaN, which is not JSON"),
        (endpoints.endless, "longer than 1048576 bytes"),
    ],
)
async def test_what_is_wrong_with_an_answer_is_said(talk: endpoints.Talk, reason: str) -> None:
    with served(talk) as endpoint:
        facts = await tried(
            plan(endpoint.url, GOOD, load=Load(requests=2, concurrency=1), timeout_ms=2000)
        )

    assert reason in reasons(facts)
    assert facts["failures"] >= 1


@pytest.mark.parametrize("talk", [endpoints.hanging, endpoints.dripping])
async def test_who_does_not_come_to_an_end_is_cut_and_not_called_a_hundred_times(
    talk: endpoints.Talk,
) -> None:
    began = time.monotonic()
    with served(talk) as endpoint:
        facts = await tried(plan(endpoint.url, GOOD, timeout_ms=200))

    assert reasons(facts) == "no answer within 200 ms"
    assert (facts["error_share"], facts["p99_ms"]) == (1.0, None)
    assert "not made" in reasons(facts, "load")
    assert len(endpoint.asked) == 1
    assert time.monotonic() - began < 5


async def test_a_redirect_is_a_failure_and_leads_nowhere() -> None:
    with served(endpoints.good) as inside, served(endpoints.redirecting(inside.url)) as endpoint:
        facts = await tried(plan(endpoint.url, GOOD))

    assert reasons(facts) == "answered 307, a redirect, which is not followed"
    assert inside.asked == []


async def test_bad_input_must_be_refused_with_a_4xx() -> None:
    for talk, status in ((endpoints.lenient, 200), (endpoints.failing, 500)):
        with served(talk) as endpoint:
            facts = await tried(plan(endpoint.url))
        assert f"bad input was answered {status}" in reasons(facts, "text")


async def test_a_value_beyond_its_tolerance_is_named_with_its_place() -> None:
    near = {**GOOD, "expect": [{"pointer": "/score", "value": 1.004}]}
    with served(endpoints.good) as endpoint:
        strict = await tried(plan(endpoint.url, near))
        wide = await tried(plan(endpoint.url, {**near, "tolerance": {"relative": 0.01}}))

    assert reasons(strict) == "/score: 1.0, expected 1.004"
    assert wide["failures"] == 0


async def test_a_name_that_resolves_inward_is_not_called() -> None:
    with pytest.raises(OutboundRefused):
        await tried(plan(f"https://{NAME}"), outbound(STRICT, ["93.184.216.34", "10.0.0.1"]))
    with pytest.raises(OutboundRefused):
        await tried(plan(f"https://{NAME}"), outbound(NEAR, ["169.254.169.254"]))


async def test_a_name_that_nobody_knows_fails_every_case() -> None:
    facts = await tried(plan(f"http://{NAME}"), outbound(NEAR, []))

    assert (facts["failures"], facts["p99_ms"]) == (3, None)
    assert "has no address" in reasons(facts)


async def test_open_inference_maps_names_to_tensors_and_back() -> None:
    with served(endpoints.open_inference) as endpoint:
        facts = await tried(
            plan(endpoint.url, endpoint=endpoint.url, protocol=Protocol.OPEN_INFERENCE_V2)
        )

    assert facts["failed"] == []
    assert facts["protocol"] == "open_inference_v2"
    paths = [asked.path for asked in endpoint.asked[:4]]
    assert paths == [
        "/v2/health/ready", "/v2/models/half/ready", "/v2/models/half", "/v2/models/half/infer",
    ]  # fmt: skip
    assert endpoint.asked[3].json() == {
        "inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [2.0]}]
    }


@pytest.mark.parametrize(
    ("talk", "reason"),
    [
        (endpoints.misshapen, "output score: 1 elements, its shape says 2"),
        (endpoints.failing, "answered 500"),
        (endpoints.talking, "the answer is not JSON"),
        (endpoints.hanging, "no answer within 200 ms"),
        (endpoints.good, "answered 422"),
    ],
)
async def test_open_inference_failures_are_said(talk: endpoints.Talk, reason: str) -> None:
    with served(talk) as endpoint:
        facts = await tried(
            plan(
                endpoint.url,
                GOOD,
                endpoint=endpoint.url,
                timeout_ms=200,
                protocol=Protocol.OPEN_INFERENCE_V2,
                load=Load(requests=2, concurrency=1),
            )
        )

    assert reason in reasons(facts)
