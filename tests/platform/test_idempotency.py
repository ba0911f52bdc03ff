"""One key, one act: repeated, raced, refused or cut off."""

import contextlib
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from app.client import Client
from app.platform.embedded import EmbeddedPostgres
from tests.live import Live, make_model, make_version, open_activation, released, unique
from tests.platform.wire import problem_of, speaker, together

REPLAYED = "idempotency-replayed"
REUSED, IN_FLIGHT = "idempotency_key_reused", "idempotency_in_flight"
VERSION = {
    "source": "urn:x",
    "signature": {"inputs": [{"name": "x"}]},
    "training_data": {"reference": "r"},
    "card": {"summary": "s", "intended_use": "u"},
}


@pytest.fixture
def model(live: Live) -> str:
    return make_model(live)


@pytest.fixture(scope="module")
def second(live: Live) -> Iterator[Client]:
    """Another developer."""
    _, key = live.newcomer("developer")
    with Client(live.url, key) as client:
        yield client


@contextlib.contextmanager
def held(live: Live, model: str) -> Iterator["psycopg.Connection[Any]"]:
    """Hold a model's row, so that who wants to publish a version has to wait."""
    with psycopg.connect(EmbeddedPostgres(live.data_dir).url) as connection:
        connection.execute("SELECT 1 FROM catalog_model WHERE name = %s FOR UPDATE", [model])
        yield connection


def publish(
    live: Live, model: str, key: str, body: Any = VERSION, who: str = "dev"
) -> httpx.Response:
    path = f"/v1/models/{model}/versions"
    return speaker(live, who).post(path, json=body, headers={"Idempotency-Key": key})


def versions(live: Live, model: str) -> list[int]:
    return [found["number"] for found in live["dev"].pages(f"/v1/models/{model}/versions")]


def test_a_repeated_request_gets_the_first_answer(live: Live, model: str) -> None:
    key = uuid.uuid4().hex

    first, *others = [publish(live, model, key) for _ in range(4)]

    assert first.status_code == 201
    assert REPLAYED not in first.headers
    for again in others:
        assert again.headers[REPLAYED] == "true"
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again.headers["etag"] == first.headers["etag"]
        assert again.headers["content-type"] == first.headers["content-type"]
        assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert versions(live, model) == [1]


def test_without_a_key_every_request_acts(live: Live, model: str) -> None:
    for _ in range(2):
        answer = speaker(live, "dev").post(f"/v1/models/{model}/versions", json=VERSION)
        assert REPLAYED not in answer.headers

    assert versions(live, model) == [2, 1]


def test_a_key_does_not_serve_another_body_or_path(live: Live, model: str) -> None:
    key, other = uuid.uuid4().hex, make_model(live)
    publish(live, model, key)

    problem_of(publish(live, model, key, {**VERSION, "source": "urn:y"}), 422, REUSED)
    problem_of(publish(live, other, key), 422, REUSED)

    assert (versions(live, model), versions(live, other)) == ([1], [])


def test_a_key_does_not_serve_another_query(live: Live) -> None:
    person, _ = live.newcomer("developer")
    issued = next(live.admin.pages(f"/v1/principals/{person}/keys"))["id"]
    path, headers = f"/v1/keys/{issued}:revoke", {"Idempotency-Key": uuid.uuid4().hex}
    assert speaker(live, "admin").post(f"{path}?alone=true", headers=headers).status_code == 200

    problem_of(speaker(live, "admin").post(path, headers=headers), 422, REUSED)


def test_somebody_elses_key_is_his_own(live: Live, model: str, second: Client) -> None:
    key = uuid.uuid4().hex
    mine = publish(live, model, key)

    his = second._http.post(
        f"/v1/models/{model}/versions",
        json={**VERSION, "source": "urn:his"},
        headers={"Idempotency-Key": key},
    )

    assert (mine.status_code, his.status_code) == (201, 201)
    assert REPLAYED not in his.headers
    assert versions(live, model) == [2, 1]


@pytest.mark.parametrize("key", [b"", b"a b", b"x" * 129, b"\xc3\xa9", b"a\tb"])
def test_a_malformed_key_is_refused(live: Live, model: str, key: bytes) -> None:
    answer = speaker(live, "dev").post(
        f"/v1/models/{model}/versions", json=VERSION, headers={b"Idempotency-Key": key}
    )

    problem_of(answer, 400, "malformed")
    assert versions(live, model) == []


