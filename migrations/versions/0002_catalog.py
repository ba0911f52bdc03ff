"""Catalog and gates."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "catalog_decision_point",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "application",
                "process",
                "ensemble",
                "rule",
                "edge",
                name="pointkind",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("contract", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_catalog_decision_point")),
        sa.UniqueConstraint(
            "tenant_id", "key", name=op.f("uq_catalog_decision_point_tenant_id_key")
        ),
    )
    op.create_table(
        "catalog_model",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "machine_learning",
                "mathematical",
                "rule_set",
                "optimiser",
                "precalculated_scores",
                "ensemble",
                name="assetkind",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "risk_tier",
            sa.Enum("low", "medium", "high", name="risktier", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_catalog_model")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_catalog_model_tenant_id_name")),
    )
    op.create_index(
        "ix_catalog_model_tags", "catalog_model", ["tags"], unique=False, postgresql_using="gin"
    )
    op.create_table(
        "gates_policy",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("tier", sa.String(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("tenant_id", "tier", "revision", name=op.f("pk_gates_policy")),
    )
    op.create_table(
        "catalog_version",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=True),
        sa.Column("signature", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("training_data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("lineage", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("card", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("content_digest", sa.String(), nullable=False),
        sa.Column(
            "stage",
            sa.Enum(
                "published",
                "validated",
                "candidate",
                "released",
                "activated",
                "returned",
                "retired",
                name="stage",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "returned_to",
            sa.Enum(
                "data_acquisition",
                "business_understanding",
                "analysis",
                name="returnto",
                native_enum=False,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("developer_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(stage = 'returned') = (returned_to IS NOT NULL)",
            name=op.f("ck_catalog_version_returned_to"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "model_id"],
            ["catalog_model.tenant_id", "catalog_model.id"],
            name=op.f("fk_catalog_version_tenant_id_model_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_catalog_version")),
        sa.UniqueConstraint(
            "tenant_id",
            "model_id",
            "number",
            name=op.f("uq_catalog_version_tenant_id_model_id_number"),
        ),
    )
    op.create_index(
        "ix_catalog_version_stage", "catalog_version", ["tenant_id", "stage"], unique=False
    )
    op.create_table(
        "catalog_alias",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column(
            "set_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "version_id"],
            ["catalog_version.tenant_id", "catalog_version.id"],
            name=op.f("fk_catalog_alias_tenant_id_version_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "model_id", "name", name=op.f("pk_catalog_alias")),
    )
    op.create_table(
        "gates_case",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "validation",
                "release",
                "activation",
                name="casekind",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("point_id", sa.Uuid(), nullable=True),
        sa.Column("tier", sa.String(), nullable=False),
        sa.Column("policy_revision", sa.BigInteger(), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("requester_id", sa.Uuid(), nullable=False),
        sa.Column("developer_id", sa.Uuid(), nullable=False),
        sa.Column(
            "opened_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "version_id"],
            ["catalog_version.tenant_id", "catalog_version.id"],
            name=op.f("fk_gates_case_tenant_id_version_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_gates_case")),
    )
    op.create_index(
        "ix_gates_case_version_id", "gates_case", ["tenant_id", "version_id"], unique=False
    )
    op.create_index(
        "uq_gates_case_one_open",
        "gates_case",
        [
            "tenant_id",
            "kind",
            "version_id",
            "point_id",
            sa.literal_column("(details ->> 'role')"),
        ],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "gates_approval",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("principal_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("roles", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("requester_id", sa.Uuid(), nullable=False),
        sa.Column("developer_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "person_id <> developer_id", name=op.f("ck_gates_approval_not_the_developer")
        ),
        sa.CheckConstraint(
            "person_id <> requester_id", name=op.f("ck_gates_approval_not_the_requester")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "case_id"],
            ["gates_case.tenant_id", "gates_case.id"],
            name=op.f("fk_gates_approval_tenant_id_case_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_gates_approval")),
        sa.UniqueConstraint(
            "tenant_id",
            "case_id",
            "step",
            "person_id",
            "digest",
            name=op.f("uq_gates_approval_tenant_id_case_id_step_person_id_digest"),
        ),
    )
    op.create_table(
        "gates_evidence",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("measured", sa.Boolean(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "case_id"],
            ["gates_case.tenant_id", "gates_case.id"],
            name=op.f("fk_gates_evidence_tenant_id_case_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_gates_evidence")),
    )
    op.create_index(
        "ix_gates_evidence_case_id",
        "gates_evidence",
        ["tenant_id", "case_id", "step"],
        unique=False,
    )
    op.create_table(
        "gates_verdict",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column(
            "path",
            sa.Enum(
                "data_drift",
                "business_drift",
                "mathematical_drift",
                "delivers_as_promised",
                name="path",
                native_enum=False,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("tier", sa.String(), nullable=False),
        sa.Column("policy_revision", sa.BigInteger(), nullable=False),
        sa.Column("policy_digest", sa.String(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("facts_digest", sa.String(), nullable=False),
        sa.Column("results", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("judge_id", sa.Uuid(), nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "case_id"],
            ["gates_case.tenant_id", "gates_case.id"],
            name=op.f("fk_gates_verdict_tenant_id_case_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_gates_verdict")),
    )
    op.create_index(
        "ix_gates_verdict_case_id",
        "gates_verdict",
        ["tenant_id", "case_id", "step"],
        unique=False,
    )
    op.execute(
        "CREATE TRIGGER gates_verdict_append_only BEFORE UPDATE OR DELETE OR TRUNCATE"
        " ON gates_verdict FOR EACH STATEMENT EXECUTE FUNCTION modelward_append_only()"
    )
    op.execute(
        "CREATE TRIGGER gates_approval_append_only BEFORE UPDATE OR DELETE OR TRUNCATE"
        " ON gates_approval FOR EACH STATEMENT EXECUTE FUNCTION modelward_append_only()"
    )


def downgrade() -> None:
    op.drop_table("gates_verdict")
    op.drop_table("gates_evidence")
    op.drop_table("gates_approval")
    op.drop_table("gates_case")
    op.drop_table("catalog_alias")
    op.drop_table("catalog_version")
    op.drop_table("gates_policy")
    op.drop_table("catalog_model")
    op.drop_table("catalog_decision_point")
