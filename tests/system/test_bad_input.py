"""The corpus of bad input, to every media type of ingest: never a 5xx, memory bounded.

A process of its own is watched: whatever is sent, it takes at most ``BOUND`` more than it had, of
bodies of ``LIMIT``; and the good events of a batch are kept where its format lets them be told.
"""

import gzip
import random
import uuid
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import orjson
import pyarrow as pa
import pytest

from tests.conftest import home
from tests.live import Live, Place, make_model, make_point, make_version, start
from tests.platform.wire import Answer, connected, head, require_4xx, speaker
from tests.system.processes import forget_peak, resident
from tests.telemetry.streams import ARROW, LINES, stream_of
from tests.telemetry.test_arrow import HOSTILE

MIB = 1 << 20
LIMIT = 16 * MIB
BOUND = 6 * LIMIT
JSON = "application/json"
MEDIA = (JSON, LINES, ARROW)
AT = b'"2026-02-01T00:00:00Z"'

VALUES = {
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "-Infinity": b"-Infinity",
    "1e400": b"1e400",
    "a huge whole number": b"9" * 4000,
    "NUL": b'"a\\u0000b"',
    "raw NUL": b'"a\0b"',
    "a lone surrogate": b'"\\ud800"',
    "a surrogate in UTF-8": b'"\xed\xa0\x80"',
    "invalid UTF-8": b'"\xff\xfe"',
    "duplicate keys": b'{"a":1,"a":2}',
    "900-deep arrays": b"[" * 900 + b"]" * 900,
    "900-deep objects": b'{"a":' * 900 + b"1" + b"}" * 900,
    "100000-deep arrays": b"[" * 100_000 + b"]" * 100_000,
    "an array": b"[1]",
    "a trailing comma": b"[1,]",
}
FIELDS = {
    "features": b"[1]",
    "score": b'"high"',
    "prediction": b"{}",
    "latency_ms": b"[]",
    "at": b"17",
    "event_id": b"17",
    "token": b"17",
    "another": b"1",
}
BODIES = {
    "empty": b"",
    "blank": b" \r\n\t\n",
    "BOM": b"\xef\xbb\xbf" + b'{"events":[]}',
    "UTF-16": '{"events":[]}'.encode("utf-16"),
    "null": b"null",
    "a number": b"1",
    "a form": b"events=1",
    "zeros": bytes(1000),
    "noise": random.Random(7).randbytes(100_000),
    "line feeds": b"\n" * MIB,
    "empty objects": b'{"events":[' + b"{}," * (4 * MIB) + b"{}]}",
    "empty lists": b"[" + b"[]," * (4 * MIB) + b"[]]",
    "nines": b'{"events":[' + b"9," * (7 * MIB) + b"9]}",
    "one long line": b'{"at":"' + b"a" * (15 * MIB) + b'"}',
    "colons to count": b'{"events":[{"features":{"' + b"\\u003a" * MIB + b'":1}}]}',
}


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    with home() as directory, start(directory, max_upload_bytes=str(LIMIT)) as found:
        yield found


@pytest.fixture(scope="module")
def place(server: Live) -> Place:
    model = make_model(server)
    return Place(model, make_point(server), make_version(server, model))


def send(server: Live, place: Place, body: bytes, media: str, **headers: str) -> httpx.Response:
    named: dict[str, Any] = {"model": place.model, "version": 1, "decision_point": place.point}
    return speaker(server, "dev").post(
        "/v1/events",
        content=body,
        params=named,
        headers={"Content-Type": media, **headers},
        timeout=20,
    )


def good() -> bytes:
    return b'{"event_id":"%b","at":%b,"features":{"x":1}}' % (str(uuid.uuid4()).encode(), AT)


@pytest.fixture(autouse=True)
def watched(server: Live, place: Place) -> Iterator[None]:
    """The server takes all the good ones before and after, and little memory in between."""
    bodies = {JSON: b'{"events":[%b]}', LINES: b"%b\n", ARROW: b""}

    def take_good() -> None:
        for media, frame in bodies.items():
            body = frame % good() if frame else stream_of([orjson.loads(good())])
            answer = send(server, place, body, media)
            assert (answer.status_code, answer.json()["accepted"]) == (200, 1), answer.text

    pid = server.process.pid
    take_good()
    before = resident(pid)
    forget_peak(pid)
    yield
    assert resident(pid, "VmHWM") - before < BOUND
    take_good()
    assert server.process.poll() is None


@pytest.mark.parametrize("value", VALUES)
def test_a_line_with_a_bad_value_is_refused_and_the_good_ones_are_kept(
    server: Live, place: Place, value: str
) -> None:
    bad = b'{"event_id":"%b","at":%b,"features":{"x":%b}}' % (
        str(uuid.uuid4()).encode(), AT, VALUES[value],
    )  # fmt: skip
    body = b"\n".join([good(), bad, good()])

    answer = send(server, place, body, LINES)

    found = answer.json()
    assert (answer.status_code, found["accepted"]) == (207, 2), answer.text
    assert [item["index"] for item in found["rejected"]] == [1]
    require_4xx(send(server, place, bad, LINES))


