"""Every list can be walked in pages of any size: each item once, in one order."""

import json
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.client import Client
from tests.live import (
    FOLD_SECONDS,
    Live,
    champion,
    make_model,
    make_point,
    make_version,
    route,
    unique,
)
from tests.platform.wire import problem_of, require_4xx, speaker

WINDOWS = 5
MOST = 60
LISTS = (
    "principals", "models", "versions", "points", "audit", "stream", "feed", "windows", "reviews",
)  # fmt: skip


def ask(live: Live, path: str, **params: str) -> httpx.Response:
    """GET a list with parameters beside those it has."""
    return speaker(live, "aud").get(httpx.URL(path).copy_merge_params(params))


def walk(live: Live, path: str, limit: int, cursor: str | None = None) -> Iterator[list[Any]]:
    """Yield the pages of a list; the feed's cursor never ends, its items do."""
    seen = set()
    while True:
        answer = ask(live, path, limit=str(limit), **({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert set(page) == {"items", "next_cursor"}
        assert len(page["items"]) <= limit
        yield page["items"]
        cursor = page["next_cursor"]
        if cursor is None or not page["items"]:
            return
        assert cursor not in seen
        seen.add(cursor)


def whole(live: Live, path: str, limit: int, *, most: int = 10_000) -> list[Any]:
    items = (item for page in walk(live, path, limit) for item in page)
    return list(islice(items, most))


def identity(item: Any) -> Any:
    return item.get("id") or (item["stream"], item["seq"])


@pytest.fixture(scope="module")
def paths(live: Live) -> dict[str, str]:
    """Lists with something in each of them."""
    place = champion(live)
    live["ops"].put(
        f"/v1/decision-points/{place.point}/monitor",
        {"window_hours": 1, "step_hours": 1, "min_rows": 10},
    )
    events = [
        {
            "token": route(live, place.point, "u")["token"],
            "at": f"2026-03-01T{hour:02d}:30:00Z",
            "features": {"x": 0.1},
            "score": 0.5,
        }
        for hour in range(WINDOWS + 1)
    ]
    live["app"].post("/v1/events", {"events": events})
    model = make_model(live)
    for _ in range(5):
        make_version(live, model)
        make_model(live)
        make_point(live)
        live.admin.post("/v1/principals", {"name": unique("p"), "roles": ["auditor"]})
    version = live["dev"].get(f"/v1/models/{place.model}/versions/1")
    drift = f"/v1/models/{place.model}/versions/1/drift"
    _wait_windows(live, drift)
    return {
        "principals": "/v1/principals",
        "models": "/v1/models",
        "versions": f"/v1/models/{model}/versions",
        "points": "/v1/decision-points",
        "audit": "/v1/audit",
        "stream": f"/v1/audit?stream=version:{version['id']}",
        "feed": "/v1/events-feed",
        "windows": drift,
        "reviews": f"/v1/models/{place.model}/versions/1/reviews",
    }


def _wait_windows(live: Live, path: str) -> None:
    deadline = time.monotonic() + FOLD_SECONDS
    while time.monotonic() < deadline:
        if len(live["aud"].get(path)["items"]) >= WINDOWS:
            return
        time.sleep(0.2)
    raise TimeoutError("the windows were not examined")


@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize("name", LISTS)
def test_a_walk_meets_every_item_once(
    live: Live, paths: dict[str, str], name: str, limit: int
) -> None:
    known = [identity(item) for item in whole(live, paths[name], 200, most=MOST)]

    walked = [identity(item) for item in whole(live, paths[name], limit, most=MOST)]

    assert len(set(walked)) == len(walked)
    met = [item for item in walked if item in set(known)]
    assert met == (known if len(known) < MOST else known[: len(met)])
    assert met or name == "reviews"


def test_what_can_be_counted_is_all_there(live: Live, paths: dict[str, str]) -> None:
    assert [v["number"] for v in whole(live, paths["versions"], 2)] == [5, 4, 3, 2, 1]
    assert len(whole(live, paths["windows"], 2)) == WINDOWS
    actions = [entry["action"] for entry in whole(live, paths["stream"], 1)]
    assert actions[-1] == "version.published"
    assert [e["seq"] for e in whole(live, paths["stream"], 1)] == [*range(len(actions), 0, -1)]


def test_lists_have_their_order(live: Live, paths: dict[str, str]) -> None:
    for name, field, newest_first in (
        ("principals", "name", False), ("models", "name", False), ("points", "key", False),
        ("audit", "at", True), ("feed", "at", False), ("windows", "until", True),
    ):  # fmt: skip
        found = [item[field] for item in whole(live, paths[name], 3, most=MOST)]

        assert found == sorted(found, reverse=newest_first), name


def test_items_made_during_a_walk_shift_nothing(live: Live, paths: dict[str, str]) -> None:
    pages = walk(live, paths["models"], 2)
    before = whole(live, paths["models"], 200)

    walked = []
    for page in pages:
        walked += page
        if len(walked) < 8:
            make_model(live)

    names = [item["name"] for item in walked]
    assert len(set(names)) == len(names)
    assert {item["name"] for item in before} <= set(names)


@pytest.mark.parametrize(
    "cursor", ["garbage", "***", "W10", "WyJhIiwiYiJd", "bnVsbA", "e30", "é", "A" * 9000]
)
@pytest.mark.parametrize("name", LISTS)
def test_a_cursor_of_ones_own_making_is_refused(
    live: Live, paths: dict[str, str], name: str, cursor: str
) -> None:
    answer = ask(live, paths[name], cursor=cursor)

    problem_of(answer, 400, "bad_cursor")


@pytest.mark.parametrize("name", LISTS)
def test_another_lists_cursor_is_refused_or_is_a_place(
    live: Live, paths: dict[str, str], name: str
) -> None:
    for other in LISTS:
        cursor = ask(live, paths[other], limit="1").json()["next_cursor"]
        if cursor is None:
            continue

        answer = ask(live, paths[name], cursor=cursor)

        if answer.status_code != 200:
            require_4xx(answer)


@pytest.mark.parametrize("limit", ["0", "-1", "201", "1e1", "", "two", "9" * 30])
@pytest.mark.parametrize("name", LISTS)
def test_a_page_has_1_to_200_rows(live: Live, paths: dict[str, str], name: str, limit: str) -> None:
    problem_of(ask(live, paths[name], limit=limit), 422, "invalid")


class Impatient(Client):
    """A client that will not ask for ever."""

    left = 50

    def get(self, path: str, **params: Any) -> Any:
        self.left -= 1
        assert self.left, "it goes round in circles"
        return super().get(path, **params)


def test_the_client_comes_to_the_end_of_every_list(live: Live) -> None:
    for path in ("/v1/models", "/v1/events-feed"):
        with Impatient(live.url, live.keys["aud"]) as client:
            assert list(client.pages(path, limit=200))


def test_every_list_is_paged() -> None:
    document = json.loads((Path(__file__).parents[2] / "openapi" / "openapi.json").read_text())
    schemas = document["components"]["schemas"]
    unpaged = []
    for path, methods in document["paths"].items():
        answer = methods.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        name = answer.get("application/json", {}).get("schema", {}).get("$ref", "")
        fields = schemas.get(name.rpartition("/")[2], {}).get("properties", {})
        if "items" in fields and "next_cursor" not in fields:
            unpaged.append(path)

    assert unpaged == []
