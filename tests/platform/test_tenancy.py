"""Tenancy as the database itself keeps it: who forgets a WHERE sees nothing, not everything."""

import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from app.metadata import metadata
from app.platform.embedded import EmbeddedPostgres
from app.platform.roles import APP, LOGIN, SERVER, TENANT_SETTING
from tests.live import Live, make_model

TABLES = sorted(table.name for table in metadata.tables.values() if not table.info.get("view"))
UNREADABLE = {"telemetry_event", "telemetry_receipt_stored"}
"""Written by COPY, which knows no row-level security; read through a view of one's own rows."""
APPENDED = [
    "audit_entry", "audit_leaf", "audit_node", "audit_checkpoint", "gates_policy",
    "gates_evidence", "gates_approval", "gates_verdict", "routing_plan", "routing_weights",
    "telemetry_retention",
]  # fmt: skip


@pytest.fixture(scope="module")
def owner(live: Live) -> Iterator[psycopg.Connection[Any]]:
    """The database's superuser, beside a running server with rows in many tables."""
    make_model(live)
    with psycopg.connect(EmbeddedPostgres(live.data_dir).url, autocommit=True) as connection:
        yield connection


def act(
    connection: psycopg.Connection[Any],
    role: str,
    *statements: sql.SQL | sql.Composed,
    tenant: object = "",
) -> Any:
    """Run statements as the server's own role, undo them, return the last one's first value."""
    with connection.transaction(force_rollback=True):
        connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
        connection.execute("SELECT set_config(%s, %s, true)", (TENANT_SETTING, str(tenant)))
        for statement in statements:
            done = connection.execute(statement)
        row = done.fetchone() if done.description else None
    return row and row[0]


def count(connection: psycopg.Connection[Any], table: str, role: str, tenant: object = "") -> int:
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
    return int(act(connection, role, query, tenant=tenant))


@pytest.mark.parametrize("table", sorted(set(TABLES) - UNREADABLE))
def test_every_table_forces_row_level_security(owner: psycopg.Connection[Any], table: str) -> None:
    found = owner.execute(
        "SELECT relrowsecurity, relforcerowsecurity,"
        " array(SELECT polname::text FROM pg_policy WHERE polrelid = c.oid ORDER BY 1)"
        " FROM pg_class c WHERE oid = %s::regclass",
        (table,),
    ).fetchone()

    assert found == (True, True, ["every_tenant", "own_tenant"])


@pytest.mark.parametrize("table", sorted(set(TABLES) - UNREADABLE))
def test_without_a_tenant_there_are_no_rows_and_a_stranger_has_none(
    owner: psycopg.Connection[Any], table: str
) -> None:
    everything = count(owner, table, SERVER)
    own = [
        count(owner, table, APP, str(row[0]))
        for row in owner.execute("SELECT id FROM identity_tenant").fetchall()
    ]

    assert count(owner, table, APP) == 0
    assert count(owner, table, APP, str(uuid.uuid4())) == 0
    # Written meanwhile by the server's own processes.
    assert everything <= sum(own) + 50
    if table in {"identity_principal", "identity_key", "audit_entry", "catalog_model"}:
        assert everything > 0


