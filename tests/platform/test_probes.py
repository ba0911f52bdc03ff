"""What needs no key: the process, its parts, its metrics."""

import re
import uuid
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.identity.keys import make
from app.main import make_app
from app.platform.settings import Settings
from tests.live import Live, champion, make_model, make_point, unique
from tests.platform.wire import problem_of, speaker, told

TEMPLATE = re.compile(r"(/[a-z0-9._-]+|/\{[a-z_]+\}|:[a-z-]+)+|unmatched")


def families(live: Live) -> dict[str, Any]:
    answer = httpx.get(f"{live.url}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def requests(live: Live, route: str, status: int) -> float:
    wanted = {"route": route, "status": str(status)}
    samples = families(live)["modelward_http_requests"].samples
    counts = [s.value for s in samples if s.name.endswith("_total") and s.labels == wanted]
    return float(sum(counts))


def test_the_process_is_alive(live: Live) -> None:
    answer = httpx.get(f"{live.url}/livez")

    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


def test_readiness_names_its_parts(live: Live) -> None:
    answer = httpx.get(f"{live.url}/readyz")

    assert answer.status_code == 200
    found = answer.json()
    assert found["status"] == "ready"
    assert set(found["parts"]) >= {"database", "routing_table"}
    assert all(part["ok"] is True for part in found["parts"].values())
    assert 0 <= found["parts"]["routing_table"]["age_ms"] < 30_000


@pytest.mark.anyio
async def test_without_a_database_the_process_lives_and_says_what_it_lacks() -> None:
    edge: Any = make_app(Settings(), "postgresql://nobody@127.0.0.1:9/none")

    async with httpx.AsyncClient(transport=httpx.ASGITransport(edge), base_url="http://t") as http:
        alive, ready = await http.get("/livez"), await http.get("/readyz")
        asked = await http.get("/v1/me", headers={"Authorization": f"Bearer {make().text}"})

    assert alive.status_code == 200
    assert ready.status_code == 503
    assert ready.json()["parts"]["database"]["ok"] is False
    problem_of(asked, 503, "unavailable")
    assert int(asked.headers["retry-after"]) > 0


def test_probes_tell_strangers_no_secrets(live: Live) -> None:
    for path in ("/livez", "/readyz", "/metrics", "/openapi.json"):
        text = httpx.get(live.url + path).text

        assert "mwk_" not in text
        assert "postgres" not in text.lower() or path == "/openapi.json"
        assert str(live.data_dir) not in text


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_probes_take_no_other_method(live: Live, path: str) -> None:
    problem_of(httpx.post(live.url + path), 405)


def test_requests_are_counted_by_route_and_status(live: Live) -> None:
    model, before = make_model(live), requests(live, "/v1/models/{name}", 200)
    lost = requests(live, "/v1/models/{name}", 404)

    for _ in range(3):
        speaker(live, "dev").get(f"/v1/models/{model}")
    speaker(live, "dev").get(f"/v1/models/{unique('none')}")

    assert requests(live, "/v1/models/{name}", 200) == before + 3
    assert requests(live, "/v1/models/{name}", 404) == lost + 1


def test_no_label_holds_what_was_in_a_path(live: Live) -> None:
    model, point, made_up = make_model(live), make_point(live), unique("made-up")
    some = uuid.uuid4()
    for method, path in (
        ("GET", f"/v1/models/{model}"), ("GET", f"/v1/models/{model}/versions/77777"),
        ("GET", f"/v1/{made_up}"), ("GET", f"/{made_up}/{some}"), ("DELETE", f"/v1/models/{model}"),
        ("POST", f"/v1/decision-points/{point}/route"), ("GET", f"/v1/decisions/{some}"),
        ("GET", f"/v1/decision-points/{made_up}/route"), ("POST", f"/v1/activations/{some}:commit"),
        ("GET", f"/v1/models/%00{made_up}"), ("PUT", f"/v1/models/{model}/aliases/{made_up}"),
    ):  # fmt: skip
        speaker(live, "dev").request(method, path, headers={"X-Request-ID": made_up})

    values = {
        value
        for family in families(live).values()
        for sample in family.samples
        for value in sample.labels.values()
    }

    for secret in (model, point, made_up, str(some), "77777"):
        assert not any(secret in value for value in values), secret


def test_every_route_label_is_a_template(live: Live) -> None:
    speaker(live, "dev").get("/v1/models")
    told(live, b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")

    routes = {
        sample.labels["route"] for sample in families(live)["modelward_http_requests"].samples
    }

    assert {"/v1/models", "/v1/decision-points"} <= routes
    assert [route for route in routes if not TEMPLATE.fullmatch(route)] == []


def test_the_metrics_of_the_trade_are_there(live: Live) -> None:
    found = families(live)

    assert {"modelward_http_requests", "modelward_http_seconds", "modelward_events",
            "modelward_decisions", "modelward_routing_table_age_seconds"} <= set(found)  # fmt: skip
    assert found["modelward_http_seconds"].type == "histogram"


def test_forged_and_altered_tokens_are_refused_and_counted(live: Live) -> None:
    place = champion(live)
    asked = {"unit": "u"}
    token = live["app"].post(f"/v1/decision-points/{place.point}/route", asked)["token"]
    altered = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
    at = "2026-01-01T00:00:00Z"
    before = counted(live, "forged")

    answers = [
        speaker(live, "app").post("/v1/events", json={"events": events})
        for events in (
            [{"token": altered, "at": at}],
            [{"token": token, "at": at}, {"token": "forged", "at": at}],
        )
    ]

    assert [answer.status_code for answer in answers] == [422, 207]
    assert [one["code"] for one in answers[1].json()["rejected"]] == ["bad_token"]
    assert counted(live, "forged") == before + 2


def counted(live: Live, result: str) -> float:
    for sample in families(live)["modelward_events"].samples:
        if sample.name.endswith("_total") and sample.labels["result"] == result:
            return float(sample.value)
    return 0.0
