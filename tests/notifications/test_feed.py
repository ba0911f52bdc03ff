"""The feed: what happened, once, in order, and nothing that did not."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

import httpx
import psycopg
import pytest

from app.client import Problem
from app.platform.embedded import EmbeddedPostgres
from tests.live import (
    Live,
    Place,
    approve,
    make_model,
    open_activation,
    ready_to_commit,
    released,
    wait_routed,
)
from tests.platform.wire import problem_of, speaker, together

SETTLED = 15
PUBLISHED = "catalog.version.published"
GOVERNANCE = "management_and_governance"
VERSION = {
    "source": "urn:x",
    "signature": {"inputs": [{"name": "x"}]},
    "training_data": {"reference": "r"},
    "card": {"summary": "s", "intended_use": "u"},
}


class Reader:
    """Reads the feed, and keeps its place as the documentation says."""

    def __init__(self, live: Live, cursor: str | None = None) -> None:
        self._live = live
        self.cursor = cursor
        self.seen: list[Any] = []

    def catch_up(self) -> Self:
        """Pass over what has been told."""
        while self.more():
            pass
        self.seen.clear()
        return self

    def more(self, limit: int = 200) -> list[Any]:
        params = {"cursor": self.cursor} if self.cursor else {}
        page = self._live["aud"].get("/v1/events-feed", limit=limit, **params)
        assert len(page["items"]) <= limit
        self.cursor = page["next_cursor"]
        self.seen += page["items"]
        items: list[Any] = page["items"]
        return items

    def until(self, kind: str, **facts: Any) -> None:
        """Read on until an event of ``kind`` with ``facts`` has come."""
        deadline = time.monotonic() + SETTLED
        while not self.has(kind, **facts):
            assert time.monotonic() < deadline, f"{kind} {facts} has not come"
            self.more()
            time.sleep(0.05)

    def has(self, kind: str, **facts: Any) -> bool:
        return any(e["type"] == kind and facts.items() <= e["data"].items() for e in self.seen)

    def numbers(self, model: str) -> list[int]:
        """Return the versions of a model whose publication was told."""
        told = [e["data"] for e in self.seen if e["type"] == PUBLISHED]
        return [fact["number"] for fact in told if fact["model"] == model]

    def of_version(self, version: str) -> list[Any]:
        """Return the events of a version and of its cases; the feed has others' as well."""
        cases = {
            e["data"]["case_id"]
            for e in self.seen
            if e["type"] == "gates.case.opened" and e["data"]["version_id"] == version
        }
        return [
            e
            for e in self.seen
            if e["data"].get("version_id") == version or e["data"].get("case_id") in cases
        ]


@dataclass
class Story:
    """What was done, and a reader who has read all of it."""

    start: str | None
    reader: Reader
    plain: str
    refused: str
    repeated: str
    raced: list[str]
    place: Place
    case: str


def publish(live: Live, model: str, **headers: str) -> httpx.Response:
    return speaker(live, "dev").post(f"/v1/models/{model}/versions", json=VERSION, headers=headers)


def refuse(live: Live, model: str) -> None:
    """Try what is refused, each time at another wall."""
    path = f"/v1/models/{model}/versions"
    for who, where, body in (
        ("dev", path, {**VERSION, "source": "file:///etc/../passwd"}),
        ("dev", path, {**VERSION, "lineage": {"parents": [7]}}),
        ("dev", path, {**VERSION, "digest": "md5"}),
        ("aud", path, VERSION),
        ("dev", "/v1/releases", {"model": model, "version": 1, "decision_point": "none"}),
        ("dev", "/v1/validations", {"model": model, "version": 2}),
    ):
        assert 400 <= speaker(live, who).post(where, json=body).status_code < 500, body


@pytest.fixture(scope="module")
def story(live: Live) -> Story:
    """A life, with what goes wrong in one; told when its last act is."""
    reader = Reader(live).catch_up()
    start = reader.cursor
    plain, refused, repeated, *raced = [make_model(live) for _ in range(7)]
    for _ in range(5):
        publish(live, plain)
    publish(live, refused)
    refuse(live, refused)
    key = {"Idempotency-Key": uuid.uuid4().hex}
    for _ in range(3):
        publish(live, repeated, **key)
    together(4, lambda _: publish(live, repeated, **key))
    for _ in range(3):
        together(4, lambda n: publish(live, raced[n]))
    place = released(live)
    case = open_activation(live, place)
    with pytest.raises(Problem):
        approve(live["dev"], case, GOVERNANCE)
    ready_to_commit(live, case)
    live["ops"].post(f"/v1/activations/{case['id']}:commit")
    wait_routed(live, place)
    publish(live, repeated)
    reader.until(PUBLISHED, model=repeated, number=2)
    return Story(start, reader, plain, refused, repeated, raced, place, case["id"])