@pytest.mark.parametrize(
    ("table", "role"),
    [*((table, APP) for table in sorted(UNREADABLE)), ("telemetry_event", SERVER)],
)
def test_what_copy_writes_can_be_written_and_not_read(
    owner: psycopg.Connection[Any], table: str, role: str
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        count(owner, table, role)
    for statement in ("DELETE FROM {}", "UPDATE {} SET tenant_id = tenant_id", "TRUNCATE {}"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            act(owner, role, sql.SQL(statement).format(sql.Identifier(table)))


RECEIPT = "(tenant_id, decision_id, series_id, at) VALUES ({}, {}, {}, now())"


def receipt(table: str, tenant: uuid.UUID, key: uuid.UUID) -> sql.Composed:
    return sql.SQL("INSERT INTO {} " + RECEIPT).format(
        sql.Identifier(table), sql.Literal(tenant), sql.Literal(key), sql.Literal(key)
    )


def test_receipts_are_seen_by_their_own_tenant_alone_and_changed_by_no_tenant(
    owner: psycopg.Connection[Any],
) -> None:
    mine, other, key = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    made = receipt("telemetry_receipt", mine, key)
    seen = sql.SQL("SELECT count(*) FROM telemetry_receipt")
    stranger = sql.SQL("SELECT set_config({}, {}, true)").format(
        sql.Literal(TENANT_SETTING), sql.Literal(str(other))
    )
    taken = made + sql.SQL(
        " ON CONFLICT (tenant_id, decision_id, series_id) DO UPDATE SET tenant_id = {}"
    ).format(sql.Literal(other))
    changed = sql.SQL("UPDATE telemetry_receipt SET labelled = true")
    gone = sql.SQL("DELETE FROM telemetry_receipt")

    assert act(owner, APP, made, seen, tenant=mine) == 1
    assert act(owner, APP, made, stranger, seen, tenant=mine) == 0
    for statement in (changed, gone, taken):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            act(owner, APP, made, stranger, statement, tenant=mine)


@pytest.mark.parametrize("tenant", ["", "01980000-0000-7000-8000-000000000001"])
@pytest.mark.parametrize("table", ["telemetry_receipt", "telemetry_receipt_stored"])
def test_a_receipt_of_another_tenant_is_not_written(
    owner: psycopg.Connection[Any], table: str, tenant: str
) -> None:
    refused = (psycopg.errors.CheckViolation, psycopg.errors.WithCheckOptionViolation)

    with pytest.raises(refused):
        act(owner, APP, receipt(table, uuid.uuid4(), uuid.uuid4()), tenant=tenant)


def test_a_row_of_another_tenant_is_not_written(owner: psycopg.Connection[Any]) -> None:
    foreign = sql.SQL("INSERT INTO audit_stream VALUES (gen_random_uuid(), 'model:x', 0, '')")

    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        act(owner, APP, foreign, tenant=uuid.uuid4())


@pytest.mark.parametrize("role", [APP, SERVER])
@pytest.mark.parametrize("table", APPENDED)
def test_what_is_appended_is_not_changed_by_the_server_s_own_roles(
    owner: psycopg.Connection[Any], table: str, role: str
) -> None:
    for statement in ("DELETE FROM {}", "UPDATE {} SET tenant_id = tenant_id", "TRUNCATE {}"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            act(owner, role, sql.SQL(statement).format(sql.Identifier(table)))


@pytest.mark.parametrize("role", [APP, SERVER])
@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("gates_case", "developer_id"), ("gates_case", "requester_id"), ("gates_case", "tier"),
        ("gates_change", "after"), ("gates_change", "approvals"), ("gates_waiver", "until"),
        ("gates_waiver", "developer_id"), ("gates_request", "covers"),
        ("routing_seat", "version_id"), ("identity_key", "sha256"), ("identity_key", "expires_at"),
        ("identity_delegation", "until"), ("catalog_version", "developer_id"),
        ("catalog_version", "content_digest"), ("catalog_model", "name"),
    ],
)  # fmt: skip
def test_what_decides_is_not_changed_by_the_server_s_own_roles(
    owner: psycopg.Connection[Any], table: str, column: str, role: str
) -> None:
    change = sql.SQL("UPDATE {} SET {} = {}").format(*map(sql.Identifier, (table, column, column)))

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        act(owner, role, change)


def test_the_server_connects_as_somebody_who_owns_nothing(
    owner: psycopg.Connection[Any],
) -> None:
    users = owner.execute(
        "SELECT DISTINCT usename FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ).fetchall()
    owned = owner.execute(
        "SELECT count(*) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner"
        " WHERE r.rolname IN (%s, %s, %s)",
        (APP, SERVER, LOGIN),
    ).fetchone()
    powers = owner.execute(
        "SELECT bool_or(rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb) FROM pg_roles"
        " WHERE rolname IN (%s, %s, %s)",
        (APP, SERVER, LOGIN),
    ).fetchone()

    assert users == [(LOGIN,)]
    assert (owned, powers) == ((0,), (False,))


def test_the_owners_password_is_not_the_servers(live: Live) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(
            make_url(EmbeddedPostgres(live.data_dir).url)
            .set(username=LOGIN)
            .render_as_string(hide_password=False)
        )


def test_row_level_security_cannot_be_switched_off(owner: psycopg.Connection[Any]) -> None:
    off, look = sql.SQL("SET LOCAL row_security = off"), sql.SQL("SELECT FROM identity_key")

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        act(owner, APP, off, look)
