"""What deployers and operators do about targets, in short."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from app.client import Client, Problem
from tests.live import Live, Place, approve
from tests.live import open_activation as open_with_evidence

APPROVED = "sha256:" + "0" * 64
WRONG = "sha256:" + "f" * 64
SECONDS = 20


def put_target(live: Live, point: str, name: str = "eu-1", **fields: Any) -> Any:
    body = {"environment": "cloud", **fields}
    return live["ops"].put(f"/v1/decision-points/{point}/targets/{name}", body)


def report(
    live: Live,
    place: Place,
    name: str = "eu-1",
    *,
    state: str = "serving",
    digest: str = APPROVED,
    by: str = "app",
) -> Any:
    path = f"/v1/decision-points/{place.point}/targets/{name}/reports"
    body = {"model": place.model, "version": place.version, "digest": digest, "state": state}
    return live[by].post(path, body)


def deployment(live: Live, point: str) -> Any:
    return live["aud"].get(f"/v1/decision-points/{point}/deployment")


def desired(live: Live, point: str, name: str = "eu-1") -> Any:
    return live["app"].get(f"/v1/decision-points/{point}/targets/{name}/desired")


def incidents(live: Live, point: str, **asked: Any) -> list[Any]:
    return list(live["aud"].pages("/v1/incidents", decision_point=point, **asked))


def open_ones(live: Live, point: str, target: str = "eu-1") -> list[Any]:
    found = incidents(live, point, open="true")
    return [incident for incident in found if incident["target"] == target]


def judge(live: Live, case: Any, step: str) -> Any:
    return live["ops"].post(f"/v1/activations/{case['id']}/steps/{step}:judge")


def cleared(live: Live, case: Any) -> None:
    """All gates before the swap are passed."""
    approve(live["com"], case, "management_and_governance")
    for step in ("management_and_governance", "model_deployment"):
        verdict = judge(live, case, step)
        assert verdict["passed"], verdict["results"]


def activation(live: Live, place: Place, *, endpoint: str | None = None, **more: Any) -> Any:
    if endpoint is None and not more:
        return open_with_evidence(live, place)
    body = {
        "model": place.model, "version": place.version, "decision_point": place.point,
        "role": "champion", "endpoint": endpoint, **more,
    }  # fmt: skip
    return live["ops"].post("/v1/activations", body)


def prepare(live: Live, case: Any, **body: Any) -> Any:
    """Begin a preparation and wait until it is over."""
    made = live["ops"].post(f"/v1/activations/{case['id']}:prepare", body)
    return wait_for(lambda: _finished(live, case, made["id"]))


def _finished(live: Live, case: Any, preparation: str) -> Any:
    rows = live["aud"].pages(f"/v1/activations/{case['id']}/preparations")
    found = next(row for row in rows if row["id"] == preparation)
    return found if found["finished_at"] else None


def commit(live: Live, case: Any) -> Any:
    return live["ops"].post(f"/v1/activations/{case['id']}:commit")


def refused(call: Callable[[], Any], code: str) -> Any:
    with pytest.raises(Problem) as refusal:
        call()
    assert refusal.value.code == code, refusal.value
    return refusal.value.document


def wait_for(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise TimeoutError


def events(live: Live, kind: str) -> list[Any]:
    """What left by the outbox, of one type, the newest last."""
    return [
        item for item in live["aud"].pages("/v1/events-feed", limit=200) if item["type"] == kind
    ]


def another_person(live: Live, *roles: str) -> Client:
    _, key = live.newcomer(*roles)
    return Client(live.url, key)
