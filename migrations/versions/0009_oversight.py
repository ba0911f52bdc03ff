"""Oversight: who makes deciders needs somebody's agreement; who shaped a version is no judge."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Where somebody could have agreed, the administrator no longer appoints alone.
_FOUNDED = """
UPDATE identity_tenant t SET founded_at = now() WHERE EXISTS (
    SELECT FROM identity_principal p
    WHERE p.tenant_id = t.id AND p.kind = 'person' AND p.roles ?| ARRAY['committee', 'validator']
)
"""
# What can change of a row that decides something; the rest is as it was written.
_EDITED = {
    "gates_case": "closed_at, result",
    "gates_change": "closed_at, result",
    "gates_waiver": "ended_at, reviewer_id, review, upheld, reviewed_at",
    "gates_request": "withdrawn_at",
    "routing_seat": "until",
    "identity_key": "last_used_at, revoked_at",
    "identity_delegation": "ended_at",
    "catalog_model": "risk_tier, owner_id, purpose, tags, last_number, revision, updated_at",
    "catalog_version": "stage, returned_to, tags, revision",
}
_FORGET = (
    "ALTER TABLE routing_plan DISABLE TRIGGER USER",
    "UPDATE routing_plan SET author_name = ''",
    "ALTER TABLE routing_plan ENABLE TRIGGER USER",
    "UPDATE notifications_outbox SET data = data - 'by' WHERE data ? 'by'",
)
_JSON = postgresql.JSONB(astext_type=sa.Text())
# As it was, and whoever chose what drift is measured against.
_OF_THE_CASE = """
CREATE OR REPLACE FUNCTION gates_approval_of_case() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM gates_case c WHERE c.tenant_id = NEW.tenant_id AND c.id = NEW.case_id
            AND c.requester_id = NEW.requester_id AND c.developer_id = NEW.developer_id
    ) THEN
        RAISE EXCEPTION 'an approval names its case''s requester and developer'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    {shaped}
    RETURN NEW;
END $$
"""
_SHAPED = """
    IF EXISTS (
        SELECT FROM gates_request r
        WHERE r.tenant_id = NEW.tenant_id AND r.case_id = NEW.case_id AND r.step = NEW.step
            AND r.requester_id = NEW.person_id AND r.withdrawn_at IS NULL
    ) THEN
        RAISE EXCEPTION 'who asked for an approval does not give it'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF EXISTS (
        SELECT FROM gates_case c JOIN telemetry_baseline b
            ON b.tenant_id = c.tenant_id AND b.version_id = c.version_id
        WHERE c.tenant_id = NEW.tenant_id AND c.id = NEW.case_id AND b.author_id = NEW.person_id
            AND b.author_id NOT IN (c.developer_id, c.requester_id)  -- those are refused by checks
    ) THEN
        RAISE EXCEPTION 'who chose the baseline does not decide on the version'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
"""


def upgrade() -> None:
    op.add_column("telemetry_baseline", sa.Column("author_id", sa.Uuid(), nullable=True))
    op.execute(_OF_THE_CASE.replace("{shaped}", _SHAPED))
    op.add_column(
        "identity_tenant", sa.Column("founded_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("identity_principal", sa.Column("change_id", sa.Uuid(), nullable=True))
    op.execute(_FOUNDED)
    for table, columns in _EDITED.items():
        op.execute(f"REVOKE UPDATE ON {table} FROM modelward_app, modelward_server")
        op.execute(f"GRANT UPDATE ({columns}) ON {table} TO modelward_app, modelward_server")
    # Names are looked up by id, so that who has left can be forgotten.
    op.alter_column("routing_plan", "author_name", server_default="")
    for statement in _FORGET:
        op.execute(statement)
    op.add_column("gates_waiver", sa.Column("tier", sa.String(), nullable=True))
    op.add_column("gates_waiver", sa.Column("terms", sa.String(), nullable=True))
    op.add_column("gates_change", sa.Column("scope", _JSON, server_default="{}", nullable=False))
    op.add_column(
        "gates_change_decision",
        sa.Column("lent", _JSON, server_default="{}", nullable=False),
    )
    op.add_column(
        "drift_monitor",
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
    )
    op.create_index("ix_gates_verdict_tier", "gates_verdict", ["tenant_id", "tier", "at", "id"])


def downgrade() -> None:
    for table in _EDITED:
        op.execute(f"GRANT UPDATE ON {table} TO modelward_app, modelward_server")
    op.execute(_OF_THE_CASE.replace("{shaped}", ""))
    op.drop_column("telemetry_baseline", "author_id")
    op.drop_index("ix_gates_verdict_tier", "gates_verdict")
    op.drop_column("drift_monitor", "at")
    op.drop_column("gates_change_decision", "lent")
    op.drop_column("gates_change", "scope")
    op.drop_column("gates_waiver", "terms")
    op.drop_column("gates_waiver", "tier")
    op.alter_column("routing_plan", "author_name", server_default=None)
    op.drop_column("identity_principal", "change_id")
    op.drop_column("identity_tenant", "founded_at")
