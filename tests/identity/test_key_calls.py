"""A key calls the typed routes so often and no more; decisions and ingest are not counted."""

import time
from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import home
from tests.live import Live, start
from tests.platform.wire import problem_of

BURST = 60
"""Enough for an administrator to make everybody."""
REFRESH = 0.1
SLACK = 1.0


@pytest.fixture(scope="module")
def slow() -> Iterator[Live]:
    """A server that answers a key once a second in the long run."""
    with (
        home() as directory,
        start(
            directory,
            key_calls_per_second="1",
            key_calls_burst=str(BURST),
            refresh_seconds=str(REFRESH),
        ) as found,
    ):
        yield found


def caller(live: Live, role: str) -> httpx.Client:
    _, key = live.newcomer(role)
    return httpx.Client(base_url=live.url, headers={"Authorization": f"Bearer {key}"}, timeout=30)


def test_a_key_that_calls_too_often_waits_as_long_as_it_is_told(slow: Live) -> None:
    with caller(slow, "developer") as http, caller(slow, "developer") as other:
        began = time.monotonic()
        answered = 0
        while (refused := http.get("/v1/me")).status_code == 200:
            answered += 1
            assert answered < 10 * BURST
        took = time.monotonic() - began

        problem = problem_of(refused, 429, "rate_limited")
        told = int(refused.headers["retry-after"])
        assert BURST <= answered <= BURST + took + 1
        assert told == problem["retry_after"] == 1
        assert "Retry-After" in problem["mend"]
        assert other.get("/v1/me").status_code == 200
        deadline = time.monotonic() + told + SLACK
        while http.get("/v1/me").status_code == 429:
            assert time.monotonic() < deadline, "It waited longer than it was told."


def test_a_key_that_is_checked_again_has_no_more_calls_for_it(slow: Live) -> None:
    with caller(slow, "developer") as http:
        while http.get("/v1/me").status_code == 200:
            pass
        began, answered = time.monotonic(), 0
        while (took := time.monotonic() - began) < 20 * REFRESH:
            answered += http.get("/v1/me").status_code == 200

    assert answered <= took + 1


def test_decisions_and_events_are_not_counted(slow: Live) -> None:
    with caller(slow, "application") as http:
        for _ in range(BURST):
            routed = http.post("/v1/decision-points/none/route", json={"unit": "u"})
            problem_of(routed, 404)
            problem_of(http.post("/v1/events", json={"events": []}), 422, "no_events")

        assert http.get("/v1/me").status_code == 200
        while http.get("/v1/me").status_code == 200:
            pass
        problem_of(http.post("/v1/decision-points/none/route", json={"unit": "u"}), 404)
