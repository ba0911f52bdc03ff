"""Read all at once, events are what they are one by one; whatever is odd is not read at once."""

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.telemetry import Claim, Part, unseal, wholesale
from app.telemetry.batch import Batch
from app.telemetry.events import EVERYTHING, BadEvent, Bounds, Micros, micros, read
from app.telemetry.token import CLAIM, TAG, seal
from tests.strategies import FLOATS, INTEGERS, JSON, TEXTS
from tests.telemetry.test_token import SECRET, claims

SECRETS = {1: SECRET, 7: bytes(32)}
MANY = 2 * wholesale.FEWEST
NOON = "2024-05-03T12:00:00Z"
NOW = datetime(2026, 1, 1)  # noqa: DTZ001 - a bound, given zones by the strategy


def one_by_one(rows: list[Any], bounds: Bounds = EVERYTHING) -> tuple[Batch, list[Any]]:
    def claim_of(token: str | None, _: bytes | None) -> Claim:
        if token is None:
            raise BadEvent("token is required.")
        claim = unseal(token, SECRETS)
        bounds.require(claim)
        return claim

    good, bad = read(rows, claim_of)
    return Batch.gather(good), bad


def told(batch: Batch) -> list[Any]:
    """Everything that a batch says, with its groups by name."""
    found = []
    for record, features in zip(batch.records, batch.features.objects(), strict=True):
        values = dict(zip(record.dtype.names, record.item(), strict=True))
        values["group"] = batch.groups[values["group"]]
        found.append((sorted((name, repr(value)) for name, value in values.items()), features))
    return found


def token(number: int, **fields: Any) -> str:
    claim = Claim(
        Part.ARM, number.to_bytes(16), bytes([2]) * 16, bytes([3]) * 16, 4, 5, 0.5, 6, bytes(8), "a"
    )
    return seal(claim._replace(**fields), 1, SECRET)


def rows_of(*odd: Any) -> list[Any]:
    rows: list[Any] = [
        {"token": token(number), "at": NOON, "features": {"x": number}, "score": 0.5}
        for number in range(MANY, 0, -1)
    ]
    for number, row in enumerate(odd):
        rows[7 * number % MANY] = row
    return rows


CLAIMS = claims().map(lambda claim: claim._replace(generation=claim.generation >> 1))
SEALED = st.builds(seal, CLAIMS, st.just(1), st.just(SECRET))
ELSEWHERE = st.builds(seal, CLAIMS, st.sampled_from([7, 9]), st.just(bytes(32)))
FIELDS: dict[str, Any] = {
    "token": SEALED | ELSEWHERE | st.integers(1, MANY).map(token) | JSON,
    "at": st.datetimes(timezones=st.timezones()).map(datetime.isoformat) | st.just(NOON) | JSON,
    "event_id": st.uuids().map(str) | st.sampled_from([str(UUID(int=n)) for n in range(3)]) | JSON,
    "features": st.dictionaries(TEXTS, TEXTS | FLOATS | INTEGERS | st.none()) | JSON,
    "score": FLOATS | INTEGERS | JSON,
    "prediction": INTEGERS | st.booleans() | JSON,
    "latency_ms": FLOATS | JSON,
    "more": JSON,
}
LIKELY = st.fixed_dictionaries(
    {"token": SEALED, "at": st.just(NOON)},
    optional={
        "event_id": st.uuids().map(str),
        "features": st.dictionaries(TEXTS, TEXTS | FLOATS | st.none()),
        "score": st.floats(-1e15, 1e15) | st.none(),
        "prediction": st.booleans() | st.integers(-5, 5),
        "latency_ms": st.none() | st.integers(0, 9),
    },
)


@settings(max_examples=150, deadline=None)
@given(st.lists(LIKELY | st.fixed_dictionaries({}, optional=FIELDS) | JSON, max_size=6))
@example([{"token": token(3), "at": NOON, "features": []}])
@example([{"token": token(3), "at": NOON, "features": 0}])
@example([{"token": token(3), "at": NOON, "score": float("nan")}])
@example([{"token": token(3), "at": NOON, "score": float("inf")}])
@example([{"token": token(3), "at": NOON, "score": 10**400}])
@example([{"token": token(3), "at": NOON, "event_id": str(UUID(int=0))}] * 2)
@example([{"token": token(3, arm="another"), "at": NOON}, {"token": token(3), "at": NOON}])
@example([{"token": token(3) + "A", "at": NOON}, {"token": token(3) + "=", "at": NOON}])
def test_read_at_once_events_are_what_they_are_one_by_one(odd: list[Any]) -> None:
    rows = rows_of(*odd)
    batch, bad = one_by_one(rows)

    found = wholesale.read(rows, SECRETS, EVERYTHING)

    assert (found is None) == bool(bad)
    if found is not None:
        assert told(found) == told(batch)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(CLAIMS, st.sampled_from([1, 7])), min_size=1, max_size=8))
