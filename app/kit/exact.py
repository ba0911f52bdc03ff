"""Exact sums: floats added without rounding, so that neither order nor batching shows. Pure.

A sum is an integer in units of 2⁻¹¹⁵², below the least float there is, written in balanced digits
of base 2³²: each lies in [-2³¹, 2³¹), so that a number has one spelling only. After Kulisch's long
accumulator, with the digits that are used alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from app.kit.arrays import Floats, Ints

_BITS = 32
_HALF = 1 << (_BITS - 1)
_UNIT = 36
"""The digit that counts ones: 36 × 32 bits lie below it."""
GREATEST = np.finfo(np.float64).max
_ROWS = 1 << 19
"""So many digits of 32 bits are added as floats without rounding."""
_SCALED = 960
"""Powers of two up to this are floats, and a product with one is no power more."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Exact sums, one a place: ``digits`` is shaped (places, used digits), from ``first`` on."""

    first: int
    digits: Ints

    @classmethod
    def of(cls, places: Ints, values: Floats, size: int) -> Self:
        """Add finite ``values`` up by place; there are ``size`` places."""
        columns: list[Ints] = []
        digit = top = _top(values)
        places, values = _left(places, values)
        while len(values):
            whole, left = _cut(values, digit)
            column = np.zeros(size, np.int64)
            for some in _some(len(values)):
                column += np.bincount(places[some], whole[some], size).astype(np.int64)
            columns.append(column)
            places, values = _left(places, left)
            digit -= 1
        return cls._written(top, columns, size)

    @classmethod
    def along(cls, values: Floats) -> Self:
        """Add finite ``values`` up, shaped (places, values): half the time of ``of``."""
        columns: list[Ints] = []
        digit = top = _top(values)
        while values.any():
            whole, values = _cut(values, digit)
            chunks = [whole[:, some].sum(axis=1) for some in _some(values.shape[1])]
            columns.append(np.sum(chunks, axis=0, dtype=np.int64))
            digit -= 1
        return cls._written(top, columns, len(values))

    @classmethod
    def _written(cls, top: int, columns: list[Ints], size: int) -> Self:
        """Return the sums that say so much of each digit, the greatest digit first."""
        room = [np.zeros(size, np.int64)]
        digits = np.stack([*room, *columns][::-1], axis=1)
        return cls(*_trimmed(top - len(columns) + 1, _balanced(digits)))

    @classmethod
    def sparse(cls, places: Ints, at: Ints, digits: Ints, size: int) -> Self:
        """Return the sums that single digits say: whose, which, how many."""
        if not len(at):
            return cls(_UNIT, np.zeros((size, 0), np.int64))
        first = int(at.min())
        found = np.zeros((size, int(at.max()) - first + 1), np.int64)
        np.add.at(found, (places, at - first), digits)
        return cls(first, found)

    @classmethod
    def total(cls, parts: Iterable[Self], size: int) -> Self:
        """Return the sum of fewer than 2³⁰ sums, place by place."""
        some = [part for part in parts if part.digits.shape[1]]
        if not some:
            return cls(_UNIT, np.zeros((size, 0), np.int64))
        first = min(part.first for part in some)
        last = max(part.first + part.digits.shape[1] for part in some)
        found = np.zeros((size, last - first + 2), np.int64)
        for part in some:
            start = part.first - first
            found[:, start : start + part.digits.shape[1]] += part.digits
        return cls(*_trimmed(first, _balanced(found)))

    def wider(self, size: int) -> Self:
        """Return the same sums with empty places behind them, ``size`` in all."""
        missing = size - len(self.digits)
        return type(self)(self.first, np.pad(self.digits, ((0, missing), (0, 0))))

    def then(self, other: Self) -> Self:
        """Return the same sums with others' places behind their own."""
        before, behind = len(self.digits), len(other.digits)
        moved = type(self)(other.first, np.pad(other.digits, ((before, 0), (0, 0))))
        return type(self).total([self.wider(before + behind), moved], before + behind)

    def minus(self, values: Floats) -> Self:
        """Return what is left when one float is taken from each place."""
        taken = type(self).of(np.arange(len(values)), -values, len(values))
        return type(self).total([self, taken], len(values))

    def floats(self) -> Floats:
        """Return the nearest floats, give or take the last bit: the same of the same sums.

        Beyond the greatest float there is, that one.
        """
        found, great = np.zeros(len(self.digits)), np.zeros(len(self.digits))
        for index in range(self.digits.shape[1]):
            power = (self.first + index - _UNIT) * _BITS
            column = self.digits[:, index].astype(np.float64)
            if power < _SCALED:
                found += _scaled(column, power)
            else:
                # Digits beyond the greatest float may still make up one below it.
                great += column * 2.0 ** (power - _SCALED)
        with np.errstate(over="ignore"):
            whole = np.ldexp(great + np.ldexp(found, -_SCALED), _SCALED)
        return np.clip(np.where(great == 0.0, found, whole), -GREATEST, GREATEST)

    def used(self) -> tuple[Ints, Ints, Ints]:
        """Return the digits that are not zero, as ``sparse`` takes them."""
        places, at = np.nonzero(self.digits)
        return places, at + self.first, self.digits[places, at]


def _trimmed(first: int, digits: Ints) -> tuple[int, Ints]:
    filled = np.flatnonzero(digits.any(axis=0))
    if not len(filled):
        return _UNIT, digits[:, :0]
    return first + int(filled[0]), digits[:, filled[0] : filled[-1] + 1]


def _balanced(digits: Ints) -> Ints:
    """Carry, from the least digit up, until each lies in [-2³¹, 2³¹)."""
    for index in range(digits.shape[1] - 1):
        carry = (digits[:, index] + _HALF) >> _BITS
        digits[:, index] -= carry << _BITS
        digits[:, index + 1] += carry
    return digits


def _top(values: Floats) -> int:
    """Return the digit of the greatest: it is below 2³² units of it."""
    return (int(np.frexp(np.abs(values).max(initial=0.0))[1]) - 1) // _BITS + _UNIT


def _cut(values: Floats, digit: int) -> tuple[Floats, Floats]:
    """Return how many whole units of a digit each value holds, and what is left of it."""
    power = (digit - _UNIT) * _BITS
    whole = np.trunc(_scaled(values, -power))
    return whole, values - _scaled(whole, power)


def _some(count: int) -> list[slice]:
    return [slice(start, start + _ROWS) for start in range(0, count, _ROWS)]


def _left(places: Ints, values: Floats) -> tuple[Ints, Floats]:
    """Leave out zeros, where that spares more than it costs."""
    used = values != 0.0
    count = int(np.count_nonzero(used))
    return (places, values) if 2 * count > len(values) else (places[used], values[used])


def _scaled(values: Floats, power: int) -> Floats:
    if abs(power) <= _SCALED:
        return values * 2.0**power
    found: Floats = np.ldexp(values, power)
    return found
