"""Alerts have episodes, and can be silenced.

Those that were raised before are entered as firing by a worker, with their audit entries.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_CLOCK = sa.text("clock_timestamp()")
_EPISODE, _SILENCE = "drift_episode", "drift_silence"
_KINDS = ("data", "prediction", "mathematical")
_SEVERITIES = ("notice", "warning", "critical")
_STATES = ("firing", "acknowledged", "resolved")
_EDITED = {
    _EPISODE: "severity, state, acknowledged_at, acknowledged_by, comment, resolved_at,"
    " resolved_by, ending, reason, told_at",
    _SILENCE: "ended_at, ended_by",
}
_ENDINGS = ("recovered", "by_hand", "version_left")


def _id(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.Uuid(), nullable=nullable)


def _text(name: str, *, nullable: bool = True) -> "sa.Column[object]":
    return sa.Column(name, sa.String(), nullable=nullable)


def _word(
    name: str, words: tuple[str, ...], kind: str, *, nullable: bool = False
) -> "sa.Column[object]":
    found = sa.Enum(*words, name=kind, native_enum=False, length=40)
    return sa.Column(name, found, nullable=nullable)


def _when(
    name: str, default: sa.TextClause | None = None, *, nullable: bool = True
) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=nullable)


def upgrade() -> None:
    op.create_table(
        _EPISODE,
        _id("tenant_id"),
        _id("id"),
        _id("alert_id"),
        sa.Column("number", sa.BigInteger(), nullable=False),
        _word("severity", _SEVERITIES, "severity"),
        _word("state", _STATES, "state"),
        _when("since", nullable=False),
        _when("at", _CLOCK, nullable=False),
        _when("acknowledged_at"),
        _id("acknowledged_by", nullable=True),
        _text("comment"),
        _when("resolved_at"),
        _id("resolved_by", nullable=True),
        _word("ending", _ENDINGS, "ending", nullable=True),
        _text("reason"),
        _when("told_at"),
        sa.CheckConstraint(
            "(state = 'resolved') = (resolved_at IS NOT NULL)", name=op.f(f"ck_{_EPISODE}_over")
        ),
        sa.CheckConstraint(
            "(ending IS NULL) = (resolved_at IS NULL)", name=op.f(f"ck_{_EPISODE}_ending")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "alert_id"],
            ["drift_alert.tenant_id", "drift_alert.id"],
            name=op.f(f"fk_{_EPISODE}_tenant_id_alert_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f(f"pk_{_EPISODE}")),
        sa.UniqueConstraint(
            "tenant_id", "alert_id", "number", name=op.f(f"uq_{_EPISODE}_tenant_id_alert_id_number")
        ),
    )
    op.create_index(
        f"uq_{_EPISODE}_one_standing",
        _EPISODE,
        ["tenant_id", "alert_id"],
        unique=True,
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_index(f"ix_{_EPISODE}_at", _EPISODE, ["tenant_id", "at", "id"])
    op.create_index(f"ix_{_EPISODE}_resolved_at", _EPISODE, ["resolved_at"])
    op.create_table(
        _SILENCE,
        _id("tenant_id"),
        _id("id"),
        _id("point_id", nullable=True),
        _id("model_id", nullable=True),
        _id("version_id", nullable=True),
        _word("kind", _KINDS, "alertkind", nullable=True),
        _text("subject"),
        _text("reason", nullable=False),
        _id("silenced_by"),
        _when("at", _CLOCK, nullable=False),
        _when("until", nullable=False),
        _when("ended_at"),
        _id("ended_by", nullable=True),
        sa.CheckConstraint("until > at", name=op.f(f"ck_{_SILENCE}_lasts")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "point_id"],
            ["catalog_decision_point.tenant_id", "catalog_decision_point.id"],
            name=op.f(f"fk_{_SILENCE}_tenant_id_point_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f(f"pk_{_SILENCE}")),
    )
    op.create_index(f"ix_{_SILENCE}_at", _SILENCE, ["tenant_id", "at", "id"])
    op.create_index(f"ix_{_SILENCE}_until", _SILENCE, ["tenant_id", "until"])
    for table, columns in _EDITED.items():
        op.execute(f"SELECT modelward_guard('{table}')")
        op.execute(f"REVOKE UPDATE, DELETE ON {table} FROM modelward_app, modelward_server")
        op.execute(f"GRANT UPDATE ({columns}) ON {table} TO modelward_app, modelward_server")


def downgrade() -> None:
    op.drop_table(_SILENCE)
    op.drop_table(_EPISODE)
