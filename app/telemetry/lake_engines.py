"""Engines that profile a table of their own: DuckDB in this process, Postgres, Spark.

A table is named by a URI: files of Parquet or CSV by their path or pattern,
``postgresql://…/database?table=schema.table``, ``spark:table`` or ``spark:/path.parquet``.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from itertools import chain
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from app.telemetry.lake_columns import BLOCK, counted
from app.telemetry.lake_profile import Asked, BadTable, Question, Row, Shape, gathered, questions
from app.telemetry.layout import Layout
from app.telemetry.tally import Tally

_PARQUET, _CSV = (".parquet", ".pq"), (".csv", ".csv.gz", ".tsv")
_POSTGRES = ("postgresql://", "postgres://")
_SPARK = "spark:"


class Engine(StrEnum):
    """What counts the rows."""

    DUCKDB = "duckdb"
    POSTGRES = "postgres"
    SPARK = "spark"


@dataclass(frozen=True, slots=True)
class Opened:
    """A table in an engine. ``progress`` says how far a query is, in percent, or less than 0."""

    table: Any
    shape: Shape
    dialect: str
    compile: Callable[[Any], str]
    rows: Callable[[Sequence[Question]], Iterable[Row]]
    typed: bool = True
    progress: Callable[[], float] = lambda: -1.0
    alike: Hashable = None
    """What tables have in common of which the same is asked in the same words."""

    def profile(self, layout: Layout, **asked: Any) -> dict[int | None, Tally]:
        """Return the table's profile in a layout, a tally an hour since 1970.

        ``asked`` are the ``time`` and ``score`` columns and the times ``since`` and ``until``.
        """
        wanted = Asked(self.table, layout, self.shape, self.dialect, typed=self.typed, **asked)

        def written() -> tuple[Question, ...]:
            return tuple(
                one._replace(expression=self.compile(one.expression)) for one in questions(wanted)
            )

        if self.alike is None:
            return gathered(layout, self.rows(written()))
        key = (self.alike, layout, tuple(sorted(asked.items())))
        return gathered(layout, self.rows(_once(_Queries(key, written))))


@dataclass(frozen=True, slots=True)
class _Queries:
    """Queries by what they ask, and how they are written."""

    key: Hashable
    written: Callable[[], tuple[Question, ...]] = field(compare=False)


@lru_cache(64)
def _once(queries: _Queries) -> tuple[Question, ...]:
    """Return queries' words: of a wide table they take as long to find as to answer."""
    return queries.written()


def engine_of(uri: str) -> Engine:
    """Return the engine that a table is profiled by where nobody names another."""
    if uri.startswith(_POSTGRES):
        return Engine.POSTGRES
    return Engine.SPARK if uri.startswith(_SPARK) else Engine.DUCKDB


@contextmanager
def opened_table(uri: str, engine: Engine | None = None) -> Iterator[Opened]:
    """Open a table where it lies; whatever its engine says against it is a ``BadTable``."""
    engine = engine or engine_of(uri)
    if (engine is Engine.POSTGRES) != uri.startswith(_POSTGRES):
        raise BadTable(f"{_shown(uri)} is not a table of {engine.value}'s.")
    if engine is Engine.DUCKDB:
        yield from _duckdb(uri)
    elif engine is Engine.POSTGRES:
        yield from _postgres(uri)
    else:
        yield from _spark(uri)


class _Together:
    """Queries of one DuckDB, as many at a time as it has threads.

    It spreads one query over the row groups of a file, and a million rows are often a single one.
    """

    def __init__(self, lake: Any) -> None:
        self._lake, self._asked, self._answered = lake, 0, 0
        ((self._threads,),) = lake.execute("SELECT current_setting('threads')").fetchall()

    def rows(self, queries: Sequence[Question]) -> Iterator[Row]:
        """Yield the rows of all."""
        self._asked, self._answered = len(queries), 0
        workers = min(self._threads, len(queries))
        # Those that ask do the work themselves: more threads would only take turns with them.
        self._lake.execute(f"SET threads = {max(1, self._threads // workers)}")
        waiting: deque[Future[Iterable[Row]]] = deque()
        with ThreadPoolExecutor(workers, "lake") as pool:
            try:
                for query in queries:
                    waiting.append(pool.submit(self._answer, query))
                    if len(waiting) > 2 * workers:  # what is counted and not taken lies in memory
                        yield from waiting.popleft().result()
                while waiting:
                    yield from waiting.popleft().result()
            finally:
                for one in waiting:
                    one.cancel()

    def _answer(self, query: Question) -> Iterable[Row]:
        with self._lake.cursor() as own:
            if query.bins is None:
                found: Iterable[Row] = own.execute(query.expression).fetchall()
            else:
                found = counted(query.bins, query.start, _batches(own, query.expression))
        self._answered += 1  # of two at once one may be missed: a bar shows it, nothing else
        return found

    def progress(self) -> float:
        """Return how many percent are answered; less than 0 while that is not known."""
        return 100 * self._answered / self._asked if self._asked > 1 else -1.0


