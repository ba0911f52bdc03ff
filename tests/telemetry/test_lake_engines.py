"""Postgres and Spark count the nasty table as NumPy does."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app.telemetry.lake_engines import Engine, opened_table
from app.telemetry.lake_profile import BadTable
from tests.telemetry.lakes import (
    NASTY_LAYOUT,
    ROWS,
    TIMES,
    TYPES,
    hours_by_numpy,
    nasty,
    parquet,
    require_equal,
)

COLUMNS = {
    "edges": "float8", "few": "float8", "whole": "bigint", "money": "numeric(10,2)",
    "long": "numeric", "flag": "boolean", "text": "text", "day": "date", "word": "text",
    "number": "float8", "key": "bigint", "yes": "boolean", "score": "float8", "at": "timestamptz",
}  # fmt: skip


@pytest.fixture
def table(cluster_url: str) -> Iterator[str]:
    """The nasty table in a database, by its URI."""
    with psycopg.connect(cluster_url, autocommit=True) as admin:
        admin.execute("CREATE SCHEMA lake")
        made = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())
        admin.execute(f"CREATE TABLE lake.nasty ({made})")
        columns = nasty()
        with admin.cursor().copy("COPY lake.nasty FROM STDIN") as copy:
            for row in range(ROWS):
                copy.write_row([columns[name][row] for name in COLUMNS])
        mark = "&" if "?" in cluster_url else "?"
        yield f"{cluster_url}{mark}table=lake.nasty"
        admin.execute("DROP SCHEMA lake CASCADE")


def test_postgres_counts_a_nasty_table_as_numpy_does(table: str) -> None:
    with opened_table(table) as lake:
        found = lake.profile(NASTY_LAYOUT, time="at")
        some = lake.profile(NASTY_LAYOUT, time="at", since=TIMES[4], until=TIMES[9])

    wanted = hours_by_numpy(NASTY_LAYOUT, nasty())
    assert found.keys() == wanted.keys()
    for hour, tally in wanted.items():
        require_equal(found[hour], tally, NASTY_LAYOUT)
    assert sum(tally.n for tally in some.values()) == 5


def test_postgres_says_that_there_is_no_such_table(table: str) -> None:
    with (
        pytest.raises(BadTable, match="no table 'none'"),
        opened_table(table.replace("lake.nasty", "lake.none")),
    ):
        pass


@pytest.mark.skipif(shutil.which("java") is None, reason="Spark runs on Java")
@pytest.mark.filterwarnings("ignore")
def test_spark_counts_a_nasty_table_as_numpy_does(tmp_path: Path) -> None:
    sql = pytest.importorskip("pyspark.sql")  # of the test extra; only Java may be missing
    path = parquet(tmp_path / "t.parquet", nasty(), TYPES)
    session = (
        sql.SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "1")
        .getOrCreate()
    )
    try:
        with opened_table(str(path), Engine.SPARK) as lake:
            found = lake.profile(NASTY_LAYOUT, time="at")
    finally:
        session.stop()

    wanted = hours_by_numpy(NASTY_LAYOUT, nasty())
    assert found.keys() == wanted.keys()
    for hour, tally in wanted.items():
        require_equal(found[hour], tally, NASTY_LAYOUT)
