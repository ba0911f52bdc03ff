"""Uploaded rows as columns: Parquet, CSV and JSON lines, looked at before they are unpacked.

A small file can stand for any number of rows, and a row for any number of bytes: rows, cells and
lengths of text are counted where they lie, and refused there.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np
import orjson

from app.kit.arrays import Floats
from app.kit.refusal import Invalid
from app.telemetry.layout import numbers

PARQUET = "application/vnd.apache.parquet"
CSV = "text/csv"
JSON_LINES = "application/x-ndjson"
MAX_ROWS = 1_000_000
"""A file of constant columns is small, however many rows it stands for."""
MAX_CELLS = 20_000_000
MAX_TEXT = 4_000
MAX_TEXT_BYTES = 256 << 20
MAX_COLUMNS = 5_000
BOUNDS = {
    "memory_limit": "512MB", "temp_directory": "", "TimeZone": "UTC",
    # The bounds that a Parquet file states leave NaN out, and isnan(x) is answered by them.
    "disabled_optimizers": "statistics_propagation",
}  # fmt: skip
"""DuckDB's settings for whatever others have sent or asked: little memory, nothing on disk."""

Refuse = Callable[[str], Invalid]
_NUMBER = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL",
           "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")  # fmt: skip


class Table(Protocol):
    """Rows by column. ``columns`` says of each what was found in it."""

    rows: int
    columns: Mapping[str, str]

    def numbers(self, name: str) -> Floats:
        """Return a column as numbers: NaN for null, infinity for what is none."""

    def counted(self, name: str) -> list[tuple[Any, int]]:
        """Return each distinct value of a column with the number of its rows."""

    def times(self, name: str) -> Floats:
        """Return a column as seconds since 1970, NaN for what is no time; without a zone, UTC."""


class LakeTable:
    """A file that DuckDB reads column by column. ``typed`` says whether it knows its types."""

    def __init__(self, lake: Any, *, typed: bool, refuse: Refuse) -> None:
        self._lake, self._typed, self._refuse = lake, typed, refuse
        kinds = {str(row[0]): str(row[1]) for row in self._rows("DESCRIBE t")}
        if len(kinds) > MAX_COLUMNS:
            raise refuse(f"The file has {len(kinds)} columns; {MAX_COLUMNS} are read.")
        ((self.rows,),) = self._rows("SELECT count(*) FROM t")
        self._kinds = kinds
        self.columns: Mapping[str, str] = {name: _word(kind) for name, kind in kinds.items()}

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self._lake.execute(query).fetchall()
        return found

    def require(self, names: Sequence[str]) -> None:
        """Refuse more than can be unpacked of the named columns."""
        if self.rows * len(names) > MAX_CELLS:
            raise self._refuse(
                f"{self.rows} rows of {len(names)} columns; {MAX_CELLS} cells are read."
            )
        nested = [name for name in names if self.columns[name] == "nested"]
        if nested:
            raise self._refuse(f"Columns hold something other than values: {', '.join(nested)}.")
        for name in names:
            if self.columns[name] == "text":
                column = _quoted(name)
                ((longest, total),) = self._rows(
                    f"SELECT max(strlen({column})), sum(strlen({column})) FROM t"  # noqa: S608 - quoted
                )
                if (longest or 0) > MAX_TEXT or (total or 0) > MAX_TEXT_BYTES:
                    raise self._refuse(f"The column {name!r} holds longer text than is read.")

    def plain(self, name: str) -> list[Any]:
        """Return a column's values as they are."""
        fetched = self._lake.execute(f"SELECT {_quoted(name)} AS c FROM t").fetchnumpy()["c"]  # noqa: S608 - quoted
        if isinstance(fetched, np.ma.MaskedArray):
            return [None if value is np.ma.masked else value for value in fetched.tolist()]
        found: list[Any] = fetched.tolist()
        return found

    def numbers(self, name: str) -> Floats:
        """Return a column as numbers: NaN for null, infinity for what is none."""
        column, word = _quoted(name), self.columns[name]
        number = "NULL"
        if word == "number" or not self._typed:
            number = f"TRY_CAST({column} AS DOUBLE)"
        query = (
            f"SELECT CASE WHEN {column} IS NULL THEN 'nan'::DOUBLE"  # noqa: S608 - quoted
            f" WHEN {number} IS NULL OR isnan({number}) THEN 'inf'::DOUBLE"
            f" ELSE {number} END AS c FROM t"
        )
        found = self._lake.execute(query).fetchnumpy()["c"]
        return np.asarray(np.ma.filled(found, np.nan), dtype=np.float64)

    def counted(self, name: str) -> list[tuple[Any, int]]:
        """Return each distinct value of a column with the number of its rows."""
        column = _quoted(name)
        found = self._rows(f"SELECT {column}, count(*) FROM t GROUP BY 1")  # noqa: S608 - quoted
        return [(value, int(count)) for value, count in found]

    def times(self, name: str) -> Floats:
        """Return a column as seconds since 1970, NaN for what is no time; without a zone, UTC."""
        query = f"SELECT epoch_us(TRY_CAST({_quoted(name)} AS TIMESTAMPTZ)) AS c FROM t"  # noqa: S608 - quoted
        found = self._lake.execute(query).fetchnumpy()["c"]
        return np.asarray(np.ma.filled(found.astype(np.float64), np.nan)) / 1e6


