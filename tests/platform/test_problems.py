"""Every error is a problem document, tells who asked what is wrong, and gives nothing away."""

import re
from typing import Any

import httpx
import pytest

from app.identity.keys import make
from app.main import make_api
from app.platform.http.edge import Edge
from app.platform.http.metrics import HttpMetrics
from app.platform.settings import Settings
from tests.live import Live, make_model, make_point, unique
from tests.platform.wire import JSON, problem_of, require_4xx, speaker, told

SECRET = "hunter2-" + "correct-horse"
NOBODY = "00000000-0000-7000-8000-000000000000"
GENERATED = re.compile(r"[0-9a-z-]{20,64}")


@pytest.fixture(scope="module")
def model(live: Live) -> str:
    return make_model(live)


@pytest.mark.parametrize(
    ("who", "method", "path", "sent", "status", "code"),
    [
        ("dev", "GET", "/v1/nothing", {}, 404, "not_found"),
        ("dev", "GET", "/", {}, 404, "not_found"),
        ("dev", "GET", "/v1/models/", {}, 404, "not_found"),
        ("dev", "GET", "/v1/models/nobody-made-it", {}, 404, "not_found"),
        ("app", "POST", "/v1/decision-points/none/route", {"json": {"unit": "u"}}, 404, None),
        ("dev", "DELETE", "/v1/models", {}, 405, "method_not_allowed"),
        ("app", "GET", "/v1/events", {}, 405, "method_not_allowed"),
        ("dev", "POST", "/v1/models", {"json": {}}, 422, "invalid"),
        ("dev", "POST", "/v1/models", {}, 422, "invalid"),
        ("dev", "POST", "/v1/models", {"json": []}, 422, "invalid"),
        ("app", "POST", "/v1/events", {"json": {"events": [{}]}}, 422, "no_events"),
        ("dev", "GET", "/v1/models/a%00b", {}, 422, "invalid"),
        ("dev", "GET", "/v1/cases/no-uuid", {}, 422, "invalid"),
        ("dev", "GET", "/v1/models?limit=0", {}, 422, "invalid"),
        ("dev", "GET", "/v1/models?limit=many", {}, 422, "invalid"),
        ("dev", "GET", "/v1/models?cursor=garbage", {}, 400, "bad_cursor"),
        ("dev", "POST", "/v1/models", {"content": b"{", "headers": JSON}, 400, "malformed"),
        ("app", "POST", "/v1/events", {"content": b"{", "headers": JSON}, 400, "malformed"),
        ("app", "POST", "/v1/events", {"content": b"{}"}, 415, "unsupported_media_type"),
        ("dev", "POST", "/v1/models", {"content": b"{}"}, 415, "unsupported_media_type"),
        ("aud", "POST", "/v1/models", {"json": {}}, 403, "permission_denied"),
        ("aud", "POST", "/v1/events", {"json": {}}, 403, "permission_denied"),
    ],
)
def test_every_refusal_is_a_problem(
    live: Live, who: str, method: str, path: str, sent: Any, status: int, code: str | None
) -> None:
    assert problem_of(speaker(live, who).request(method, path, **sent), status, code)["mend"]


@pytest.mark.parametrize("where", ["body", "nested", "route", "event"])
def test_an_unknown_field_is_refused(live: Live, model: str, where: str) -> None:
    version = {
        "source": "urn:x",
        "signature": {"inputs": [{"name": "x", "colour": "red"}]},
        "training_data": {"reference": "r"},
        "card": {"summary": "s", "intended_use": "u"},
    }
    who, path, body, named = {
        "body": ("dev", "/v1/models", {"colour": "red"}, "body.colour"),
        "nested": ("dev", f"/v1/models/{model}/versions", version, "inputs.0.colour"),
        "route": ("app", "/v1/decision-points/p/route", {"unit": "u", "colour": 1}, "context"),
        "event": ("app", "/v1/events", {"events": [{"colour": 1}]}, "colour"),
    }[where]

    answer = speaker(live, who).post(path, json=body)

    problem_of(answer, 422)
    assert named in answer.text