@pytest.mark.parametrize("value", VALUES)
def test_json_with_a_bad_value_is_refused(server: Live, place: Place, value: str) -> None:
    bad = b'{"event_id":"%b","at":%b,"features":{"x":%b}}' % (
        str(uuid.uuid4()).encode(), AT, VALUES[value],
    )  # fmt: skip

    answer = send(server, place, b'{"events":[%b,%b]}' % (good(), bad), JSON)

    if value == "an array":  # well-formed, and of one event alone
        assert (answer.status_code, answer.json()["accepted"]) == (207, 1)
    else:
        require_4xx(answer)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("media", [JSON, LINES])
def test_a_field_of_a_wrong_type_is_one_rejected_event(
    server: Live, place: Place, media: str, field: str
) -> None:
    kept = orjson.loads(good())
    bad = {**orjson.loads(good()), field: orjson.loads(FIELDS[field])}
    rows = [orjson.dumps(kept), orjson.dumps(bad)]
    body = b"\n".join(rows) if media == LINES else b'{"events":[%b]}' % b",".join(rows)

    answer = send(server, place, body, media)

    found = answer.json()
    assert (answer.status_code, found["accepted"]) == (207, 1), answer.text
    assert [item["index"] for item in found["rejected"]] == [1]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), "a\0b", "\ud7ff\0"])
def test_a_row_with_a_bad_value_is_refused_and_the_good_ones_are_kept(
    server: Live, place: Place, value: Any
) -> None:
    rows = [orjson.loads(good()) for _ in range(3)]
    for row in rows:
        row["features"] = {"x": 1.0 if isinstance(value, float) else "a"}
    rows[1]["features"] = {"x": value}

    answer = send(server, place, stream_of(rows), ARROW)

    assert (answer.status_code, answer.json()["accepted"]) == (207, 2), answer.text
    assert [item["index"] for item in answer.json()["rejected"]] == [1]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_stream_is_the_callers_fault(server: Live, place: Place, name: str) -> None:
    require_4xx(send(server, place, HOSTILE[name][0](), ARROW))


def test_damaged_streams_are_the_callers_fault(server: Live, place: Place) -> None:
    rng = random.Random(5)
    whole = stream_of([orjson.loads(good()) for _ in range(3)])
    for _ in range(300):
        raw = bytearray(whole)
        raw[rng.randrange(len(raw))] = rng.randrange(256)
        answer = send(server, place, bytes(raw), ARROW)
        if answer.status_code not in {200, 207}:
            require_4xx(answer)


def test_a_billion_rows_of_nothing_are_not_made(server: Live, place: Place) -> None:
    dictionary = pa.DictionaryArray.from_arrays(pa.array([0] * 10), pa.nulls(10**9))

    require_4xx(send(server, place, stream_of(pa.table({"at": dictionary})), ARROW))
    require_4xx(send(server, place, stream_of(pa.table({"at": pa.nulls(10**9)})), ARROW))


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("media", MEDIA)
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_body_of_nothing_good_is_refused(
    server: Live, place: Place, media: str, name: str, encoding: str
) -> None:
    body = BODIES[name]
    sent = gzip.compress(body, 1) if encoding == "gzip" else body

    require_4xx(send(server, place, sent, media, **{"Content-Encoding": encoding}))


def bomb() -> bytes:
    """Ten megabytes that come to ten gigabytes: one stretch of zeros, packed once and repeated."""
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    begin = engine.compress(b"{") + engine.flush(zlib.Z_FULL_FLUSH)
    stretch = engine.compress(b" " * (10 * MIB)) + engine.flush(zlib.Z_FULL_FLUSH)
    return begin + stretch * (10 * MIB // len(stretch))


PACKED: dict[str, Callable[[], bytes]] = {
    "a bomb": bomb,
    "a small bomb": lambda: gzip.compress(b" " * (4 * LIMIT)),
    "cut off": lambda: gzip.compress(good() * 100)[:-20],
    "something behind": lambda: gzip.compress(good()) + b"garbage",
    "zeros behind": lambda: gzip.compress(good()) + bytes(100),
    "not packed": good,
    "a bomb of members": lambda: gzip.compress(b"") * 100_000,
    "a bomb in a bomb": lambda: gzip.compress(gzip.compress(b" " * LIMIT)),
}


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("media", MEDIA)
def test_packed_nonsense_is_refused(server: Live, place: Place, media: str, name: str) -> None:
    require_4xx(send(server, place, PACKED[name](), media, **{"Content-Encoding": "gzip"}))


@pytest.mark.parametrize("chunked", ["in chunks", "with its length"])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("media", MEDIA)
def test_three_hundred_megabytes_are_refused_early(
    server: Live, media: str, encoding: str, chunked: str
) -> None:
    size, piece = 300 * MIB, b" " * MIB
    said = {"Transfer_Encoding": "chunked"} if chunked == "in chunks" else {"Content_Length": size}
    if chunked == "in chunks":
        piece = b"%x\r\n%b\r\n" % (len(piece), piece)
    begun = head(
        "POST", "/v1/events", server.keys["dev"], Content_Type=media, Content_Encoding=encoding,
        **said,
    )  # fmt: skip
    sent = 0
    with connected(server, begun, seconds=20) as line:
        answer: Answer | None = None
        while sent < size and not line.answered(0.001):
            line.say(piece)
            sent += MIB
        answer = line.answer()

    assert answer is not None
    require_4xx(answer)
    assert answer.status_code == 413
    assert sent < 3 * LIMIT
