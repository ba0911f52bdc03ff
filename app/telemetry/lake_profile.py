"""The profile of a table that stays where it is: a query or a few, and of its rows none is sent.

Every row is spread out into a cell a variable, its slot and its number, and cells are counted by
hour and slot. Where columns lie apart (Parquet under DuckDB) the cells need not be made: each
variable is counted by itself, out of its own column, by a query of its own; and numbers, which the
engine has in this process, as it reads them (``lake_columns``).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np

from app.kit.arrays import Floats, Ints
from app.kit.exact import GREATEST
from app.kit.refusal import Invalid
from app.telemetry.lake_slots import Source, category_slot, nothing, number_slot, numbers_of
from app.telemetry.layout import Binning, Bins, Layout
from app.telemetry.tally import Tally

_GREATEST_ROOT = 1.3407807929942596e154
_LEAST_ROOT = 1.5e-162
_SECONDS_AN_HOUR = 3600
_MICROS_AN_HOUR = 3_600_000_000
_SMALL = 255
_DUCKDB, _POSTGRES = "duckdb", "postgres"
_WITHOUT_NUMBER = ("null", "invalid")


class BadTable(Invalid):
    """The table cannot be profiled in this layout."""

    code = "bad_table"
    title = "Unusable table"
    mend = "Name a table with a column for every variable of the version's layout."


class Shape(StrEnum):
    """How an engine is asked to spread rows into cells; the counts are the same."""

    ZIPPED = "zipped"
    """Two arrays unnested side by side: DuckDB, Postgres."""
    CELLS = "cells"
    """One array of pairs: Spark, ClickHouse, Trino, BigQuery."""
    STACKED = "stacked"
    """A variable at a time, for columns that lie apart: DuckDB's Parquet."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a table is profiled.

    ``table`` is Ibis', ``dialect`` what its engine is called there, and ``typed`` says whether its
    text is text, rather than the numbers of a CSV file.
    """

    table: Any
    layout: Layout
    shape: Shape
    dialect: str
    time: str | None = None
    score: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    typed: bool = True


Row = Sequence[Any]
"""Hour's begin in seconds since 1970 or null, slot, rows, sum, least, greatest, sum of squares."""


class Question(NamedTuple):
    """What an engine is asked for: rows that are each a ``Row``, or a column of numbers.

    Of a column, ``bins`` are the variable's, and ``start`` is where its run of slots begins.
    """

    expression: Any
    bins: Bins | None = None
    start: int = 0


def questions(asked: Asked) -> list[Question]:
    """Return what an engine is asked of a table: all at once, or column by column."""
    if asked.shape is not Shape.STACKED:
        return [Question(_spread(asked))]
    table = _within(asked)
    hour = _hour(asked, table)
    found = []
    for source, (bins, span) in zip(_sources(asked, table), asked.layout.spans(), strict=True):
        column = {} if asked.time is None else {"hour": hour}
        numbers = None if bins.binning is Binning.CATEGORIES else numbers_of(source)
        if numbers is not None and numbers.foreign is None:
            found.append(Question(table.select(**column, value=numbers.value), bins, span.start))
            continue
        slot = _slot(source, bins, 0).cast("uint8" if bins.slots <= _SMALL else "int64")
        alone = table.select(hour=hour, slot=slot, value=_value(source, bins))
        found.append(Question(_counted_alone(alone, asked, span.start)))
    return found


def _spread(asked: Asked) -> Any:
    """Return the aggregate of a table whose columns do not lie apart."""
    import ibis  # noqa: PLC0415 - see lake_slots

    table = _within(asked)
    hour = _hour(asked, table)
    cells = [
        (_slot(source, bins, span.start).cast("int64"), _value(source, bins))
        for source, (bins, span) in zip(_sources(asked, table), asked.layout.spans(), strict=True)
    ]
    slots, values = (ibis.array([cell[part] for cell in cells]) for part in (0, 1))
    if asked.shape is Shape.ZIPPED:
        spread = table.select(hour=hour, slot=slots.unnest(), value=values.unnest())
        return _counted(spread, asked)
    pairs = ibis.array([ibis.struct({"slot": slot, "value": value}) for slot, value in cells])
    spread = table.select(hour=hour, pairs=pairs)
    spread = spread.select("hour", pair=spread.pairs.unnest())
    pair = spread.pair
    return _counted(spread.select("hour", slot=pair["slot"], value=pair["value"]), asked)


def _counted(spread: Any, asked: Asked) -> Any:
    import ibis  # noqa: PLC0415 - see lake_slots

    value = spread.value
    counted = spread.group_by(["slot"] if asked.time is None else ["hour", "slot"]).agg(
        n=spread.count(),
        total=value.sum(),
        low=value.min(),
        high=value.max(),
        squares=_square(value, strict=asked.dialect == _POSTGRES).sum(),
    )
    hour = ibis.literal(None, "int64") if asked.time is None else counted.hour
    return counted.select(
        hour=hour, **{name: counted[name] for name in counted.columns if name != "hour"}
    )


def _counted_alone(spread: Any, asked: Asked, start: int) -> Any:
    """Count a variable whose slots begin at nought: small ones are counted in an array."""
    import ibis  # noqa: PLC0415 - see lake_slots

    counted = _counted(spread, asked)
    return counted.mutate(slot=counted.slot.cast("int64") + ibis.literal(start, "int64"))


def _square(value: Any, *, strict: bool) -> Any:
    """Return a square that is infinite or nothing where it is no double, and never an error."""
    import ibis  # noqa: PLC0415 - see lake_slots

    if not strict:
        return value * value
    return ibis.cases(
        (value.abs() > _GREATEST_ROOT, float("inf")),
        (value.abs() < _LEAST_ROOT, 0.0),
        else_=value * value,
    )


