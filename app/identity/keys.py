"""API keys: ``mwk_`` + 8 characters that name the key + 32 random ones + a checksum.

Invitations are made likewise, and begin with ``mwi_``.

The checksum lets a scanner find leaked keys and the server refuse typing errors without a query.
"""

import hashlib
import secrets
import string
import zlib
from dataclasses import dataclass

_ALPHABET = string.ascii_letters + string.digits
KEY, INVITATION = "mwk_", "mwi_"
_PREFIX = 4
_NAME, _SECRET, _CHECK = 8, 32, 6
_LENGTH = _PREFIX + _NAME + _SECRET + _CHECK


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made; ``text`` exists here and at its owner, nowhere else."""

    text: str
    prefix: str
    sha256: bytes


def make(prefix: str = KEY) -> NewKey:
    """Return a new random key (190 bits)."""
    body = prefix + "".join(secrets.choice(_ALPHABET) for _ in range(_NAME + _SECRET))
    text = body + _checksum(body)
    return NewKey(text, text[: _PREFIX + _NAME], fingerprint(text))


def fingerprint(text: str) -> bytes:
    """Return what is stored of a key. Plain SHA-256 suffices for 190 random bits."""
    return hashlib.sha256(text.encode()).digest()


def well_formed(text: str, prefix: str = KEY) -> bool:
    """Say whether ``text`` could be a key at all."""
    return (
        len(text) == _LENGTH
        and text.isascii()
        and text.startswith(prefix)
        and text[-_CHECK:] == _checksum(text[:-_CHECK])
    )


def _checksum(body: str) -> str:
    value, digits = zlib.crc32(body.encode()), []
    for _ in range(_CHECK):
        value, digit = divmod(value, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)
