"""Governance: decision rights, delegations, approval requests, change requests, waivers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_NOW, _CLOCK = sa.text("now()"), sa.text("clock_timestamp()")
_JSON = postgresql.JSONB(astext_type=sa.Text())
_TABLES = (
    "identity_rights", "identity_delegation", "gates_withdrawal", "gates_request", "gates_change",
    "gates_change_decision", "gates_waiver",
)  # fmt: skip
_UNIQUE = "uq_gates_approval_tenant_id_case_id_step_person_id_digest"
_KEPT = (
    "gates_case", "gates_change", "gates_waiver", "gates_request", "routing_seat", "routing_point",
    "catalog_model", "catalog_version", "catalog_decision_point", "identity_principal",
    "identity_key", "identity_tenant", "identity_delegation", "revalidation_review", "audit_stream",
)  # fmt: skip
"""Tables whose rows change and are never deleted by the server."""
_HISTORY = ("gates_policy", "gates_evidence", "routing_plan", "routing_weights")
_OF_THE_CASE = """
CREATE FUNCTION gates_approval_of_case() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM gates_case c WHERE c.tenant_id = NEW.tenant_id AND c.id = NEW.case_id
            AND c.requester_id = NEW.requester_id AND c.developer_id = NEW.developer_id
    ) THEN
        RAISE EXCEPTION 'an approval names its case''s requester and developer'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$
