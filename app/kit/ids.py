"""Identifiers made by the application, ordered by time (RFC 9562, version 7)."""

import os
import time
from collections import deque
from uuid import UUID

_VERSION = 0x7 << 76
_VARIANT = 0x2 << 62
_RAND_A = 0xFFF << 64
_RAND_B = (1 << 62) - 1
_BLOCK = 256

# Drawn in blocks: a system call for each id is felt on the decision path. A forked child starts
# with none, or it would draw its parent's.
_noise: deque[int] = deque()
os.register_at_fork(after_in_child=_noise.clear)


def uuid7_int(now_ns: int | None = None) -> int:
    """Return a version-7 UUID as an integer: 48 bits of milliseconds, 74 random bits."""
    millis = (time.time_ns() if now_ns is None else now_ns) // 1_000_000
    try:
        noise = _noise.popleft()
    except IndexError:
        raw = os.urandom(10 * _BLOCK)
        noise, *more = (int.from_bytes(raw[at : at + 10], "big") for at in range(0, len(raw), 10))
        _noise.extend(more)
    return millis << 80 | _VERSION | noise & _RAND_A | _VARIANT | noise & _RAND_B


def uuid7() -> UUID:
    """Return a version-7 UUID."""
    return UUID(int=uuid7_int())
