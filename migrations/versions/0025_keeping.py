"""How long raw events and receipts are kept, how far they are forgotten, and unknown features."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_TABLES = ("telemetry_horizon", "telemetry_retention", "telemetry_unknown")
# Raw events are written and not read: what is to go is found in here, partition by partition, those
# of later days left alone. A row's place is its own only within its partition.
_FORGET = """
CREATE FUNCTION telemetry_forget_events(tenant uuid, before timestamptz, most bigint)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    part regclass;
    gone bigint;
    done bigint := 0;
BEGIN
    FOR part IN
        SELECT c.oid::regclass FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
        WHERE inhparent = 'telemetry_event'::regclass
            AND (c.relname !~ '^telemetry_event_p[0-9]{8}$' OR
                 to_date(right(c.relname, 8), 'YYYYMMDD') < (before AT TIME ZONE 'UTC')::date)
        ORDER BY c.relname
    LOOP
        EXECUTE format(
            'DELETE FROM %s WHERE ctid = ANY (ARRAY('
            'SELECT ctid FROM %s WHERE tenant_id = $1 AND received_at < $2 LIMIT $3))', part, part)
            USING tenant, before, most - done;
        GET DIAGNOSTICS gone = ROW_COUNT;
        done := done + gone;
        EXIT WHEN done >= most;
    END LOOP;
    RETURN done;
END $$
"""
_ERASE = """
CREATE FUNCTION telemetry_erase_units(units bytea[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE gone bigint;
BEGIN
    DELETE FROM telemetry_event
    WHERE tenant_id = nullif(current_setting('modelward.tenant', true), '')::uuid
        AND unit = ANY (units);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END $$
"""
# Whoever writes waits behind who waits for the whole table: so this one does not wait long.
_DROP = """
CREATE FUNCTION telemetry_drop_partitions() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '200ms' AS $$
DECLARE
    part regclass;
    used boolean;
    done bigint := 0;
BEGIN
    FOR part IN
        SELECT c.oid::regclass FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
        WHERE inhparent = 'telemetry_event'::regclass
            AND c.relname ~ '^telemetry_event_p[0-9]{8}$'
            AND to_date(right(c.relname, 8), 'YYYYMMDD') < current_date - 2
        ORDER BY c.relname
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', part) INTO used;
        IF NOT used THEN
            EXECUTE format('DROP TABLE %s', part);
            done := done + 1;
        END IF;
    END LOOP;
    RETURN done;
EXCEPTION WHEN lock_not_available THEN
    RETURN 0;
END $$
"""
_FUNCTIONS = {
    "telemetry_forget_events(uuid, timestamptz, bigint)": "modelward_server",
    "telemetry_erase_units(bytea[])": "modelward_app",
    "telemetry_drop_partitions()": "modelward_server",
}


def upgrade() -> None:
    op.create_table(
        "telemetry_retention",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("raw_days", sa.BigInteger(), nullable=True),
        sa.Column("receipt_days", sa.BigInteger(), nullable=True),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("tenant_id", "revision", name=op.f("pk_telemetry_retention")),
    )
    op.create_table(
        "telemetry_horizon",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled", sa.DateTime(timezone=True), nullable=True),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_telemetry_horizon")),
    )
    op.create_table(
        "telemetry_unknown",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("folded", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_telemetry_unknown")),
    )
    op.create_index(
        "ix_telemetry_unknown_version", "telemetry_unknown", ["tenant_id", "version_id", "day"]
    )
    op.create_index(
        "ix_telemetry_unknown_unfolded",
        "telemetry_unknown",
        ["tenant_id", "version_id", "day"],
        postgresql_where=sa.text("NOT folded"),
    )
    for table in _TABLES:
        op.execute(f"SELECT modelward_guard('{table}')")
    op.execute("REVOKE UPDATE, DELETE ON telemetry_retention FROM modelward_app, modelward_server")
    for function in (_FORGET, _ERASE, _DROP):
        op.execute(function)
    for name, role in _FUNCTIONS.items():
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO {role}")


def downgrade() -> None:
    for name in _FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}")
    for table in _TABLES:
        op.drop_table(table)
