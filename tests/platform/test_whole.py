"""What comes whole is answered as what comes in parts: the same, in order, on one connection."""

import itertools
import json
import random
import re
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.live import Live, champion
from tests.platform.wire import Line, connected


@pytest.fixture(scope="module")
def point(live: Live) -> str:
    return champion(live).point


Bodies = {
    "good": b'{"unit":"u-1"}',
    "explained": b'{"unit":"u-1","explain":true,"context":{"a":[1,2]}}',
    "unknown field": b'{"unit":"u-1","more":1}',
    "no json": b"{nothing",
    "twice": b'{"unit":"u-1","unit":"u-2"}',
    "empty": b"",
    "long": b'{"unit":"' + b"x" * 300 + b'"}',
    "too large": b'{"unit":"' + b"x" * 70_000 + b'"}',
}
HEADERS = {
    "plain": b"content-type: application/json\r\n",
    "typed otherwise": b"content-type: text/plain\r\n",
    "untyped": b"",
    "zipped": b"content-type: application/json\r\ncontent-encoding: gzip\r\n",
    "named": b"content-type: application/json\r\nX-Request-ID: mine\r\n",
}
PATHS = {
    "route": "/v1/decision-points/{point}/route",
    "flag": "/ofrep/v1/evaluate/flags/{point}",
    "no such point": "/v1/decision-points/none/route",
    "escaped": "/v1/decision-points/%70oint/route",
    "with a query": "/v1/decision-points/{point}/route?x=1",
    "not hot": "/v1/decision-points/{point}/plan",
    "batch": "/v1/decision-points/{point}/route:batch",
}
KEYS = {"app": "app", "not entitled": "dev", "unknown": None}


def request(
    live: Live, point: str, path: str, headers: str, body: str, who: str, method: str = "POST"
) -> bytes:
    key = live.keys[KEYS[who] or ""] if KEYS[who] else "mwk_" + "x" * 44
    sent = Bodies[body]
    return (
        f"{method} {PATHS[path].format(point=point)} HTTP/1.1\r\nhost: here\r\n"
        f"authorization: Bearer {key}\r\ncontent-length: {len(sent)}\r\n"
    ).encode() + HEADERS[headers] + b"\r\n" + sent  # fmt: skip


def answers(line: Line, count: int) -> list[tuple[int, dict[str, str], Any]]:
    """Status, headers and body of so many answers, in their order."""
    raw = b""
    found: list[tuple[int, dict[str, str], Any]] = []
    while len(found) < count:
        head, end, rest = raw.partition(b"\r\n\r\n")
        size = re.search(rb"content-length: (\d+)", head)
        if not (end and size and len(rest) >= int(size[1])):
            more = line.hear()
            assert more, f"the connection ended after {found}"
            raw += more
            continue
        fields = dict(one.split(": ", 1) for one in head.decode().split("\r\n")[1:])
        body = rest[: int(size[1])]
        found.append((int(head[9:12]), fields, json.loads(body)))
        raw = rest[int(size[1]) :]
    return found


def lasting(answer: tuple[int, dict[str, str], Any]) -> Any:
    """An answer without what belongs to one request alone."""
    status, headers, body = answer
    once = {"decision_id", "token", "age_ms", "request_id", "metadata", "shadows"}
    kept = {name: value for name, value in headers.items() if name not in {"date", "x-request-id"}}
    if status == 200:
        kept.pop("content-length")
    return status, kept, {name: value for name, value in body.items() if name not in once}


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from(list(PATHS)), st.sampled_from(list(HEADERS)), st.sampled_from(list(Bodies)),
    st.sampled_from(list(KEYS)), st.floats(0, 1),
)  # fmt: skip
def test_whole_or_in_parts_the_answer_is_the_same(
    live: Live, point: str, path: str, headers: str, body: str, who: str, where: float
) -> None:
    raw = request(live, point, path, headers, body, who)
    cut = round(where * len(raw))
    with connected(live, raw) as line:
        (whole,) = answers(line, 1)
    with connected(live, raw[:cut]) as line:
        time.sleep(0.01)
        line.say(raw[cut:])
        (parts,) = answers(line, 1)

    assert lasting(whole) == lasting(parts)
    if headers == "named" and whole[0] != 413:
        assert whole[1]["x-request-id"] == parts[1]["x-request-id"] == "mine"