def test_a_405_names_a_method_that_is_allowed(live: Live) -> None:
    for path, allowed in (("/v1/events", "POST"), ("/v1/me", "GET"), ("/livez", "GET")):
        assert allowed in speaker(live, "dev").delete(path).headers["allow"], path


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (f"/v1/cases/{NOBODY}:withdraw", "POST"),
        (f"/v1/principals/{NOBODY}:disable", "POST"),
        ("/v1/decision-points/p:rollback", "POST"),
        ("/v1/decision-points/p/kpis:measure", "GET"),
    ],
)
def test_a_verb_behind_a_colon_is_no_part_of_a_name(live: Live, path: str, allowed: str) -> None:
    answer = speaker(live, "ops").patch(path, json={"description": "d"})

    problem_of(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allowed
    problem_of(speaker(live, "ops").get(f"{path.partition(':')[0]}:none"), 404)


def test_a_405_names_every_method_that_is_allowed(live: Live) -> None:
    answer = speaker(live, "dev").delete("/v1/models")

    assert {name.strip() for name in answer.headers["allow"].split(",")} >= {"GET", "POST"}


@pytest.mark.parametrize("path", ["/v1/me", "/livez", "/v1/nothing", "/v1/models/x/route"])
@pytest.mark.parametrize("sent", ["a", "A-b_c.9", "0198c0de-0000-7000-8000-0000000000aa", "x" * 64])
def test_a_sane_request_id_comes_back(live: Live, path: str, sent: str) -> None:
    answer = speaker(live, "app").get(path, headers={"X-Request-ID": sent})

    assert answer.headers.get_list("x-request-id") == [sent]


@pytest.mark.parametrize(
    "sent", [b"", b"x" * 65, b"a b", b"a;b", b'{"a":1}', b"\xff", b"../../etc"]
)
def test_any_other_request_id_is_replaced(live: Live, sent: bytes) -> None:
    for who, method, path in (("dev", "GET", "/v1/me"), ("app", "POST", "/v1/events")):
        answer = speaker(live, who).request(method, path, headers={b"X-Request-ID": sent})

        (given,) = answer.headers.get_list("x-request-id")
        assert GENERATED.fullmatch(given)


def test_every_request_has_an_id_of_its_own(live: Live) -> None:
    seen = [speaker(live, "dev").get("/v1/me").headers["x-request-id"] for _ in range(20)]

    assert len(set(seen)) == 20


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/models", {"name": f"{SECRET} ", "risk_tier": SECRET, "owner": f"{SECRET}/"}),
        ("POST", "/v1/models", [SECRET]),
        ("POST", "/v1/models", SECRET),
        ("POST", "/v1/models/{model}/versions", {"source": {"password": SECRET}, "digest": SECRET}),
        ("POST", "/v1/validations", {"model": "m", "version": SECRET}),
        ("POST", "/v1/events", {"events": [{"event_id": SECRET, "score": SECRET}]}),
        ("POST", "/v1/events", {"model": "m", "version": SECRET, "events": [{}]}),
        ("POST", "/v1/outcomes", {"outcomes": [{"decision_id": SECRET, "label": SECRET}]}),
        ("PUT", "/v1/models/{model}/versions/1/baseline", {"columns": {"x": SECRET}}),
    ],
)  # fmt: skip
def test_what_was_sent_is_not_repeated(
    live: Live, model: str, method: str, path: str, body: Any
) -> None:
    answer = speaker(live, "dev").request(method, path.format(model=model), json=body)

    problem_of(answer, 422)
    assert SECRET not in answer.text
    assert SECRET not in live.log.read_text()


@pytest.mark.parametrize(
    "sent",
    [
        None, "", "Bearer", "Basic ZGV2OmRldg==", "Bearer x", "Bearer mwk_" + "a" * 46,
        "Bearer {key}", "Bearer {key} x", "Token {key}", "{key}", "Bearer {key}{key}",
    ],
)  # fmt: skip
@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/me"), ("POST", "/v1/events")])
def test_who_is_not_known_is_told_how_to_say_who_he_is(
    live: Live, sent: str | None, method: str, path: str
) -> None:
    headers = {} if sent is None else {"Authorization": sent.format(key=make().text)}

    answer = httpx.request(method, live.url + path, headers=headers)

    problem_of(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("path", "permission"),
    [("/v1/models", "catalog:write"), ("/v1/outcomes", "telemetry:write"),
     (f"/v1/activations/{NOBODY}:commit", "activation:operate")],
)  # fmt: skip
def test_a_403_names_the_permission_that_is_missing(live: Live, path: str, permission: str) -> None:
    document = problem_of(speaker(live, "aud").post(path, json={}), 403, "permission_denied")

    assert document["permission"] == permission
    assert permission in document["detail"]
    assert document["roles"] == ["auditor"]


def test_a_refusal_says_which_call_mends_it(live: Live) -> None:
    taken = make_point(live)
    contract = {"inputs": [{"name": "x"}], "events_per_minute": 1, "latency_ms": 1}
    again = {"key": taken, "kind": "rule", "owner": "ops", "contract": contract}

    document = problem_of(speaker(live, "ops").post("/v1/decision-points", json=again), 409)

    assert document["code"] == "already_exists"
    assert document["mend"]


async def broken(_scope: Any, _receive: Any, _send: Any) -> None:
    raise RuntimeError(SECRET)


@pytest.mark.anyio
async def test_a_fault_of_ours_is_a_problem_that_gives_nothing_away() -> None:
    api, _, registry = make_api(Settings(), "postgresql://nobody@localhost/none")
    edge: Any = Edge(broken, [], HttpMetrics(registry))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(edge), base_url="http://t") as http:
        answer = await http.get(f"/{unique('x')}", headers={"X-Request-ID": "quote-me"})
    await api.state.database.close()

    document = problem_of(answer, 500, "internal")
    assert document["request_id"] == "quote-me"
    assert SECRET not in answer.text


GARBAGE = {
    "unknown method": b"BREW /v1/models HTTP/1.1\r\nHost: x\r\n\r\n",
    "bytes in the path": b"GET /v1/\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "negative length": b"POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "length beyond 64 bits": b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 30 + b"\r\n\r\n",
    "two lengths": b"POST /v1/models HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "length and chunks": b"POST /v1/models HTTP/1.1\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}  # fmt: skip


@pytest.mark.parametrize("raw", GARBAGE.values(), ids=GARBAGE.keys())
def test_what_is_no_http_gets_400(live: Live, raw: bytes) -> None:
    answer = told(live, raw)

    assert answer is not None
    assert answer.status_code == 400


@pytest.mark.parametrize("raw", GARBAGE.values(), ids=GARBAGE.keys())
def test_what_is_no_http_gets_a_problem_too(live: Live, raw: bytes) -> None:
    answer = told(live, raw)

    assert answer is not None
    require_4xx(answer)
