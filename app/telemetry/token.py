"""Decision tokens: what was decided, signed, so that a decision costs no database write. Pure.

A token is base64url of a packed claim and a keyed BLAKE2b tag over it. The key belongs to the
tenant, so that one tenant's token means nothing to another.
"""

import binascii
import struct
from collections.abc import Callable
from enum import IntEnum
from hashlib import blake2b
from hmac import compare_digest
from typing import Any, NamedTuple

from app.kit.refusal import Invalid

FORMAT = 1
TAG = 16
CLAIM = struct.Struct(">BBB16s16s16sIQfQ8sB")
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")


class Part(IntEnum):
    """What part the version had in the decision."""

    ARM = 0
    SHADOW = 1


class BadToken(Invalid):
    """The token was altered, or made elsewhere."""

    code = "bad_token"
    title = "Not a decision token of this server"
    mend = "Send back the token exactly as the route call returned it."


_PARTS = tuple(Part)


class Claim(NamedTuple):
    """What a token says. Ids are their 16 bytes; ``unit`` is a keyed hash of 8."""

    part: Part
    decision_id: bytes
    point_id: bytes
    version_id: bytes
    plan_revision: int
    generation: int
    propensity: float
    at_ms: int
    unit: bytes
    arm: str


class Sealer:
    """One key, ready to seal: its hashes are begun once and copied, as a decision takes two."""

    __slots__ = ("_key_id", "_tag", "_units")

    def __init__(self, key_id: int, secret: bytes) -> None:
        self._key_id = key_id
        self._tag = tagger(secret)
        self._units = blake2b(digest_size=8, key=secret, person=b"unit")

    def unit(self, unit: str) -> bytes:
        """Return the pseudonym of a unit: eight bytes, keyed by the tenant's secret."""
        found = self._units.copy()
        found.update(unit.encode())
        return found.digest()

    def seal(self, *claim: Any) -> str:
        """Return the token of a claim, given by its fields as ``Claim`` has them."""
        arm = claim[-1].encode()
        body = CLAIM.pack(FORMAT, self._key_id, *claim[:-1], len(arm)) + arm
        return str(_text(body + self._tag(body)), "ascii")


def unit_hash(secret: bytes, unit: str) -> bytes:
    """Return the pseudonym of a unit."""
    return Sealer(0, secret).unit(unit)


def seal(claim: Claim, key_id: int, secret: bytes) -> str:
    """Return the token of a claim."""
    return Sealer(key_id, secret).seal(*claim)


def unseal(token: str, secrets: dict[int, bytes]) -> Claim:
    """Return the claim of a token made with one of a tenant's ``secrets``; refuse any other."""
    try:
        text = token.encode("ascii")
        raw = binascii.a2b_base64(text.translate(_FROM_URL) + b"==="[: -len(text) % 4])
    except (binascii.Error, ValueError) as error:
        raise BadToken("The token is not base64url.") from error
    if _text(raw) != text:
        raise BadToken("The token is spelled in another way than it was given.")
    if len(raw) <= CLAIM.size + TAG or raw[0] != FORMAT:
        raise BadToken("The token has another format.")
    body = raw[:-TAG]
    secret = secrets.get(raw[1])
    if secret is None or not compare_digest(raw[-TAG:], _tag(body, secret)):
        raise BadToken("The token's signature does not hold.")
    fields = CLAIM.unpack_from(body)
    return Claim._make((_PARTS[fields[2]], *fields[3:11], body[CLAIM.size :].decode()))


def tagger(secret: bytes) -> Callable[[bytes], bytes]:
    """Return what tags bodies with a secret; of many the hash is begun once."""
    begin = blake2b(digest_size=TAG, key=secret).copy

    def tag(body: bytes) -> bytes:
        found = begin()
        found.update(body)
        return found.digest()

    return tag


def _text(raw: bytes) -> bytes:
    return binascii.b2a_base64(raw, newline=False).translate(_TO_URL).rstrip(b"=")


def _tag(body: bytes, secret: bytes) -> bytes:
    return blake2b(body, digest_size=TAG, key=secret).digest()