def _batches(lake: Any, query: str) -> Iterator[Any]:
    try:
        yield from lake.sql(query).to_arrow_reader(BLOCK)
    except OSError as error:  # what DuckDB says while it reads comes by way of Arrow
        raise BadTable(f"DuckDB: {_sentence(error)}") from error


def _each(ask: Callable[[str], Iterable[Row]]) -> Callable[[Sequence[Question]], Iterable[Row]]:
    return lambda queries: chain.from_iterable(ask(one.expression) for one in queries)


def _duckdb(files: str) -> Iterator[Opened]:
    import duckdb  # noqa: PLC0415 - 30 MB that only who profiles a lake should carry
    import ibis  # noqa: PLC0415 - likewise
    from ibis.backends.sql.datatypes import DuckDBType  # noqa: PLC0415 - likewise

    name = "'" + files.replace("'", "''") + "'"
    if files.endswith(_PARQUET):
        relation = f"read_parquet({name}, union_by_name = true)"
    elif files.endswith(_CSV):
        # As text, as an uploaded file is: one word among numbers is one bad value.
        relation = f"read_csv({name}, header = true, all_varchar = true, union_by_name = true)"
    else:
        raise BadTable(f"{files!r} ends in none of {', '.join((*_PARQUET, *_CSV))}.")
    with duckdb.connect() as lake:
        try:
            lake.execute("SET GLOBAL TimeZone = 'UTC'")
            # The bounds that a Parquet file states leave NaN out; the optimiser takes them for
            # all there is, and answers isnan(x) and x < bound without looking.
            lake.execute("SET disabled_optimizers = 'statistics_propagation'")
            # Not a temporary one: each query has a cursor of its own, which would not see it.
            lake.execute(f"CREATE VIEW lake AS SELECT * FROM {relation}")  # noqa: S608 - quoted
            kinds = lake.execute("DESCRIBE lake").fetchall()
            parquet = files.endswith(_PARQUET)
            together = _Together(lake)
            yield Opened(
                # Its own words for types: what Ibis' connection says of them goes through Arrow.
                ibis.table({row[0]: DuckDBType.from_string(row[1]) for row in kinds}, name="lake"),
                Shape.STACKED if parquet else Shape.ZIPPED,
                "duckdb",
                compile=lambda asked: str(ibis.to_sql(asked, dialect="duckdb", pretty=False)),
                rows=together.rows,
                typed=parquet,
                progress=together.progress,
                alike=(parquet, *((row[0], row[1]) for row in kinds)),
            )
        except duckdb.Error as error:
            raise BadTable(f"DuckDB: {_sentence(error)}") from error


def _postgres(uri: str) -> Iterator[Opened]:
    import ibis  # noqa: PLC0415 - see above
    import psycopg  # noqa: PLC0415 - with its adapters, which ibis adds to

    server, schema, name = _place(uri)
    try:
        with psycopg.connect(server, connect_timeout=10) as connection:
            connection.read_only = True
            lake = ibis.postgres.from_connection(connection)
            yield Opened(
                lake.table(name, database=schema),
                Shape.ZIPPED,
                "postgres",
                compile=lake.compile,
                rows=_each(lambda query: connection.execute(query.encode()).fetchall()),
            )
    except psycopg.Error as error:
        raise BadTable(f"Postgres: {_sentence(error)}") from error
    except ibis.common.exceptions.TableNotFound as error:
        raise BadTable(f"The database has no table {name!r}.") from error


def _place(uri: str) -> tuple[str, str | None, str]:
    """Return the server's own URL, the schema if one is named, and the table."""
    parts = urlsplit(uri)
    asked = dict(parse_qsl(parts.query))
    table = asked.pop("table", "")
    schema, _, name = table.rpartition(".")
    if not name:
        raise BadTable("Say which table: postgresql://…/database?table=schema.table")
    return urlunsplit(parts._replace(query=urlencode(asked))), schema or None, name


def _spark(uri: str) -> Iterator[Opened]:
    try:
        import pyspark.errors  # noqa: PLC0415 - an extra
        import pyspark.sql  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise BadTable("Spark is not installed here: pip install 'modelward[spark]'.") from error
    import ibis  # noqa: PLC0415 - see above

    name = uri.removeprefix(_SPARK)
    if name.endswith(_CSV):
        raise BadTable("CSV is read by DuckDB; Spark profiles Parquet and tables of its catalog.")
    try:
        session = pyspark.sql.SparkSession.builder.appName("modelward profile").getOrCreate()
        lake = ibis.pyspark.connect(session)
        files = name.endswith(_PARQUET) or "/" in name
        frame = session.read.parquet(name) if files else session.table(name)
        frame.createOrReplaceTempView("modelward_lake")
        yield Opened(
            lake.table("modelward_lake"),
            Shape.CELLS,
            "pyspark",
            compile=lake.compile,
            rows=_each(lambda query: session.sql(query).collect()),
        )
    except pyspark.errors.PySparkException as error:
        raise BadTable(f"Spark: {_sentence(error)}") from error


def _shown(uri: str) -> str:
    """Return a URI without what stands before its host, which may be a password."""
    return uri.rpartition("@")[2]


def _sentence(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:300]
