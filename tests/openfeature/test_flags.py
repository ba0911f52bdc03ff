"""Decision points as flags: OpenFeature's own client, its bodies and errors, and flagd's file."""

from typing import Any

import httpx
import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import Reason

from tests.live import Live, champion
from tests.platform.wire import problem_of
from tests.routing.plans import Cast, cast
from tests.system.traffic import wait_for

VIC = {"==": [{"var": "region"}, "vic"]}
UNITS = [f"unit-{number}" for number in range(60)]
ABSENT = {"nobody": "answers"}


@pytest.fixture(scope="module")
def at(live: Live) -> Cast:
    found = cast(live)
    arms = [found.arm("champion", "old", weight=1), found.arm("challenger", "new", weight=1)]
    even = {"kind": "split", "arms": arms}
    found.put({"segments": [{"name": "vic", "when": VIC, "strategy": even}, {"name": "rest"}]})
    return found


@pytest.fixture(scope="module")
def client(live: Live) -> OpenFeatureClient:
    bearer = {"authorization": f"Bearer {live.keys['app']}"}
    api.set_provider(OFREPProvider(live.url, headers_factory=lambda: bearer), "modelward")
    return api.get_client("modelward")


def post(live: Live, path: str, body: Any = None, who: str = "app", **headers: str) -> Any:
    bearer = {"authorization": f"Bearer {live.keys[who]}", **headers}
    return httpx.post(f"{live.url}/ofrep/v1/evaluate/flags{path}", json=body, headers=bearer)


def context(unit: str = "somebody", **more: Any) -> dict[str, Any]:
    return {"context": {"targetingKey": unit, **more}}


def test_openfeatures_client_is_routed_unmodified(at: Cast, client: OpenFeatureClient) -> None:
    for unit in UNITS:
        asked = EvaluationContext(unit, {"region": "vic"})

        found = client.get_object_details(at.champion.point, ABSENT, asked)

        mine = at.route(unit, context={"region": "vic"})
        assert found.variant == mine["arm"]
        assert found.reason == Reason.SPLIT
        assert found.value == {
            name: mine[name]
            for name in ("model", "version", "version_id", "endpoint", "parameters")
        }
        metadata = found.flag_metadata
        assert (metadata["segment"], metadata["propensity"]) == ("vic", 0.5)
        assert metadata["generation"] == mine["generation"]


def test_an_evaluation_is_a_decision_that_is_scored_by_its_token(
    at: Cast, client: OpenFeatureClient
) -> None:
    found = client.get_object_details(at.champion.point, ABSENT, EvaluationContext("somebody"))
    event = {
        "event_id": found.flag_metadata["decisionId"],
        "token": found.flag_metadata["token"],
        "at": "2026-04-07T10:00:00Z",
        "score": 0.5,
        "features": {"x": 1.0},
    }

    stored = at.live["app"].post("/v1/events", {"events": [event]})

    assert (stored["accepted"], stored["duplicates"]) == (1, 0)
    decision = at.live["aud"].get(f"/v1/decisions/{event['event_id']}")
    assert decision["plan"]["strategy"] == "champion"


def test_each_outcome_has_its_reason(at: Cast, client: OpenFeatureClient, live: Live) -> None:
    rest = client.get_object_details(at.champion.point, ABSENT, EvaluationContext("u"))
    alone = client.get_object_details(
        champion(live).point, ABSENT, EvaluationContext("u", {"region": "vic"})
    )

    assert (rest.reason, rest.variant) == (Reason.DEFAULT, "champion")
    assert (alone.reason, alone.variant) == (Reason.STATIC, "champion")


def test_where_nobody_answers_the_client_takes_its_own(
    live: Live, client: OpenFeatureClient
) -> None:
    lone = champion(live)
    path = f"/v1/decision-points/{lone.point}"
    asked = EvaluationContext("u")
    live["ops"].post(f"{path}:stop", {"reason": "a test"})
    wait_for(
        lambda: client.get_object_details(lone.point, ABSENT, asked).reason == Reason.DISABLED,
        "the stop", 5,
    )  # fmt: skip
    nobody = client.get_object_details(lone.point, ABSENT, asked)
    live["ops"].put(f"{path}/fallback", {"kind": "constant", "constant": "no"})
    wait_for(lambda: client.get_object_details(lone.point, ABSENT, asked).value != ABSENT, "it", 5)
    constant = client.get_object_details(lone.point, ABSENT, asked)

    assert (nobody.value, nobody.variant) == (ABSENT, "fallback")
    value: Any = constant.value
    assert (value["constant"], constant.reason) == ("no", Reason.DEFAULT)
    assert "token" not in constant.flag_metadata


