"""Assignment: an immutable plan and a unit to an arm. Pure, and the hottest code there is.

Buckets follow flagd's fractional operation: murmur3-32 of the canonical CBOR array
``[flag key, targeting key]``, then ``(hash × total weight) >> 32``. Any flagd or OpenFeature edge
that evaluates the same weights gives the same unit the same arm.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import mmh3

_SHADOW_SCALE = 1_000_000


@dataclass(frozen=True, slots=True)
class Arm:
    """An arm ready to answer: ``fragment`` is its part of the JSON answer, braces left out.

    Where no version answers, ``version_id`` is empty: a constant does, or, without a fragment,
    nobody because of ``stop``.
    """

    name: str
    version_id: bytes
    propensity: float
    fragment: str
    stop: str | None = None


@dataclass(frozen=True, slots=True)
class Watcher:
    """A shadow: sees the units whose bucket in its own layer is below ``limit``."""

    arm: Arm
    salt: bytes
    limit: int


@dataclass(frozen=True, slots=True)
class Compiled:
    """A decision point's plan as it is evaluated.

    ``bounds`` are cumulated weights; ``fragment`` is what every answer says of the plan.
    """

    key: str
    fragment: str
    point_id: bytes
    revision: int
    generation: int
    salt: bytes
    total: int
    bounds: tuple[int, ...]
    arms: tuple[Arm, ...]
    shadows: tuple[Watcher, ...]

    def assign(self, unit: bytes) -> Arm:
        """Return the arm of a unit, given as its CBOR text."""
        bucket = mmh3.hash(self.salt + unit, 0, False) * self.total >> 32
        return self.arms[bisect_right(self.bounds, bucket)]

    def watchers(self, unit: bytes) -> list[Arm]:
        """Return the shadows that see this unit."""
        return [
            shadow.arm
            for shadow in self.shadows
            if mmh3.hash(shadow.salt + unit, 0, False) * _SHADOW_SCALE >> 32 < shadow.limit
        ]


def cbor_text(text: str) -> bytes:
    """Return a string as canonical CBOR (RFC 8949, major type 3)."""
    raw = text.encode()
    size = len(raw)
    if size < 24:  # noqa: PLR2004 - the shortest of CBOR's length forms, then the next ones
        return bytes((0x60 | size,)) + raw
    if size < 1 << 8:
        return bytes((0x78, size)) + raw
    return b"\x79" + size.to_bytes(2, "big") + raw


def salt(flag_key: str) -> bytes:
    """Return the beginning of the CBOR array ``[flag key, targeting key]``."""
    return b"\x82" + cbor_text(flag_key)


def bounds(weights: Sequence[int]) -> tuple[int, ...]:
    """Return cumulated weights; an arm of weight 0 is never reached."""
    return tuple(accumulate(weights))


def watcher(key: str, arm: Arm, rate: float) -> Watcher:
    """Return a shadow of a decision point that sees a share of its units."""
    return Watcher(arm, salt(f"{key}/shadow/{arm.name}"), round(rate * _SHADOW_SCALE))
