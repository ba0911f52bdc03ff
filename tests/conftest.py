"""Real Postgres, real processes, real sockets: the fixtures every test stands on.

``session`` is a transaction that is rolled back; ``empty_database`` a clone for what needs commits;
``live`` one server process (API and worker) a test process, which tests share by using names of
their own; ``near`` another. Each costs a tenth of a core though nobody asks it anything.
"""

import os
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory, mkdtemp

import hypothesis
import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.bus import make_bus
from app.platform import migrations
from app.platform.db import Database, libpq_url, sqlalchemy_url
from app.platform.embedded import EmbeddedPostgres
from app.platform.roles import SERVER
from app.platform.settings import Settings
from tests.live import Live, start

TEMPLATE = "modelward_template"
OWN = pytest.StashKey[str]()
DEAR = {"test_schemathesis.py"}
"""Modules of slow tests only."""

# How long an example takes is the machine's doing: other work on it must not fail a test.
hypothesis.settings.register_profile("modelward", deadline=None)
hypothesis.settings.load_profile("modelward")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give this run a temporary directory of its own.

    pytest closes the one it shares between runs to everybody else at each start, and the database
    of a server that root started is somebody else.
    """
    if not hasattr(config, "workerinput") and config.option.basetemp is None:
        config.option.basetemp = config.stash[OWN] = mkdtemp(prefix="modelward-pytest-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove it again."""
    if OWN in config.stash:
        rmtree(config.stash[OWN], ignore_errors=True)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what costs a minute and gigabytes to collect, where all of it is deselected."""
    unwanted = config.option.markexpr == "not slow" and collection_path.name in DEAR
    return True if unwanted else None


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def cluster_url() -> Iterator[str]:
    """A superuser's URL: of MODELWARD_TEST_DATABASE_URL's server, or of an embedded one."""
    given = os.environ.get("MODELWARD_TEST_DATABASE_URL")
    if given is not None:
        yield libpq_url(given)
        return
    with home() as directory:
        embedded = EmbeddedPostgres(directory)
        try:
            yield embedded.start()
        finally:
            embedded.stop()


@pytest.fixture(scope="session")
def template_url(cluster_url: str) -> Iterator[str]:
    """A migrated database that is only ever cloned."""
    name = f"{TEMPLATE}_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(cluster_url, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        url = named(cluster_url, name)
        migrations.upgrade(url)
        yield url
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def empty_database(cluster_url: str, template_url: str) -> Iterator[str]:
    """A migrated database of the test's own."""
    yield from clone(cluster_url, template_url)


@pytest.fixture(scope="session")
def shared_database(cluster_url: str, template_url: str) -> Iterator[str]:
    yield from clone(cluster_url, template_url)


@pytest.fixture
async def database(shared_database: str) -> AsyncIterator[Database]:
    found = Database(shared_database, Settings(), make_bus())
    yield found
    await found.close()


@pytest.fixture
async def session(database: Database) -> AsyncIterator[AsyncSession]:
    """A session whose transaction never commits; the code under test may use savepoints."""
    async with database.engine.connect() as connection:
        outer = await connection.begin()
        await connection.execute(text(f"SET LOCAL ROLE {SERVER}"))
        async with AsyncSession(
            connection,
            expire_on_commit=False,
            join_transaction_mode="create_savepoint",
            info={"bus": make_bus()},
        ) as found:
            yield found
        await outer.rollback()


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    """A running server with people, a decision point and a champion to be made by ``Live``."""
    with home() as directory, start(directory) as found:
        yield found


@pytest.fixture(scope="session")
def near() -> Iterator[Live]:
    """A server that may call this machine, and asks files in ``lake`` beside its data."""
    with home() as directory:
        files = f"{directory}/lake/**/*.parquet"
        sources = f"*/scoring={files}, default/own={files}, another/hidden={files}"
        with start(directory, outbound_loopback="true", lake_sources=sources) as found:
            yield found


@contextmanager
def home() -> Iterator[Path]:
    """A directory of our own: pytest closes its temporary ones to others when it starts again."""
    with TemporaryDirectory(prefix="modelward-test-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


def clone(cluster_url: str, template_url: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    template = sqlalchemy_url(template_url).database
    with psycopg.connect(cluster_url, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        yield named(cluster_url, name)
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def named(url: str, database: str) -> str:
    """The same server, another database."""
    return libpq_url(
        sqlalchemy_url(url).set(database=database).render_as_string(hide_password=False)
    )
