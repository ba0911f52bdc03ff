"""How a version's variables are binned: frozen at its baseline, pure.

A layout is one flat vector of slots. Every variable owns a run of them: its bins, then the slots
for what has no bin. Because the edges never change, profiles of any two windows can be added and
compared slot by slot.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from itertools import accumulate
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from app.kit.arrays import Floats, Ints
from app.telemetry.marks import search

TAILS = (0.001, 0.005, 0.01, 0.025)
QUANTILES = (*TAILS, *np.linspace(0.05, 0.95, 19), *(1 - tail for tail in reversed(TAILS)))
MAX_EXACT = 20
MAX_CATEGORIES = 100
MAX_REMEMBERED = 10_000
SCORE = "score"
SCORE_EDGES = tuple((np.arange(1, 100) / 100).tolist())


class Binning(StrEnum):
    """How one variable's values find their slot."""

    QUANTILES = "quantiles"
    EXACT = "exact"
    CATEGORIES = "categories"


# Slots behind the bins, in this order.
_EXTRA = {
    Binning.QUANTILES: ("null", "invalid"),
    Binning.EXACT: ("unseen", "null", "invalid"),
    Binning.CATEGORIES: ("other", "unseen", "null"),
}


@dataclass(frozen=True, slots=True)
class Bins:
    """One variable's slots.

    ``marks`` are ascending edges (quantiles: bin i holds ``marks[i-1] <= x < marks[i]``, the ends
    open), exact values, or categories. ``rest`` are categories seen too rarely for a slot.
    """

    name: str
    binning: Binning
    marks: tuple[Any, ...]
    rest: frozenset[str] = frozenset()

    @property
    def bins(self) -> int:
        """Number of slots that hold a value's own place."""
        return len(self.marks) + (self.binning is Binning.QUANTILES)

    @property
    def slots(self) -> int:
        """Number of all slots."""
        return self.bins + len(_EXTRA[self.binning])

    def slot(self, extra: str) -> int | None:
        """Return the index of the slot called ``extra``, if this binning has one."""
        names = _EXTRA[self.binning]
        return self.bins + names.index(extra) if extra in names else None

    def _extra(self, name: str) -> int:
        return self.bins + _EXTRA[self.binning].index(name)

    def label(self, index: int) -> str:
        """Say in words what slot ``index`` holds."""
        if index >= self.bins:
            return _EXTRA[self.binning][index - self.bins]
        if self.binning is not Binning.QUANTILES:
            return str(self.marks[index])
        low = f"{self.marks[index - 1]:g}" if index else "-inf"
        high = f"{self.marks[index]:g}" if index < len(self.marks) else "inf"
        return f"[{low}, {high})"

    def place(self, column: Sequence[Any]) -> tuple[Ints, Floats]:
        """Return each value's slot, and each value as a number (NaN where it has none)."""
        if self.binning is Binning.CATEGORIES:
            return self._place_categories(column), np.full(len(column), np.nan)
        values, invalid = numbers(column)
        if self.binning is Binning.QUANTILES:
            codes = search(self.marks, values, "right")
        else:
            marks = np.asarray(self.marks, dtype=np.float64)
            codes = search(self.marks, values, "left")
            found = np.zeros(len(values), dtype=bool)
            inside = codes < len(marks)
            found[inside] = marks[codes[inside]] == values[inside]
            codes = np.where(found, codes, self.bins)
        if np.isfinite(values).all():  # nothing is invalid either: that is NaN
            return codes.astype(np.int64, copy=False), values
        null = np.isnan(values) & ~invalid
        bad = invalid | np.isinf(values)
        codes = np.where(null, self._extra("null"), codes)
        codes = np.where(bad, self._extra("invalid"), codes)
        return codes.astype(np.int64), np.where(null | bad, np.nan, values)

    def _place_categories(self, column: Sequence[Any]) -> Ints:
        places = {mark: index for index, mark in enumerate(self.marks)}
        values = column.tolist() if isinstance(column, np.ndarray) else column
        other, unseen, null = range(self.bins, self.bins + 3)

        def place(value: Any) -> int:
            if value is None:
                return null
            text = value if isinstance(value, str) else category(value)
            found = places.get(text)
            if found is not None:
                return found
            return other if text in self.rest else unseen

        return np.fromiter(map(place, values), np.int64, len(column))