def test_tokens_of_any_arms_keys_and_shadows_are_read_at_once(sealed: Any) -> None:
    rows = []
    for number in range(MANY):
        claim, key = sealed[number % len(sealed)]
        one = claim._replace(decision_id=number.to_bytes(16))
        rows.append({"token": seal(one, key, SECRETS[key]), "at": NOON})

    found = wholesale.read(rows, SECRETS, EVERYTHING)

    assert found is not None
    assert told(found) == told(one_by_one(rows)[0])


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.datetimes(datetime(1970, 1, 3), NOW, timezones=st.timezones()),  # noqa: DTZ001
        min_size=1,
    )
)
def test_times_are_the_same_microseconds(times: list[datetime]) -> None:
    texts = [at.isoformat() for at in times]

    assert wholesale.read_times(texts).tolist() == [micros(text) for text in texts]


def test_an_arrow_streams_times_are_read_at_once() -> None:
    rows = [{**row, "at": Micros(micros(NOON))} for row in rows_of()]

    found = wholesale.read(rows, SECRETS, EVERYTHING)

    assert found is not None
    assert set(found.records["at"].tolist()) == {micros(NOON)}


def _altered(at: int) -> Callable[[str], str]:
    return lambda text: text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


@pytest.mark.parametrize("at", [0, 1, 5, 60, 100, -20, -2, -1])
@pytest.mark.parametrize("arm", ["a", "ab", "abc"])
def test_one_forged_token_among_many_is_not_taken(at: int, arm: str) -> None:
    text = token(3, arm=arm)
    forged = {"token": _altered(at % len(text))(text), "at": NOON}
    rows = [{**row, "token": token(100 + n, arm=arm)} for n, row in enumerate(rows_of())]

    assert wholesale.read(rows, SECRETS, EVERYTHING) is not None
    assert wholesale.read([*rows, forged], SECRETS, EVERYTHING) is None
    assert wholesale.read(rows, {1: bytes(32)}, EVERYTHING) is None
    assert wholesale.read(rows, {}, EVERYTHING) is None


def test_what_is_not_remembered_or_was_erased_is_not_read_at_once() -> None:
    rows = rows_of()
    erased = {**rows[5], "token": token(9_999, unit=b"somebody", at_ms=70)}

    least = (1).to_bytes(16)
    assert wholesale.read(rows, SECRETS, Bounds(least, {})) is not None
    assert wholesale.read(rows, SECRETS, Bounds((2).to_bytes(16), {})) is None
    assert wholesale.read([*rows, erased], SECRETS, Bounds(least, {b"nobody..": 70})) is not None
    assert wholesale.read([*rows, erased], SECRETS, Bounds(least, {b"somebody": 70})) is None


def test_the_first_of_the_same_events_is_kept_in_whichever_batch_it_came() -> None:
    name = str(uuid4())
    first = {"token": token(5), "at": NOON, "score": 0.1, "event_id": name}
    again = {"token": token(5), "at": NOON, "score": 0.2}
    named = {"token": token(6), "at": NOON, "score": 0.3, "event_id": name}
    others = [{"token": token(1_000 + n), "at": NOON} for n in range(MANY)]

    batches = [
        wholesale.read([*others, first, again], SECRETS, EVERYTHING),
        wholesale.read([named, *others], SECRETS, EVERYTHING),
        one_by_one([{"token": token(2_000, part=Part.SHADOW), "at": NOON}])[0],
    ]
    assert None not in batches
    merged = Batch.merge([batch for batch in batches if batch is not None])

    assert len(merged) == MANY + 2
    assert np.bincount(merged.records["owner"]).tolist() == [MANY + 1, 0, 1]
    scores = merged.records["score"][~np.isnan(merged.records["score"])]
    assert scores.tolist() == [0.1]
    shadow = merged.records[merged.records["owner"] == 2]["group"][0]
    assert merged.groups[shadow][2] == "shadow:a"


@given(
    st.integers(CLAIM.size + TAG + 1, CLAIM.size + TAG + 30).flatmap(
        lambda size: st.lists(st.binary(min_size=size, max_size=size), min_size=1, max_size=5)
    )
)
def test_tokens_are_decoded_together_as_each_by_itself(raw: list[bytes]) -> None:
    texts = [base64.urlsafe_b64encode(one).rstrip(b"=") for one in raw]
    length = len(texts[0])
    begins = np.arange(len(texts), dtype=np.int64) * length

    def decoded(letters: bytes) -> list[bytes]:
        found = wholesale._decoded(np.frombuffer(letters, np.uint8), begins, length)
        return [one.tobytes() for one in found]

    whole = b"".join(texts)
    assert decoded(whole) == raw
    for other in (b"=", b"+", b"/", b"\xff", b" "):
        for at in (0, length // 2, length - 1):
            with pytest.raises(wholesale.Odd):
                decoded(whole[:at] + other + whole[at + 1 :])
