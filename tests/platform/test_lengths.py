"""However long a body is or claims to be, the answer comes at once."""

from typing import Any

import pytest

from tests.live import Live
from tests.platform.targets import KINDS, MIB, Target, begun, make_targets
from tests.platform.wire import Line, connected, problem_of, told

PATIENCE = 0.01
SLACK = 12 * MIB  # what fits into the buffers of two sockets before the answer is read


@pytest.fixture(scope="module")
def targets(live: Live) -> dict[str, Target]:
    return make_targets(live)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [65 * MIB, 10**12, 2**64 - 1])
def test_a_huge_length_is_answered_before_anything_is_sent(
    live: Live, targets: dict[str, Target], kind: str, length: int
) -> None:
    answer = told(live, begun(live, targets[kind], Content_Length=length), seconds=5)

    assert answer is not None
    problem_of(answer, 413, "too_large")


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in {"events", "outcomes"}])
def test_a_body_in_chunks_is_answered_as_soon_as_it_is_too_large(
    live: Live, targets: dict[str, Target], kind: str
) -> None:
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    with connected(live, begun(live, targets[kind], Transfer_Encoding="chunked")) as line:
        sent = _until_answered(line, chunk, targets[kind].limit + SLACK)
        answer = line.answer()

    assert answer is not None
    problem_of(answer, 413, "too_large")
    assert sent <= targets[kind].limit + SLACK


def _until_answered(line: Line, chunk: bytes, most: int) -> int:
    """Say chunks until there is an answer; past what fits, leave the server a moment for it."""
    sent = 0
    while not line.answered(PATIENCE if sent > most - SLACK else 0) and sent <= most:
        line.say(chunk)
        sent += len(chunk)
    return sent


@pytest.mark.parametrize("kind", KINDS)
def test_a_length_shorter_than_the_body_cuts_it(
    live: Live, targets: dict[str, Target], kind: str
) -> None:
    answer = told(live, begun(live, targets[kind], Content_Length=5) + targets[kind].good)

    assert answer is not None
    assert answer.status_code == 400


@pytest.mark.parametrize("kind", KINDS)
def test_a_length_longer_than_the_body_ends_with_the_connection(
    live: Live, targets: dict[str, Target], kind: str
) -> None:
    with connected(live, begun(live, targets[kind], Content_Length=99) + b"{}", seconds=5) as line:
        line.end()

        answer: Any = line.answer()

    assert answer is None or answer.status_code == 400


@pytest.mark.parametrize("size", [b"zz", b"-1", b"fffffffffffffffffff", b""])
def test_chunks_that_are_none_are_refused(
    live: Live, targets: dict[str, Target], size: bytes
) -> None:
    raw = begun(live, targets["model"], Transfer_Encoding="chunked") + size + b"\r\n{}\r\n0\r\n\r\n"

    answer = told(live, raw, seconds=5)

    assert answer is None or answer.status_code == 400


def test_a_head_is_answered_as_soon_as_it_is_too_large(live: Live) -> None:
    with connected(live, b"GET /livez HTTP/1.1\r\nHost: x\r\n") as line:
        sent = _until_answered(line, b"X-Pad: " + b"a" * 65_536 + b"\r\n", 2 * SLACK)

    assert sent <= SLACK


def test_a_head_of_a_usual_size_is_read(live: Live) -> None:
    answer = told(live, b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Pad: " + b"a" * 8000 + b"\r\n\r\n")

    assert answer is not None
    assert answer.status_code == 200


def test_an_offer_to_upgrade_does_not_lose_the_body(live: Live, targets: dict[str, Target]) -> None:
    body = targets["route"].good % b"1"
    offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c"}

    answer = told(live, begun(live, targets["route"], Content_Length=len(body), **offer) + body)

    assert answer is not None
    assert answer.status_code == 200


def test_who_waits_to_be_asked_for_the_body_is_asked(
    live: Live, targets: dict[str, Target]
) -> None:
    body = targets["route"].good % b"1"
    raw = begun(live, targets["route"], Content_Length=len(body), Expect="100-continue")
    with connected(live, raw) as line:
        asked = line.answered(5)
        line.say(body)
        answer = line.answer()

    assert asked
    assert answer is not None
    assert answer.status_code == 200