@pytest.mark.parametrize("key", ["x", "x" * 96, "!~{}';--", "%00", '"a"'])
def test_any_visible_characters_make_a_key(live: Live, model: str, key: str) -> None:
    assert publish(live, model, key + uuid.uuid4().hex).status_code == 201


def test_a_refused_request_does_not_burn_its_key(live: Live) -> None:
    key, name = uuid.uuid4().hex, unique("model")
    body = {"name": name, "risk_tier": "low", "owner": "dev", "purpose": "A test."}
    refused: list[tuple[dict[str, Any], int]] = [
        ({**body, "owner": "nobody-we-know"}, 404),
        ({**body, "risk_tier": "none"}, 422),
        ({**body, "colour": "red"}, 422),
    ]

    for bad, status in refused:
        answer = speaker(live, "dev").post("/v1/models", json=bad, headers={"Idempotency-Key": key})
        problem_of(answer, status)
    made = speaker(live, "dev").post("/v1/models", json=body, headers={"Idempotency-Key": key})

    assert made.status_code == 201
    assert REPLAYED not in made.headers


def test_a_key_is_no_way_around_a_permission(live: Live, model: str) -> None:
    key = uuid.uuid4().hex
    publish(live, model, key)

    problem_of(publish(live, model, key, who="aud"), 403)


def test_of_requests_that_race_with_one_key_exactly_one_acts(live: Live, model: str) -> None:
    for turn in range(1, 13):
        key = uuid.uuid4().hex

        answers = together(6, lambda _, key=key: publish(live, model, key))  # type: ignore[misc]

        made = [a for a in answers if a.status_code == 201 and REPLAYED not in a.headers]
        assert len(made) == 1
        for answer in answers:
            if answer.status_code == 201:
                assert answer.content == made[0].content
            else:
                problem_of(answer, 409, IN_FLIGHT)
        assert versions(live, model)[0] == turn


def test_while_the_first_request_runs_the_second_is_told_so_at_once(live: Live, model: str) -> None:
    key = uuid.uuid4().hex
    with ThreadPoolExecutor(1) as pool:
        with held(live, model) as holder:
            running = pool.submit(publish, live, model, key)
            _wait_blocked(holder)
            began = time.monotonic()
            second = publish(live, model, key)
            took = time.monotonic() - began
        first = running.result(10)
    third = publish(live, model, key)

    problem_of(second, 409, IN_FLIGHT)
    assert took < 1.5
    assert first.status_code == 201
    assert (third.headers[REPLAYED], third.content) == ("true", first.content)
    assert versions(live, model) == [1]


def test_a_connection_lost_in_the_act_is_a_503_whose_key_still_serves(
    live: Live, model: str
) -> None:
    key = uuid.uuid4().hex
    with ThreadPoolExecutor(1) as pool, held(live, model) as holder:
        running = pool.submit(publish, live, model, key)
        (blocked,) = _wait_blocked(holder)
        holder.execute("SELECT pg_terminate_backend(%s)", [blocked])
        cut = running.result(10)
    again = publish(live, model, key)

    problem_of(cut, 503, "unavailable")
    assert int(cut.headers["retry-after"]) > 0
    assert again.status_code == 201
    assert REPLAYED not in again.headers
    assert versions(live, model) == [1]


def _wait_blocked(holder: "psycopg.Connection[Any]") -> list[int]:
    """Wait until somebody waits for the row that ``holder`` holds; return who."""
    query = "SELECT pid FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if found := [row[0] for row in holder.execute(query)]:
            return found
        time.sleep(0.01)
    raise TimeoutError("nobody came")


def test_the_same_act_under_another_key_is_a_conflict(live: Live) -> None:
    place = released(live)
    open_activation(live, place)
    body = {"model": place.model, "version": place.version, "decision_point": place.point}

    again = speaker(live, "ops").post("/v1/activations", json=body)

    problem_of(again, 409, "already_exists")


def test_a_validation_is_opened_once(live: Live, model: str) -> None:
    body = {"model": model, "version": make_version(live, model)}
    key = {"Idempotency-Key": uuid.uuid4().hex}

    answers = together(
        4, lambda _: speaker(live, "dev").post("/v1/validations", json=body, headers=key)
    )

    assert {a.status_code for a in answers} <= {201, 409}
    assert len({a.json()["id"] for a in answers if a.status_code == 201}) == 1
