"""An exported log, verified with nothing but the public key."""

import functools
import uuid
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audit import Reading, merkle, verify_export
from app.audit.chain import GENESIS
from app.audit.checkpoint import Checkpoint
from app.audit.sealing import seal
from tests.audit.logs import ACTOR, OTHER, STREAM, TENANT, signer_in

SIGNER = signer_in(Path("/nonexistent"))
KEY = SIGNER.verifier(TENANT)
SIGNED = (5, 10)


@functools.cache
def log(*, erased: bool = False) -> tuple[bytes, ...]:
    """An export of ten entries of two streams, signed after the fifth and the tenth.

    The last tells of an erasure, if asked.
    """
    lines, tree = [orjson.dumps({"kind": "log"})], []
    last: dict[str, tuple[int, bytes]] = {}
    for index in range(10):
        stream, action = (STREAM, OTHER)[index % 2], "act"
        if erased and index == SIGNED[-1] - 1:
            stream, action = f"principal:{ACTOR.id}", "principal.erased"
        entry = seal(
            last.get(stream, (0, GENESIS))[1],
            tenant_id=TENANT,
            stream=stream,
            seq=last.get(stream, (0, GENESIS))[0] + 1,
            at=datetime(2026, 1, 1, tzinfo=UTC), actor_id=ACTOR.id, action=action,
            details={"number": index}, personal={"actor": "dana"}, salt=uuid.UUID(int=index).bytes,
        )  # fmt: skip
        last[stream] = entry.seq, entry.hash
        tree.append(merkle.leaf_hash(entry.hash))
        lines.append(
            orjson.dumps(
                {
                    "kind": "entry", "index": index, "body": entry.body, "hash": entry.hash.hex(),
                    "personal": entry.personal, "salt": (entry.salt or b"").hex(),
                }
            )
        )  # fmt: skip
        if len(tree) in SIGNED:
            lines.append(orjson.dumps({"kind": "checkpoint", "note": note(tree)}))
    return tuple(line + b"\n" for line in lines)


def note(tree: list[bytes]) -> str:
    return SIGNER.sign(Checkpoint(SIGNER.origin(TENANT), len(tree), merkle.root_of(tree)))


def named(reading: Reading) -> tuple[str, int]:
    assert reading.fault is not None
    return reading.fault.stream, reading.fault.seq


def test_an_untouched_export_holds_and_says_how_far_it_is_signed() -> None:
    reading = verify_export(log(), KEY)

    assert (reading.ok, reading.entries, reading.signed) == (True, 10, 10)


@given(st.data())
def test_no_byte_of_an_export_can_be_changed_unseen(data: st.DataObject) -> None:
    place = data.draw(st.integers(1, len(log()) - 1))
    line = bytearray(log()[place])
    bit = data.draw(st.integers(0, 8 * (len(line) - 1) - 1))
    line[bit // 8] ^= 1 << bit % 8
    changed = [*log()[:place], bytes(line), *log()[place + 1 :]]

    reading = verify_export(changed, KEY)

    if reading.ok:
        # What reads the same is the same: a letter of a hexadecimal digit in another case, a bit
        # of base64 that means nothing.
        before, after = orjson.loads(log()[place]), orjson.loads(line)
        assert before["kind"] == after["kind"] == "checkpoint" or (
            before["salt"].lower() == after["salt"].lower()
        )
        assert before.get("body") == after.get("body")
        assert before.get("personal") == after.get("personal")


@given(st.integers(1, SIGNED[-1]))
def test_a_signed_line_left_out_is_named(index: int) -> None:
    lines = [line for line in log() if orjson.loads(line).get("index") != index - 1]

    stream, number = named(verify_export(lines, KEY))

    assert number == index
    assert stream == "log"


def test_a_log_cut_off_shows_against_a_checkpoint_that_was_kept() -> None:
    notes = [orjson.loads(line)["note"] for line in log() if b'"checkpoint"' in line]
    cut = log()[: SIGNED[0] + 2]

    assert verify_export(cut, KEY).ok
    assert named(verify_export(cut, KEY, [notes[1]])) == ("log", 6)
    assert verify_export(log(), KEY, notes).ok


def test_what_stands_behind_the_last_signature_is_not_called_sound() -> None:
    assert named(verify_export(log()[:-1], KEY)) == ("log", 6)


def test_a_log_made_anew_does_not_meet_what_was_signed_of_the_old_one() -> None:
    other = note([merkle.leaf_hash(bytes([number])) for number in range(7)])

    assert named(verify_export(log(), KEY, [other])) == ("log", 6)


def test_an_export_that_nobody_signed_is_not_called_sound() -> None:
    unsigned = [line for line in log() if b'"checkpoint"' not in line]
    stranger = SIGNER.verifier(uuid.UUID(int=8))

    assert not verify_export(unsigned, KEY).ok
    assert not verify_export(log(), stranger).ok
    assert not verify_export([], KEY).ok


@pytest.mark.parametrize("line", [b"", b"{}\n", b"[]\n", b"null\n", b'{"kind":"x"}\n', b"\xff\n"])
def test_a_line_that_is_no_line_is_a_fault_and_no_crash(line: bytes) -> None:
    assert not verify_export([*log()[:3], line, *log()[3:]], KEY).ok


def test_erased_personal_data_is_counted_and_holds() -> None:
    lines = [orjson.loads(line) for line in log(erased=True)]
    for item in lines[1:4]:
        item["personal"] = item["salt"] = None

    reading = verify_export([orjson.dumps(item) for item in lines], KEY)

    assert (reading.ok, reading.erased) == (True, 3)


def test_personal_data_that_no_erasure_took_is_missed() -> None:
    lines = [orjson.loads(line) for line in log()]
    lines[3]["personal"] = lines[3]["salt"] = None

    assert named(verify_export([orjson.dumps(item) for item in lines], KEY)) == (STREAM, 2)
