"""Assignment: an immutable plan and a unit to an arm. Pure, and the hottest code there is.

Buckets follow flagd's fractional operation: murmur3-32 of the canonical CBOR array
``[flag key, targeting key]``, or of the text ``salt/targeting key`` where a salt is asked for, then
``(hash × total weight) >> 32``. Any flagd or OpenFeature edge that evaluates the same weights gives
the same unit the same arm.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import Any

import mmh3

from app.routing.conditions import UNIT
from app.routing.linear import Linear

_SHADOW_SCALE = 1_000_000
HELD_OUT_OF = 1_000_000
_SHORT = [bytes((0x60 | size,)) for size in range(24)]


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
    instance: str | None = None

    @property
    def variant(self) -> str:
        """Its name and its instance: one name for each answer."""
        return self.name if self.instance is None else f"{self.name}@{self.instance}"

    def at(self, propensity: float) -> "Arm":
        """Return it as a unit gets it by a chance of its own; its fragment begins with that."""
        head, _, rest = self.fragment.partition(",")
        if not rest:
            return replace(self, propensity=propensity)
        name = head.partition(":")[0]
        return replace(self, propensity=propensity, fragment=f"{name}:{propensity!r},{rest}")


@dataclass(frozen=True, slots=True)
class Watcher:
    """A shadow: sees the units whose bucket in its own layer is below ``limit``."""

    arm: Arm
    salt: bytes
    limit: int


@dataclass(frozen=True, slots=True)
class Share:
    """A share of the units by a bucket of its own: those from ``begin`` up to ``end`` of ``of``."""

    salt: str
    begin: int
    end: int
    of: int

    def takes(self, unit: str) -> bool:
        """Say whether a unit is in the share."""
        return self.begin <= _salted(self.salt, unit) * self.of >> 32 < self.end


@dataclass(frozen=True, slots=True)
class Branch:
    """A segment as it is evaluated: whom it takes, and how it shares them out.

    ``bounds`` are cumulated weights, ``total`` the last of them. Without a salt of its own it uses
    the plan's.
    """

    name: str
    total: int
    bounds: tuple[int, ...]
    arms: tuple[Arm, ...]
    when: Any = None
    """The condition as it was written, for edges that evaluate it themselves."""
    test: Callable[[Mapping[str, Any]], bool] | None = field(default=None, compare=False)
    layer: Share | None = None
    salt: str | None = None
    linear: Linear | None = field(default=None, compare=False)
    """What a unit's own shares are found by, in place of the bounds."""
    left: float = 1.0
    """The share of the units that is not held out."""
    remote: bool = False
    """Whether only the server can say who answers: by chances of each unit's own, or its token."""
    sticky_ms: int | None = None
    """Since when units keep the arms that their tokens tell, where they do."""

    def kept(self, name: str, version_id: bytes, propensity: float) -> Arm | None:
        """Return the arm of a unit that had one by that name and chance, if it is still there."""
        for arm, weight in zip(self.arms, self.weights, strict=True):
            if weight and (arm.name, arm.version_id) == (name, version_id):
                return arm if arm.propensity == propensity else arm.at(propensity)
        return None

    def own(self, unit_context: Mapping[str, Any], hashed: int) -> tuple[Arm, int]:
        """Return the arm and the bucket of a unit that has shares of its own."""
        assert self.linear is not None  # noqa: S101 - asked by who knows
        bounds = self.linear.bounds(unit_context)
        bucket = hashed * bounds[-1] >> 32
        arm = self.arms[bisect_right(bounds, bucket)]
        # Two arms that are stopped are one to whoever answers for both.
        share = sum(
            high - low
            for other, (low, high) in zip(self.arms, pairwise((0, *bounds)), strict=True)
            if (other.name, other.version_id) == (arm.name, arm.version_id)
        )
        return arm.at(self.left * share / bounds[-1]), bucket

    def shares_of(self, context: Mapping[str, Any]) -> tuple[tuple[int, ...], int]:
        """Return the arms' weights for a unit of a context, and their sum."""
        if self.linear is None:
            return self.weights, self.total
        bounds = self.linear.bounds(context)
        return tuple(high - low for low, high in pairwise((0, *bounds))), bounds[-1]

    @property
    def weights(self) -> tuple[int, ...]:
        """The arms' weights, in their order."""
        return tuple(high - low for low, high in pairwise((0, *self.bounds)))


Choice = tuple[Arm, Branch | None, int]
"""Who answers for a unit, by which segment, and its bucket there; no segment of who is held out."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A decision point's plan as it is evaluated; the last branch takes whoever is left.

    ``fragment`` is what every answer says of the plan.
    """

    key: str
    fragment: str
    point_id: bytes
    revision: int
    generation: int
    salt: bytes
    branches: tuple[Branch, ...]
    shadows: tuple[Watcher, ...]
    holdout: tuple[Share, Arm] | None = None
    oldest_ms: int | None = None
    """Past this age of the table the plan answers no more."""
    stale: Arm | None = None
    """Who answers then; nobody: the call is refused."""
    names_unit: bool = field(init=False)
    """Whether a condition asks for the unit itself."""

    def __post_init__(self) -> None:
        named = any(UNIT in repr(branch.when) for branch in self.branches)
        object.__setattr__(self, "names_unit", named)

    def assign(self, unit: str, text: bytes, context: Mapping[str, Any]) -> Arm:
        """Return the arm of a unit, given as it is and as its CBOR text."""
        return self.choose(unit, text, context)[0]

    def choose(self, unit: str, text: bytes, context: Mapping[str, Any]) -> Choice:
        """Return the arm of a unit with its segment and its bucket of that segment's total."""
        if self.holdout is not None and self.holdout[0].takes(unit):
            share, arm = self.holdout
            return arm, None, _salted(share.salt, unit) * share.of >> 32
        if self.names_unit:
            context = {**context, UNIT: unit}
        for branch in self.branches:
            if (branch.test is None or branch.test(context)) and (
                branch.layer is None or branch.layer.takes(unit)
            ):
                break
        if branch.salt is None:
            hashed = mmh3.hash(self.salt + text, 0, False)
        else:
            hashed = _salted(branch.salt, unit)
        if branch.linear is not None:
            arm, bucket = branch.own(context, hashed)
            return arm, branch, bucket
        bucket = hashed * branch.total >> 32
        return branch.arms[bisect_right(branch.bounds, bucket)], branch, bucket

    def watchers(self, unit: bytes) -> list[Arm]:
        """Return the shadows that see this unit."""
        return [
            shadow.arm
            for shadow in self.shadows
            if mmh3.hash(shadow.salt + unit, 0, False) * _SHADOW_SCALE >> 32 < shadow.limit
        ]


def _salted(text: str, unit: str) -> int:
    return mmh3.hash(cbor_text(f"{text}/{unit}"), 0, False)


def cbor_text(text: str) -> bytes:
    """Return a string as canonical CBOR (RFC 8949, major type 3)."""
    raw = text.encode()
    size = len(raw)
    if size < 24:  # noqa: PLR2004 - the shortest of CBOR's length forms, then the next ones
        return _SHORT[size] + raw
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


def held_out(key: str, rate: float, arm: Arm) -> tuple[Share, Arm]:
    """Return the share of a decision point's units that its plan leaves alone, and who answers."""
    return Share(f"holdout/{key}", 0, round(rate * HELD_OUT_OF), HELD_OUT_OF), arm


def layer(name: str, begin: int, end: int, of: int) -> Share:
    """Return a share of a layer's units: the same ones at every decision point."""
    return Share(f"layer/{name}", begin, end, of)
