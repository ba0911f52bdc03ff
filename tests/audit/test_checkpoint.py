"""Signed notes: what one key signed, and nothing else, passes."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from app.audit.checkpoint import BadNote, Checkpoint, read, sign, verifier, verify

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
FOUND = Checkpoint("modelward/t", 42, bytes(range(32)))
NOTE = sign(FOUND, KEY)


def public(key: Ed25519PrivateKey, origin: str = "modelward/t") -> str:
    return verifier(origin, key.public_key().public_bytes_raw())


def test_a_note_reads_as_the_standard_writes_it() -> None:
    text, signatures = NOTE.split("\n\n")
    name, encoded = signatures.removeprefix("— ").split()

    assert text == f"modelward/t\n42\n{base64.b64encode(bytes(range(32))).decode()}"
    assert (name, len(base64.b64decode(encoded)), NOTE[-1]) == ("modelward/t", 68, "\n")
    assert verify(NOTE, public(KEY)) == read(NOTE) == FOUND


def test_a_published_verifier_key_is_read_and_written_alike() -> None:
    """The key of Go's checksum database, as its source carries it."""
    text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    name, _, key = text.split("+", 2)

    assert verifier(name, base64.b64decode(key)[1:]) == text


def test_a_note_with_further_signatures_passes() -> None:
    witnessed = NOTE + "— a.witness " + base64.b64encode(bytes(76)).decode() + "\n"

    assert verify(witnessed, public(KEY)) == FOUND


@pytest.mark.parametrize(
    ("note", "key"),
    [
        (sign(FOUND, OTHER), public(KEY)),
        (NOTE, public(KEY, "modelward/u")),
        (NOTE.replace("42", "43"), public(KEY)),
        (NOTE.replace("modelward/t", "modelward/u"), public(KEY)),
        (NOTE.split("\n\n", maxsplit=1)[0] + "\n\n", public(KEY)),
        (NOTE.split("\n\n", maxsplit=1)[0], public(KEY)),
        (NOTE.replace("42", "042"), public(KEY)),
        (NOTE.replace("42", "-1"), public(KEY)),
        ("", public(KEY)),
        (NOTE, ""),
        (NOTE, "modelward/t+00000000+AAAA"),
        (NOTE, public(KEY)[:-4] + "AAAA"),
    ],
)
def test_what_the_key_did_not_sign_does_not_pass(note: str, key: str) -> None:
    with pytest.raises(BadNote):
        verify(note, key)


@given(st.integers(0, 8 * len(NOTE.encode()) - 1))
def test_no_note_survives_a_flipped_bit(bit: int) -> None:
    data = bytearray(NOTE.encode())
    data[bit // 8] ^= 1 << bit % 8
    try:
        changed = data.decode()
    except UnicodeDecodeError:
        return

    try:
        found = verify(changed, public(KEY))
    except BadNote:
        return
    # Base64 has bits that mean nothing; what is signed has none.
    assert found == FOUND
    assert changed.partition("\n\n")[0] == NOTE.partition("\n\n")[0]