def category(value: Any) -> str:
    """Return one spelling for a category that JSON may carry as a number or a truth value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def numbers(column: Sequence[Any]) -> tuple[Floats, NDArray[np.bool_]]:
    """Return a column as floats (NaN for null) and a mask of what is no number."""
    if isinstance(column, np.ndarray):
        return column.astype(np.float64, copy=False), np.zeros(len(column), dtype=bool)
    kinds = set(map(type, column))
    if kinds <= {float, int, type(None)}:
        return np.array(column, dtype=np.float64), np.zeros(len(column), dtype=bool)
    invalid = np.array([not _is_number(value) for value in column])
    clean = [None if bad else value for value, bad in zip(column, invalid, strict=True)]
    return np.array(clean, dtype=np.float64), invalid


def _is_number(value: Any) -> bool:
    return value is None or (
        isinstance(value, int | float | Decimal) and value is not True and value is not False
    )


def fit(name: str, column: Sequence[Any], *, numeric: bool) -> Bins:
    """Return the bins of one variable from its baseline values."""
    if not numeric:
        return _fit_categories(name, column)
    values, _ = numbers(column)
    values = values[np.isfinite(values)]
    exact = np.unique(values)
    if len(exact) <= MAX_EXACT:
        return Bins(name, Binning.EXACT, tuple(exact.tolist()))
    edges = np.unique(np.quantile(values, QUANTILES))
    return Bins(name, Binning.QUANTILES, tuple(edges.tolist()))


def _fit_categories(name: str, column: Sequence[Any]) -> Bins:
    counts = Counter(category(value) for value in column if value is not None)
    ranked = sorted(counts, key=lambda text: (-counts[text], text))
    top = tuple(ranked[:MAX_CATEGORIES])
    return Bins(name, Binning.CATEGORIES, top, frozenset(ranked[MAX_CATEGORIES:MAX_REMEMBERED]))


@dataclass(frozen=True)
class Layout:
    """All variables of a version, the score last."""

    variables: tuple[Bins, ...]

    @property
    def size(self) -> int:
        """Number of slots."""
        return sum(bins.slots for bins in self.variables)

    def spans(self) -> list[tuple[Bins, slice]]:
        """Return each variable with its run of slots."""
        ends = list(accumulate(bins.slots for bins in self.variables))
        return [
            (bins, slice(end - bins.slots, end))
            for bins, end in zip(self.variables, ends, strict=True)
        ]

    @cached_property
    def invalid(self) -> Ints:
        """Each input's slot for what should have been a number, -1 where anything is a category."""
        slots = [(bins.slot("invalid"), span.start) for bins, span in self.spans()[:-1]]
        return np.array([-1 if slot is None else start + slot for slot, start in slots], np.int64)

    def place(self, columns: Sequence[Sequence[Any]]) -> tuple[Ints, Floats]:
        """Return slots and numbers, both shaped (rows, variables), of one column a variable.

        A variable's lie behind each other: they are looked at one after the other, not by row.
        """
        codes, values = [], []
        for (bins, span), column in zip(self.spans(), columns, strict=True):
            code, value = bins.place(column)
            codes.append(code + span.start)
            values.append(value)
        return np.stack(codes).T, np.stack(values).T

    def dump(self) -> dict[str, Any]:
        """Return the layout as plain JSON."""
        return {
            "variables": [
                {
                    "name": bins.name,
                    "binning": bins.binning.value,
                    "marks": list(bins.marks),
                    "rest": sorted(bins.rest),
                }
                for bins in self.variables
            ]
        }

    @classmethod
    def load(cls, dumped: dict[str, Any]) -> Self:
        """Return the layout that ``dump`` wrote."""
        return cls(
            tuple(
                Bins(
                    item["name"],
                    Binning(item["binning"]),
                    tuple(item["marks"]),
                    frozenset(item["rest"]),
                )
                for item in dumped["variables"]
            )
        )


def score_bins(scores: Sequence[Any] | None = None) -> Bins:
    """Return the score's bins: hundredths for a probability, else quantiles of ``scores``."""
    if scores is None:
        return Bins(SCORE, Binning.QUANTILES, SCORE_EDGES)
    return fit(SCORE, scores, numeric=True)


BARE = Layout((score_bins(),))
"""The layout of a version without a baseline: its score alone."""
