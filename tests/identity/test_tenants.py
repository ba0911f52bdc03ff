"""Another tenant's things do not exist: not to read, not to change, not in any list."""

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app.client import Client, Problem
from app.identity import Role
from tests.live import Live, Place, champion, make_point, route, unique
from tests.platform.wire import problem_of, require_4xx
from tests.tenants import database_of, make_tenant

ROLES = {
    "root": {Role.ADMINISTRATOR}, "all": set(Role) - {Role.APPLICATION, Role.ADMINISTRATOR},
    "app": {Role.APPLICATION},
}  # fmt: skip


@dataclass(frozen=True)
class First:
    """What the first tenant has."""

    place: Place
    words: tuple[str, ...]
    paths: tuple[tuple[str, str, Any], ...]
    token: str


@pytest.fixture(scope="module")
def second(live: Live) -> Iterator[dict[str, Client]]:
    """The people of another tenant."""
    keys = asyncio.run(make_tenant(database_of(live), ROLES))
    clients = {name: Client(live.url, key) for name, key in keys.items()}
    yield clients
    for client in clients.values():
        client.__exit__(None, None, None)


@pytest.fixture(scope="module")
def first(live: Live) -> First:
    place = champion(live)
    decision = route(live, place.point, "u")
    event = {"token": decision["token"], "at": "2026-02-01T00:00:00Z", "score": 0.5}
    live["app"].post("/v1/events", {"events": [event]})
    trace = live["aud"].get(f"/v1/decisions/{decision['decision_id']}")
    case = trace["cases"][-1]["case_id"]
    dev = next(p for p in live.admin.pages("/v1/principals") if p["name"] == "dev")
    key = live["dev"].post(f"/v1/principals/{dev['id']}/keys", {"days": 1})
    model, point = f"/v1/models/{place.model}", f"/v1/decision-points/{place.point}"
    version, step = f"{model}/versions/1", f"/v1/cases/{case}/steps/model_deployment"
    named = {"model": place.model, "version": 1}
    at = {**named, "decision_point": place.point}
    contract = {"inputs": [{"name": "x"}], "events_per_minute": 1, "latency_ms": 1}
    kpi = {"name": "k", "threshold": 1, "unit": "AUD"}
    rehearsal = {**at, "events": [{"event_id": str(uuid.uuid4()), "at": event["at"]}]}
    card = {"summary": "s", "intended_use": "u"}
    published = {"source": "urn:x", "training_data": {"reference": "r"}, "card": card}
    paths: tuple[tuple[str, str, Any], ...] = (
        ("GET", model, None),
        ("PATCH", model, {"purpose": "theirs"}),
        ("GET", f"{model}/versions", None),
        ("POST", f"{model}/versions", {**published, "signature": {"inputs": [{"name": "x"}]}}),
        ("GET", version, None),
        ("PATCH", version, {"tags": {"a": "b"}}),
        ("GET", f"{version}/baseline", None),
        ("GET", f"{version}/drift", None),
        ("GET", f"{version}/alerts", None),
        ("GET", f"{version}/reviews", None),
        ("GET", f"{model}/aliases/latest", None),
        ("PUT", f"{model}/aliases/mine", {"number": 1}),
        ("DELETE", f"{model}/aliases/mine", None),
        ("GET", point, None),
        ("PATCH", point, {"contract": contract}),
        ("GET", f"{point}/plan", None),
        ("PUT", f"{point}/plan", {"shadows": []}),
        ("GET", f"{point}/seats", None),
        ("GET", f"{point}/rounds", None),
        ("GET", f"{point}/telemetry", None),
        ("GET", f"{point}/monitor", None),
        ("PUT", f"{point}/monitor", {"hits": 1}),
        ("GET", f"{point}/kpis", None),
        ("PUT", f"{point}/kpis/k", kpi),
        ("GET", f"{point}/kpis:measure?model={place.model}&version=1", None),
        ("POST", f"{point}:rollback", {"instead_of": str(uuid.UUID(int=1)), "reason": "theirs"}),
        ("GET", f"/v1/cases/{case}", None),
        ("GET", f"/v1/cases?model={place.model}&version=1", None),
        ("POST", f"{step}/evidence", {"kind": "integration", "payload": {}}),
        ("POST", f"{step}/approvals", {"approved": True, "reason": "theirs"}),
        ("POST", f"/v1/activations/{case}/steps/model_deployment:judge", None),
        ("POST", f"/v1/activations/{case}:commit", None),
        ("POST", f"/v1/cases/{case}:withdraw", None),
        ("GET", f"/v1/decisions/{decision['decision_id']}", None),
        ("POST", "/v1/validations", named),
        ("POST", "/v1/releases", at),
        ("POST", "/v1/activations", at),
        ("POST", "/v1/events", rehearsal),
        ("POST", f"/v1/principals/{dev['id']}/keys", {"days": 1}),
        ("GET", f"/v1/principals/{dev['id']}/keys", None),
        ("POST", f"/v1/principals/{dev['id']}:invite", None),
        ("POST", f"/v1/principals/{dev['id']}:assign", {"roles": ["auditor"]}),
        ("POST", f"/v1/principals/{dev['id']}:enable", None),
        ("POST", f"/v1/keys/{key['id']}:revoke", None),
    )
    words = (place.model, place.point, case, dev["id"], key["id"], decision["decision_id"])
    return First(place, words, paths, decision["token"])


