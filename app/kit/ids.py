"""Identifiers made by the application, ordered by time (RFC 9562, version 7)."""

import os
import time
from uuid import UUID

_VERSION = 0x7 << 76
_VARIANT = 0x2 << 62
_RAND_A = 0xFFF << 64
_RAND_B = (1 << 62) - 1


def uuid7_int(now_ns: int | None = None) -> int:
    """Return a version-7 UUID as an integer: 48 bits of milliseconds, 74 random bits."""
    millis = (time.time_ns() if now_ns is None else now_ns) // 1_000_000
    noise = int.from_bytes(os.urandom(10), "big")
    return millis << 80 | _VERSION | noise & _RAND_A | _VARIANT | noise & _RAND_B


def uuid7() -> UUID:
    """Return a version-7 UUID."""
    return UUID(int=uuid7_int())
