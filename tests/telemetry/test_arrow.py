"""Arrow streams: the same events as JSON makes, and nothing else, whatever the bytes say."""

import json
import random
import struct
import tracemalloc
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.kit.refusal import Malformed, Refusal, TooLarge
from app.telemetry.arrow import BadColumns, rows_of
from app.telemetry.events import MAX_EVENTS, BadEvent, read
from app.telemetry.ipc import Packed
from app.telemetry.rows import understood
from tests.telemetry.streams import ARROW, lines_of, stream_of
from tests.telemetry.test_events import NOON, claim_of

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
ROWS = st.fixed_dictionaries(
    {
        "token": st.sampled_from(["good", "forged", None]),
        "at": st.sampled_from([NOON, "yesterday", "2300-01-01T00:00:00Z"]),
        "event_id": st.uuids().map(str) | st.none() | st.just("7"),
        "features": st.fixed_dictionaries(
            {"x": st.floats(allow_nan=False, allow_infinity=False), "word": TEXT | st.none()}
        ),
        "score": st.floats(0, 1) | st.none() | st.just(1e300),
        "latency_ms": st.floats(0, 1e4) | st.none(),
    }
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=6))
def test_a_stream_says_what_the_same_rows_say_as_json_and_as_lines(
    rows: list[dict[str, Any]],
) -> None:
    found = [
        read(understood(media, body, {}, "events")["events"], claim_of)
        for media, body in (
            ("application/json", json.dumps({"events": rows}).encode()),
            ("application/x-ndjson", lines_of(rows)),
            (ARROW, stream_of(rows)),
        )
    ]

    assert found[0] == found[1] == found[2]


def test_times_and_ids_may_be_columns_of_their_own_kind() -> None:
    moment, name = datetime(2024, 5, 3, 12, 0, 0, 250_000, UTC), UUID(int=77)
    for unit in ("ms", "us", "ns"):
        table = pa.table(
            {
                "token": ["good"],
                "at": pa.array([moment], pa.timestamp(unit, "Australia/Sydney")),
                "event_id": pa.array([name.bytes], pa.binary(16)),
                "prediction": [True],
                "features": pa.array([{"word": "a"}]).cast(
                    pa.struct([("word", pa.dictionary(pa.int8(), pa.string()))])
                )
                if unit == "ms"
                else pa.array([{"word": "a"}]),
            }
        )
        ([event], bad) = read(rows_of(stream_of(table)), claim_of)

        assert not bad
        assert event.at == int(moment.timestamp() * 1e6)
        assert event.event_id == name.bytes
        assert (event.features, event.prediction) == ({"word": "a"}, 1.0)


@pytest.mark.parametrize(
    ("value", "word"), [(float("nan"), "finite"), (float("-inf"), "finite"), ("a\0b", "NUL")]
)
def test_what_json_cannot_carry_is_refused_in_its_own_row(value: Any, word: str) -> None:
    good: Any = 1.0 if isinstance(value, float) else "a"
    rows = [{"token": "good", "at": NOON, "features": {"x": x}} for x in (good, value, good)]

    taken, bad = read(rows_of(stream_of(rows)), claim_of)

    assert len(taken) == 2
    assert [(item["index"], item["code"]) for item in bad] == [(1, "bad_event")]
    assert word in bad[0]["detail"]


def nothings(count: int) -> pa.Table:
    return pa.table({"at": pa.nulls(count)})


def wordy() -> pa.Table:
    """Ten thousand rows that share one word of a megabyte."""
    word = pa.DictionaryArray.from_arrays(pa.array([0] * MAX_EVENTS), ["w" * (1 << 20)])
    return pa.table({"at": word})


def named_at_length() -> pa.Table:
    """Ten thousand rows of a feature whose name is 64 kB long."""
    feature = pa.StructArray.from_arrays([pa.nulls(MAX_EVENTS)], ["n" * (1 << 16)])
    return pa.table({"features": feature})


