"""JSON lines and Arrow streams over the wire, packed or not; all or nothing; unknown features."""

import gzip
import random
import time
import uuid
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest

from app.kit.refusal import Malformed, TooLarge
from app.platform.http.upload import unpack
from tests.live import Live, Place, make_model, make_point, make_version, route, telemetry, unique
from tests.live import champion as seated
from tests.platform.wire import problem_of, speaker
from tests.telemetry.streams import ARROW, LINES, lines_of, stream_of

AT = "2026-02-01T00:00:00Z"
MIB = 1 << 20


@pytest.fixture(scope="module")
def place(live: Live) -> Place:
    return seated(live)


def post(
    live: Live, path: str, body: bytes, media: str, *, who: str = "app", **named: Any
) -> httpx.Response:
    encoding = named.pop("encoding", "identity")
    headers = {"Content-Type": media, "Content-Encoding": encoding}
    content = gzip.compress(body, mtime=0) if encoding == "gzip" else body
    return speaker(live, who).post(path, content=content, headers=headers, params=named or None)


def events(live: Live, place: Place, count: int, **more: Any) -> list[dict[str, Any]]:
    tokens = [route(live, place.point, unique("u"))["token"] for _ in range(count)]
    common = {"at": AT, "features": {"x": 0.5}, "score": 0.25, **more}
    return [{"token": token, **common} for token in tokens]


BODIES: dict[str, Callable[[str, list[dict[str, Any]]], tuple[bytes, str]]] = {
    "json": lambda noun, rows: (orjson.dumps({noun: rows}), "application/json"),
    "lines": lambda _, rows: (lines_of(rows), LINES),
    "stream": lambda _, rows: (stream_of(rows), ARROW),
}


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("kind", BODIES)
def test_events_and_outcomes_of_each_kind_are_stored_once(
    live: Live, place: Place, kind: str, encoding: str
) -> None:
    count = 3 if encoding == "gzip" else 70  # few are looked at one by one, many at once
    rows = events(live, place, count)
    before = telemetry(live, place.point)["stored_events"]
    body, media = BODIES[kind]("events", rows)

    first = post(live, "/v1/events", body, media, encoding=encoding)
    again = post(live, "/v1/events", body, media, encoding=encoding)

    assert first.status_code == again.status_code == 200, first.text
    assert first.json() == {
        "accepted": count, "duplicates": 0, "rejected": [], "unknown_features": {},
        "invalid_features": {},
    }  # fmt: skip
    assert (again.json()["accepted"], again.json()["duplicates"]) == (0, count)
    assert telemetry(live, place.point)["stored_events"] == before + count
    told = [{"decision_id": str(uuid.uuid4()), "label": 1.0, "at": AT} for _ in range(3)]
    body, media = BODIES[kind]("outcomes", told)
    assert post(live, "/v1/outcomes", body, media, encoding=encoding).json()["accepted"] == 3
    assert post(live, "/v1/outcomes", body, media, encoding=encoding).json()["duplicates"] == 3


def test_a_broken_line_is_one_rejected_event_and_the_others_are_kept(
    live: Live, place: Place
) -> None:
    good = [orjson.dumps(row) for row in events(live, place, 3)]
    broken = [b"{", b'{"a":1,"a":2}', b"[]", b'"\xff"', b"1e400", b"{}{}"]
    body = b"\n".join([good[0], b"", *broken[:3], good[1], b"\r", *broken[3:], good[2]])

    answer = post(live, "/v1/events", body, LINES)

    assert answer.status_code == 207
    found = answer.json()
    assert found["accepted"] == 3
    assert [item["index"] for item in found["rejected"]] == [1, 2, 3, 5, 6, 7]
    codes = [item["code"] for item in found["rejected"]]
    assert codes == ["malformed", "malformed", "bad_event", "malformed", "malformed", "malformed"]


@pytest.mark.parametrize("kind", BODIES)
def test_all_or_nothing_stores_nothing_if_anything_is_bad(
    live: Live, place: Place, kind: str
) -> None:
    rows = events(live, place, 3)
    rows[1]["at"] = "yesterday"
    before = telemetry(live, place.point)["stored_events"]
    body, media = BODIES[kind]("events", rows)

    refused = problem_of(post(live, "/v1/events", body, media, atomic="true"), 422, "batch_refused")

    assert refused["count"] == 1
    assert [item["index"] for item in refused["rejected"]] == [1]
    assert telemetry(live, place.point)["stored_events"] == before
    kept = post(live, "/v1/events", body, media, atomic="false")
    assert (kept.status_code, kept.json()["accepted"]) == (207, 2)
    rows[1]["at"] = AT
    body, media = BODIES[kind]("events", rows)
    whole = post(live, "/v1/events", body, media, atomic="true")
    assert (whole.status_code, whole.json()["accepted"], whole.json()["duplicates"]) == (200, 1, 2)


