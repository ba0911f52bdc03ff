"""Uploaded rows as columns: Parquet, CSV and JSON lines, looked at before they are unpacked.

A small file can stand for any number of rows, and a row for any number of bytes: rows, cells and
lengths of text are counted where they lie, and refused there.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from app.kit.arrays import Floats
from app.telemetry.lines import Refuse, json_rows, rewrite_csv
from app.telemetry.row_tables import MAX_CELLS, MAX_TEXT, LineTable

PARQUET = "application/vnd.apache.parquet"
CSV = "text/csv"
JSON_LINES = "application/x-ndjson"
MAX_ROWS = 1_000_000
"""A file of constant columns is small, however many rows it stands for."""
MAX_TEXT_BYTES = 256 << 20
MAX_COLUMNS = 5_000
BOUNDS = {
    "memory_limit": "512MB", "temp_directory": "", "TimeZone": "UTC",
    # The bounds that a Parquet file states leave NaN out, and isnan(x) is answered by them.
    "disabled_optimizers": "statistics_propagation",
}  # fmt: skip
"""DuckDB's settings for whatever others have sent or asked: little memory, nothing on disk."""

_NUMBER = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL",
           "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")  # fmt: skip


class Table(Protocol):
    """Rows by column. ``columns`` says of each what was found in it."""

    rows: int
    columns: Mapping[str, str]

    def require(self, names: Sequence[str]) -> None:
        """Refuse what cannot be looked at of the named columns."""

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
        if any("\0" in name for name in kinds):
            raise refuse("The name of a column holds the NUL character, which cannot be stored.")
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
                ((longest, total, nul),) = self._rows(
                    f"SELECT max(strlen({column})), sum(strlen({column})),"  # noqa: S608 - quoted
                    f" bool_or(contains({column}::VARCHAR, chr(0))) FROM t"
                )
                if nul:
                    raise self._refuse(
                        f"The column {name!r} holds the NUL character, which cannot be stored.",
                        mend="Take the NUL characters out of it.",
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


@contextmanager
def opened(raw: bytes, media: str, refuse: Refuse, *, rows: int = MAX_ROWS) -> Iterator[Any]:
    """Open a file of one of the three kinds; ``refuse`` makes the refusal of a sentence."""
    if media == JSON_LINES:
        yield LineTable(list(json_rows(raw, refuse, rows)), refuse)
        return
    with _lake(raw, media, refuse, rows) as table:
        yield table


@contextmanager
def _lake(raw: bytes, media: str, refuse: Refuse, most: int) -> Iterator[LakeTable]:
    import duckdb  # noqa: PLC0415 - 30 MB that only processes given such a file should carry

    name = "Parquet" if media == PARQUET else "CSV"
    with tempfile.NamedTemporaryFile() as file, duckdb.connect() as lake:
        bound(lake, BOUNDS)
        try:
            if media == PARQUET:
                file.write(raw)
                file.flush()
                query = "SELECT num_rows FROM parquet_file_metadata(?)"
                ((rows,),) = lake.execute(query, [file.name]).fetchall()
                if rows > most:
                    raise refuse(f"The file has {rows} rows; {most} are read.")
                relation = lake.read_parquet(file.name)
                _require_told_apart(lake, file.name, relation.columns, refuse)
            else:
                names = rewrite_csv(raw, file, refuse, most)
                # As text: one word among the numbers is one bad value, not a column of words.
                relation = lake.read_csv(
                    file.name, header=False, columns=dict.fromkeys(names, "VARCHAR"),
                    auto_detect=False, lineterminator=duckdb.CSVLineTerminator.LINE_FEED,
                    sep=",", quotechar='"', escapechar='"',
                )  # fmt: skip
            relation.create_view("t")
            yield LakeTable(lake, typed=media == PARQUET, refuse=refuse)
        except duckdb.Error as error:
            raise refuse(f"The file is not a readable {name} file.") from error


def _require_told_apart(lake: Any, path: str, columns: Sequence[str], refuse: Refuse) -> None:
    """Refuse a file in which DuckDB has given a column another name: there was one like it."""
    rows = lake.execute("SELECT name FROM parquet_schema(?)", [path]).fetchall()
    known = {str(name) for (name,) in rows}
    if renamed := [name for name in columns if name not in known]:
        name = renamed[0].rpartition("_")[0]
        raise refuse(
            f"Two columns are called {name!r}, or differ from it in case only.",
            mend="Give each column a name of its own.",
        )


def bound(lake: Any, settings: Mapping[str, str]) -> None:
    """Give a connection settings."""
    for key, value in settings.items():
        lake.execute(f"SET {key} = '{value}'")


def _word(kind: str) -> str:
    if kind.startswith(_NUMBER) and not kind.endswith("]"):
        return "number"
    if kind in {"VARCHAR", "UUID"} or kind.startswith("ENUM("):
        return "text"
    if kind == "BOOLEAN":
        return "boolean"
    return "time" if kind.startswith(("TIMESTAMP", "DATE")) and "]" not in kind else "nested"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