def overlaid() -> bytes:
    """Two columns of text over the same bytes."""
    raw = stream_of(pa.table({"at": ["a" * 1000], "token": ["b" * 1000]}))
    pairs = [
        at for at in range(0, len(raw) - 16, 8) if struct.unpack_from("<qq", raw, at)[1] == 1000
    ]
    assert len(pairs) == 2, "the layout of the stream has changed"
    return raw[: pairs[1]] + raw[pairs[0] : pairs[0] + 16] + raw[pairs[1] + 16 :]


def endless() -> bytes:
    """A batch that calls itself a thousand million rows long."""
    raw = stream_of(nothings(1000))
    return raw.replace(struct.pack("<q", 1000), struct.pack("<q", 10**9))


HOSTILE: dict[str, tuple[Any, type[Refusal]]] = {
    "nothing": (lambda: b"", Malformed),
    "a file": (lambda: b"ARROW1\0\0" + stream_of([{"at": NOON}]), Malformed),
    "cut off": (lambda: stream_of([{"at": NOON}] * 50)[:-100], Malformed),
    "without its end": (lambda: stream_of([{"at": NOON}])[:-8], Malformed),
    "something behind": (lambda: stream_of([{"at": NOON}]) + b"x", Malformed),
    "a huge head": (lambda: b"\xff\xff\xff\xff\xff\xff\xff\x7f", Malformed),
    "a negative head": (lambda: b"\xff\xff\xff\xff\xff\xff\xff\xff", Malformed),
    "lz4": (lambda: stream_of([{"at": NOON}] * 500, compression="lz4"), Packed),
    "zstd": (lambda: stream_of([{"at": NOON}] * 500, compression="zstd"), Packed),
    "too many rows": (lambda: stream_of(nothings(MAX_EVENTS + 1)), TooLarge),
    "endless rows": (endless, TooLarge),
    "an endless dictionary": (
        lambda: stream_of(
            pa.table({"at": pa.DictionaryArray.from_arrays(pa.array([0]), pa.nulls(10**9))})
        ),
        TooLarge,
    ),
    "a long word, often": (lambda: stream_of(wordy()), TooLarge),
    "many batches": (
        lambda: stream_of(pa.concat_tables([nothings(1)] * 20)), TooLarge,
    ),
    "columns over each other": (overlaid, Malformed),
    "many columns": (
        lambda: stream_of(pa.table({str(n): pa.nulls(1) for n in range(2100)})), TooLarge,
    ),
    "many cells": (
        lambda: stream_of(pa.table({str(n): pa.nulls(MAX_EVENTS) for n in range(300)})), TooLarge,
    ),
    "long names, often": (lambda: stream_of(named_at_length()), TooLarge),
    "lists": (lambda: stream_of([{"at": NOON, "score": [1.0]}]), BadColumns),
    "lists inside": (lambda: stream_of([{"at": NOON, "features": {"x": [1]}}]), BadColumns),
    "features of another shape": (lambda: stream_of([{"at": NOON, "features": 1}]), BadColumns),
    "a time without zone": (
        lambda: stream_of(pa.table({"at": pa.array([0], pa.timestamp("us"))})), BadColumns,
    ),
    "one name twice": (
        lambda: stream_of(pa.Table.from_arrays([pa.nulls(1)] * 2, names=["at", "at"])), BadColumns,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_stream_is_refused_before_it_costs_memory(name: str) -> None:
    rows_of(stream_of([{"at": NOON}]))  # the library is there
    make, kind = HOSTILE[name]
    raw = make()
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        with pytest.raises(kind):
            rows_of(raw)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 8 << 20
    assert pa.total_allocated_bytes() - before < 8 << 20


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_stream_is_read_or_refused_and_nothing_else(seed: int) -> None:
    rng = random.Random(seed)
    good = stream_of(
        [
            {"token": "good", "at": NOON, "features": {"x": 1.5, "w": "a"}, "score": 0.5},
            {"token": None, "at": NOON, "features": None, "score": None},
        ]
    )
    for _ in range(400):
        raw = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        try:
            rows = rows_of(bytes(raw))
        except Refusal:
            continue
        assert all(isinstance(row, dict | BadEvent) for row in rows)
        read(rows, claim_of)
