"""Signatures: what is signed with a registered key, byte for byte. Pure.

A registration is signed to show that its sender has the private half: over these four lines, each
ended by a line feed, the key in base64 (RFC 4648, 4)::

    modelward signing key v1
    tenant <tenant's id>
    principal <principal's id>
    key <the 32 bytes of the public key>
"""

import base64
import binascii
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.kit.refusal import Invalid, Kind, Refusal

KEY_BYTES, SIGNATURE_BYTES = 32, 64


class BadSignature(Invalid):
    """The signature is not one of this key over these words."""

    code = "bad_signature"
    title = "The signature does not hold"
    mend = "Sign exactly what the reference describes, about this very case, with the key named."


class SigningKeyRefused(Refusal):
    """The key is revoked, unknown here, or somebody else's."""

    kind = Kind.FORBIDDEN
    code = "signing_key_refused"
    title = "Not a key to sign this with"
    mend = (
        "Sign with a key of your own, or of whom you answer for, that is not revoked:"
        " POST /v1/principals/{principal_id}/signing-keys registers one."
    )


def text_of(tenant_id: UUID, principal_id: UUID, public_key: bytes) -> bytes:
    """Return what the registration of a key is signed over."""
    lines = (
        "modelward signing key v1",
        f"tenant {tenant_id}",
        f"principal {principal_id}",
        f"key {base64.b64encode(public_key).decode()}",
    )
    return "".join(f"{line}\n" for line in lines).encode()


def decoded(text: str, size: int, noun: str) -> bytes:
    """Return so many bytes out of base64; refuse anything else."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadSignature(f"The {noun} is not base64.") from error
    if len(found) != size:
        raise BadSignature(f"The {noun} has {len(found)} bytes; it takes {size}.")
    return found


def require_signed(public_key: bytes, signature: bytes, words: bytes) -> None:
    """Refuse a signature that is not this key's over these words."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, words)
    except (InvalidSignature, ValueError) as error:
        raise BadSignature("The signature is not one of this key over these words.") from error
