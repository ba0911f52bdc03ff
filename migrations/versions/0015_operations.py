"""Operations: work that a call asks for and a worker does; contract cases; keys that sign."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0013"
branch_labels = None
depends_on = None

_NOW = sa.text("now()")
_JSON = postgresql.JSONB(astext_type=sa.Text())
# What can change of a row; the rest is as it was written.
_EDITED = {
    "release_operation": "state, progress, result, problem, fence, losses, lease_until, due_at,"
    " started_at, ended_at",
    "release_point_cases": "revision, cases, author_id, at",
    "identity_signing_key": "revoked_at",
}


def _when(name: str) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)


def _at(name: str = "at") -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), server_default=_NOW, nullable=False)


def _id(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.Uuid(), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "release_operation",
        _id("tenant_id"),
        _id("id"),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("about", _JSON, nullable=False),
        sa.Column("request", _JSON, nullable=False),
        _id("principal_id"),
        _id("person_id"),
        _id("key_id", nullable=True),
        _id("case_id", nullable=True),
        _id("parent_id", nullable=True),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("progress", _JSON, nullable=False),
        sa.Column("result", _JSON, nullable=True),
        sa.Column("problem", _JSON, nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("losses", sa.BigInteger(), nullable=False),
        _when("lease_until"),
        _at("due_at"),
        _at(),
        _when("started_at"),
        _when("ended_at"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_release_operation")),
    )
    op.create_index(
        "ix_release_operation_due",
        "release_operation",
        ["tenant_id", "due_at"],
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_index("ix_release_operation_case_id", "release_operation", ["tenant_id", "case_id"])
    # Of a case; a release run is of none.
    op.create_index(
        "uq_release_operation_one_run",
        "release_operation",
        ["tenant_id", "case_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_table(
        "release_point_cases",
        _id("tenant_id"),
        _id("point_id"),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("cases", _JSON, nullable=False),
        _id("author_id"),
        _at(),
        sa.ForeignKeyConstraint(
            ["tenant_id", "point_id"],
            ["catalog_decision_point.tenant_id", "catalog_decision_point.id"],
            name=op.f("fk_release_point_cases_tenant_id_point_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "point_id", name=op.f("pk_release_point_cases")),
    )
    op.create_table(
        "identity_signing_key",
        _id("tenant_id"),
        _id("id"),
        _id("principal_id"),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        _id("issuer_id"),
        _when("revoked_at"),
        _at(),
        sa.ForeignKeyConstraint(
            ["tenant_id", "principal_id"],
            ["identity_principal.tenant_id", "identity_principal.id"],
            name=op.f("fk_identity_signing_key_tenant_id_principal_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_identity_signing_key")),
        sa.UniqueConstraint(
            "tenant_id", "public_key", name=op.f("uq_identity_signing_key_tenant_id_public_key")
        ),
    )
    op.create_index(
        "ix_identity_signing_key_principal_id",
        "identity_signing_key",
        ["tenant_id", "principal_id"],
    )
    for table, columns in _EDITED.items():
        op.execute(f"SELECT modelward_guard('{table}')")
        op.execute(f"REVOKE UPDATE, DELETE ON {table} FROM modelward_app, modelward_server")
        op.execute(f"GRANT UPDATE ({columns}) ON {table} TO modelward_app, modelward_server")


def downgrade() -> None:
    for table in reversed(_EDITED):
        op.drop_table(table)
