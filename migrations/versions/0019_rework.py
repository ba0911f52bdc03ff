"""Rework: what a returned version is given back with, and the procedures that answer it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_CLOCK = sa.text("clock_timestamp()")
_JSON = postgresql.JSONB(astext_type=sa.Text())
_EDITED = {
    "release_task": "done_by, done_at, note",
    "release_procedure": "result_id, closed_at, result, observed",
}


def _at() -> "sa.Column[object]":
    return sa.Column("at", sa.DateTime(timezone=True), server_default=_CLOCK, nullable=False)


def _when(name: str) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)


def _id(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.Uuid(), nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.String(), nullable=nullable)


def _one_of(column: str, name: str, *values: str) -> "sa.Column[object]":
    kind = sa.Enum(*values, name=name, native_enum=False, length=40)
    return sa.Column(column, kind, nullable=False)


def _version(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column],
        ["catalog_version.tenant_id", "catalog_version.id"],
        name=op.f(f"fk_{table}_tenant_id_{column}"),
    )


def upgrade() -> None:
    op.create_table(
        "release_hand_back",
        _id("tenant_id"),
        _id("id"),
        _id("version_id"),
        _id("point_id", nullable=True),
        _id("case_id", nullable=True),
        _id("verdict_id", nullable=True),
        _one_of(
            "path", "wayout",
            "data_drift", "business_drift", "mathematical_drift", "delivers_as_promised",
        ),
        _one_of(
            "returned_to", "returnto", "data_acquisition", "business_understanding", "analysis"
        ),
        sa.Column("found", _JSON, nullable=False),
        _at(),
        _version("release_hand_back", "version_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_release_hand_back")),
    )  # fmt: skip
    op.create_index(
        "ix_release_hand_back_version_id", "release_hand_back", ["tenant_id", "version_id", "at"]
    )
    op.create_table(
        "release_task",
        _id("tenant_id"),
        _id("hand_back_id"),
        _text("key"),
        sa.Column("position", sa.BigInteger(), nullable=False),
        _text("title"),
        _text("why"),
        _text("call", nullable=True),
        _id("done_by", nullable=True),
        _when("done_at"),
        _text("note", nullable=True),
        _at(),
        sa.CheckConstraint(
            "(done_by IS NULL) = (done_at IS NULL)", name=op.f("ck_release_task_done")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "hand_back_id"],
            ["release_hand_back.tenant_id", "release_hand_back.id"],
            name=op.f("fk_release_task_tenant_id_hand_back_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "hand_back_id", "key", name=op.f("pk_release_task")),
    )
    op.create_table(
        "release_procedure",
        _id("tenant_id"),
        _id("id"),
        _one_of("kind", "procedurekind", "retune", "retrain", "rebuild"),
        _id("version_id"),
        _one_of("cause", "cause", "hand_back", "alert", "request"),
        _id("cause_id", nullable=True),
        _text("reason"),
        sa.Column("expected", _JSON, nullable=False),
        _id("opener_id"),
        _id("result_id", nullable=True),
        _when("closed_at"),
        _text("result", nullable=True),
        sa.Column("observed", _JSON, nullable=True),
        _at(),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (result IS NULL)", name=op.f("ck_release_procedure_closed")
        ),
        _version("release_procedure", "version_id"),
        _version("release_procedure", "result_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_release_procedure")),
    )
    op.create_index(
        "ix_release_procedure_version_id", "release_procedure", ["tenant_id", "version_id"]
    )
    op.create_index("ix_release_procedure_at", "release_procedure", ["tenant_id", "at", "id"])
    for table in ("release_hand_back", *_EDITED):
        op.execute(f"SELECT modelward_guard('{table}')")
    op.execute("REVOKE UPDATE, DELETE ON release_hand_back FROM modelward_app, modelward_server")
    op.execute(
        "CREATE TRIGGER release_hand_back_append_only BEFORE UPDATE OR DELETE OR TRUNCATE"
        " ON release_hand_back FOR EACH STATEMENT EXECUTE FUNCTION modelward_append_only()"
    )
    for table, columns in _EDITED.items():
        op.execute(f"REVOKE UPDATE, DELETE ON {table} FROM modelward_app, modelward_server")
        op.execute(f"GRANT UPDATE ({columns}) ON {table} TO modelward_app, modelward_server")


def downgrade() -> None:
    for table in ("release_procedure", "release_task", "release_hand_back"):
        op.drop_table(table)