def test_errors_have_openfeatures_words(at: Cast, live: Live) -> None:
    point = at.champion.point
    answers = {
        "FLAG_NOT_FOUND": (post(live, "/nothing", context()), 404),
        "TARGETING_KEY_MISSING": (post(live, f"/{point}", {"context": {}}), 400),
        "INVALID_CONTEXT": (post(live, f"/{point}", {}), 400),
    }
    for code, (answer, status) in answers.items():
        assert answer.status_code == status
        assert answer.json()["errorCode"] == code
        assert answer.json()["errorDetails"]
        assert answer.json()["key"] in {point, "nothing"}
    bearer = {"authorization": f"Bearer {live.keys['app']}", "content-type": "application/json"}
    url = f"{live.url}/ofrep/v1/evaluate/flags/{point}"
    for broken in ("{", '{"context":{"targetingKey":"a","x":1e999}}', '{"a":1,"a":1}'):
        answer = httpx.post(url, content=broken, headers=bearer)
        assert (answer.status_code, answer.json()["errorCode"]) == (400, "PARSE_ERROR")
    for unit in (1, ["a"], "u" * 257):
        answer = post(live, f"/{point}", {"context": {"targetingKey": unit}})
        assert (answer.status_code, answer.json()["errorCode"]) == (400, "INVALID_CONTEXT")


def test_who_may_not_decide_evaluates_nothing(at: Cast, live: Live) -> None:
    problem_of(post(live, f"/{at.champion.point}", context(), who="dev"), 403)
    problem_of(post(live, "", context(), who="dev"), 403)
    answer = httpx.get(f"{live.url}/flagd/v1/flags.json")
    problem_of(answer, 401)


def test_all_flags_are_evaluated_at_once_and_told_once(at: Cast, live: Live) -> None:
    first = post(live, "", context(region="vic"))
    flags = {flag["key"]: flag for flag in first.json()["flags"]}
    known = {"if-none-match": first.headers["etag"]}

    again = post(live, "", context(region="vic"), **known)
    elsewhere = post(live, "", context(region="sa"), **known)

    assert flags[at.champion.point]["variant"] in {"old", "new"}
    assert len(flags) > 1
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert elsewhere.status_code == 200
    assert elsewhere.headers["etag"] != first.headers["etag"]


def test_a_key_for_some_points_sees_no_other(at: Cast, live: Live) -> None:
    app = live["app"].get("/v1/me")["id"]
    points = {"days": 1, "points": [at.champion.point]}
    narrow = live.admin.post(f"/v1/principals/{app}/keys", points)["key"]
    bearer = {"authorization": f"Bearer {narrow}"}

    file = httpx.get(f"{live.url}/flagd/v1/flags.json", headers=bearer).json()
    bulk = httpx.post(f"{live.url}/ofrep/v1/evaluate/flags", json=context(), headers=bearer).json()

    assert set(file["flags"]) == {at.champion.point}
    assert [flag["key"] for flag in bulk["flags"]] == [at.champion.point]


def test_flagd_gives_every_unit_the_same_arm_by_the_file(at: Cast, live: Live) -> None:
    bearer = {"authorization": f"Bearer {live.keys['app']}"}
    answer = httpx.get(f"{live.url}/flagd/v1/flags.json", headers=bearer)
    flagd = FlagdCore()
    flagd.set_flags(answer.json())
    known = {**bearer, "if-none-match": answer.headers["etag"]}
    again = httpx.get(f"{live.url}/flagd/v1/flags.json", headers=known)

    for unit in UNITS:
        region = ("vic", "sa")[len(unit) % 2]
        asked = EvaluationContext(unit, {"region": region})
        found = flagd.resolve_object_value(at.champion.point, {}, asked)
        mine = at.route(unit, context={"region": region})
        value: Any = found.value
        assert (found.variant, value["model"]) == (mine["arm"], mine["model"])
    assert again.status_code == 304


@pytest.mark.parametrize("key", ["a b", "a/b", "ä", "a%2Fb", "a?b", "x" * 129, ""])
def test_a_key_that_clients_do_not_escape_is_refused_at_creation(live: Live, key: str) -> None:
    body = {
        "key": key,
        "kind": "rule",
        "owner": "ops",
        "contract": {"inputs": [{"name": "x"}], "events_per_minute": 1, "latency_ms": 1},
    }
    bearer = {"authorization": f"Bearer {live.keys['ops']}"}

    problem_of(httpx.post(f"{live.url}/v1/decision-points", json=body, headers=bearer), 422)