class RowTable:
    """Rows as objects, such as JSON lines or recorded events."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._rows = rows
        self.rows = len(rows)
        kinds: dict[str, set[str]] = {}
        for row in rows:
            for name, value in row.items():
                known = kinds.setdefault(name, set())
                if value is not None:
                    known.add(_kind(value))
        self.columns: Mapping[str, str] = {
            name: next(iter(found)) if len(found) == 1 else "mixed" if found else "null"
            for name, found in kinds.items()
        }

    def _column(self, name: str) -> list[Any]:
        return [row.get(name) for row in self._rows]

    def numbers(self, name: str) -> Floats:
        """Return a column as numbers: NaN for null, infinity for what is none."""
        values, invalid = numbers(self._column(name))
        found = values.copy()
        found[invalid] = np.inf
        return found

    def counted(self, name: str) -> list[tuple[Any, int]]:
        """Return each distinct value of a column with the number of its rows."""
        nested = (dict, list)
        column = (str(one) if isinstance(one, nested) else one for one in self._column(name))
        # True is 1 to a dictionary, and another category than it.
        counts = Counter((type(one), one) for one in column)
        return [(value, count) for (_, value), count in counts.items()]

    def times(self, name: str) -> Floats:
        """Return a column as seconds since 1970, NaN for what is no time; without a zone, UTC."""
        return np.array([_seconds(one) for one in self._column(name)], dtype=np.float64)


@contextmanager
def opened(raw: bytes, media: str, refuse: Refuse, *, rows: int = MAX_ROWS) -> Iterator[Any]:
    """Open a file of one of the three kinds; ``refuse`` makes the refusal of a sentence."""
    if media == JSON_LINES:
        yield RowTable(_lines(raw, refuse, rows))
        return
    with _lake(raw, media, refuse, rows) as table:
        yield table


@contextmanager
def _lake(raw: bytes, media: str, refuse: Refuse, most: int) -> Iterator[LakeTable]:
    import duckdb  # noqa: PLC0415 - 30 MB that only processes given such a file should carry

    name = "Parquet" if media == PARQUET else "CSV"
    with tempfile.NamedTemporaryFile() as file, duckdb.connect() as lake:
        bound(lake, BOUNDS)
        file.write(raw)
        file.flush()
        try:
            if media == PARQUET:
                query = "SELECT num_rows FROM parquet_file_metadata(?)"
                ((rows,),) = lake.execute(query, [file.name]).fetchall()
                relation = lake.read_parquet(file.name)
            else:
                # As text: one word among the numbers is one bad value, not a column of words.
                relation = lake.read_csv(file.name, header=True, all_varchar=True)
                ((rows,),) = relation.count("*").fetchall()
            if rows > most:
                raise refuse(f"The file has {rows} rows; {most} are read.")
            relation.create_view("t")
            yield LakeTable(lake, typed=media == PARQUET, refuse=refuse)
        except duckdb.Error as error:
            raise refuse(f"The file is not a readable {name} file.") from error


def bound(lake: Any, settings: Mapping[str, str]) -> None:
    """Give a connection settings."""
    for key, value in settings.items():
        lake.execute(f"SET {key} = '{value}'")


def _lines(raw: bytes, refuse: Refuse, most: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for number, line in enumerate(raw.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise refuse(f"Line {number} is not JSON.") from error
        if not isinstance(row, dict):
            raise refuse(f"Line {number} is not an object.")
        found.append(row)
        if len(found) > most:
            raise refuse(f"More rows than {most}, which are read.")
    return found


def _word(kind: str) -> str:
    if kind.startswith(_NUMBER) and not kind.endswith("]"):
        return "number"
    if kind in {"VARCHAR", "UUID"} or kind.startswith("ENUM("):
        return "text"
    if kind == "BOOLEAN":
        return "boolean"
    return "time" if kind.startswith(("TIMESTAMP", "DATE")) and "]" not in kind else "nested"


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "nested"


def _seconds(value: Any) -> float:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return np.nan
    if found is None:
        return np.nan
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