def test_an_act_is_told_with_its_facts(live: Live, story: Story) -> None:
    version = live["dev"].get(f"/v1/models/{story.refused}/versions/1")

    (event,) = [e for e in story.reader.seen if e["data"].get("model") == story.refused]

    assert event["type"] == PUBLISHED
    assert event["data"] == {"version_id": version["id"], "model": story.refused, "number": 1}
    assert set(event) == {"id", "type", "at", "data"}
    assert uuid.UUID(event["id"])


def test_acts_are_told_once_and_in_order(story: Story) -> None:
    seen = story.reader.seen

    assert story.reader.numbers(story.plain) == [1, 2, 3, 4, 5]
    assert len({event["id"] for event in seen}) == len(seen)


@pytest.mark.parametrize("limit", [1, 3, 7])
def test_every_size_of_page_tells_the_same(live: Live, story: Story, limit: int) -> None:
    again = Reader(live, story.start)

    while len(again.seen) < len(story.reader.seen):
        assert again.more(limit)

    assert again.seen[: len(story.reader.seen)] == story.reader.seen


def test_a_refused_act_is_not_told(live: Live, story: Story) -> None:
    version = live["dev"].get(f"/v1/models/{story.refused}/versions/1")["id"]

    assert story.reader.numbers(story.refused) == [1]
    assert [e["type"] for e in story.reader.of_version(version)] == [PUBLISHED]


def test_a_refused_approval_is_not_told(live: Live, story: Story) -> None:
    committee = live["com"].get("/v1/me")["id"]
    facts = [e["data"] for e in story.reader.seen if e["data"].get("case_id") == story.case]

    assert [(fact["by"], fact["approved"]) for fact in facts if "by" in fact] == [(committee, True)]


def test_a_repeated_request_is_told_once(story: Story) -> None:
    assert story.reader.numbers(story.repeated) == [1, 2]


def test_acts_that_overlap_are_all_told(story: Story) -> None:
    for model in story.raced:
        assert story.reader.numbers(model) == [1, 2, 3]


def test_a_life_is_told_in_the_order_it_was_lived(live: Live, story: Story) -> None:
    version = live["dev"].get(f"/v1/models/{story.place.model}/versions/1")["id"]
    told = story.reader.of_version(version)
    kinds = [e["type"] for e in told]

    first = [
        kinds.index(kind)
        for kind in (
            PUBLISHED, "gates.case.opened", "gates.approval.given", "gates.step.judged",
            "release.version.moved", "routing.champion.changed",
        )
    ]  # fmt: skip
    assert first == sorted(first)
    moves = [e["data"]["target"] for e in told if e["type"] == "release.version.moved"]
    assert moves == ["validated", "candidate", "released", "activated"]
    assert kinds.count("routing.champion.changed") == 1
    assert all(e["data"]["passed"] for e in told if e["type"] == "gates.step.judged")


def test_a_slow_act_is_told_to_a_reader_who_went_on(live: Live) -> None:
    slow, quick, reader = make_model(live), make_model(live), Reader(live).catch_up()
    with ThreadPoolExecutor(1) as pool:
        with psycopg.connect(EmbeddedPostgres(live.data_dir).url) as holder:
            holder.execute("SELECT 1 FROM catalog_model WHERE name = %s FOR UPDATE", [slow])
            running = pool.submit(publish, live, slow)
            time.sleep(0.3)
            publish(live, quick)
            reader.until(PUBLISHED, model=quick)
        assert running.result(10).status_code == 201

    time.sleep(3)
    reader.more()
    assert reader.has(PUBLISHED, model=slow)


def test_an_application_does_not_read_the_feed(live: Live) -> None:
    problem_of(speaker(live, "app").get("/v1/events-feed"), 403, "permission_denied")
