"""Signed checkpoints: C2SP tlog-checkpoint in a signed note, with Ed25519. Pure.

A checkpoint says of a log, by its origin, how many entries it has and the root over them::

    modelward/0198c0de-…
    1042
    <base64 of the root>

    — modelward/0198c0de-… <base64 of key hash and signature>

Anyone who kept one can see whether the log of today still begins with what it was then.
"""

import base64
import hashlib
import re
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519 = b"\x01"
_HASH, _SIGNATURE = 4, 64
_DASH = "\u2014 "
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class BadNote(ValueError):
    """The text is not a checkpoint, or not signed by the key it should be."""


class Checkpoint(NamedTuple):
    """The state of a log at one moment."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> str:
    """Return the checkpoint as a signed note; the key goes by the log's origin."""
    public = key.public_key().public_bytes_raw()
    signed = _key_hash(checkpoint.origin, public) + key.sign(checkpoint.text.encode())
    line = f"{_DASH}{checkpoint.origin} {base64.b64encode(signed).decode()}\n"
    return f"{checkpoint.text}\n{line}"


def verifier(origin: str, public: bytes) -> str:
    """Return the public key as people hand it on: ``name+hash+key``."""
    key = base64.b64encode(_ED25519 + public).decode()
    return f"{origin}+{_key_hash(origin, public).hex()}+{key}"


def read(note: str) -> Checkpoint:
    """Return a note's checkpoint without looking at signatures; raise ``BadNote``."""
    text, _, _ = note.partition("\n\n")
    lines = text.split("\n")
    try:
        origin, size, root = lines[0], lines[1], base64.b64decode(lines[2], validate=True)
    except (IndexError, ValueError) as error:
        raise BadNote("This is not a checkpoint.") from error
    if not _SIZE.fullmatch(size):
        raise BadNote("The checkpoint's size is not a number.")
    if not origin or len(root) != hashlib.sha256().digest_size:
        raise BadNote("This is not a checkpoint.")
    return Checkpoint(origin, int(size), root)


def verify(note: str, key: str) -> Checkpoint:
    """Return the note's checkpoint if ``key`` (as ``verifier`` writes it) signed it."""
    name, public = _public(key)
    found = read(note)
    text, gap, lines = note.partition("\n\n")
    if found.origin != name or not gap:
        raise BadNote(f"The checkpoint is of {found.origin!r}, the key of {name!r}.")
    wanted = _key_hash(name, public)
    for line in lines.splitlines():
        signer, _, encoded = line.removeprefix(_DASH).rpartition(" ")
        if signer != name or not line.startswith(_DASH):
            continue
        try:
            signed = base64.b64decode(encoded, validate=True)
        except ValueError as error:
            raise BadNote("A signature is not base64.") from error
        if signed[:_HASH] != wanted or len(signed) != _HASH + _SIGNATURE:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signed[_HASH:], f"{text}\n".encode())
        except InvalidSignature as error:
            raise BadNote("The signature does not hold.") from error
        return found
    raise BadNote("The checkpoint is not signed by this key.")


def _public(key: str) -> tuple[str, bytes]:
    name, _, rest = key.strip().partition("+")
    digest, _, encoded = rest.partition("+")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise BadNote("The verifier key is not base64.") from error
    public = raw[1:]
    if raw[:1] != _ED25519 or len(public) != 32 or _key_hash(name, public).hex() != digest:  # noqa: PLR2004 - an Ed25519 key
        raise BadNote("This is not a verifier key.")
    return name, public


def _key_hash(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:_HASH]
