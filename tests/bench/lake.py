"""What a profile costs where the data lies, against DuckDB's own bare histogram of the same file.

``python -m tests.bench.lake``: 20 numeric variables of a million rows in Parquet. The query against
the query: writing and compiling it takes a part of a second, however many rows there are, and is in
``whole_call_ratio``. In turns, since others run on the machine; of the ratios the median counts.
Ends with one line of JSON.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from app.telemetry import Layout
from app.telemetry.lake_engines import opened_table
from app.telemetry.lake_profile import Asked, questions
from app.telemetry.layout import fit, score_bins
from app.telemetry.tally import tally
from tests.bench.conclusion import conclude, within

ROWS, VARIABLES, TURNS = 1_000_000, 20, 9
BOUNDS = {"parquet_ratio": ("at most", 1.5)}
HOUR = 3_600_000_000


def main() -> int:
    with within(600):
        figures = measure()
    return conclude(figures, {**BOUNDS, "same_counts": ("at least", 1)})


def measure() -> dict[str, Any]:
    """Return the seconds of both sides, their ratios, and whether the counts are NumPy's."""
    with tempfile.TemporaryDirectory() as home:
        path, layout, same = _made(Path(home) / "lake.parquet")
        names = [bins.name for bins in layout.variables[:-1]]
        edges = [list(bins.marks) for bins in layout.variables[:-1]]
        histograms = ", ".join(
            f"histogram({name}, {marks!r}::DOUBLE[])"
            for name, marks in zip(names, edges, strict=True)
        )
        with duckdb.connect() as lake:
            bare = _seconds_of(
                lambda: lake.execute(f"SELECT {histograms} FROM '{path}'").fetchall()
            )
            with opened_table(str(path)) as table:
                profiled = _seconds_of(lambda: table.profile(layout))
                asked = Asked(table.table, layout, table.shape, table.dialect)
                queries = [
                    one._replace(expression=table.compile(one.expression))
                    for one in questions(asked)
                ]
                counted = _seconds_of(lambda: list(table.rows(queries)))
                hourly = _seconds_of(lambda: table.profile(layout, time="at"))
                turns = [(bare(), counted(), profiled(), hourly()) for _ in range(TURNS + 1)][1:]
    return {
        "rows": ROWS,
        "variables": VARIABLES,
        "bare_seconds": statistics.median(turn[0] for turn in turns),
        "query_seconds": statistics.median(turn[1] for turn in turns),
        "profile_seconds": statistics.median(turn[2] for turn in turns),
        "parquet_ratio": statistics.median(turn[1] / turn[0] for turn in turns),
        "whole_call_ratio": statistics.median(turn[2] / turn[0] for turn in turns),
        "hourly_ratio": statistics.median(turn[3] / turn[0] for turn in turns),
        "same_counts": same,
    }


def _made(path: Path) -> tuple[Path, Layout, int]:
    """Write the file; return the layout of its first rows, and whether its counts are NumPy's."""
    rng = np.random.default_rng(7)
    columns = {f"x{i}": rng.normal(size=ROWS) * (i + 1) for i in range(VARIABLES)}
    hours = np.sort(rng.integers(0, 7 * 24, ROWS)) * HOUR
    at = pa.array(hours, pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({**columns, "at": at}), path)
    bins = [fit(name, column[:100_000].tolist(), numeric=True) for name, column in columns.items()]
    layout = Layout((*bins, score_bins()))
    given: list[Any] = [*columns.values(), np.full(ROWS, np.nan)]
    codes, values = layout.place(given)
    wanted = tally(codes, values, layout.size)
    with opened_table(str(path)) as table:
        (found,) = table.profile(layout).values()
    return path, layout, int((found.counts == wanted.counts).all())


def _seconds_of(work: Callable[[], object]) -> Callable[[], float]:
    def seconds() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return seconds


if __name__ == "__main__":
    sys.exit(main())
