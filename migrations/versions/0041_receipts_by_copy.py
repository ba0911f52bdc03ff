"""Receipts are written by COPY, at two fifths of what single rows cost: the table becomes a view.

COPY does not know row-level security. So the rows move under another name, where a constraint keeps
whoever acts for a tenant to that one; he reads them through a view of his own rows. The view has
the name that the release before knows, and shows all rows to its workers, who serve all tenants.
It is no barrier, or a join could not look rows up in it: nobody asks it anything but our own code.
"""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

_VIEW = """
CREATE VIEW telemetry_receipt AS
    SELECT tenant_id, decision_id, series_id, event_id, at, score, prediction, labelled,
        outcome_revision, segment_ids
    FROM telemetry_receipt_stored
    WHERE tenant_id = nullif(current_setting('modelward.tenant', true), '')::uuid
        OR current_user = 'modelward_server'
    WITH CASCADED CHECK OPTION
"""
# Who restores a dump acts for nobody, and nothing is asked of him.
_OWN = """
ALTER TABLE telemetry_receipt_stored ADD CONSTRAINT ck_telemetry_receipt_stored_own_tenant CHECK (
    coalesce(
        tenant_id = nullif(current_setting('modelward.tenant', true), '')::uuid,
        current_user <> 'modelward_app')
) NOT VALID
"""
_NAMES = {
    "pk_telemetry_receipt": "pk_telemetry_receipt_stored",
    "uq_telemetry_receipt_event_id": "uq_telemetry_receipt_stored_event_id",
}


def upgrade() -> None:
    op.execute("DROP POLICY own_tenant ON telemetry_receipt")
    op.execute("DROP POLICY every_tenant ON telemetry_receipt")
    op.execute("ALTER TABLE telemetry_receipt NO FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE telemetry_receipt DISABLE ROW LEVEL SECURITY")
    op.execute("REVOKE ALL ON telemetry_receipt FROM modelward_app, modelward_server")
    op.rename_table("telemetry_receipt", "telemetry_receipt_stored")
    for before, after in _NAMES.items():
        op.execute(f"ALTER INDEX {before} RENAME TO {after}")
    op.execute(_OWN)
    op.execute(_VIEW)
    op.execute("GRANT INSERT ON telemetry_receipt_stored TO modelward_app")
    op.execute("GRANT SELECT, UPDATE, DELETE ON telemetry_receipt_stored TO modelward_server")
    op.execute("GRANT SELECT, INSERT ON telemetry_receipt TO modelward_app")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON telemetry_receipt TO modelward_server")


def downgrade() -> None:
    op.execute("DROP VIEW telemetry_receipt")
    op.execute("REVOKE ALL ON telemetry_receipt_stored FROM modelward_app, modelward_server")
    op.drop_constraint("own_tenant", "telemetry_receipt_stored", type_="check")
    for before, after in _NAMES.items():
        op.execute(f"ALTER INDEX {after} RENAME TO {before}")
    op.rename_table("telemetry_receipt_stored", "telemetry_receipt")
    op.get_bind().execute(sa.text("SELECT modelward_guard('telemetry_receipt')"))