def _sources(asked: Asked, table: Any) -> list[Source]:
    """Return each variable's column; a score that nobody named and nobody has is null."""
    *inputs, score = asked.layout.variables
    names: list[str | None] = [bins.name for bins in inputs]
    names.append(asked.score or (score.name if score.name in table.columns else None))
    missing = [name for name in names if name is not None and name not in table.columns]
    if missing:
        raise BadTable(f"The table has no columns {', '.join(missing)}.", missing=missing)
    return [
        Source(nothing() if name is None else table[name], typed=asked.typed) for name in names
    ]  # fmt: skip


def _slot(source: Source, bins: Bins, start: int) -> Any:
    if bins.binning is Binning.CATEGORIES:
        return category_slot(source, bins, start)
    return number_slot(numbers_of(source), bins, start)


def _value(source: Source, bins: Bins) -> Any:
    return nothing() if bins.binning is Binning.CATEGORIES else numbers_of(source).value


def _moment(asked: Asked, table: Any) -> Any:
    """Return the time column as timestamps, in UTC if it names no zone."""
    if asked.time not in table.columns:
        raise BadTable(f"The table has no time column {asked.time!r}.")
    column = table[asked.time]
    kind = column.type()
    if kind.is_timestamp():
        return column
    if kind.is_date():
        return column.cast("timestamp")
    if kind.is_string() and asked.dialect == _DUCKDB:
        return column.try_cast("timestamp('UTC')")
    raise BadTable(f"The column {asked.time!r} holds {kind}, which is no time.")


def _hour(asked: Asked, table: Any) -> Any:
    import ibis  # noqa: PLC0415 - see lake_slots

    if asked.time is None:
        return ibis.literal(None, "int64")
    moment = _moment(asked, table)
    if asked.dialect == _DUCKDB:
        # Its calendar of time zones, which `truncate` consults, takes longer than all the rest.
        micros = ibis.udf.scalar.builtin(_epoch_us, signature=((moment.type(),), "int64"))
        return (micros(moment) // _MICROS_AN_HOUR) * _SECONDS_AN_HOUR
    # Cut before it is counted: some engines round seconds to whole ones.
    return moment.truncate("h").epoch_seconds()


def _epoch_us(moment: Any) -> Any:
    """Stand for DuckDB's function."""


_epoch_us.__name__ = "epoch_us"


def _within(asked: Asked) -> Any:
    import ibis  # noqa: PLC0415 - see lake_slots

    table = asked.table
    if asked.since is None and asked.until is None:
        return table
    moment = _moment(asked, table)
    if moment.type().timezone is None:
        moment = moment.cast("timestamp('UTC')")
    if asked.since is not None:
        table = table.filter(moment >= ibis.literal(asked.since))
    if asked.until is not None:
        table = table.filter(moment < ibis.literal(asked.until))
    return table


def gathered(layout: Layout, rows: Iterable[Row]) -> dict[int | None, Tally]:
    """Return an expression's rows as one tally an hour since 1970; ``None`` of those without."""
    owners = np.repeat(np.arange(len(layout.variables)), [one.slots for one in layout.variables])
    numeric = _numeric_slots(layout)
    found: dict[int | None, tuple[Ints, Floats, Floats]] = {}
    for seconds, slot, n, total, low, high, squares in rows:
        hour = None if seconds is None else int(seconds) // _SECONDS_AN_HOUR
        if hour not in found:
            moments = np.zeros((len(layout.variables), 3))
            moments[:, 0], moments[:, 1] = np.inf, -np.inf
            found[hour] = np.zeros(layout.size, np.int64), np.zeros(layout.size), moments
        counts, sums, moments = found[hour]
        counts[slot] += n
        if numeric[slot]:
            sums[slot] += total
            mine = moments[owners[slot]]
            mine[0], mine[1] = min(mine[0], low), max(mine[1], high)
            mine[2] += squares
    first = slice(0, layout.variables[0].slots)
    return {
        hour: of_aggregates(int(counts[first].sum()), counts, sums, moments)
        for hour, (counts, sums, moments) in found.items()
    }


def _numeric_slots(layout: Layout) -> list[bool]:
    numeric = [False] * layout.size
    for bins, span in layout.spans():
        if bins.binning is not Binning.CATEGORIES:
            numeric[span] = [True] * bins.slots
            for name in _WITHOUT_NUMBER:
                numeric[span.start + (bins.slot(name) or 0)] = False
    return numeric


def of_aggregates(n: int, counts: Ints, sums: Floats, moments: Floats) -> Tally:
    """Return the tally of rows that others have counted and added up.

    A sum beyond the greatest float is that one, as in tallies of rows.
    """
    near = moments.copy()
    near[:, 2] = np.minimum(near[:, 2], GREATEST)
    return Tally(n, counts, np.clip(sums, -GREATEST, GREATEST), near)


def wired(layout: Layout, tally: Tally) -> Mapping[str, dict[str, Any]]:
    """Return a tally as POST /v1/profiles takes it, by variable."""
    found: dict[str, dict[str, Any]] = {}
    for row, (bins, span) in enumerate(layout.spans()):
        variable: dict[str, Any] = {"counts": tally.counts[span].tolist()}
        if bins.binning is not Binning.CATEGORIES:
            low, high, squares = tally.moments[row].tolist()
            some = low <= high
            variable |= {
                "sums": tally.sums[span].tolist(),
                "min": low if some else None,
                "max": high if some else None,
                "sum_squares": squares,
            }
        found[bins.name] = variable
    return found
