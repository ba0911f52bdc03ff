from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.kit.refusal import Refusal
from app.telemetry import MAX_EVENTS, BadToken, Claim, Part
from app.telemetry.events import BadEvent, NoEvents, TooManyEvents, items, micros, read
from tests.strategies import FLOATS, INTEGERS, JSON, TEXTS

CLAIM = Claim(
    part=Part.ARM,
    decision_id=bytes([1]) * 16,
    point_id=bytes([2]) * 16,
    version_id=bytes([3]) * 16,
    plan_revision=1,
    generation=1,
    propensity=1.0,
    at_ms=0,
    unit=bytes(8),
    arm="champion",
)
NOON = "2024-05-03T12:00:00Z"


def claim_of(token: str | None, _: bytes | None) -> Claim:
    if token != "good":  # noqa: S105 - no secret
        raise BadToken("The token is not good.")
    return CLAIM


FIELDS = {
    "event_id": st.uuids().map(str) | JSON,
    "token": st.just("good") | JSON,
    "at": st.datetimes(timezones=st.timezones()).map(datetime.isoformat) | JSON,
    "features": st.dictionaries(TEXTS, TEXTS | FLOATS | st.none()) | JSON,
    "score": FLOATS | JSON,
    "prediction": INTEGERS | JSON,
    "latency_ms": FLOATS | JSON,
}
EVENTS = st.fixed_dictionaries({}, optional={**FIELDS, "more": JSON})
LIKELY = st.fixed_dictionaries(
    {"token": st.just("good"), "at": st.just(NOON)},
    optional={name: drawn for name, drawn in FIELDS.items() if name not in {"token", "at"}},
)


@settings(max_examples=200, deadline=None)
@given(st.lists(JSON | EVENTS | LIKELY, max_size=4))
@example([{"token": "good", "at": "0001-01-01T00:00:00+23:59"}])
@example([{"token": "good", "at": "9999-12-31T23:59:59.999999-23:59"}])
@example([{"token": "good", "at": "2024-05-03T12:00:00+00:00:00.000001"}])
@example([{"token": "good", "at": "2024-05-03\ud80012:00:00Z"}])
@example([{"token": "good", "at": NOON, "event_id": "1" * 31 + "_"}])
@example([{"token": "good", "at": NOON, "score": 2**64 - 1}])
@example([{1: 2}, {"": 1}, [], None])
def test_every_row_is_taken_or_listed_with_its_index_and_nothing_raises(rows: list[Any]) -> None:
    good, bad = read(rows, claim_of)

    refused = [item["index"] for item in bad]
    assert refused == sorted(set(refused))
    assert len(good) + len(bad) == len(rows)
    assert all(set(item) == {"index", "code", "detail"} for item in bad)
    assert all(item["detail"].endswith(".") for item in bad)
    taken = [row for index, row in enumerate(rows) if index not in refused]
    for row, event in zip(taken, good, strict=True):
        assert event.claim is CLAIM
        assert event.features == (row.get("features") or {})
        assert event.score == (None if row.get("score") is None else float(row["score"]))
        assert event.event_id is None or len(event.event_id) == 16
        assert 0 < event.at < 2**53


def one(**fields: Any) -> dict[str, Any]:
    return {"token": "good", "at": NOON, **fields}


@pytest.mark.parametrize(
    ("row", "code", "word"),
    [
        (7, "bad_event", "object"),
        (one(extra=1), "bad_event", "'extra'"),
        (one(token=None), "bad_token", "token"),
        (one(token=5), "bad_event", "token"),
        (one(token="forged"), "bad_token", "token"),  # noqa: S106 - no secret
        ({"token": "good"}, "bad_event", "at"),
        (one(at="yesterday"), "bad_event", "'yesterday'"),
        (one(at="2024-05-03T12:00:00"), "bad_event", "zone"),
        (one(at="1969-12-31T23:59:59Z"), "bad_event", "1970"),
        (one(at="2300-01-01T00:00:00Z"), "bad_event", "future"),
        (one(at=1714737600), "bad_event", "RFC 3339"),
        (one(event_id="7"), "bad_event", "event_id"),
        (one(features=[1]), "bad_event", "features"),
        (one(features={"a": [1]}), "bad_event", "feature"),
        (one(features={"a": {}}), "bad_event", "feature"),
        (one(score="0.5"), "bad_event", "score"),
        (one(prediction={}), "bad_event", "prediction"),
        (one(latency_ms=[1]), "bad_event", "latency_ms"),
    ],
)
def test_a_refused_row_is_told_what_is_wrong(row: Any, code: str, word: str) -> None:
    good, bad = read([one(), row, one()], claim_of)

    assert len(good) == 2
    assert [(item["index"], item["code"]) for item in bad] == [(1, code)]
    assert word in bad[0]["detail"]


def test_an_event_carries_what_was_sent() -> None:
    sent = UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")
    row = one(
        event_id=str(sent), features={"a": 1, "b": None}, score=0.25, prediction=True, latency_ms=3
    )

    ([event], bad) = read([row], claim_of)

    assert not bad
    assert event.event_id == sent.bytes
    assert event.features == {"a": 1, "b": None}
    assert (event.score, event.prediction, event.latency_ms) == (0.25, 1.0, 3.0)


@settings(max_examples=200, deadline=None)
@given(
    st.datetimes(datetime(1970, 1, 3), datetime(2026, 1, 1)),  # noqa: DTZ001 - zoned below
    st.integers(-1439, 1439),
)
def test_a_time_is_its_exact_microseconds_whatever_its_zone(at: datetime, minutes: int) -> None:
    zoned = at.replace(tzinfo=timezone(timedelta(minutes=minutes)))

    expected = (zoned - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)

    assert micros(zoned.isoformat()) == expected


@pytest.mark.parametrize(
    "body", [None, 1, "events", [], [{}], {}, {"events": None}, {"events": {}}]
)
def test_a_body_of_another_shape_has_no_events(body: Any) -> None:
    with pytest.raises(NoEvents):
        items(body, "events")


def test_a_batch_has_one_event_at_least_and_ten_thousand_at_most() -> None:
    full: list[dict[str, Any]] = [{}] * MAX_EVENTS

    assert items({"events": full}, "events") is full
    with pytest.raises(NoEvents):
        items({"events": []}, "events")
    with pytest.raises(TooManyEvents) as refusal:
        items({"events": [*full, {}]}, "events")
    assert refusal.value.extra["limit"] == MAX_EVENTS


def test_refusals_of_events_are_refusals_a_caller_can_mend() -> None:
    for kind in (BadEvent, NoEvents, TooManyEvents, BadToken):
        assert issubclass(kind, Refusal)
        assert kind.mend
