"""Tenancy in the database: roles that own nothing, row-level security forced on every table."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ROLES = """
DO $$
DECLARE wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['modelward_app', 'modelward_server'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- another database of this cluster was migrated at the same moment
        END;
        IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
            EXECUTE format('GRANT %I TO %I', wanted, current_user);
        END IF;
    END LOOP;
END $$
"""
# Later migrations call it for the tables they add.
_GUARD = """
CREATE FUNCTION modelward_guard(guarded regclass, tenant text DEFAULT 'tenant_id')
RETURNS void LANGUAGE plpgsql AS $$
DECLARE own text := format(
    '%I = nullif(current_setting(''modelward.tenant'', true), '''')::uuid', tenant);
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', guarded);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', guarded);
    EXECUTE format('CREATE POLICY own_tenant ON %s TO modelward_app USING (%s) WITH CHECK (%s)',
        guarded, own, own);
    EXECUTE format(
        'CREATE POLICY every_tenant ON %s TO modelward_server USING (true) WITH CHECK (true)',
        guarded);
    EXECUTE format(
        'GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO modelward_app, modelward_server', guarded);
END $$
"""
_GUARD_ALL = """
DO $$
DECLARE found regclass;
BEGIN
    FOR found IN
        SELECT c.oid::regclass FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
            AND a.attname = 'tenant_id' AND NOT c.relispartition
    LOOP
        PERFORM modelward_guard(found);
    END LOOP;
    PERFORM modelward_guard('identity_tenant', 'id');
END $$
"""
_APPENDED = (
    "audit_entry", "audit_leaf", "audit_node", "audit_checkpoint",
    "gates_policy", "gates_evidence", "gates_approval", "gates_verdict",
    "routing_plan", "routing_weights",
)  # fmt: skip
# COPY does not know row-level security: the hottest table is written by the app and never read
# but through a view of the tenant's own rows.
_EVENTS = """
CREATE VIEW telemetry_event_own WITH (security_barrier) AS
    SELECT tenant_id, decision_id, received_at, series_id, at, latency_ms, plan_revision,
        generation, propensity, unit, decided_at, features
    FROM telemetry_event
    WHERE tenant_id = nullif(current_setting('modelward.tenant', true), '')::uuid
"""
_PARTITION = """
CREATE FUNCTION telemetry_make_partition(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    low timestamptz := day::timestamp AT TIME ZONE 'UTC';
    high timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    -- A day whose events are in the default partition already stays there.
    IF NOT EXISTS (
        SELECT FROM telemetry_event_default WHERE received_at >= low AND received_at < high
    ) THEN
        EXECUTE format(
            'CREATE TABLE IF NOT EXISTS %I PARTITION OF telemetry_event'
            ' FOR VALUES FROM (%L) TO (%L)',
            'telemetry_event_p' || to_char(day, 'YYYYMMDD'), low, high);
    END IF;
END $$
"""
_UNGUARD_ALL = """
DO $$
DECLARE found record;
BEGIN
    FOR found IN SELECT DISTINCT polrelid::regclass AS name FROM pg_policy
        WHERE polname IN ('own_tenant', 'every_tenant') LOOP
        EXECUTE format('DROP POLICY own_tenant ON %s', found.name);
        EXECUTE format('DROP POLICY every_tenant ON %s', found.name);
        EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', found.name);
        EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', found.name);
    END LOOP;
END $$
"""


def upgrade() -> None:
    op.execute(_ROLES)
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute(f"GRANT USAGE ON SCHEMA {schema} TO modelward_app, modelward_server")
    op.execute(_GUARD)
    op.execute(_GUARD_ALL)
    for table in _APPENDED:
        op.execute(f"REVOKE UPDATE, DELETE ON {table} FROM modelward_app, modelward_server")
    op.execute("GRANT UPDATE (personal, salt) ON audit_entry TO modelward_app, modelward_server")
    op.execute(_EVENTS)
    op.execute("GRANT INSERT ON telemetry_event TO modelward_app")
    op.execute("GRANT SELECT ON telemetry_event_own TO modelward_app")
    op.execute(_PARTITION)
    op.execute("REVOKE ALL ON FUNCTION telemetry_make_partition(date) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION telemetry_make_partition(date) TO modelward_server")
    # Whoever starts with the schema at its newest need not own it to see that.
    op.execute("GRANT SELECT ON alembic_version TO PUBLIC")


def downgrade() -> None:
    # The roles stay: they belong to the cluster, and other databases may use them.
    op.execute("DROP FUNCTION telemetry_make_partition(date)")
    op.execute("DROP VIEW telemetry_event_own")
    op.execute(_UNGUARD_ALL)
    op.execute("DROP FUNCTION modelward_guard(regclass, text)")
    op.execute("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM modelward_app, modelward_server")
    op.execute("REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM modelward_app, modelward_server")
    op.execute("REVOKE ALL ON SCHEMA public FROM modelward_app, modelward_server")
