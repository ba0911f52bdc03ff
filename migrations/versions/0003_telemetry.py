"""Telemetry: receipts, raw events by day, outcomes, profiles."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "telemetry_delta",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("series_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("inputs", "outcomes", name="profilekind", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_telemetry_delta")),
    )
    op.create_index(
        "ix_telemetry_delta_series_id",
        "telemetry_delta",
        ["tenant_id", "series_id"],
        unique=False,
    )
    op.create_table(
        "telemetry_event",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("series_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("latency_ms", sa.Double(), nullable=True),
        sa.Column("plan_revision", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("propensity", sa.Double(), nullable=False),
        sa.Column("unit", sa.LargeBinary(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("features", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        postgresql_partition_by="RANGE (received_at)",
    )
    op.create_index(
        "ix_telemetry_event_decision_id",
        "telemetry_event",
        ["tenant_id", "decision_id"],
        unique=False,
    )
    op.create_table(
        "telemetry_hour",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("series_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("inputs", "outcomes", name="profilekind", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant_id", "series_id", "kind", "hour", name=op.f("pk_telemetry_hour")
        ),
    )
    op.create_table(
        "telemetry_outcome",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.Double(), nullable=True),
        sa.Column("reward", sa.Double(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=True
        ),
        sa.PrimaryKeyConstraint("tenant_id", "decision_id", name=op.f("pk_telemetry_outcome")),
    )
    op.create_index(
        "ix_telemetry_outcome_due_at",
        "telemetry_outcome",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_table(
        "telemetry_receipt",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column("series_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("prediction", sa.Double(), nullable=True),
        sa.Column("labelled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant_id", "decision_id", "series_id", name=op.f("pk_telemetry_receipt")
        ),
    )
    op.create_index(
        "uq_telemetry_receipt_event_id",
        "telemetry_receipt",
        ["tenant_id", "event_id"],
        unique=True,
        postgresql_where=sa.text("event_id IS NOT NULL"),
    )
    op.create_table(
        "telemetry_series",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("arm", sa.String(), nullable=False),
        sa.Column("events", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("first_hour", sa.DateTime(timezone=True), nullable=True),
        sa.Column("through", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_telemetry_series")),
        sa.UniqueConstraint(
            "tenant_id",
            "point_id",
            "version_id",
            "arm",
            name=op.f("uq_telemetry_series_tenant_id_point_id_version_id_arm"),
        ),
    )
    op.create_table(
        "telemetry_token_key",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.SmallInteger(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_telemetry_token_key")),
    )
    op.create_table(
        "telemetry_baseline",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("layout", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("profile", sa.LargeBinary(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("reference", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "version_id"],
            ["catalog_version.tenant_id", "catalog_version.id"],
            name=op.f("fk_telemetry_baseline_tenant_id_version_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "version_id", name=op.f("pk_telemetry_baseline")),
    )
    # Catches what comes before the worker has made the day's partition.
    op.execute("CREATE TABLE telemetry_event_default PARTITION OF telemetry_event DEFAULT")


def downgrade() -> None:
    op.drop_table("telemetry_baseline")
    op.drop_table("telemetry_token_key")
    op.drop_table("telemetry_series")
    op.drop_table("telemetry_receipt")
    op.drop_table("telemetry_outcome")
    op.drop_table("telemetry_hour")
    op.drop_table("telemetry_event")
    op.drop_table("telemetry_delta")
