import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from app.kit.exact import GREATEST
from app.telemetry import Binning, Bins, Layout, Tally
from app.telemetry.lake_engines import opened_table
from app.telemetry.lake_profile import Asked, BadTable, Shape, questions
from app.telemetry.layout import fit, score_bins
from app.telemetry.reading import PARQUET, opened
from tests.telemetry.lakes import (
    EPOCH,
    NASTY_LAYOUT,
    TIMES,
    TYPES,
    by_numpy,
    hours_by_numpy,
    nasty,
    parquet,
    require_equal,
)

SHAPES = list(Shape)


def profiled(
    path: Path, layout: Layout, shape: Shape | None = None, **asked: Any
) -> dict[int | None, Tally]:
    with opened_table(str(path)) as table:
        chosen = table if shape is None else replace(table, shape=shape)
        return chosen.profile(layout, **asked)


@pytest.mark.parametrize("shape", SHAPES)
def test_duckdb_counts_a_nasty_table_as_numpy_does(tmp_path: Path, shape: Shape) -> None:
    path = parquet(tmp_path / "t.parquet", nasty(), TYPES)

    (found,) = profiled(path, NASTY_LAYOUT, shape).values()

    require_equal(found, by_numpy(NASTY_LAYOUT, nasty()), NASTY_LAYOUT)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_hour_is_cut_and_never_rounded(tmp_path: Path, shape: Shape) -> None:
    path = parquet(tmp_path / "t.parquet", nasty(), TYPES)

    found = profiled(path, NASTY_LAYOUT, shape, time="at")

    wanted = hours_by_numpy(NASTY_LAYOUT, nasty())
    assert found.keys() == wanted.keys()
    for hour, tally in wanted.items():
        require_equal(found[hour], tally, NASTY_LAYOUT)


