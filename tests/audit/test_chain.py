import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.audit.chain import GENESIS, Fault, version_of
from app.audit.checking import holds
from app.audit.sealing import seal
from tests.audit.chains import (
    CHAINS,
    DETAILS,
    FACTS,
    LAST,
    OTHER,
    SOUND,
    TAMPERED,
    TENANT,
    TIMES,
    before_bodies,
    chained,
    check,
    faults,
    first,
    head,
)
from tests.strategies import TEXTS


@settings(max_examples=60, deadline=None)
@given(CHAINS)
def test_an_untouched_chain_has_no_fault(facts: list[dict[str, Any]]) -> None:
    entries = chained(TAMPERED, facts)

    assert faults(entries, entries) == []


@settings(max_examples=50, deadline=None)
@given(CHAINS, st.integers(-1439, 1439))
def test_a_time_read_in_another_zone_is_no_edit(facts: list[dict[str, Any]], minutes: int) -> None:
    entries = chained(TAMPERED, facts)
    zone = timezone(timedelta(minutes=minutes))
    assume(all(2 < entry.at.year < 9998 for entry in entries))

    moved = [entry._replace(at=entry.at.astimezone(zone)) for entry in entries]

    assert faults(moved, entries) == []


EDITS: dict[str, st.SearchStrategy[Any]] = {
    "tenant_id": st.uuids().map(str),
    "at": TIMES,
    "actor_id": st.uuids().map(str),
    "action": TEXTS,
    "details": DETAILS.map(json.dumps),
    "body": TEXTS,
    "personal": TEXTS,
    "salt": st.binary(max_size=16) | st.none(),
    "version_id": st.uuids().map(str),
    "hash": st.binary(min_size=32, max_size=32) | st.just(b""),
}


