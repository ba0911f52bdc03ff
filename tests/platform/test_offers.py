"""Heads that offer an upgrade, come in pieces, or have no end: read as HTTP, or refused in time."""

import json
import re
import time
from typing import Any

import pytest

from tests.live import Live
from tests.platform.targets import Target, begun, make_targets
from tests.platform.wire import Line, connected, problem_of, told

OFFER = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABk"}


@pytest.fixture(scope="module")
def targets(live: Live) -> dict[str, Target]:
    return make_targets(live)


def routed(live: Live, targets: dict[str, Target], **fields: Any) -> bytes:
    body = targets["route"].good % b"1"
    return begun(live, targets["route"], Content_Length=len(body), **fields) + body


def answers(line: Line, count: int) -> list[tuple[int, bytes]]:
    """Status and body of so many answers, however many come in one packet."""
    raw = b""
    found: list[tuple[int, bytes]] = []
    while len(found) < count:
        head, end, rest = raw.partition(b"\r\n\r\n")
        size = re.search(rb"content-length: (\d+)", head)
        if end and size and len(rest) >= int(size[1]):
            found.append((int(head[9:12]), rest[: int(size[1])]))
            raw = rest[int(size[1]) :]
        else:
            more = line.hear()
            assert more, f"the connection ended after {found}"
            raw += more
    return found


def test_an_offer_cut_anywhere_does_not_lose_the_body(
    live: Live, targets: dict[str, Target]
) -> None:
    raw = routed(live, targets, **OFFER)

    with connected(live, b"") as line:
        for cut in range(0, len(raw), 3):
            line.say(raw[:cut])
            time.sleep(0.001)
            line.say(raw[cut:])
            answer = line.answer()
            assert answer is not None
            assert answer.status_code == 200, raw[:cut]


@pytest.mark.parametrize("name", ["Upgrade", "upgrade", "UPGRADE", "uPGrade"])
def test_an_offer_is_declined_however_it_is_spelled(
    live: Live, targets: dict[str, Target], name: str
) -> None:
    answer = told(live, routed(live, targets, **{"Connection": "upgrade", name: "h2c"}))

    assert answer is not None
    assert answer.status_code == 200


def test_requests_before_and_behind_an_offer_are_answered(
    live: Live, targets: dict[str, Target]
) -> None:
    plain, offer = routed(live, targets), routed(live, targets, **OFFER)

    with connected(live, plain + offer + offer + plain) as line:
        assert [status for status, _ in answers(line, 4)] == [200] * 4


def test_a_body_that_looks_like_an_offer_is_left_alone(
    live: Live, targets: dict[str, Target]
) -> None:
    body = b'{"unit": "A"}\r\nupgrade: GET /li'
    head = begun(live, targets["route"], Content_Length=len(body))

    with connected(live, head[:-2]) as line:
        time.sleep(0.05)
        line.say(head[-2:] + body)
        first: Any = line.answer()
        line.say(b"GET /livez HTTP/1.1\r\nHost: y\r\n\r\n")
        second: Any = line.answer()

    problem_of(first, 400)
    assert second.status_code == 200
    assert second.json() == {"status": "alive"}


@pytest.mark.parametrize("pieces", [1, 2, 7])
def test_a_head_that_is_too_large_is_refused_though_it_is_whole(live: Live, pieces: int) -> None:
    raw = b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Pad: " + b"a" * 70_000 + b"\r\n\r\n"
    step = len(raw) // pieces + 1

    with connected(live, b"") as line:
        for at in range(0, len(raw), step):
            line.say(raw[at : at + step])
            time.sleep(0.01)
        answer: Any = line.answer()

    problem_of(answer, 431, "head_too_large")


def test_a_large_body_behind_a_small_head_is_no_large_head(
    live: Live, targets: dict[str, Target]
) -> None:
    body = b" " * 200_000 + targets["model"].good % b"1"

    answer = told(live, begun(live, targets["model"], Content_Length=len(body)) + body)

    assert answer is not None
    assert answer.status_code not in {400, 413, 431}  # its fields were read


def test_what_was_asked_before_garbage_is_answered_before_it(
    live: Live, targets: dict[str, Target]
) -> None:
    with connected(live, routed(live, targets) + b"\x00GARBAGE\r\n\r\n") as line:
        (first, _), (second, body) = answers(line, 2)

    assert (first, second) == (200, 400)
    assert json.loads(body)["code"] == "no_http"


def test_connect_is_refused(live: Live) -> None:
    answer: Any = told(live, b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n")

    problem_of(answer, 400, "no_http")
