"""Where a value falls, said as an Ibis expression: what ``Bins.place`` does, for any engine.

Edges go into the query as text that the engine casts: a decimal literal of seventeen digits is not
the double it stands for everywhere. The search is a tree of comparisons, as deep as the logarithm
of the edges; null, NaN and the infinities fall through it to its outer leaves, and are looked for
there only: whether an engine calls NaN the greatest number or compares it to nothing, it takes the
same way.
"""

import math
from typing import Any, NamedTuple

from app.telemetry.layout import Binning, Bins, category

_NAN = "nan"
_EXACT_DIGITS = 15
"""Decimals of so many digits are doubles after one division; longer ones go by their text."""


class Source(NamedTuple):
    """A column as an engine has it. ``typed`` says whether its text may not be numbers."""

    column: Any
    typed: bool


class Numbers(NamedTuple):
    """A column as doubles, null where it has none, and what of it is there and is no number."""

    value: Any
    foreign: Any


def numbers_of(source: Source) -> Numbers:
    """Return a column as a numeric variable reads it."""
    column = source.column
    kind = column.type()
    if kind.is_floating() or kind.is_integer():
        return Numbers(column.cast("float64"), None)
    if kind.is_decimal():
        short = kind.precision is not None and kind.precision <= _EXACT_DIGITS
        return Numbers((column if short else column.cast("string")).cast("float64"), None)
    if kind.is_string() and not source.typed:
        value = column.try_cast("float64")
        return Numbers(value, column.notnull() & value.isnull())
    return Numbers(nothing(), column.notnull())


def nothing() -> Any:
    """Return a double that is none."""
    import ibis  # noqa: PLC0415 - as long to import as the server; only profiling a lake needs it

    return ibis.literal(None, "float64")


def number_slot(numbers: Numbers, bins: Bins, start: int) -> Any:
    """Return the slot of a numeric variable whose run begins at ``start``."""
    import ibis  # noqa: PLC0415 - see above

    value, foreign = numbers
    null, invalid = (start + (bins.slot(name) or 0) for name in ("null", "invalid"))
    marks = [_double(float(mark)) for mark in bins.marks]

    def bin_of(reached: int) -> list[tuple[Any, int]]:
        """Say which slot a value has that reached so many marks, the last case for certain."""
        if bins.binning is Binning.QUANTILES:
            return [(None, start + reached)]
        unseen = [(None, start + (bins.slot("unseen") or 0))]
        if not reached:
            return unseen
        return [(value == marks[reached - 1], start + reached - 1), *unseen]

    def leaf(reached: int) -> Any:
        *cases, (_, otherwise) = bin_of(reached)
        if reached == len(marks):
            if foreign is not None:
                cases.append((foreign, invalid))
            cases.append((value.isnull() | value.isnan(), null))
        if reached in {0, len(marks)}:
            # Not `isinf`: of Spark it says no, whatever the value.
            cases.append((value.abs() == _double(math.inf), invalid))
        last = ibis.literal(otherwise)
        some = [(condition, ibis.literal(slot)) for condition, slot in cases]
        return ibis.cases(*some, else_=last) if some else last

    def search(low: int, high: int) -> Any:
        if low == high:
            return leaf(low)
        middle = (low + high) // 2
        below, above = search(low, middle), search(middle + 1, high)
        return ibis.ifelse(value < marks[middle], below, above)

    return search(0, len(marks))


def category_slot(source: Source, bins: Bins, start: int) -> Any:
    """Return the slot of a categorical variable whose run begins at ``start``."""
    import ibis  # noqa: PLC0415 - see above

    column = source.column
    other, unseen, null = (
        start + (bins.slot(name) or 0) for name in ("other", "unseen", "null")
    )  # fmt: skip
    spelt = _Spelt(column)
    cases: list[tuple[Any, int]] = []
    if spelt.floats is not None:
        # First of all: Ibis has Spark say of NaN that it is null.
        nan = other if _NAN in bins.rest else unseen
        nan = start + bins.marks.index(_NAN) if _NAN in bins.marks else nan
        cases.append((spelt.floats.isnan(), nan))
    cases.append((column.isnull(), null))
    for index, mark in enumerate(bins.marks):
        is_mark = spelt.is_any([mark])
        if is_mark is not None:
            cases.append((is_mark, start + index))
    is_rest = spelt.is_any(sorted(bins.rest))
    if is_rest is not None:
        cases.append((is_rest, other))
    return ibis.cases(*cases, else_=unseen)


class _Spelt:
    """A column compared with categories, which are spelt as ``category`` does.

    No engine writes numbers as Python does: so the spellings are read, and the numbers compared.
    """

    def __init__(self, column: Any) -> None:
        kind = column.type()
        self._kind = kind
        self.floats: Any = None
        if kind.is_decimal() or kind.is_floating():
            self._column = self.floats = numbers_of(Source(column, typed=True)).value
        elif kind.is_boolean() or kind.is_integer() or kind.is_string():
            self._column = column
        else:
            self._column = column.cast("string")

    def is_any(self, spellings: list[str]) -> Any:
        """Return a condition, or nothing where no value of the column is spelt so."""
        if self._kind.is_boolean():
            truths = {"true": True, "false": False}
            values: list[Any] = [truths[one] for one in spellings if one in truths]
        elif self._kind.is_integer():
            values = [found for one in spellings if (found := self._integer(one)) is not None]
        elif self._kind.is_floating() or self._kind.is_decimal():
            values = self._doubles(spellings)
        else:
            # No engine's text but DuckDB's holds NUL, and JSON that does is refused.
            values = [spelling for spelling in spellings if "\0" not in spelling]
        if not values:
            return None
        return self._column.isin(values) if len(values) > 1 else self._column == values[0]

    def _integer(self, spelling: str) -> Any:
        """Return a whole number as text that the engine casts: beyond 64 bits some round it."""
        import ibis  # noqa: PLC0415 - see above

        try:
            found = int(spelling)
        except ValueError:
            return None
        least, most = self._kind.bounds
        if str(found) != spelling or not least <= found <= most:
            return None
        return ibis.literal(spelling).cast(self._kind.copy(nullable=True))

    def _doubles(self, spellings: list[str]) -> list[Any]:
        values = []
        for spelling in spellings:
            try:
                found = float(spelling)
            except ValueError:
                continue
            if category(found) == spelling and spelling != _NAN:
                values.append(_double(found))
        return values


def _double(value: float) -> Any:
    import ibis  # noqa: PLC0415 - see above

    return ibis.literal(repr(value).replace("inf", "Infinity")).cast("float64")
