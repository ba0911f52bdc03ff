"""Tables for engines to profile, and the profiles that NumPy makes of the same rows."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from app.telemetry import Binning, Bins, Layout, Tally
from app.telemetry.layout import SCORE_EDGES
from app.telemetry.tally import by_hour, tally

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EDGES = (-1e300, -2.5, -0.1, 0.0, 0.1 + 0.2, 1.0, 9007199254740993.0, 1e300)
NAN, INF = float("nan"), float("inf")
TRICKY = [
    None, NAN, INF, -INF, -0.0, 0.0, 0.30000000000000004, 0.3, 0.1, -0.1, np.nextafter(-0.1, 0),
    -2.5, np.nextafter(-2.5, -3), 1.0, 1e300, -1e300, 5e-324, 1e17, 2.0**53, 1e120, 1e-200,
]  # fmt: skip
WORDS = ["a", "it's", 'say "x"', "back\\slash", "ünï", "🙂", "", " a", "A", "100%", "rare", "new"]
ROWS = 24
MONEY = [None, Decimal("0.30"), Decimal("-2.50"), Decimal("1.00")]
LONG = [None, Decimal("0.300000000000000040"), Decimal("9007199254740993.0"), Decimal("0.1")]
NASTY: dict[str, list[Any]] = {
    "edges": [TRICKY[i % len(TRICKY)] for i in range(ROWS)],
    "few": [[None, 0.0, -0.0, 1.0, 2.5, 7.0, NAN, INF][i % 8] for i in range(ROWS)],
    "whole": [[None, 2**53, 2**53 + 1, -(2**63), 2**63 - 1, 0, 1][i % 7] for i in range(ROWS)],
    "money": [MONEY[i % 4] for i in range(ROWS)],
    "long": [LONG[i % 4] for i in range(ROWS)],
    "flag": [[None, True, False][i % 3] for i in range(ROWS)],
    "text": [[None, "5", "x", ""][i % 4] for i in range(ROWS)],
    "day": [[None, date(2024, 1, 1)][i % 2] for i in range(ROWS)],
    "word": [[None, *WORDS][i % (len(WORDS) + 1)] for i in range(ROWS)],
    "number": [[None, 1.0, 2.5, -0.0, 1e16, NAN, INF, 0.1, 3.0][i % 9] for i in range(ROWS)],
    "key": [[None, 1, 2**60 + 1, 2**60, -7, 12][i % 6] for i in range(ROWS)],
    "yes": [[None, True, False, True][i % 4] for i in range(ROWS)],
    "score": [[None, 0.0, 0.01, 0.29, 0.5, 0.99, 1.0, 0.57][i % 8] for i in range(ROWS)],
}  # fmt: skip
TYPES: dict[str, pa.DataType] = {
    "edges": pa.float64(), "few": pa.float64(), "whole": pa.int64(),
    "money": pa.decimal128(10, 2), "long": pa.decimal128(38, 18), "flag": pa.bool_(),
    "text": pa.string(), "day": pa.date32(), "word": pa.string(), "number": pa.float64(),
    "key": pa.int64(), "yes": pa.bool_(), "score": pa.float64(),
    "at": pa.timestamp("us", "UTC"),
}  # fmt: skip
NASTY_LAYOUT = Layout(
    (
        *(
            Bins(name, Binning.QUANTILES, EDGES)
            for name in ("edges", "whole", "money", "long", "flag", "text", "day")
        ),
        Bins("few", Binning.EXACT, (-0.0, 1.0, 2.5)),
        Bins("word", Binning.CATEGORIES, tuple(WORDS[:9]), frozenset({"rare", "scarce", "it''s"})),
        Bins(
            "number", Binning.CATEGORIES, ("1", "2.5", "0", "nan", "0.1"),
            frozenset({"1e16", "inf", "10000000000000000"}),
        ),
        Bins("key", Binning.CATEGORIES, (str(2**60), "-7", "01"), frozenset({"1", "9" * 30})),
        Bins("yes", Binning.CATEGORIES, ("true", "1"), frozenset({"false"})),
        Bins("score", Binning.QUANTILES, SCORE_EDGES),
    )
)  # fmt: skip
TIMES = [
    datetime(2026, 1, 5, 9, 59, 59, 999_999, tzinfo=UTC) + timedelta(minutes=20 * i)
    for i in range(ROWS)
]


def nasty() -> dict[str, list[Any]]:
    """Every value that has ever been read in two ways, by column, with times."""
    return {**NASTY, "at": list(TIMES)}


def parquet(path: Path, columns: Mapping[str, Sequence[Any]], types: Mapping[str, Any]) -> Path:
    made = {name: pa.array(column, types[name]) for name, column in columns.items()}
    pq.write_table(pa.table(made), path)
    return path


def by_numpy(layout: Layout, columns: Mapping[str, Sequence[Any]]) -> Tally:
    codes, values = layout.place([columns[bins.name] for bins in layout.variables])
    with np.errstate(over="ignore"):
        return tally(codes, values, layout.size)


def hours_by_numpy(layout: Layout, columns: Mapping[str, Sequence[Any]]) -> dict[int, Tally]:
    codes, values = layout.place([columns[bins.name] for bins in layout.variables])
    hours = np.array([(at - EPOCH) // timedelta(hours=1) for at in columns["at"]])
    with np.errstate(over="ignore"):
        parts = by_hour(hours, codes, values, layout.size)
    return {hour: Tally.decode(payload) for hour, _, payload in parts}


def require_equal(found: Tally, wanted: Tally, layout: Layout) -> None:
    """Counts are the same, and sums to rounding: of what was added up, signs left aside."""
    assert found.n == wanted.n
    for bins, span in layout.spans():
        assert found.counts[span].tolist() == wanted.counts[span].tolist(), bins.name
    assert found.moments[:, :2].tolist() == wanted.moments[:, :2].tolist()
    np.testing.assert_allclose(found.moments[:, 2], wanted.moments[:, 2], rtol=1e-12, atol=1e-300)
    reach = np.abs(wanted.moments[:, :2])
    for row, (bins, span) in enumerate(layout.spans()):
        most = reach[row].max() if np.isfinite(reach[row]).all() else 0.0
        np.testing.assert_allclose(
            found.sums[span], wanted.sums[span], rtol=1e-12,
            atol=1e-15 * most * max(wanted.n, 1), err_msg=bins.name,
        )  # fmt: skip
