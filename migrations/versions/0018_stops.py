"""Stops: what answers in an emergency, what was stopped, and which guardrails watch a champion."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_CLOCK = sa.text("clock_timestamp()")
_JSON = postgresql.JSONB(astext_type=sa.Text())
_TABLES = (
    "routing_fallback", "routing_stop", "activation_guardrail", "activation_breach",
    "activation_look",
)  # fmt: skip
_APPENDED = ("routing_fallback", "activation_breach")
# What can change of a stop: that it is over.
_EDITED = "until, resumed_by, resumed_reason, resumed_generation"


def _id(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.Uuid(), nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.String(), nullable=nullable)


def _whole(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _when(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _at() -> "sa.Column[object]":
    return sa.Column("at", sa.DateTime(timezone=True), server_default=_CLOCK, nullable=False)


def _word(column: str, name: str, *words: str) -> "sa.Column[object]":
    kind = sa.Enum(*words, name=name, native_enum=False, length=40)
    return sa.Column(column, kind, nullable=False)


def _of(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column],
        [f"{other}.tenant_id", f"{other}.id"],
        name=op.f(f"fk_{table}_tenant_id_{column}"),
    )


def upgrade() -> None:
    op.create_table(
        "routing_fallback",
        _id("tenant_id"),
        _id("point_id"),
        _whole("revision"),
        _word("kind", "fallbackkind", "previous_champion", "version", "constant"),
        _id("version_id", nullable=True),
        _text("endpoint", nullable=True),
        sa.Column("parameters", _JSON, nullable=False),
        sa.Column("constant", _JSON, nullable=False),
        _id("author_id"),
        _at(),
        _of("routing_fallback", "point_id", "catalog_decision_point"),
        _of("routing_fallback", "version_id", "catalog_version"),
        sa.CheckConstraint(
            "(kind = 'version') = (version_id IS NOT NULL)",
            name=op.f("ck_routing_fallback_version"),
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "point_id", "revision", name=op.f("pk_routing_fallback")
        ),
    )
    op.create_table(
        "routing_stop",
        _id("tenant_id"),
        _id("id"),
        _id("point_id"),
        _id("version_id", nullable=True),
        _text("cause"),
        _text("reason"),
        _id("stopped_by"),
        _whole("generation"),
        _when("since"),
        _when("until", nullable=True),
        _id("resumed_by", nullable=True),
        _text("resumed_reason", nullable=True),
        _whole("resumed_generation", nullable=True),
        _of("routing_stop", "point_id", "catalog_decision_point"),
        _of("routing_stop", "version_id", "catalog_version"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_routing_stop")),
    )
    op.create_index(
        "uq_routing_stop_one_a_cause",
        "routing_stop",
        ["tenant_id", "point_id", "version_id", "cause"],
        unique=True,
        postgresql_where=sa.text("until IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
    op.create_index("ix_routing_stop_history", "routing_stop", ["tenant_id", "point_id", "since"])
    op.create_table(
        "activation_guardrail",
        _id("tenant_id"),
        _id("id"),
        _id("point_id"),
        _text("name"),
        _text("when"),
        _whole("within_minutes", nullable=True),
        _whole("min_events"),
        _word("action", "action", "rollback", "stop", "alert"),
        sa.Column("revision", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        _at(),
        _of("activation_guardrail", "point_id", "catalog_decision_point"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_activation_guardrail")),
        sa.UniqueConstraint(
            "tenant_id", "point_id", "name",
            name=op.f("uq_activation_guardrail_tenant_id_point_id_name"),
        ),
    )  # fmt: skip
    op.create_table(
        "activation_breach",
        _id("tenant_id"),
        _id("id"),
        _id("point_id"),
        _id("seat_id"),
        _id("version_id"),
        _text("guardrail"),
        _whole("revision"),
        _text("when"),
        sa.Column("facts", _JSON, nullable=False),
        _word("action", "action", "rollback", "stop", "alert"),
        _word("taken", "taken", "rolled_back", "stopped", "alerted", "failed"),
        _text("why", nullable=True),
        _id("restored_id", nullable=True),
        _id("stop_id", nullable=True),
        sa.Column("failed", sa.Boolean(), nullable=False),
        _at(),
        _of("activation_breach", "seat_id", "routing_seat"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_activation_breach")),
        sa.UniqueConstraint(
            "tenant_id", "seat_id", "guardrail", "failed",
            name=op.f("uq_activation_breach_tenant_id_seat_id_guardrail_failed"),
        ),
    )  # fmt: skip
    op.create_index("ix_activation_breach_at", "activation_breach", ["tenant_id", "point_id", "at"])
    op.create_table(
        "activation_look",
        _id("tenant_id"),
        _id("seat_id"),
        _at(),
        sa.PrimaryKeyConstraint("tenant_id", "seat_id", name=op.f("pk_activation_look")),
    )
    for table in _TABLES:
        op.execute(f"SELECT modelward_guard('{table}')")
    for table in _APPENDED:
        op.execute(f"REVOKE UPDATE, DELETE ON {table} FROM modelward_app, modelward_server")
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE"
            f" ON {table} FOR EACH STATEMENT EXECUTE FUNCTION modelward_append_only()"
        )
    op.execute("REVOKE UPDATE, DELETE ON routing_stop FROM modelward_app, modelward_server")
    op.execute(f"GRANT UPDATE ({_EDITED}) ON routing_stop TO modelward_app, modelward_server")


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
