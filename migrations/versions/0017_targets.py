"""Targets: where versions are deployed, what runs there, incidents, hand-offs, prepared swaps."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_NOW, _CLOCK = sa.text("now()"), sa.text("clock_timestamp()")
_JSON = postgresql.JSONB(astext_type=sa.Text())
_TABLES = (
    "activation_target", "activation_report", "activation_terms", "activation_incident",
    "activation_preparation", "activation_hand_off", "activation_acceptance",
)  # fmt: skip
_APPENDED = ("activation_report", "activation_hand_off", "activation_acceptance")
# What can change of a row that decides something; the rest is as it was written.
_EDITED = {
    "activation_target": "environment, description, endpoint, stale_after_seconds, required,"
    " revision, removed_at",
    "activation_terms": "on_digest_mismatch, keep_warm_minutes, prepared_minutes, revision, at",
    "activation_incident": "blocks, acknowledged_at, acknowledged_by, note, resolved_at,"
    " resolved_by, resolution",
    "activation_preparation": "claim, claimed_until, results, missing, ready, finished_at,"
    " valid_until",
}
_ENVIRONMENTS = ("on_premises", "cloud", "streaming", "batch", "edge")
_STATES = ("pulling", "warm", "serving", "failed", "stopped")
_KINDS = ("digest_mismatch", "target_failed", "stale_target")


def _id(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.Uuid(), nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.String(), nullable=nullable)


def _int(name: str) -> "sa.Column[object]":
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _bool(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.Boolean(), nullable=nullable)


def _word(name: str, words: tuple[str, ...], kind: str) -> "sa.Column[object]":
    found = sa.Enum(*words, name=kind, native_enum=False, length=40)
    return sa.Column(name, found, nullable=False)


def _when(name: str, default: sa.TextClause | None = None) -> "sa.Column[object]":
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=default, nullable=default is None
    )


def _at_a_point(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "point_id"],
        ["catalog_decision_point.tenant_id", "catalog_decision_point.id"],
        name=op.f(f"fk_{table}_tenant_id_point_id"),
    )


def _of_a_case(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "case_id"],
        ["gates_case.tenant_id", "gates_case.id"],
        name=op.f(f"fk_{table}_tenant_id_case_id"),
    )


def _key(table: str, column: str = "id") -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint("tenant_id", column, name=op.f(f"pk_{table}"))


def _make_targets() -> None:
    op.create_table(
        "activation_target",
        _id("tenant_id"),
        _id("id"),
        _id("point_id"),
        _text("name"),
        _word("environment", _ENVIRONMENTS, "environment"),
        _text("description"),
        _text("endpoint", nullable=True),
        _int("stale_after_seconds"),
        _bool("required"),
        _int("revision"),
        _when("created_at", _NOW),
        _when("removed_at"),
        _at_a_point("activation_target"),
        _key("activation_target"),
    )
    op.create_index(
        "uq_activation_target_name",
        "activation_target",
        ["tenant_id", "point_id", "name"],
        unique=True,
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_table(
        "activation_report",
        _id("tenant_id"),
        _id("id"),
        _id("target_id"),
        _id("version_id"),
        _text("digest"),
        _word("state", _STATES, "running"),
        _text("detail"),
        _id("reporter_id"),
        _when("at", _CLOCK),
        sa.ForeignKeyConstraint(
            ["tenant_id", "target_id"],
            ["activation_target.tenant_id", "activation_target.id"],
            name=op.f("fk_activation_report_tenant_id_target_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "version_id"],
            ["catalog_version.tenant_id", "catalog_version.id"],
            name=op.f("fk_activation_report_tenant_id_version_id"),
        ),
        _key("activation_report"),
    )
    op.create_index(
        "ix_activation_report_newest",
        "activation_report",
        ["tenant_id", "target_id", "version_id", "at"],
    )
    op.create_index(
        "ix_activation_report_at", "activation_report", ["tenant_id", "target_id", "at"]
    )
    op.create_table(
        "activation_terms",
        _id("tenant_id"),
        _id("point_id"),
        _word("on_digest_mismatch", ("report", "block"), "onmismatch"),
        _int("keep_warm_minutes"),
        _int("prepared_minutes"),
        _int("revision"),
        _when("at", _NOW),
        _at_a_point("activation_terms"),
        _key("activation_terms", "point_id"),
    )


def _make_incidents() -> None:
    op.create_table(
        "activation_incident",
        _id("tenant_id"),
        _id("id"),
        _id("point_id"),
        _id("target_id"),
        _id("version_id"),
        _word("kind", _KINDS, "incidentkind"),
        _word("severity", ("critical", "major", "minor"), "severity"),
        _bool("blocks"),
        _id("report_id"),
        sa.Column("facts", _JSON, nullable=False),
        _when("opened_at", _CLOCK),
        _when("acknowledged_at"),
        _id("acknowledged_by", nullable=True),
        _text("note", nullable=True),
        _when("resolved_at"),
        _id("resolved_by", nullable=True),
        _text("resolution", nullable=True),
        _at_a_point("activation_incident"),
        _key("activation_incident"),
    )
    op.create_index(
        "uq_activation_incident_one_open",
        "activation_incident",
        ["tenant_id", "target_id", "version_id", "kind"],
        unique=True,
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_index(
        "ix_activation_incident_report_id",
        "activation_incident",
        ["tenant_id", "report_id", "kind"],
    )
    op.create_index(
        "ix_activation_incident_opened_at", "activation_incident", ["tenant_id", "opened_at"]
    )


def _make_swaps() -> None:
    op.create_table(
        "activation_preparation",
        _id("tenant_id"),
        _id("id"),
        _id("case_id"),
        _text("digest"),
        _text("health_path", nullable=True),
        _id("requester_id"),
        _id("claim", nullable=True),
        _when("claimed_until"),
        sa.Column("results", _JSON, nullable=True),
        sa.Column("missing", _JSON, nullable=True),
        _bool("ready", nullable=True),
        _when("at", _CLOCK),
        _when("finished_at"),
        _when("valid_until"),
        _of_a_case("activation_preparation"),
        _key("activation_preparation"),
    )
    op.create_index(
        "ix_activation_preparation_case_id",
        "activation_preparation",
        ["tenant_id", "case_id", "at"],
    )
    op.create_index(
        "ix_activation_preparation_waiting",
        "activation_preparation",
        ["tenant_id", "at"],
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_table(
        "activation_hand_off",
        _id("tenant_id"),
        _id("id"),
        _id("case_id"),
        _text("runbook"),
        _text("contact"),
        _text("on_call", nullable=True),
        _text("service_level", nullable=True),
        _text("rollback_plan", nullable=True),
        sa.Column("documents", _JSON, nullable=False),
        _text("notes"),
        _text("digest"),
        _id("giver_id"),
        _when("at", _CLOCK),
        _of_a_case("activation_hand_off"),
        _key("activation_hand_off"),
    )
    op.create_index(
        "ix_activation_hand_off_case_id", "activation_hand_off", ["tenant_id", "case_id", "at"]
    )
    op.create_table(
        "activation_acceptance",
        _id("tenant_id"),
        _id("hand_off_id"),
        _id("case_id"),
        _id("person_id"),
        _text("digest"),
        _when("at", _CLOCK),
        sa.ForeignKeyConstraint(
            ["tenant_id", "hand_off_id"],
            ["activation_hand_off.tenant_id", "activation_hand_off.id"],
            name=op.f("fk_activation_acceptance_tenant_id_hand_off_id"),
        ),
        _key("activation_acceptance", "hand_off_id"),
    )


def upgrade() -> None:
    _make_targets()
    _make_incidents()
    _make_swaps()
    for table in _TABLES:
        op.execute(f"SELECT modelward_guard('{table}')")
        op.execute(f"REVOKE UPDATE, DELETE ON {table} FROM modelward_app, modelward_server")
    for table, columns in _EDITED.items():
        op.execute(f"GRANT UPDATE ({columns}) ON {table} TO modelward_app, modelward_server")
    for table in _APPENDED:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE"
            f" ON {table} FOR EACH STATEMENT EXECUTE FUNCTION modelward_append_only()"
        )


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
