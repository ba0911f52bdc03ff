"""Subjects are erased a day's events at a time, so that it ends however many there are."""

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

# Raw events are written and not read: what is to go is found in here, in one partition at a time.
_ERASE = """
CREATE FUNCTION telemetry_erase_in(part name, before timestamptz, units bytea[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    own uuid := nullif(current_setting('modelward.tenant', true), '')::uuid;
    day regclass;
    gone bigint;
BEGIN
    SELECT c.oid::regclass INTO day FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
    WHERE inhparent = 'telemetry_event'::regclass AND c.relname = part;
    IF day IS NULL THEN
        RETURN 0;  -- dropped since it was named, or none of these
    END IF;
    EXECUTE format(
        'DELETE FROM %s e USING telemetry_erasure x '
        'WHERE e.tenant_id = $1 AND x.tenant_id = $1 AND e.unit = x.pseudonym '
        'AND NOT x.swept AND x.at < $2 AND e.decided_at <= x.at '
        'AND ($3 IS NULL OR x.pseudonym = ANY ($3))', day)
        USING own, before, units;
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END $$
"""
_SIGNATURE = "telemetry_erase_in(name, timestamptz, bytea[])"


def upgrade() -> None:
    op.execute(_ERASE)
    op.execute(f"REVOKE ALL ON FUNCTION {_SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {_SIGNATURE} TO modelward_app")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {_SIGNATURE}")
