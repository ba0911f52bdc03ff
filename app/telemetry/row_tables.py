"""Rows as objects, seen as columns: recorded events, and JSON lines that were sent. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from app.kit.arrays import Floats
from app.telemetry.layout import numbers
from app.telemetry.lines import Refuse

MAX_CELLS = 20_000_000
MAX_TEXT = 4_000
_VALUES = f"Send numbers, text of at most {MAX_TEXT} bytes, true, false or null."


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

    def require(self, names: Sequence[str]) -> None:
        """Refuse nothing: what was stored as rows was looked at when it came."""

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


class LineTable(RowTable):
    """JSON lines: rows that nobody has looked at yet, each with its line."""

    def __init__(self, lines: Sequence[tuple[int, Mapping[str, Any]]], refuse: Refuse) -> None:
        super().__init__([row for _, row in lines])
        self._lines, self._refuse = lines, refuse

    def require(self, names: Sequence[str]) -> None:
        """Refuse what is no value, or longer text than is read, and say in which line."""
        if self.rows * len(names) > MAX_CELLS:
            raise self._refuse(
                f"{self.rows} rows of {len(names)} columns; {MAX_CELLS} cells are read."
            )
        for number, row in self._lines:
            for name in names:
                value = row.get(name)
                if isinstance(value, dict | list):
                    what = "an object" if isinstance(value, dict) else "a list"
                    said = f"Line {number}: {name!r} is {what}, not a value."
                    raise self._refuse(said, mend=_VALUES, line=number)
                if isinstance(value, str) and len(value.encode()) > MAX_TEXT:
                    said = f"Line {number}: {name!r} is longer text than is read."
                    raise self._refuse(said, mend=_VALUES, line=number)


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
