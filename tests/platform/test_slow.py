"""Who sends slowly is cut off, and nobody else waits for him."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from app.platform.server import HEADER_SECONDS
from tests.live import Live, start
from tests.platform.wire import JSON, Answer, Line, connected, head, problem_of

BODY_SECONDS = 2.0
SLACK = 1.5
TICK = 0.1
KINDS = ("typed", "events", "route")


@pytest.fixture(scope="module")
def brisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with little patience and room for one megabyte."""
    home = tmp_path_factory.mktemp("brisk")
    with start(home, body_seconds=str(BODY_SECONDS), max_upload_bytes=str(1 << 20)) as found:
        yield found


def begun(live: Live, kind: str, *, length: int = 1000) -> bytes:
    path, who = {
        "typed": ("/v1/models", "dev"),
        "events": ("/v1/events", "app"),
        "route": ("/v1/decision-points/none/route", "app"),
    }[kind]
    return head(
        "POST", path, live.keys[who], Content_Type="application/json", Content_Length=length
    )


def trickle(lines: list[Line], seconds: float) -> float:
    """Say a blank on each line until all have an answer; return how long the last one took."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        waiting = [line for line in lines if not line.answered()]
        if not waiting:
            break
        for line in waiting:
            line.say(b" ")
        time.sleep(TICK)
    return time.monotonic() - began


def require_cut(answer: Answer | None) -> None:
    assert answer is not None
    problem_of(answer, 400, "body_too_slow")


def test_bodies_that_trickle_are_cut_in_time(brisk: Live) -> None:
    with ExitStack() as stack:
        lines = [stack.enter_context(connected(brisk, begun(brisk, kind))) for kind in KINDS]
        took = trickle(lines, 3 * BODY_SECONDS)

        for line in lines:
            require_cut(line.answer())
    assert took <= BODY_SECONDS + SLACK


def test_bodies_that_never_begin_are_cut_in_time(brisk: Live) -> None:
    with ExitStack() as stack:
        lines = [stack.enter_context(connected(brisk, begun(brisk, kind))) for kind in KINDS]
        began = time.monotonic()
        for line in lines:
            assert line.answered(BODY_SECONDS + SLACK - (time.monotonic() - began))
            require_cut(line.answer())


def test_a_body_that_begins_late_has_no_more_time_than_others(brisk: Live) -> None:
    with connected(brisk, begun(brisk, "typed")) as line:
        began = time.monotonic()
        line.answered(0.75 * BODY_SECONDS)
        trickle([line], 3 * BODY_SECONDS)
        took = time.monotonic() - began

        require_cut(line.answer())
    assert took < 1.4 * BODY_SECONDS


def test_others_are_served_while_many_trickle(brisk: Live) -> None:
    slowest, asked = 0.0, 0
    with ExitStack() as stack, httpx.Client(base_url=brisk.url) as http:
        lines = [
            stack.enter_context(connected(brisk, begun(brisk, kind)))
            for kind in KINDS
            for _ in range(40)
        ]
        until = time.monotonic() + 0.7 * BODY_SECONDS
        while time.monotonic() < until:
            for line in lines:
                line.say(b" ")
            for path, who in (("/livez", "dev"), ("/v1/me", "app"), ("/v1/models", "ops")):
                began = time.monotonic()
                answer = http.get(path, headers={"Authorization": f"Bearer {brisk.keys[who]}"})
                slowest, asked = max(slowest, time.monotonic() - began), asked + 1
                assert answer.status_code == 200
        assert not any(line.answered() for line in lines)
        for line in lines:
            assert line.answered(BODY_SECONDS + SLACK)
            require_cut(line.answer())
    assert asked > 10
    assert slowest < 1


@pytest.mark.parametrize("media", ["application/json", "application/octet-stream"])
@pytest.mark.parametrize("path", ["/v1/models", "/v1/events", "/v1/decision-points/p/route"])
def test_a_stranger_is_refused_before_his_body_is_read(brisk: Live, path: str, media: str) -> None:
    raw = head("POST", path, None, Content_Type=media, Content_Length=1000)
    with connected(brisk, raw) as line:
        assert line.answered(0.5 * BODY_SECONDS)
        answer = line.answer()

    assert answer is not None
    problem_of(answer, 401, "unauthenticated")


def test_events_in_chunks_are_answered_as_soon_as_they_are_too_many(brisk: Live) -> None:
    raw = head(
        "POST",
        "/v1/events",
        brisk.keys["app"],
        Content_Type="application/json",
        Transfer_Encoding="chunked",
    )
    with connected(brisk, raw) as line:
        sent = 0
        while not line.answered() and sent < 16 << 20:
            line.say(b"10000\r\n" + b" " * 65_536 + b"\r\n")
            sent += 65_536
        answer = line.answer()

    assert answer is not None
    problem_of(answer, 413, "too_large")
    assert sent < 16 << 20


def test_an_early_413_does_not_spoil_the_next_request(brisk: Live) -> None:
    with httpx.Client(base_url=brisk.url, timeout=5) as http:
        http.headers.update({**JSON, "Authorization": f"Bearer {brisk.keys['app']}"})
        for _ in range(3):
            refused = http.post("/v1/events", content=b" " * (3 << 20))
            served = http.get("/v1/me")

            problem_of(refused, 413, "too_large")
            assert served.status_code == 200


@pytest.mark.slow
def test_heads_that_trickle_and_idle_connections_are_cut_within_ten_seconds(brisk: Live) -> None:
    slack = 2.0
    with ExitStack() as stack:
        late = stack.enter_context(Line(brisk))
        silent = stack.enter_context(Line(brisk))
        again = stack.enter_context(Line(brisk))
        again.say(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        first = again.answer()
        late.say(b"GET /livez HTTP/1.1\r\nX-Pad: ")
        again.say(b"GET /livez HTTP/1.1\r\nX-Pad: ")
        began = time.monotonic()
        with httpx.Client(base_url=brisk.url) as http:
            while time.monotonic() - began < HEADER_SECONDS - 1:
                assert not late.answered(TICK)
                late.say(b"x")
                again.say(b"x")
                assert http.get("/livez").status_code == 200
        left = HEADER_SECONDS + slack - (time.monotonic() - began)
        assert late.answered(left)
        assert late.hung_up()
        assert silent.answered(slack)
        assert silent.hung_up()
        assert again.answered(slack)
        assert again.hung_up()
    assert first is not None
    assert first.status_code == 200


@pytest.mark.slow
def test_who_goes_on_trickling_after_the_answer_is_hung_up_on(brisk: Live) -> None:
    with connected(brisk, begun(brisk, "typed")) as line:
        trickle([line], 3 * BODY_SECONDS)
        require_cut(line.answer())
        began = time.monotonic()
        while not line.answered(TICK) and time.monotonic() - began < HEADER_SECONDS + 5:
            line.say(b" ")

        assert line.hung_up()
    assert time.monotonic() - began <= HEADER_SECONDS + 2
