"""The New South Wales electricity market (Elec2): 45,312 half-hours from 7 May 1996 on.

M. Harries, "SPLICE-2 comparative evaluation: electricity pricing", University of New South Wales,
1999. Values are scaled to 0..1 in the published data; class is 1 where the price is above its mean
over the last 24 hours.
"""

import csv
import gzip
import hashlib
import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DESCRIBED = {
    "period": "The half-hour of the day.",
    "nswprice": "The price in New South Wales.",
    "nswdemand": "The demand in New South Wales.",
    "vicprice": "The price in Victoria.",
    "vicdemand": "The demand in Victoria.",
    "transfer": "The transfer scheduled between the two states.",
}
INPUTS = tuple(DESCRIBED)
LABEL = "class"
SOURCE = "https://www.openml.org/d/151"
START = datetime(1996, 5, 7, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
ROWS_A_DAY = 48
ROWS_A_WEEK = 7 * ROWS_A_DAY


class BadData(ValueError):
    """The file is not a market of the demo's columns."""


@dataclass(frozen=True, slots=True)
class Market:
    """The half-hours in order: inputs shaped (rows, 6), and what the price did."""

    inputs: NDArray[np.float64]
    rises: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rises)

    def columns(self, start: int, end: int) -> dict[str, list[float]]:
        """Return some half-hours as columns."""
        return {name: self.inputs[start:end, i].tolist() for i, name in enumerate(INPUTS)}

    def digest(self, start: int, end: int) -> str:
        """Name some half-hours: SHA-256 over their inputs and outcomes."""
        raw = self.inputs[start:end].tobytes() + self.rises[start:end].tobytes()
        return "sha256:" + hashlib.sha256(raw).hexdigest()

    def features(self, row: int) -> dict[str, float]:
        """Return one half-hour's inputs by name."""
        return dict(zip(INPUTS, self.inputs[row].tolist(), strict=True))


def when(row: int) -> datetime:
    """Return the time of a half-hour."""
    return START + row * HALF_HOUR


def row_of(at: datetime) -> int:
    """Return the number of the half-hour that begins at ``at``."""
    return (at - START) // HALF_HOUR


def load(path: Path | None, *, at_least: int) -> Market:
    """Return the market of a CSV file, plain or gzipped; by default the one in the package."""
    raw = (files("app.demo") / "data" / "elec2.csv.gz").read_bytes()
    if path is not None:
        raw = path.read_bytes()
    text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()
    reader = csv.reader(io.StringIO(text))
    if (header := next(reader, None)) != [*INPUTS, LABEL]:
        raise BadData(f"Expected the columns {', '.join([*INPUTS, LABEL])}, found {header}.")
    try:
        table = np.array(list(reader), dtype=np.float64)
    except ValueError as error:
        raise BadData(f"A row holds something that is not a number: {error}") from error
    if len(table) < at_least:
        raise BadData(f"The story needs {at_least:,} half-hours; there are {len(table):,}.")
    return Market(table[:, :-1], table[:, -1].astype(np.int64))