MODERATE = st.floats(-1e100, 1e100)
NUMBERS = st.one_of(
    st.none(), st.sampled_from([float("nan"), float("inf"), float("-inf"), -0.0, 0.0]), MODERATE
)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4)
KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "float": (pa.float64(), NUMBERS),
    "single": (pa.float32(), st.none() | st.floats(width=32)),
    "whole": (pa.int64(), st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)),
    "natural": (pa.uint64(), st.none() | st.integers(0, 2**64 - 1)),
    "decimal": (pa.decimal128(12, 3), st.none() | st.decimals(-(10**6), 10**6, places=3)),
    "long": (pa.decimal128(38, 6), st.none() | st.decimals(-(10**25), 10**25, places=6)),
    "flag": (pa.bool_(), st.none() | st.booleans()),
    "text": (pa.string(), st.none() | TEXT | st.sampled_from(["1", "true", "nan", "0.5"])),
}


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Layout, dict[str, list[Any]], dict[str, pa.DataType]]:
    """A layout fitted to some rows, and other rows of the same and of other kinds."""
    rows = draw(st.integers(0, 25))
    variables, columns, types = [], {}, {}
    for index in range(draw(st.integers(1, 3))):
        name = f"v{index}"
        kind, values = KINDS[draw(st.sampled_from(sorted(KINDS)))]
        columns[name] = draw(st.lists(values, min_size=rows, max_size=rows))
        types[name] = kind
        numeric = draw(st.booleans())
        known = draw(st.lists(NUMBERS if numeric else values, max_size=60))
        # What is on an edge is what goes wrong: the fitted rows are among those that come.
        bins = fit(name, known + columns[name][: rows // 2], numeric=numeric)
        if not numeric and draw(st.booleans()):
            half = len(bins.marks) // 2
            bins = replace(bins, marks=bins.marks[:half], rest=frozenset(bins.marks[half:]))
        variables.append(bins)
    columns["score"] = draw(st.lists(st.none() | st.floats(0, 1), min_size=rows, max_size=rows))
    types["score"] = pa.float64()
    return Layout((*variables, score_bins())), columns, types


def plain(columns: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Columns as a Parquet file's are read: decimals as the numbers they are."""
    return {
        name: [float(one) if isinstance(one, Decimal) else one for one in column]
        for name, column in columns.items()
    }


# What fails is small as it is, and to make it smaller takes a query a step.
@settings(max_examples=60, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(worlds(), st.sampled_from(SHAPES))
def test_duckdb_counts_any_table_in_any_layout_as_numpy_does(
    tmp_path_factory: pytest.TempPathFactory,
    world: tuple[Layout, dict[str, list[Any]], dict[str, pa.DataType]],
    shape: Shape,
) -> None:
    layout, columns, types = world
    path = parquet(tmp_path_factory.mktemp("lake") / "t.parquet", columns, types)

    found = profiled(path, layout, shape)

    if not columns["score"]:
        assert found == {}
        return
    require_equal(found[None], by_numpy(layout, plain(columns)), layout)


def test_the_file_of_a_baseline_has_the_baselines_own_profile(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    x = [None if one > 2 else float("nan") if one < -2 else one for one in rng.normal(size=5000)]
    columns = {"x": x, "score": rng.random(5000).tolist()}
    types = {"x": pa.float64(), "score": pa.float64()}
    path = parquet(tmp_path / "t.parquet", columns, types)
    with opened(path.read_bytes(), PARQUET, BadTable) as table:
        read = {name: table.plain(name) for name in columns}
    layout = Layout((fit("x", read["x"], numeric=True), score_bins()))

    found = profiled(path, layout)[None]

    require_equal(found, by_numpy(layout, read), layout)
    assert found.counts[layout.variables[0].slot("null")] == sum(
        one is None or one != one  # noqa: PLR0124 - NaN
        for one in x
    )


def test_a_csv_file_is_read_as_one_that_is_uploaded(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "x,c,at\n1,1,2026-01-01 00:59:59Z\nword,a,2026-01-01T01:30:00+01:00\n,,\ninf,,\n2.5,b,x\n"
    )
    x_bins, c_bins = fit("x", [1, 2.5], numeric=True), fit("c", ["1", "a"], numeric=False)
    layout = Layout((x_bins, c_bins, score_bins()))

    found = profiled(path, layout, time="at")

    hour = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) // 3600
    assert found.keys() == {hour, None}
    x, c = layout.spans()[0][1], layout.spans()[1][1]
    assert found[hour].counts[x].tolist() == [1, 0, 0, 0, 1]
    assert found[hour].counts[c].tolist() == [1, 1, 0, 0, 0]
    assert found[None].counts[x].tolist() == [0, 1, 0, 1, 1]
    assert found[None].counts[c].tolist() == [0, 0, 0, 1, 2]


def test_a_pattern_names_all_of_its_files_and_a_window_some_of_their_rows(tmp_path: Path) -> None:
    for index in range(3):
        half = {name: column[index * 8 : index * 8 + 8] for name, column in nasty().items()}
        parquet(tmp_path / f"t{index}.parquet", half, TYPES)
    since, until = TIMES[5], TIMES[20]

    found = profiled(tmp_path / "t*.parquet", NASTY_LAYOUT, time="at", since=since, until=until)

    kept = {name: column[5:20] for name, column in nasty().items()}
    wanted = hours_by_numpy(NASTY_LAYOUT, kept)
    assert {hour: tally.n for hour, tally in found.items()} == {h: t.n for h, t in wanted.items()}


@pytest.mark.parametrize(
    ("columns", "asked", "says"),
    [
        ({"at": list(TIMES)}, {}, "no columns edges, whole"),
        (nasty(), {"score": "none"}, "no columns none"),
        (nasty(), {"time": "none"}, "no time column 'none'"),
        (nasty(), {"time": "whole"}, "holds int64, which is no time"),
    ],
)
def test_what_a_table_lacks_is_named(
    tmp_path: Path, columns: dict[str, Any], asked: dict[str, Any], says: str
) -> None:
    path = parquet(tmp_path / "t.parquet", columns, TYPES)

    with pytest.raises(BadTable, match=says):
        profiled(path, NASTY_LAYOUT, **asked)


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("none.parquet", "DuckDB: "),
        ("t.xlsx", "ends in none of"),
        ("postgresql://someone:secret@127.0.0.1:1/d?table=t", "Postgres: "),
        ("postgresql://someone:secret@127.0.0.1:1/d", "which table"),
    ],
)
def test_a_table_that_is_not_there_is_a_sentence_without_secrets(uri: str, says: str) -> None:
    with pytest.raises(BadTable, match=says) as refusal, opened_table(uri):
        pass

    assert "secret" not in refusal.value.detail


@pytest.mark.parametrize("dialect", ["clickhouse", "trino", "bigquery", "duckdb", "postgres"])
def test_the_one_query_scans_its_table_once_in_every_dialect(dialect: str) -> None:
    table = ibis.table(
        {"x": "float64", "n": "int64", "c": "string", "score": "float64", "at": "timestamp('UTC')"},
        name="the_lake",
    )
    layout = Layout(
        (
            fit("x", np.linspace(0, 1, 500).tolist(), numeric=True),
            fit("n", [1, 2, 3], numeric=True),
            Bins("c", Binning.CATEGORIES, ("a", "it's"), frozenset({"b", "c"})),
            score_bins(),
        )
    )
    shape = Shape.ZIPPED if dialect in {"duckdb", "postgres"} else Shape.CELLS

    asked = Asked(table, layout, shape, dialect, time="at")
    (asked_for,) = questions(asked)
    query = str(ibis.to_sql(asked_for.expression, dialect=dialect))

    assert query.count("the_lake") == 1
    assert query.upper().count("GROUP BY") == 1


def test_no_process_carries_an_engine_before_it_profiles_a_lake() -> None:
    check = (
        "import sys, app.main, app.worker, app.cli;"
        "print([n for n in ('ibis','pandas','pyarrow','pyspark','duckdb','sqlglot')"
        " if n in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.strip() == "[]"


def test_a_file_that_is_damaged_within_is_refused_and_is_no_failure(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    column = pa.array(np.random.default_rng(0).normal(size=20_000))
    pq.write_table(pa.table({"x": column}), path, compression="zstd", use_dictionary=False)
    raw = bytearray(path.read_bytes())
    raw[1000:60_000] = bytes(59_000)
    path.write_bytes(raw)
    layout = Layout((fit("x", [float(one) for one in range(500)], numeric=True), score_bins()))

    with pytest.raises(BadTable, match="DuckDB: "):
        profiled(path, layout)


@pytest.mark.parametrize("after", [[0.0] * 200_000 + [-1.7e308] * 3, [1.7e308] * 200_000])
def test_sums_beyond_all_numbers_are_the_greatest_whatever_comes_after(
    after: list[float], tmp_path: Path
) -> None:
    far = [1.7e308] * 3 + after
    path = parquet(tmp_path / "t.parquet", {"x": far}, {"x": pa.float64()})
    layout = Layout((Bins("x", Binning.QUANTILES, ()), score_bins()))

    (found,) = profiled(path, layout).values()

    assert found.sums[0] == found.moments[0, 2] == GREATEST
    assert found.counts[0] == len(far)


def test_hours_by_the_thousand_in_any_order_are_each_counted(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    x = np.where(rng.random(300_000) < 0.1, np.nan, rng.normal(size=300_000))
    hours = rng.integers(-2000, 9000, 300_000)
    at = [None if hour == 0 else EPOCH + timedelta(hours=int(hour)) for hour in hours]
    path = parquet(
        tmp_path / "t.parquet", {"x": x.tolist(), "at": at}, {**TYPES, "x": pa.float64()}
    )
    layout = Layout((fit("x", x[:1000].tolist(), numeric=True), score_bins()))

    found = profiled(path, layout, time="at")

    assert found.keys() == {None if hour == 0 else hour for hour in hours.tolist()}
    for hour in (None, -2000, -1, 1, 8999):
        mine = x[hours == (hour or 0)]
        nothing = np.full(len(mine), np.nan)
        require_equal(
            found[hour], by_numpy(layout, {"x": mine.tolist(), "score": nothing.tolist()}), layout
        )
