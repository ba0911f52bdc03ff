"""A server whose database belongs to somebody else: nobody of it is a superuser."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from app.cli.run import make_login
from app.platform import migrations
from app.platform.db import libpq_url
from app.platform.roles import LOGIN
from app.platform.settings import Settings
from tests.live import make_model, start


@pytest.fixture
def owned(cluster_url: str) -> Iterator[str]:
    """A database of an owner who may make roles, and nothing else beyond his own."""
    name = f"owned_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(cluster_url, autocommit=True) as admin:
        role, database = sql.Identifier(name), sql.Identifier(name)
        make = "CREATE ROLE {} LOGIN CREATEROLE PASSWORD 'a-test'"
        admin.execute(sql.SQL(make).format(role))
        # The roles are the cluster's: who made them first lends them to other owners.
        for lent in ("modelward_app", "modelward_server", LOGIN):
            known = admin.execute("SELECT FROM pg_roles WHERE rolname = %s", (lent,)).fetchone()
            if known is not None:
                grant = sql.SQL("GRANT {} TO {} WITH ADMIN OPTION")
                admin.execute(grant.format(sql.Identifier(lent), role))
        admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))
        own = make_url(cluster_url).set(database=name, username=name, password="a-test")  # noqa: S106 - a test's
        yield libpq_url(own.render_as_string(hide_password=False))
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))


def test_a_server_that_owns_nothing_serves_what_a_plain_owner_migrated(
    owned: str, tmp_path: Path
) -> None:
    migrations.upgrade(owned)
    migrations.check(owned)

    given = Settings(database_url=SecretStr(owned), login_password=SecretStr("its-own"))

    with start(tmp_path, database_url=make_login(given, owned)) as live:
        make_model(live)
        log = live["aud"].get("/v1/audit")["items"]
        with psycopg.connect(owned) as owner:
            # Autovacuum works there in nobody's name.
            query = "SELECT DISTINCT usename FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            query += " AND usename IS NOT NULL"
            users = owner.execute(query + " AND datname = current_database()").fetchall()

    assert "model.created" in {entry["action"] for entry in log}
    assert users == [(LOGIN,)]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(libpq_url(as_login(owned)))


def test_without_a_password_of_its_own_the_login_has_the_owners(owned: str) -> None:
    found = make_login(Settings(database_url=SecretStr(owned)), owned)

    assert found == as_login(owned)
    psycopg.connect(found).close()


def as_login(owner: str) -> str:
    """Return the URL of somebody who tries the owner's password on the login."""
    return make_url(owner).set(username=LOGIN).render_as_string(hide_password=False)