def _sorted(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


@settings(max_examples=100, deadline=None)
@given(CHAINS, st.sampled_from(sorted(EDITS)), st.data())
def test_any_edit_of_any_field_is_found_where_it_was_made(
    facts: list[dict[str, Any]], field: str, data: st.DataObject
) -> None:
    entries = chained(TAMPERED, facts)
    place = data.draw(st.integers(0, len(entries) - 1))
    value = data.draw(EDITS[field])
    before = getattr(entries[place], field)
    # As text where it is JSON: that tells 1 from true, Python does not.
    assume(value != before)
    assume(field != "details" or _sorted(value) != _sorted(before))

    edited = [*entries]
    edited[place] = entries[place]._replace(**{field: value})

    assert first(faults(edited, entries)) == place + 1


@settings(max_examples=60, deadline=None)
@given(CHAINS, st.data(), st.integers(1, 10))
def test_an_entry_moved_to_another_number_or_stream_is_missed_where_it_was(
    facts: list[dict[str, Any]], data: st.DataObject, by: int
) -> None:
    entries = chained(TAMPERED, facts)
    place = data.draw(st.integers(0, len(entries) - 1))
    renumbered, elsewhere = [*entries], [*entries]
    renumbered[place] = entries[place]._replace(seq=len(entries) + by)
    elsewhere[place] = entries[place]._replace(stream="n-model")

    assert first(faults(renumbered, entries)) == place + 1
    found = {fault.stream: fault.seq for fault in faults(elsewhere, entries)}
    assert found.pop(TAMPERED) == place + 1
    assert list(found) == ["n-model"]


@settings(max_examples=60, deadline=None)
@given(CHAINS, st.data())
def test_a_removed_entry_is_named(facts: list[dict[str, Any]], data: st.DataObject) -> None:
    entries = chained(TAMPERED, facts)
    place = data.draw(st.integers(0, len(entries) - 1))

    assert first(faults(entries[:place] + entries[place + 1 :], entries)) == place + 1


@settings(max_examples=60, deadline=None)
@given(CHAINS, st.data())
def test_a_truncated_chain_misses_the_first_entry_that_is_gone(
    facts: list[dict[str, Any]], data: st.DataObject
) -> None:
    entries = chained(TAMPERED, facts)
    kept = data.draw(st.integers(0, len(entries) - 1))

    (fault,) = faults(entries[:kept], entries)

    assert (fault.stream, fault.seq) == (TAMPERED, kept + 1)
    assert "missing" in fault.reason


@settings(max_examples=100, deadline=None)
@given(st.lists(FACTS, min_size=2, max_size=4), st.data())
def test_two_entries_that_changed_places_are_found_at_the_earlier(
    facts: list[dict[str, Any]], data: st.DataObject
) -> None:
    entries = chained(TAMPERED, facts)
    one, two = sorted(
        data.draw(st.lists(st.integers(0, len(entries) - 1), min_size=2, max_size=2, unique=True))
    )
    swapped = [*entries]
    swapped[one] = entries[two]._replace(seq=one + 1)
    swapped[two] = entries[one]._replace(seq=two + 1)

    assert first(faults(swapped, entries)) == one + 1


@settings(max_examples=100, deadline=None)
@given(CHAINS, FACTS, st.booleans(), st.data())
def test_an_inserted_entry_is_found_even_if_its_own_hash_was_computed(
    facts: list[dict[str, Any]],
    forged: dict[str, Any],
    computed: bool,  # noqa: FBT001 - drawn
    data: st.DataObject,
) -> None:
    entries = chained(TAMPERED, facts)
    place = data.draw(st.integers(0, len(entries)))
    previous = entries[place - 1].hash if place else GENESIS
    at: dict[str, Any] = {
        "tenant_id": TENANT,
        "stream": TAMPERED,
        "seq": place + 1,
        "salt": bytes(16),
    }
    entry = seal(previous, **at, **forged)
    entry = entry if computed else entry._replace(hash=bytes(32))
    later = [one._replace(seq=one.seq + 1) for one in entries[place:]]

    found = first(faults([*entries[:place], entry, *later], entries))

    # A forged entry that fits shows at its successor, the last one at the head.
    assert found == (min(place + 2, len(entries) + 1) if computed else place + 1)


@settings(max_examples=60, deadline=None)
@given(CHAINS, st.data())
def test_a_chain_rewritten_to_its_end_does_not_meet_its_head(
    facts: list[dict[str, Any]], data: st.DataObject
) -> None:
    entries = chained(TAMPERED, facts)
    place = data.draw(st.integers(0, len(entries) - 1))
    other = [*facts]
    other[place] = {**facts[place], "action": facts[place]["action"] + "!"}

    assert first(faults(chained(TAMPERED, other), entries)) == len(entries)


@settings(max_examples=60, deadline=None)
@given(CHAINS, st.integers(0, 9), st.binary(min_size=32, max_size=32))
def test_a_changed_head_is_found(facts: list[dict[str, Any]], seq: int, forged: bytes) -> None:
    entries = chained(TAMPERED, facts)
    count, true = head(entries)
    assume(seq != count)
    assume(forged != true)

    assert first(faults(entries, entries, forged=(count, forged))) == count
    found = first(faults(entries, entries, forged=(seq, true)))
    assert found == (count + 1 if seq > count else count)


def test_a_head_that_is_gone_and_a_stream_that_is_gone_are_found() -> None:
    entries = chained(TAMPERED, SOUND)

    (headless,) = check(entries, {})
    (empty,) = check([], {TAMPERED: head(entries)})

    assert (headless.stream, headless.seq) == (TAMPERED, 2)
    assert empty == Fault(TAMPERED, 1, "every entry of the stream is missing")


def test_a_stream_without_a_name_needs_its_head_as_well() -> None:
    assert [(fault.stream, fault.seq) for fault in check(chained("", SOUND), {})] == [("", 2)]


def test_what_the_server_writes_is_settled_at_a_glance() -> None:
    """Taking an entry apart costs many times as much: long logs must not need it."""
    at = datetime(2024, 5, 3, 1, 2, 3, 4, tzinfo=UTC)
    details = {"kind": "technical", "version_id": str(UUID(int=3)), "wrote": {"b": "1", "a": None}}
    sound = chained("point:p", [{**SOUND[0], "at": at, "details": details}])[0]

    assert holds(GENESIS, sound)
    assert holds(GENESIS, (*sound, b"leaf", None))
    assert not any(
        holds(GENESIS, sound._replace(**{name: value}))
        for name, value in sound._replace(
            tenant_id=str(UUID(int=1)), stream="point:q", seq=2, at=at.replace(second=4),
            actor_id=str(UUID(int=2)), actor_name="dana", action="x", details="{}",
            version_id=None, body="{}", personal="{}", salt=b"", hash=b"",
        )._asdict().items()
    )  # fmt: skip


def test_each_broken_stream_is_named_once() -> None:
    streams = [chained(name, SOUND) for name in (OTHER, TAMPERED, LAST)]
    heads = {entries[0].stream: head(entries) for entries in streams}
    broken = [
        entry._replace(action="x") for entries in streams[::2] for entry in entries
    ] + streams[1]

    found = check(sorted(broken, key=lambda entry: (entry.stream, entry.seq)), heads)

    assert [(fault.stream, fault.seq) for fault in found] == [(OTHER, 1), (LAST, 1)]


@pytest.mark.parametrize("number", [2**53, -(2**60), 10**16, 2**64])
def test_a_number_written_past_the_server_is_named_and_not_stumbled_over(number: int) -> None:
    entries = chained(TAMPERED, SOUND)
    edited = [entries[0]._replace(details=json.dumps({"number": number})), entries[1]]

    assert first(faults(edited, entries)) == 1


def test_the_hash_is_what_the_documentation_lets_anyone_recompute() -> None:
    kept = sha256(bytes([1]) * 16 + b'{"actor":"dana"}').hexdigest()
    text = (
        '{"action":"version.published","actor":"00000000-0000-0000-0000-000000000001",'
        '"at":"2024-05-03T00:00:00.000000+00:00","details":{"number":1},'
        f'"personal":"{kept}","seq":1,'
        '"stream":"m-model","tenant":"00000000-0000-0000-0000-000000000007"}'
    )

    assert chained(TAMPERED, SOUND)[0].body == text
    assert chained(TAMPERED, SOUND)[0].hash == sha256(bytes(32) + text.encode()).digest()


def test_entries_of_the_first_release_still_hold_and_their_edits_show() -> None:
    text = (
        '{"action":"version.published","actor":"00000000-0000-0000-0000-000000000001",'
        '"at":"2024-05-03T00:00:00.000000+00:00","details":{"number":1},"name":"dana","seq":1,'
        '"stream":"m-model","tenant":"00000000-0000-0000-0000-000000000007"}'
    )
    old = before_bodies(chained(TAMPERED, SOUND), "dana")
    renamed = [old[0], old[1]._replace(actor_name="nobody")]

    assert old[0].hash == sha256(bytes(32) + text.encode()).digest()
    assert faults(old, old) == []
    assert first(faults(renamed, old)) == 2


@settings(max_examples=60, deadline=None)
@given(CHAINS, st.data())
def test_personal_data_can_be_erased_and_nothing_else_changes(
    facts: list[dict[str, Any]], data: st.DataObject
) -> None:
    entries = chained(TAMPERED, facts)
    erased = [
        entry._replace(personal=None, salt=None) if data.draw(st.booleans()) else entry
        for entry in entries
    ]

    assert faults(erased, entries) == []
    assert all(entry.personal not in (entry.body or "") for entry in entries if entry.personal)


@pytest.mark.parametrize(("before", "after"), [(1, True), (0, False), (1, "1"), (1.5, "1.5")])
def test_a_value_of_another_type_is_another_value(before: Any, after: Any) -> None:
    fact = {**SOUND[0], "details": {"value": before}}
    entries = chained(TAMPERED, [fact])

    assert first(faults([entries[0]._replace(details=json.dumps({"value": after}))], entries)) == 1


@pytest.mark.parametrize("number", [1e16, 1e300, 0.1, 1e-7, -0.0, 2.0**60])
def test_a_number_that_the_database_writes_otherwise_is_the_same_number(number: float) -> None:
    entries = chained(TAMPERED, [{**SOUND[0], "details": {"value": number}}])
    stored = [entries[0]._replace(details=f'{{"value": {Decimal(repr(number)):f}}}')]

    assert faults(stored, entries) == []


def test_an_entry_is_filed_under_the_version_it_is_about() -> None:
    version = str(UUID(int=5))

    assert version_of(f"version:{version}", None) == version
    assert version_of("point:x", version) == version
    assert version_of("point:x", "5") is None
    assert version_of("version:x", None) is None