"""
_APPENDED = ("identity_rights", "gates_withdrawal", "gates_change_decision")


def _at(default: sa.TextClause) -> "sa.Column[object]":
    return sa.Column("at", sa.DateTime(timezone=True), server_default=default, nullable=False)


def _when(name: str, *, nullable: bool = True) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _id(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.Uuid(), nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.String(), nullable=nullable)


def upgrade() -> None:
    op.add_column("gates_approval", sa.Column("covers", _JSON, nullable=True))
    op.add_column(
        "gates_approval",
        sa.Column("lent", _JSON, server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column(
        "gates_approval",
        sa.Column("round", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
    )
    unique = ["tenant_id", "case_id", "step", "person_id", "digest"]
    op.drop_constraint(_UNIQUE, "gates_approval", type_="unique")
    op.create_unique_constraint(f"{_UNIQUE}_round", "gates_approval", [*unique, "round"])
    op.create_table(
        "identity_rights",
        _id("tenant_id"),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("body", _JSON, nullable=False),
        _text("digest"),
        _id("author_id"),
        _at(_NOW),
        sa.PrimaryKeyConstraint("tenant_id", "revision", name=op.f("pk_identity_rights")),
    )
    op.create_table(
        "identity_delegation",
        _id("tenant_id"),
        _id("id"),
        _id("from_id"),
        _id("to_id"),
        sa.Column("roles", _JSON, nullable=False),
        _when("until", nullable=False),
        _text("reason"),
        _when("ended_at"),
        _at(_NOW),
        sa.CheckConstraint("from_id <> to_id", name=op.f("ck_identity_delegation_to_another")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_identity_delegation")),
    )
    op.create_index("ix_identity_delegation_to_id", "identity_delegation", ["tenant_id", "to_id"])
    op.create_table(
        "gates_withdrawal",
        _id("tenant_id"),
        _id("approval_id"),
        _id("case_id"),
        _text("step"),
        _text("reason"),
        _id("person_id"),
        _at(_CLOCK),
        sa.PrimaryKeyConstraint("tenant_id", "approval_id", name=op.f("pk_gates_withdrawal")),
    )
    op.create_table(
        "gates_request",
        _id("tenant_id"),
        _id("id"),
        _id("case_id"),
        _text("step"),
        _text("note"),
        _text("digest"),
        sa.Column("covers", _JSON, nullable=False),
        _id("requester_id"),
        _when("expires_at", nullable=False),
        _when("withdrawn_at"),
        _at(_CLOCK),
        sa.ForeignKeyConstraint(
            ["tenant_id", "case_id"],
            ["gates_case.tenant_id", "gates_case.id"],
            name=op.f("fk_gates_request_tenant_id_case_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_gates_request")),
    )
    op.create_index("ix_gates_request_case_id", "gates_request", ["tenant_id", "case_id", "step"])
    op.create_table(
        "gates_change",
        _id("tenant_id"),
        _id("id"),
        sa.Column(
            "kind",
            sa.Enum(
                "policy", "rights", "plan", "kpi", "monitor", "waiver",
                name="governed", native_enum=False, length=40,
            ),
            nullable=False,
        ),
        _text("target"),
        sa.Column("expected", sa.BigInteger(), nullable=True),
        sa.Column("before", _JSON, nullable=True),
        sa.Column("after", _JSON, nullable=False),
        _text("reason"),
        _text("digest"),
        _id("requester_id"),
        _id("principal_id"),
        _id("developer_id", nullable=True),
        sa.Column("approvals", sa.BigInteger(), nullable=False),
        sa.Column("roles", _JSON, nullable=False),
        _when("expires_at", nullable=False),
        _when("closed_at"),
        _text("result", nullable=True),
        _at(_CLOCK),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_gates_change")),
    )  # fmt: skip
    op.create_index("ix_gates_change_at", "gates_change", ["tenant_id", "at"])
    op.create_table(
        "gates_change_decision",
        _id("tenant_id"),
        _id("id"),
        _id("change_id"),
        sa.Column("approved", sa.Boolean(), nullable=False),
        _text("reason"),
        _id("person_id"),
        _id("principal_id"),
        _id("requester_id"),
        _id("developer_id", nullable=True),
        sa.Column("roles", _JSON, nullable=False),
        _text("digest"),
        _at(_CLOCK),
        sa.CheckConstraint(
            "person_id <> requester_id", name=op.f("ck_gates_change_decision_not_the_requester")
        ),
        sa.CheckConstraint(
            "person_id IS DISTINCT FROM developer_id",
            name=op.f("ck_gates_change_decision_not_the_developer"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "change_id"],
            ["gates_change.tenant_id", "gates_change.id"],
            name=op.f("fk_gates_change_decision_tenant_id_change_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_gates_change_decision")),
        sa.UniqueConstraint(
            "tenant_id", "change_id", "person_id",
            name=op.f("uq_gates_change_decision_tenant_id_change_id_person_id"),
        ),
    )  # fmt: skip
    op.create_table(
        "gates_waiver",
        _id("tenant_id"),
        _id("id"),
        _id("version_id"),
        _id("point_id", nullable=True),
        _text("gate"),
        _text("rule"),
        _text("reason"),
        _when("until", nullable=False),
        _when("ended_at"),
        _id("change_id", nullable=True),
        _id("developer_id"),
        _id("taken_by", nullable=True),
        _id("reviewer_id", nullable=True),
        _text("review", nullable=True),
        sa.Column("upheld", sa.Boolean(), nullable=True),
        _when("reviewed_at"),
        _at(_CLOCK),
        sa.CheckConstraint(
            "taken_by IS DISTINCT FROM developer_id",
            name=op.f("ck_gates_waiver_not_by_the_developer"),
        ),
        sa.CheckConstraint(
            "taken_by IS DISTINCT FROM reviewer_id OR taken_by IS NULL",
            name=op.f("ck_gates_waiver_reviewed_by_another"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_gates_waiver")),
    )
    op.create_index("ix_gates_waiver_version_id", "gates_waiver", ["tenant_id", "version_id"])
    for table in _TABLES:
        op.execute(f"SELECT modelward_guard('{table}')")
    for table in _APPENDED:
        op.execute(f"REVOKE UPDATE, DELETE ON {table} FROM modelward_app, modelward_server")
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE"
            f" ON {table} FOR EACH STATEMENT EXECUTE FUNCTION modelward_append_only()"
        )
    for table in _KEPT:
        op.execute(f"REVOKE DELETE ON {table} FROM modelward_app, modelward_server")
    for table in _HISTORY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE"
            f" ON {table} FOR EACH STATEMENT EXECUTE FUNCTION modelward_append_only()"
        )
    # The checks on an approval compare its own columns: they must be the case's.
    op.execute(_OF_THE_CASE)
    op.execute(
        "CREATE TRIGGER gates_approval_of_case BEFORE INSERT ON gates_approval"
        " FOR EACH ROW EXECUTE FUNCTION gates_approval_of_case()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER gates_approval_of_case ON gates_approval")
    op.execute("DROP FUNCTION gates_approval_of_case()")
    for table in _HISTORY:
        op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
    op.drop_constraint(f"{_UNIQUE}_round", "gates_approval", type_="unique")
    op.create_unique_constraint(
        _UNIQUE, "gates_approval", ["tenant_id", "case_id", "step", "person_id", "digest"]
    )
    op.drop_column("gates_approval", "round")
    op.drop_column("gates_approval", "lent")
    for table in reversed(_TABLES):
        op.drop_table(table)
    op.drop_column("gates_approval", "covers")
