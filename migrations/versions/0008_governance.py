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


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
    op.drop_column("gates_approval", "covers")