def test_a_refusal_of_the_whole_names_a_hundred_and_counts_all(live: Live) -> None:
    told = [{"decision_id": "7", "at": AT, "label": 1}] * 150

    answer = post(live, "/v1/outcomes", lines_of(told), LINES, atomic="true")

    refused = problem_of(answer, 422, "batch_refused")
    assert (refused["count"], len(refused["rejected"])) == (150, 100)


@pytest.mark.parametrize("noun", ["events", "outcomes"])
def test_what_cannot_be_read_is_mended_as_what_it_was_sent_as(live: Live, noun: str) -> None:
    def mend(body: bytes, media: str, status: int, code: str, **named: Any) -> str:
        answer = post(live, f"/v1/{noun}", body, media, **named)
        return str(problem_of(answer, status, code)["mend"])

    for body in (b"[]", b'{"rows":[]}', b'{"%b":[]}' % noun.encode(), b'{"%b":3}' % noun.encode()):
        assert f'{{"{noun}": [...]}}' in mend(body, "application/json", 422, "no_events")
    assert f'{{"{noun}": [...]}}' in mend(b"\n", LINES, 422, "no_events")
    assert "Arrow IPC" in mend(b"not a stream", ARROW, 400, "malformed")
    for value in (b"NaN", b"1e400", rb'"\u0000"', rb'"\ud800"', b'{"a":1,"a":1}'):
        body = b'{"%b":[{"at":%b}]}' % (noun.encode(), value)
        assert LINES in mend(body, "application/json", 400, "malformed")
    headers = {"Content-Type": LINES, "Content-Encoding": "gzip"}
    for broken in (b"no gzip", gzip.compress(b"{}")[:-4]):
        answer = speaker(live, "app").post(f"/v1/{noun}", content=broken, headers=headers)
        assert "gzip" in problem_of(answer, 400, "malformed")["mend"]


def test_a_bad_line_is_told_without_a_line_of_its_own(live: Live, place: Place) -> None:
    good = lines_of(events(live, place, 1))

    answer = post(live, "/v1/events", good + b'\n{"at": NaN}\n{"features":{"x":1,"x":1}}', LINES)

    assert (answer.status_code, answer.json()["accepted"]) == (207, 1)
    (nan, twice) = answer.json()["rejected"]
    assert (nan["index"], twice["index"]) == (1, 2)
    assert "(column " in nan["detail"]
    assert "line 1" not in nan["detail"]
    assert twice["detail"].endswith("at $.features.")


@pytest.mark.parametrize("kind", BODIES)
def test_a_rehearsal_is_named_in_the_query(live: Live, kind: str) -> None:
    model = make_model(live)
    place = Place(model, make_point(live), make_version(live, model))
    named = {"model": place.model, "version": place.version, "decision_point": place.point}
    rows = [{"event_id": str(uuid.uuid4()), "at": AT, "features": {"x": 1.0}} for _ in range(4)]
    body, media = BODIES[kind]("events", rows)

    answer = post(live, "/v1/events", body, media, who="dev", **named)

    assert answer.json()["accepted"] == 4, answer.text
    told = [{"decision_id": row["event_id"], "label": 1.0, "at": AT} for row in rows]
    body, media = BODIES[kind]("outcomes", told)
    assert post(live, "/v1/outcomes", body, media, who="dev", **named).json()["accepted"] == 4


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("atomic=yes", 422, "bad_event"),
        ("atomic=true&atomic=false", 422, "parameter_twice"),
        ("atom=true", 422, "unknown_parameter"),
        ("model=m", 422, "bad_event"),
        ("model=m&version=x&decision_point=p", 422, "bad_event"),
        ("model=m&version=1&decision_point=p", 404, "not_found"),
    ],
)
def test_a_query_that_is_not_understood_is_refused(
    live: Live, query: str, status: int, code: str
) -> None:
    row = {"event_id": str(uuid.uuid4()), "at": AT}
    url = f"/v1/events?{query}"

    answer = post(live, url, lines_of([row]), LINES, who="dev")

    problem_of(answer, status, code)


