"""Webhooks with their deliveries; reminders of revalidation; gaps in telemetry."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_NOW, _CLOCK = sa.text("now()"), sa.text("clock_timestamp()")
_JSON = postgresql.JSONB(astext_type=sa.Text())
_TABLES = (
    "notifications_webhook", "notifications_secret", "notifications_progress",
    "notifications_delivery", "revalidation_reminder", "revalidation_gap",
)  # fmt: skip
# What can change of a row that decides something; the rest is as it was written.
_EDITED = {
    "notifications_webhook": "url, types, description, active, disabled, revision",
    "notifications_secret": "ends_at",
    "revalidation_gap": "closed_at, closed_as",
}


def _when(
    name: str, default: sa.TextClause | None = None, *, nullable: bool = False
) -> "sa.Column[object]":
    kind = sa.DateTime(timezone=True)
    return sa.Column(name, kind, server_default=default, nullable=nullable)


def _id(name: str) -> "sa.Column[object]":
    return sa.Column(name, sa.Uuid(), nullable=False)


def _text(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.String(), nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _one_of(column: str, name: str, *values: str, nullable: bool = False) -> "sa.Column[object]":
    kind = sa.Enum(*values, name=name, native_enum=False, length=40)
    return sa.Column(column, kind, nullable=nullable)


def _of_webhook(table: str, *, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "webhook_id"],
        ["notifications_webhook.tenant_id", "notifications_webhook.id"],
        name=op.f(f"fk_{table}_tenant_id_webhook_id"),
        ondelete=ondelete,
    )


def upgrade() -> None:
    _add_webhooks()
    _add_deliveries()
    _add_reminders()
    for table in _TABLES:
        op.execute(f"SELECT modelward_guard('{table}')")
    for table, columns in _EDITED.items():
        op.execute(f"REVOKE UPDATE ON {table} FROM modelward_app, modelward_server")
        op.execute(f"GRANT UPDATE ({columns}) ON {table} TO modelward_app, modelward_server")
    op.execute("REVOKE UPDATE ON revalidation_reminder FROM modelward_app, modelward_server")
    for table in ("revalidation_reminder", "revalidation_gap"):
        op.execute(f"REVOKE DELETE ON {table} FROM modelward_app, modelward_server")
    op.execute(
        "CREATE TRIGGER revalidation_reminder_append_only BEFORE UPDATE OR DELETE OR TRUNCATE"
        " ON revalidation_reminder FOR EACH STATEMENT EXECUTE FUNCTION modelward_append_only()"
    )


def _add_webhooks() -> None:
    op.create_table(
        "notifications_webhook",
        _id("tenant_id"),
        _id("id"),
        _text("url"),
        sa.Column("types", _JSON, nullable=False),
        _text("description"),
        sa.Column("active", sa.Boolean(), nullable=False),
        _one_of("disabled", "disabled", "gone", "failing", nullable=True),
        _number("revision"),
        _id("created_by"),
        _when("created_at", _NOW),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_notifications_webhook")),
    )
    op.create_table(
        "notifications_secret",
        _id("tenant_id"),
        _id("id"),
        _id("webhook_id"),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        _when("ends_at", nullable=True),
        _when("created_at", _NOW),
        _of_webhook("notifications_secret"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_notifications_secret")),
    )
    op.create_index(
        "ix_notifications_secret_webhook_id", "notifications_secret", ["tenant_id", "webhook_id"]
    )


def _add_deliveries() -> None:
    op.create_table(
        "notifications_progress",
        _id("tenant_id"),
        _id("webhook_id"),
        _number("position"),
        _number("failures"),
        _when("failing_since", nullable=True),
        _when("resume_at", nullable=True),
        _when("leased_until", nullable=True),
        _number("fence"),
        _of_webhook("notifications_progress", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "webhook_id", name=op.f("pk_notifications_progress")),
    )
    op.create_table(
        "notifications_delivery",
        _id("tenant_id"),
        _id("id"),
        _id("webhook_id"),
        _id("event_id"),
        _text("type"),
        _one_of("state", "state", "pending", "delivered", "failed"),
        _number("attempts"),
        _number("code", nullable=True),
        _text("error", nullable=True),
        _when("due_at", _NOW),
        _when("tried_at", nullable=True),
        _when("at", _NOW),
        _of_webhook("notifications_delivery", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_notifications_delivery")),
        sa.UniqueConstraint(
            "tenant_id",
            "webhook_id",
            "event_id",
            name=op.f("uq_notifications_delivery_tenant_id_webhook_id_event_id"),
        ),
    )
    op.create_index(
        "ix_notifications_delivery_pending",
        "notifications_delivery",
        ["tenant_id", "webhook_id", "due_at"],
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "ix_notifications_delivery_old",
        "notifications_delivery",
        ["at"],
        postgresql_where=sa.text("state <> 'pending'"),
    )


def _add_reminders() -> None:
    op.create_table(
        "revalidation_reminder",
        _id("tenant_id"),
        _id("id"),
        _id("point_id"),
        _id("version_id"),
        _when("due"),
        _one_of("notice", "notice", "due", "overdue", "escalated"),
        _number("days"),
        sa.Column("addressees", _JSON, nullable=False),
        _when("at", _CLOCK),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_revalidation_reminder")),
        sa.UniqueConstraint(
            "tenant_id",
            "point_id",
            "version_id",
            "due",
            "notice",
            "days",
            name="uq_revalidation_reminder_once",
        ),
    )
    op.create_table(
        "revalidation_gap",
        _id("tenant_id"),
        _id("id"),
        _id("point_id"),
        _id("version_id"),
        _one_of("signal", "signal", "events", "features", "scores", "outcomes"),
        sa.Column("asked", sa.Float(), nullable=False),
        sa.Column("found", sa.Float(), nullable=False),
        _when("opened_at", _CLOCK),
        _when("closed_at", nullable=True),
        _text("closed_as", nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_revalidation_gap")),
    )
    op.create_index(
        "uq_revalidation_gap_one_open",
        "revalidation_gap",
        ["tenant_id", "point_id", "version_id", "signal"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    )


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
