"""Routing, drift, KPIs, reviews."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "drift_alert",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "data",
                "prediction",
                "mathematical",
                name="alertkind",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "raised_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_drift_alert")),
        sa.UniqueConstraint(
            "tenant_id",
            "point_id",
            "version_id",
            "kind",
            "subject",
            name=op.f("uq_drift_alert_tenant_id_point_id_version_id_kind_subject"),
        ),
    )
    op.create_index(
        "ix_drift_alert_raised_at", "drift_alert", ["tenant_id", "raised_at"], unique=False
    )
    op.create_table(
        "drift_monitor",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "point_id", name=op.f("pk_drift_monitor")),
    )
    op.create_table(
        "drift_watch",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("next_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "point_id", "version_id", name=op.f("pk_drift_watch")),
    )
    op.create_table(
        "drift_window",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("variables", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("alerting", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("labelled", sa.BigInteger(), nullable=False),
        sa.Column("accuracy", sa.Double(), nullable=True),
        sa.Column("degraded", sa.Boolean(), nullable=True),
        sa.Column(
            "examined_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_drift_window")),
        sa.UniqueConstraint(
            "tenant_id",
            "point_id",
            "version_id",
            "until",
            name=op.f("uq_drift_window_tenant_id_point_id_version_id_until"),
        ),
    )
    op.create_table(
        "kpi_definition",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "formula",
            sa.Enum(
                "mean_reward",
                "conversion_rate",
                "accuracy",
                name="formula",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "direction",
            sa.Enum("at_least", "at_most", name="direction", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("tolerance", sa.Double(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_kpi_definition")),
        sa.UniqueConstraint(
            "tenant_id",
            "point_id",
            "key",
            name=op.f("uq_kpi_definition_tenant_id_point_id_key"),
        ),
    )
    op.create_table(
        "revalidation_review",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("verdict_id", sa.Uuid(), nullable=False),
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
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_revalidation_review")),
        sa.UniqueConstraint(
            "tenant_id",
            "point_id",
            "version_id",
            "until",
            name=op.f("uq_revalidation_review_tenant_id_point_id_version_id_until"),
        ),
    )
    op.create_table(
        "routing_generation",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_routing_generation")),
    )
    op.create_table(
        "routing_point",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "point_id", name=op.f("pk_routing_point")),
    )
    op.create_index(
        "ix_routing_point_generation",
        "routing_point",
        ["tenant_id", "generation"],
        unique=False,
    )
    op.create_table(
        "routing_weights",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("plan_revision", sa.BigInteger(), nullable=False),
        sa.Column("round", sa.BigInteger(), nullable=False),
        sa.Column("weights", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("learnt", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "point_id", "plan_revision", "round", name=op.f("pk_routing_weights")
        ),
    )
    op.create_table(
        "routing_plan",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("author_name", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "point_id"],
            ["catalog_decision_point.tenant_id", "catalog_decision_point.id"],
            name=op.f("fk_routing_plan_tenant_id_point_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "point_id", "revision", name=op.f("pk_routing_plan")),
    )
    op.create_table(
        "routing_seat",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column(
            "role",
            sa.Enum("champion", "challenger", name="seatrole", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("endpoint", sa.String(), nullable=True),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column(
            "since",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "point_id"],
            ["catalog_decision_point.tenant_id", "catalog_decision_point.id"],
            name=op.f("fk_routing_seat_tenant_id_point_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "version_id"],
            ["catalog_version.tenant_id", "catalog_version.id"],
            name=op.f("fk_routing_seat_tenant_id_version_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_routing_seat")),
    )
    op.create_index(
        "ix_routing_seat_history",
        "routing_seat",
        ["tenant_id", "point_id", "since"],
        unique=False,
    )
    op.create_index(
        "uq_routing_seat_one_champion",
        "routing_seat",
        ["tenant_id", "point_id"],
        unique=True,
        postgresql_where=sa.text("role = 'champion' AND until IS NULL"),
    )
    op.create_index(
        "uq_routing_seat_one_each",
        "routing_seat",
        ["tenant_id", "point_id", "version_id"],
        unique=True,
        postgresql_where=sa.text("until IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("routing_seat")
    op.drop_table("routing_plan")
    op.drop_table("routing_weights")
    op.drop_table("routing_point")
    op.drop_table("routing_generation")
    op.drop_table("revalidation_review")
    op.drop_table("kpi_definition")
    op.drop_table("drift_window")
    op.drop_table("drift_watch")
    op.drop_table("drift_monitor")
    op.drop_table("drift_alert")
