"""Whoever asks a lake reads the sources that were named, by one SELECT, and nothing else."""

import io
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.kit.refusal import Invalid
from app.telemetry import lakes
from app.telemetry.lakes import BadSources, LakeSource, asked, sources_of
from app.telemetry.reading import PARQUET, opened

Lake = dict[str, LakeSource]


class Bad(Invalid):
    code, title, mend = "bad", "Bad", "Ask otherwise."


@pytest.fixture(scope="module")
def lake() -> Iterator[Lake]:
    with TemporaryDirectory() as folder:
        for day in ("2026-03-01", "2026-03-02"):
            place = Path(folder) / "events" / f"day={day}"
            place.mkdir(parents=True)
            write(place / "part.parquet", "SELECT range AS i, range * 0.1 AS x FROM range(50)")
        (Path(folder) / "codes.csv").write_text("i,code\n1,one\n2,two\n")
        write(Path(folder) / "secret.parquet", "SELECT 1 AS secret")
        text = f"*/events={folder}/events/**/*.parquet, */codes={folder}/codes.csv"
        text += f", */none={folder}/none/*.parquet"
        yield {one.name: one for one in sources_of(text)}


def write(path: Path, query: str) -> None:
    with duckdb.connect() as writer:
        writer.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")


def count(lake: Lake, sql: str, rows: int = 1000) -> tuple[int, list[str]]:
    with asked(lake, sql, Bad, rows=rows) as (table, named):
        return table.rows, named


@pytest.mark.parametrize(
    ("sql", "rows", "named"),
    [
        ("SELECT * FROM events", 100, ["events"]),
        ("SELECT x FROM events WHERE day = '2026-03-02' -- the second", 50, ["events"]),
        ("FROM events USING SAMPLE 10 ROWS", 10, ["events"]),
        ("WITH few AS (FROM events LIMIT 3) SELECT * FROM few", 3, ["events"]),
        ("SELECT code, x FROM events JOIN codes ON events.i = codes.i", 4, ["codes", "events"]),
        ('SELECT * FROM "codes"', 2, ["codes"]),
        ("SELECT * FROM Events;", 100, ["events"]),
    ],
)
def test_one_select_over_named_sources_is_answered(
    lake: Lake, sql: str, rows: int, named: list[str]
) -> None:
    assert count(lake, sql) == (rows, named)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT 1", "reads nothing"),
        ("SELECT * FROM secrets", "sources are: codes, events, none"),
        ("SELECT * FROM events; SELECT * FROM events", "not one SELECT"),
        ("SELEC * FROM events", "fails"),
        ("SELECT missing FROM events", "fails"),
        ("COPY events TO 'here.parquet'", "not one SELECT"),
        ("CREATE TABLE a AS SELECT * FROM events", "not one SELECT"),
        ("ATTACH 'a.db'", "not one SELECT"),
        ("SET memory_limit = '64GB'", "not one SELECT"),
        ("SELECT * FROM none", "no files"),
        ("SELECT * FROM events) UNION (SELECT 1 AS i", "fails"),
        ("", "not one SELECT"),
    ],
)
def test_anything_else_is_refused_with_a_sentence(lake: Lake, sql: str, why: str) -> None:
    with pytest.raises(Bad, match=why):
        count(lake, sql)


@pytest.mark.parametrize(
    "elsewhere",
    [
        "read_text('/etc/passwd')",
        "read_parquet('{folder}/secret.parquet')",
        "read_parquet('{folder}/events/../secret.parquet')",
        "'{folder}/secret.parquet'",
        "read_parquet('https://127.0.0.1:1/a.parquet')",
        "glob('{folder}/*')",
        "query('COPY (SELECT 1) TO ''{folder}/events/written.parquet'' ')",
        "duckdb_secrets()",
    ],
)
@pytest.mark.parametrize("source", ["events", "codes"])
def test_no_other_file_is_read_or_written(lake: Lake, elsewhere: str, source: str) -> None:
    # Of a file that is named alone, what lies beside it may be another tenant's.
    folder = Path(lake["codes"].files).parent
    function = elsewhere.format(folder=folder)

    with pytest.raises(Bad):
        count(lake, f"SELECT * FROM {source}, (SELECT * FROM {function})")

    assert not list(folder.rglob("written*"))


def test_too_many_rows_are_refused(lake: Lake) -> None:
    assert count(lake, "SELECT * FROM events", rows=100)[0] == 100
    with pytest.raises(Bad, match="more than 99 rows"):
        count(lake, "SELECT * FROM events", rows=99)


def test_a_query_that_takes_too_long_is_ended(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lakes, "SECONDS", 0.3)
    began = time.monotonic()

    with pytest.raises(Bad, match="within"):
        count(lake, "SELECT sum(a.i * b.range) FROM events a, range(100000000000) b")

    assert time.monotonic() - began < 10
    assert count(lake, "SELECT * FROM codes")[0] == 2


@pytest.mark.parametrize(
    "text",
    [
        "events=/a/*.parquet", "*/events=a/*.parquet", "*/events=/a/*.exe",
        "*/events=/a/../b.csv", "*/an event=/a.csv",
    ],
)  # fmt: skip
def test_sources_that_are_not_understood_are_told_at_the_start(text: str) -> None:
    with pytest.raises(BadSources, match="event"):
        sources_of(text)


def test_sources_know_whose_they_are() -> None:
    (one,) = sources_of("bank/scoring=/data/lake/year=*/x.parquet,")

    assert (one.tenant, one.name, one.files) == ("bank", "scoring", "/data/lake/year=*/x.parquet")
    assert sources_of("") == ()


@pytest.mark.parametrize("last", [2.0, None])
def test_what_is_no_number_is_none_beside_nulls_or_without(last: float | None) -> None:
    sent = io.BytesIO()
    column = pa.array([1.0, float("nan"), last], pa.float64(), from_pandas=False)
    pq.write_table(pa.table({"x": column}), sent)

    with opened(sent.getvalue(), PARQUET, Invalid) as table:
        first, none, _ = table.numbers("x")

    assert (first, none) == (1.0, float("inf"))