def test_another_tenants_things_are_not_found(
    live: Live, second: dict[str, Client], first: First
) -> None:
    for method, path, body in first.paths:
        who = "root" if "/principals/" in path or "/keys/" in path else "all"
        answer = second[who]._http.request(method, path, json=body, headers={"If-Match": '"1"'})

        problem_of(answer, 404, "not_found")

    assert live["dev"].get(f"/v1/models/{first.place.model}")["revision"] == 1
    assert route(live, first.place.point, "u")["model"] == first.place.model


@pytest.mark.parametrize(
    "path", ["/v1/principals", "/v1/models", "/v1/decision-points", "/v1/audit", "/v1/events-feed"]
)
def test_another_tenants_things_stand_in_no_list(
    second: dict[str, Client], first: First, path: str
) -> None:
    text = second["root"]._http.get(path, params={"limit": 200}).text

    assert '"items"' in text
    assert [word for word in first.words if word in text] == []


@pytest.mark.usefixtures("first")
def test_another_tenants_streams_are_empty(live: Live, second: dict[str, Client]) -> None:
    named = {entry["stream"] for entry in live["aud"].get("/v1/audit", limit=200)["items"]}

    for stream in named:
        assert second["root"].get("/v1/audit", stream=stream)["items"] == [], stream
    assert len(named) > 3


def test_another_tenants_decisions_are_not_made(second: dict[str, Client], first: First) -> None:
    path = f"/v1/decision-points/{first.place.point}/route"

    problem_of(second["app"]._http.post(path, json={"unit": "u"}), 404)


def test_another_tenants_tokens_are_forged_ones(
    live: Live, second: dict[str, Client], first: First
) -> None:
    before = live["ops"].get(f"/v1/decision-points/{first.place.point}/telemetry")
    event = {"token": first.token, "event_id": str(uuid.uuid4()), "at": "2026-02-01T00:00:00Z"}

    with pytest.raises(Problem) as refusal:
        second["app"].post("/v1/events", {"events": [event]})

    assert [bad["code"] for bad in refusal.value.document["rejected"]] == ["bad_token"]
    after = live["ops"].get(f"/v1/decision-points/{first.place.point}/telemetry")
    assert after["stored_events"] == before["stored_events"]


def test_names_are_free_in_another_tenant(second: dict[str, Client], first: First) -> None:
    model = {"name": first.place.model, "risk_tier": "high", "owner": "all", "purpose": "Ours."}

    made = second["all"].post("/v1/models", model)

    assert second["all"].get(f"/v1/models/{first.place.model}")["id"] == made["id"]
    assert made["last_number"] == 0


def test_an_owner_of_another_tenant_is_nobody(second: dict[str, Client]) -> None:
    model = {"name": unique("m"), "risk_tier": "low", "owner": "dev", "purpose": "Ours."}

    require_4xx(second["all"]._http.post("/v1/models", json=model))


def test_the_same_idempotency_key_serves_both(live: Live, second: dict[str, Client]) -> None:
    key, name = uuid.uuid4().hex, unique("m")
    body = {"name": name, "risk_tier": "low", "purpose": "One name, two tenants."}

    one = live["dev"].post("/v1/models", {**body, "owner": "dev"}, key=key)
    two = second["all"].post("/v1/models", {**body, "owner": "all"}, key=key)

    assert one["id"] != two["id"]


def test_each_tenant_verifies_its_own_chains(live: Live, second: dict[str, Client]) -> None:
    make_point(live)
    mine, theirs = live["aud"].post("/v1/audit:verify"), second["root"].post("/v1/audit:verify")

    assert mine["ok"], mine["faults"]
    assert theirs["ok"]
    assert theirs["entries"] < mine["entries"]


def test_no_header_and_no_parameter_changes_the_tenant(
    live: Live, second: dict[str, Client], first: First
) -> None:
    tenant = httpx.get(
        f"{live.url}/v1/me", headers={"Authorization": f"Bearer {live.keys['dev']}"}
    ).json()["tenant_id"]
    path = f"/v1/models/{first.place.model}/versions/1"

    for name in ("X-Tenant", "X-Tenant-ID", "Tenant"):
        problem_of(second["all"]._http.get(path, headers={name: tenant}), 404)
    asked = second["all"]._http.get(path, params={"tenant_id": tenant})
    problem_of(asked, 422, "unknown_parameter")