def test_what_is_sent_without_waiting_is_answered_in_its_order(live: Live, point: str) -> None:
    dice = random.Random(3)
    kinds = [("route", "plain", "good"), ("not hot", "plain", "empty"), ("flag", "plain", "good"),
             ("batch", "plain", "good"), ("route", "plain", "no json")]  # fmt: skip
    for _ in range(20):
        drawn = [dice.choice(kinds) for _ in range(12)]
        sent, named = b"", []
        for number, (path, headers, body) in enumerate(drawn):
            method = "GET" if path == "not hot" else "POST"
            raw = request(live, point, path, headers, body, "app", method)
            head = f"host: here\r\nx-request-id: n-{number}\r\n".encode()
            sent += raw.replace(b"host: here\r\n", head, 1)
            named.append(f"n-{number}")
        with connected(live, b"") as line:
            at = 0
            for size in itertools.cycle([len(sent) // 3, 700, 90]):
                line.say(sent[at : at + size])
                at += size
                if at >= len(sent):
                    break
            found = answers(line, len(drawn))

        assert [headers["x-request-id"] for _, headers, _ in found] == named


@pytest.mark.parametrize(
    "change",
    [
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"host: here", b"host: here\r\nconnection: close"),
        (b"POST /", b"POST http://here/"),
    ],
)
def test_what_ends_its_connection_ends_it(
    live: Live, point: str, change: tuple[bytes, bytes]
) -> None:
    raw = request(live, point, "route", "plain", "good", "app").replace(*change, 1)
    with connected(live, raw) as line:
        ((status, _, body),) = answers(line, 1)
        closes = b"http" not in change[1]
        assert not closes or line.hear() == b""

    assert (status, body["arm"]) == (200, "champion")


def test_a_chunked_body_and_one_that_waits_to_be_asked_for_take_the_usual_way(
    live: Live, point: str
) -> None:
    raw = request(live, point, "route", "plain", "good", "app")
    head, _, body = raw.partition(b"\r\n\r\n")
    chunked = re.sub(rb"content-length: \d+", b"transfer-encoding: chunked", head)
    with connected(live, chunked + b"\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)) as line:
        ((first, _, _),) = answers(line, 1)
        line.say(head + b"\r\nexpect: 100-continue\r\n\r\n")
        assert line.hear().startswith(b"HTTP/1.1 100 ")
        line.say(body)
        ((second, _, _),) = answers(line, 1)
        line.say(raw)
        ((third, _, _),) = answers(line, 1)

    assert (first, second, third) == (200, 200, 200)


def test_what_belongs_to_a_request_that_has_begun_is_no_request_of_its_own(
    live: Live, point: str
) -> None:
    inner = request(live, point, "route", "plain", "good", "app")
    first = b"GET /livez HTTP/1.1\r\nhost: here\r\n\r\n"
    begun = b"POST /v1/nothing HTTP/1.1\r\nhost: here\r\nx-a: "
    with connected(live, first + begun) as line:
        answers(line, 1)
        line.say(inner)
        ((status, _, body),) = answers(line, 1)

    # Its request line was a header's value, its body the body of what had begun.
    assert (status, body["code"]) == (404, "not_found")


def test_a_head_that_is_too_long_is_too_long_here_as_well(live: Live, point: str) -> None:
    raw = request(live, point, "route", "plain", "good", "app")
    long = b"".join(b"x-%d: %b\r\n" % (number, b"a" * 3_900) for number in range(20))
    with connected(live, raw.replace(b"host: here\r\n", b"host: here\r\n" + long, 1)) as line:
        answer = line.answer()

    assert answer is not None
    assert answer.status_code == 431


def test_it_is_counted_as_any_other(live: Live, point: str) -> None:
    def counted() -> float:
        text = live["aud"].get("/metrics")
        found = re.search(
            r'modelward_http_requests_total\{route="/v1/decision-points/\{key\}/route",'
            r'status="200"\} (\S+)', text,
        )  # fmt: skip
        return float(found[1]) if found else 0.0

    before = counted()
    with connected(live, request(live, point, "route", "plain", "good", "app") * 5) as line:
        answers(line, 5)

    assert counted() == before + 5
