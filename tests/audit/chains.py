"""Chains as they are written, and what a check of them between two sound ones finds."""

from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from app.audit.chain import GENESIS, Entry, Fault, body_of
from app.audit.checking import Checker
from app.audit.sealing import seal
from tests.strategies import EXACT_INTEGERS, TEXTS, json_of

TENANT = UUID(int=7)
OTHER, TAMPERED, LAST = "a-model", "m-model", "z-model"

TIMES = st.datetimes(timezones=st.just(UTC))
DETAILS = st.dictionaries(TEXTS, json_of(EXACT_INTEGERS), max_size=3)
FACTS = st.fixed_dictionaries(
    {
        "at": TIMES,
        "actor_id": st.uuids(),
        "personal": st.fixed_dictionaries({"actor": TEXTS}, optional={"reason": TEXTS}),
        "action": TEXTS,
        "details": DETAILS,
    }
)
CHAINS = st.lists(FACTS, min_size=1, max_size=4)


def chained(stream: str, facts: Iterable[dict[str, Any]]) -> list[Entry]:
    entries: list[Entry] = []
    for seq, fact in enumerate(facts, 1):
        previous = entries[-1].hash if entries else GENESIS
        place: dict[str, Any] = {
            "tenant_id": TENANT,
            "stream": stream,
            "seq": seq,
            "salt": bytes([seq]) * 16,
        }
        entries.append(seal(previous, **place, **fact))
    return entries


def hashed(entry: Entry, previous: bytes) -> Entry:
    return entry._replace(hash=sha256(previous + body_of(entry)).digest())


def before_bodies(entries: list[Entry], name: str) -> list[Entry]:
    """The same chain as the first release wrote it."""
    old: list[Entry] = []
    for entry in entries:
        bare = entry._replace(body=None, personal=None, salt=None, actor_name=name)
        old.append(hashed(bare, old[-1].hash if old else GENESIS))
    return old


def head(entries: list[Entry]) -> tuple[int, bytes]:
    return entries[-1].seq, entries[-1].hash


def check(entries: list[Entry], heads: dict[str, tuple[int, bytes]]) -> list[Fault]:
    """Check entries in two batches, cut in the middle."""
    checker, cut = Checker(heads), len(entries) // 2
    return [*checker.take(entries[:cut]), *checker.take(entries[cut:]), *checker.end()]


def faults(
    entries: list[Entry], untouched: list[Entry], forged: tuple[int, bytes] | None = None
) -> list[Fault]:
    """Check ``entries`` between two sound streams, as the database would list them."""
    one, last = chained(OTHER, SOUND), chained(LAST, SOUND)
    heads = {OTHER: head(one), TAMPERED: forged or head(untouched), LAST: head(last)}
    listed = sorted([*one, *entries, *last], key=lambda entry: (entry.stream, entry.seq))
    return check(listed, heads)


SOUND = [
    {
        "at": datetime(2024, 5, 3, tzinfo=UTC),
        "actor_id": UUID(int=1),
        "personal": {"actor": "dana"},
        "action": "version.published",
        "details": {"number": number},
    }
    for number in (1, 2)
]


def first(found: list[Fault]) -> int:
    """Return the number of the one fault, which must be of the tampered stream."""
    assert [fault.stream for fault in found] == [TAMPERED]
    assert found[0].reason
    return found[0].seq
