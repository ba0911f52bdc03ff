"""Decision tokens: what was decided, signed, so that a decision costs no database write. Pure.

A token is base64url of a packed claim and a keyed BLAKE2b tag over it. The key belongs to the
tenant, so that one tenant's token means nothing to another.
"""

import base64
import binascii
import struct
from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b
from hmac import compare_digest

from app.kit.refusal import Invalid

_FORMAT = 1
_TAG = 16
_CLAIM = struct.Struct(">BBB16s16s16sIQfQ8sB")


class Part(IntEnum):
    """What part the version had in the decision."""

    ARM = 0
    SHADOW = 1


class BadToken(Invalid):
    """The token was altered, or made elsewhere."""

    code = "bad_token"
    title = "Not a decision token of this server"
    mend = "Send back the token exactly as the route call returned it."


@dataclass(frozen=True, slots=True)
class Claim:
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


def unit_hash(secret: bytes, unit: str) -> bytes:
    """Return the pseudonym of a unit: eight bytes, keyed by the tenant's secret."""
    return blake2b(unit.encode(), digest_size=8, key=secret, person=b"unit").digest()


def seal(claim: Claim, key_id: int, secret: bytes) -> str:
    """Return the token of a claim."""
    arm = claim.arm.encode()
    body = (
        _CLAIM.pack(
            _FORMAT,
            key_id,
            claim.part,
            claim.decision_id,
            claim.point_id,
            claim.version_id,
            claim.plan_revision,
            claim.generation,
            claim.propensity,
            claim.at_ms,
            claim.unit,
            len(arm),
        )
        + arm
    )
    tag = blake2b(body, digest_size=_TAG, key=secret).digest()
    return _text(body + tag)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unseal(token: str, secrets: dict[int, bytes]) -> Claim:
    """Return the claim of a token made with one of a tenant's ``secrets``; refuse any other."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadToken("The token is not base64url.") from error
    if _text(raw) != token:
        raise BadToken("The token is spelled in another way than it was given.")
    if len(raw) <= _CLAIM.size + _TAG or raw[0] != _FORMAT:
        raise BadToken("The token has another format.")
    body, tag = raw[:-_TAG], raw[-_TAG:]
    secret = secrets.get(raw[1])
    if secret is None or not compare_digest(
        tag, blake2b(body, digest_size=_TAG, key=secret).digest()
    ):
        raise BadToken("The token's signature does not hold.")
    fields = _CLAIM.unpack_from(body)
    return Claim(
        part=Part(fields[2]),
        decision_id=fields[3],
        point_id=fields[4],
        version_id=fields[5],
        plan_revision=fields[6],
        generation=fields[7],
        propensity=fields[8],
        at_ms=fields[9],
        unit=fields[10],
        arm=body[_CLAIM.size :].decode(),
    )
