"""Instances of a version over segments: made, listed, ended, kept."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import httpx
import pytest

from app import catalog
from app.bus import make_bus
from app.catalog.rules import BadEndpoint, require_endpoint
from app.platform.db import Database
from app.platform.settings import Settings
from tests.catalog.assets import make_version
from tests.live import Live, unique
from tests.platform.wire import problem_of, speaker
from tests.tenants import database_of

SEGMENT = {"state": "NSW", "product": "retail"}
REFUSED = [
    "ftp://host/x", "file:///etc/passwd", "https://", "//host/x", "https://a@host/x",
    "https://host/#x", "https://ho st/x", "https://host\\x", "javascript:alert(1)", "https://h:0/",
    "https://h:x/", "https://[::1/x",
]  # fmt: skip


@pytest.fixture(scope="module")
def model(live: Live) -> str:
    return make_version(live)


def path_of(model: str, *rest: str) -> str:
    return "/".join((f"/v1/models/{model}/versions/1/instances", *rest))


def make(live: Live, model: str, **more: Any) -> Any:
    body = {"key": unique("instance"), "segment": SEGMENT, **more}
    return live["dev"].post(path_of(model), body)


def test_an_instance_is_what_it_was_set_up_as(live: Live, model: str) -> None:
    parameters = {"threshold": 0.62, "cap": 10, "mode": "strict", "on": True, "none": None}
    endpoint = "https://models.example.com:8443/nsw"

    made = make(live, model, parameters=parameters, endpoint=endpoint)
    read = live["aud"].get(path_of(model, made["key"]))

    assert read == made
    assert (read["segment"], read["parameters"]) == (SEGMENT, parameters)
    assert (read["endpoint"], read["ended_at"]) == (endpoint, None)


def test_an_ended_instance_is_kept_with_its_date_and_leaves_its_name(live: Live) -> None:
    model = make_version(live)
    made = make(live, model, key="nsw")

    assert speaker(live, "dev").delete(path_of(model, "nsw")).status_code == 204

    problem_of(speaker(live, "aud").get(path_of(model, "nsw")), 404, "not_found")
    problem_of(speaker(live, "dev").delete(path_of(model, "nsw")), 404, "not_found")
    assert list(live["aud"].pages(path_of(model))) == []
    [kept] = live["aud"].pages(path_of(model), ended=True)
    assert (kept["id"], kept["ended_at"] >= made["at"]) == (made["id"], True)

    again = make(live, model, key="nsw")
    everything = list(live["aud"].pages(path_of(model), ended=True, limit=1))
    assert [one["id"] for one in everything] == [made["id"], again["id"]]
    assert [one["id"] for one in live["aud"].pages(path_of(model))] == [again["id"]]


def test_the_history_of_the_version_tells_of_its_instances(live: Live) -> None:
    model = make_version(live)
    make(live, model, key="nsw")
    assert speaker(live, "dev").delete(path_of(model, "nsw")).status_code == 204

    found = live["aud"].pages(f"/v1/models/{model}/versions/1/history")

    acts = [(entry["action"], entry["details"].get("key")) for entry in found]
    assert acts[-2:] == [("instance.made", "nsw"), ("instance.ended", "nsw")]


def test_of_many_who_take_the_same_name_one_gets_it(live: Live, model: str) -> None:
    key = unique("instance")
    headers = {"Authorization": f"Bearer {live.keys['dev']}"}

    def one(_: int) -> int:
        body = {"key": key, "segment": SEGMENT}
        return httpx.post(live.url + path_of(model), json=body, headers=headers).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(one, range(8)))

    assert statuses == [201] + [409] * 7


@pytest.mark.parametrize("wrong", REFUSED)
def test_an_endpoint_that_nobody_should_call_is_refused(wrong: str) -> None:
    with pytest.raises(BadEndpoint):
        require_endpoint(wrong)


def test_the_refusal_of_an_endpoint_is_a_problem(live: Live, model: str) -> None:
    body = {"key": "x", "segment": SEGMENT, "endpoint": "ftp://host/x"}

    problem_of(speaker(live, "dev").post(path_of(model), json=body), 422, "bad_endpoint")


def test_who_publishes_versions_makes_instances_and_nobody_else(live: Live, model: str) -> None:
    body = {"key": unique("instance"), "segment": SEGMENT}

    for who in ("val", "ops", "com", "aud", "app"):
        answer = speaker(live, who).post(path_of(model), json=body)
        problem_of(answer, 403, "permission_denied")


@pytest.mark.parametrize(
    "segment", [{}, {"state": ""}, {"a b": "x"}, {"state": 1}, {f"k{i}": "v" for i in range(21)}]
)
def test_a_segment_is_a_few_named_attributes(live: Live, model: str, segment: Any) -> None:
    body = {"key": unique("instance"), "segment": segment}

    problem_of(speaker(live, "dev").post(path_of(model), json=body), 422, "invalid")


def test_other_contexts_are_given_those_that_stand(live: Live) -> None:
    model = make_version(live)
    for key in ("b", "a", "gone"):
        version_id = make(live, model, key=key)["version_id"]
    assert speaker(live, "dev").delete(path_of(model, "gone")).status_code == 204

    assert asyncio.run(standing(live, version_id)) == ["a", "b"]


async def standing(live: Live, version_id: str) -> list[str]:
    tenant = UUID(live.admin.get("/v1/me")["tenant_id"])
    found = Database(database_of(live), Settings(), make_bus())
    try:
        async with found.transaction(tenant) as session:
            rows = await catalog.instances_of(session, tenant, UUID(version_id))
            return [row.key for row in rows]
    finally:
        await found.close()