def test_what_the_body_names_the_query_does_not_name_again(live: Live, place: Place) -> None:
    row = {"event_id": str(uuid.uuid4()), "at": AT}
    body = orjson.dumps({"events": [row], "model": place.model})

    answer = post(live, "/v1/events", body, "application/json", who="dev", model=place.model)

    problem_of(answer, 422, "bad_event")


def test_unknown_features_are_stored_told_and_counted_by_day(live: Live, place: Place) -> None:
    rows = events(live, place, 4, features={"x": 1, "typo": 2})
    rows[0]["features"] = {"x": 1}

    found = post(live, "/v1/events", lines_of(rows), LINES).json()
    post(live, "/v1/events", lines_of(rows), LINES)  # duplicates count nothing

    assert found["unknown_features"] == {"typo": 3}
    path = f"/v1/models/{place.model}/versions/{place.version}/unknown-features"
    (told,) = live["dev"].get(path)["features"]
    assert (told["name"], told["events"]) == ("typo", 3)
    assert told["first_day"] == told["last_day"]
    metrics = httpx.get(f"{live.url}/metrics").text
    counted = next(one for one in metrics.splitlines() if one.startswith("modelward_unknown"))
    assert float(counted.split()[1]) >= 3


def test_inputs_that_are_no_numbers_are_stored_and_told(live: Live, place: Place) -> None:
    rows = events(live, place, 5)
    for row, x in zip(rows, ("many", 1, True, None, 0.5), strict=True):
        row["features"] = {"x": x}

    found = post(live, "/v1/events", lines_of(rows), LINES).json()

    assert (found["accepted"], found["invalid_features"]) == (5, {"x": 2})


def test_made_up_names_fill_neither_the_answer_nor_the_table(live: Live) -> None:
    place = seated(live)
    path = f"/v1/models/{place.model}/versions/{place.version}/unknown-features"
    for turn in range(8):
        made_up = {f"{'long' * 60}-{turn}-{n}": n for n in range(50)}
        made_up |= {f"name-{turn}-{n}": n for n in range(200)}
        rows = events(live, place, 3, features={"always": 1, **made_up})
        rows[1]["features"] = {"always": 1}
        told = post(live, "/v1/events", lines_of(rows), LINES).json()["unknown_features"]
        assert len(told) == 21
        assert told["always"] == 3
        assert told["…"] > 300
        assert all(len(name) <= 100 for name in told)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:  # until the worker has folded them
        found = live["dev"].get(path)["features"]
        if len(found) <= 101 and sum(one["name"] == "…" for one in found) == 1:
            break
        time.sleep(0.5)

    named = {one["name"]: one["events"] for one in found}
    assert len(named) <= 101
    assert named["always"] == 24
    assert sum(named.values()) == 8 * (3 + 2 * (1 + 200))


@pytest.mark.parametrize(("seed", "size"), [(1, 0), (2, 1), (3, 65_536), (4, 65_537), (5, 3 * MIB)])
def test_what_was_packed_is_unpacked_whole_however_many_members(seed: int, size: int) -> None:
    rng = random.Random(seed)
    plain = bytes(rng.choices(b"abcdefgh\n", k=size))
    cut = size // 3
    counted: list[int] = []

    assert unpack(gzip.compress(plain, mtime=0), 64 * MIB, counted.append) == plain
    assert sum(counted) == size
    members = gzip.compress(plain[:cut], mtime=0) + gzip.compress(plain[cut:])
    assert unpack(members, 64 * MIB, counted.append) == plain


@pytest.mark.parametrize(
    ("packed", "kind"),
    [
        (b"", Malformed),
        (b"plain", Malformed),
        (gzip.compress(b"a" * 1000, mtime=0)[:-3], Malformed),
        (gzip.compress(b"a" * 1000, mtime=0)[:-9], Malformed),
        (gzip.compress(b"a" * 1000, mtime=0) + b"trailing", Malformed),
        (gzip.compress(b"a" * 1000, mtime=0) + bytes(20), Malformed),
        (zlib.compress(b"a" * 1000), Malformed),
        (gzip.compress(b"", mtime=0) * 20_000, Malformed),
        (gzip.compress(bytes(3 * MIB), mtime=0), TooLarge),  # a thousandth
        (gzip.compress(random.Random(1).randbytes(MIB)), TooLarge),  # more than the limit
    ],
)
def test_what_does_not_unpack_is_refused(packed: bytes, kind: type[Exception]) -> None:
    sizes: list[int] = []

    with pytest.raises(kind):
        unpack(packed, MIB // 2 if len(packed) > MIB else 64 * MIB, sizes.append)

    assert sum(sizes) <= 2 * MIB
