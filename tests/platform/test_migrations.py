"""Migrations go up, down and up again, and end where the code is."""

from collections.abc import Iterator

import psycopg
import pytest

from app.platform import migrations
from tests.conftest import named

NAME = "modelward_migrations"


@pytest.fixture
def bare(cluster_url: str) -> Iterator[str]:
    with psycopg.connect(cluster_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {NAME}")
        yield named(cluster_url, NAME)
        admin.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


def objects(url: str) -> set[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT 'relation', c.relname FROM pg_class c JOIN pg_namespace n"
            " ON n.oid = c.relnamespace WHERE n.nspname = 'public'"
            " UNION SELECT 'function', p.proname FROM pg_proc p JOIN pg_namespace n"
            " ON n.oid = p.pronamespace WHERE n.nspname = 'public'"
            " UNION SELECT 'type', t.typname FROM pg_type t JOIN pg_namespace n"
            " ON n.oid = t.typnamespace WHERE n.nspname = 'public' AND t.typtype = 'e'"
        ).fetchall()
    return {(str(kind), str(name)) for kind, name in rows}


def test_up_down_and_up_again(bare: str) -> None:
    migrations.upgrade(bare)
    first = objects(bare)
    migrations.downgrade(bare, "base")
    left = {name for _, name in objects(bare)}
    migrations.upgrade(bare)

    assert left <= {"alembic_version", "alembic_version_pkc"}
    assert objects(bare) == first


def test_the_schema_is_what_the_tables_say(bare: str) -> None:
    migrations.upgrade(bare)

    migrations.check(bare)


def test_there_is_one_head(bare: str) -> None:
    assert len(migrations.heads(bare)) == 1
