"""Lakes: rows too many to move, asked where they lie, by one SELECT over sources with names.

An operator names the files; whoever asks knows names only. DuckDB reads nothing else: no other
path, no network, no extension, and nothing is written. Bounded in memory, threads, time and rows.
"""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from app.kit.names import NAME
from app.kit.refusal import RateLimited
from app.telemetry.lines import Refuse
from app.telemetry.reading import BOUNDS, LakeTable, bound

ANY_TENANT = "*"
SECONDS = 20.0
_AT_ONCE = threading.BoundedSemaphore(2)
_SETTINGS = {
    **BOUNDS,
    "threads": "2",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
}
_READERS = {".parquet": "read_parquet", ".csv": "read_csv"}


class BadSources(RuntimeError):
    """The setting is not to be understood."""


@dataclass(frozen=True, slots=True)
class LakeSource:
    """Files under a name; ``tenant`` is who may ask for it, or ``*``."""

    tenant: str
    name: str
    files: str

    def relation(self, files: list[str]) -> str:
        """Return what reads them, as SQL, one by one."""
        reader = _READERS[PurePosixPath(self.files).suffix]
        listed = ", ".join(map(_literal, files))
        return f"{reader}([{listed}], hive_partitioning = true, union_by_name = true)"


def sources_of(text: str) -> tuple[LakeSource, ...]:
    """Parse ``tenant/name=/absolute/glob.parquet, …``; ``*`` for the tenant means all of them."""
    found = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"([^/=]+)/([^/=]+)=(/.+)", item)
        if match is None or not re.fullmatch(NAME, match[2]):
            raise BadSources(f"{item!r} is not tenant/name=/absolute/glob.parquet.")
        if PurePosixPath(match[3]).suffix not in _READERS or ".." in PurePosixPath(match[3]).parts:
            raise BadSources(f"{item!r}: files end in {' or '.join(_READERS)}, without any '..'.")
        found.append(LakeSource(match[1], match[2].lower(), match[3]))
    return tuple(found)


@contextmanager
def asked(
    sources: Mapping[str, LakeSource], sql: str, refuse: Refuse, *, rows: int
) -> Iterator[tuple[LakeTable, list[str]]]:
    """Yield the rows that a SELECT finds, read once, with the names of the sources it reads."""
    import duckdb  # noqa: PLC0415 - 30 MB that only processes asked this should carry

    if not _AT_ONCE.acquire(blocking=False):
        raise RateLimited("Others are asking the lake.", retry_after=5)
    try:
        with duckdb.connect() as lake:
            timer = threading.Timer(SECONDS, lake.interrupt)
            timer.start()
            try:
                sql = sql.strip().removesuffix(";")
                named = _named(lake, sql, sources, refuse)
                _shut(lake, [sources[name] for name in named], refuse)
                lake.execute(f"CREATE TEMP TABLE t AS SELECT * FROM ({sql}\n) LIMIT {rows + 1}")  # noqa: S608 - one SELECT
                table = LakeTable(lake, typed=True, refuse=refuse)
                if table.rows > rows:
                    raise refuse(f"The query finds more than {rows} rows, which are read.")
                yield table, named
            except duckdb.InterruptException as error:
                raise refuse(f"The query was not answered within {SECONDS:.0f} s.") from error
            except duckdb.OutOfMemoryException as error:
                raise refuse("The query takes more memory than it is given.") from error
            except duckdb.Error as error:
                raise refuse(f"The query fails: {_sentence(error)}") from error
            finally:
                timer.cancel()
    finally:
        _AT_ONCE.release()


def _named(lake: Any, sql: str, sources: Mapping[str, LakeSource], refuse: Refuse) -> list[str]:
    import duckdb  # noqa: PLC0415 - see above

    statements = lake.extract_statements(sql)
    if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
        raise refuse("The query is not one SELECT.")
    named = sorted({name.lower() for name in lake.get_table_names(sql)})
    unknown = [name for name in named if name not in sources]
    if unknown or not named:
        known = ", ".join(sorted(sources)) or "none"
        raise refuse(f"The query reads {', '.join(unknown) or 'nothing'}; sources are: {known}.")
    return named


def _shut(lake: Any, sources: list[LakeSource], refuse: Refuse) -> None:
    """Leave open what the sources' files are, and nothing else: not what lies beside them."""
    import duckdb  # noqa: PLC0415 - see above

    bound(lake, _SETTINGS)
    found = {
        one.name: [row[0] for row in lake.execute("FROM glob(?)", [one.files]).fetchall()]
        for one in sources
    }
    paths = ", ".join(_literal(path) for files in found.values() for path in files)
    lake.execute(f"SET allowed_paths = [{paths}]")
    lake.execute("SET enable_external_access = false")
    lake.execute("SET lock_configuration = true")
    for one in sources:
        relation = one.relation(found[one.name])
        try:
            lake.execute(f'CREATE TEMP VIEW "{one.name}" AS SELECT * FROM {relation}')  # noqa: S608 - the operator's
        except duckdb.Error as error:
            raise refuse(f"The source {one.name} has no files that can be read.") from error


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _sentence(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:300]
