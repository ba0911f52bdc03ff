"""KPIs are agreed for processes and portfolios too. The release before knows of none."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

_JSON = postgresql.JSONB(astext_type=sa.Text())


def _key(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _time(name: str, default: str) -> sa.Column[Any]:
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text(default), nullable=False
    )


def _of_scope(table: str, column: str = "scope_id") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column],
        ["kpi_scope.tenant_id", "kpi_scope.id"],
        name=op.f(f"fk_{table}_tenant_id_{column}"),
    )


def upgrade() -> None:
    op.create_table(
        "kpi_scope",
        _key("tenant_id", sa.Uuid()),
        _key("id", sa.Uuid()),
        _key("key", sa.String()),
        _key("kind", sa.String(length=40)),
        _key("name", sa.String()),
        _key("revision", sa.BigInteger()),
        _time("created_at", "now()"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_kpi_scope")),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("uq_kpi_scope_tenant_id_key")),
    )
    op.create_table(
        "kpi_scope_point",
        _key("tenant_id", sa.Uuid()),
        _key("scope_id", sa.Uuid()),
        _key("point_id", sa.Uuid()),
        _time("at", "clock_timestamp()"),
        _of_scope("kpi_scope_point"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "point_id"],
            ["catalog_decision_point.tenant_id", "catalog_decision_point.id"],
            name=op.f("fk_kpi_scope_point_tenant_id_point_id"),
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "scope_id", "point_id", name=op.f("pk_kpi_scope_point")
        ),
    )
    op.create_index("ix_kpi_scope_point_point_id", "kpi_scope_point", ["tenant_id", "point_id"])
    op.create_table(
        "kpi_scope_process",
        _key("tenant_id", sa.Uuid()),
        _key("scope_id", sa.Uuid()),
        _key("process_id", sa.Uuid()),
        _time("at", "clock_timestamp()"),
        _of_scope("kpi_scope_process"),
        _of_scope("kpi_scope_process", "process_id"),
        sa.PrimaryKeyConstraint(
            "tenant_id", "scope_id", "process_id", name=op.f("pk_kpi_scope_process")
        ),
    )
    op.create_index(
        "ix_kpi_scope_process_process_id", "kpi_scope_process", ["tenant_id", "process_id"]
    )
    op.create_table(
        "kpi_scope_kpi",
        _key("tenant_id", sa.Uuid()),
        _key("id", sa.Uuid()),
        _key("scope_id", sa.Uuid()),
        _key("key", sa.String()),
        _key("name", sa.String()),
        _key("formula", sa.String(length=40)),
        _key("direction", sa.String(length=40)),
        _key("threshold", sa.Double()),
        _key("tolerance", sa.Double()),
        _key("unit", sa.String()),
        sa.Column("currency", sa.String(), nullable=True),
        sa.Column("target", sa.Double(), nullable=True),
        sa.Column("prices", _JSON, nullable=True),
        _key("aggregate", sa.String(length=40)),
        sa.Column("expression", sa.String(), nullable=True),
        _key("window_days", sa.BigInteger()),
        _key("wait_days", sa.BigInteger()),
        _key("revision", sa.BigInteger()),
        _time("created_at", "now()"),
        _of_scope("kpi_scope_kpi"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_kpi_scope_kpi")),
        sa.UniqueConstraint(
            "tenant_id", "scope_id", "key", name=op.f("uq_kpi_scope_kpi_tenant_id_scope_id_key")
        ),
    )
    op.create_table(
        "kpi_scope_value",
        _key("tenant_id", sa.Uuid()),
        _key("scope_id", sa.Uuid()),
        _key("key", sa.String()),
        _key("at", sa.DateTime(timezone=True)),
        _key("segment", sa.String()),
        sa.Column("revision", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        _key("value", sa.Double()),
        _key("person_id", sa.Uuid()),
        _time("received_at", "now()"),
        sa.PrimaryKeyConstraint(
            "tenant_id", "scope_id", "key", "at", "segment", "revision",
            name=op.f("pk_kpi_scope_value"),
        ),
    )  # fmt: skip
    op.create_table(
        "kpi_scope_standing",
        _key("tenant_id", sa.Uuid()),
        _key("id", sa.Uuid()),
        _key("scope_id", sa.Uuid()),
        _key("kpi_id", sa.Uuid()),
        _key("key", sa.String()),
        _key("kpi_revision", sa.BigInteger()),
        _key("standing", sa.String(length=40)),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("low", sa.Double(), nullable=True),
        sa.Column("high", sa.Double(), nullable=True),
        _key("outcomes", sa.BigInteger()),
        sa.Column("lacking", sa.String(), nullable=True),
        _key("since", sa.DateTime(timezone=True)),
        _key("until", sa.DateTime(timezone=True)),
        _time("at", "clock_timestamp()"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_kpi_scope_standing")),
    )
    op.create_index(
        "ix_kpi_scope_standing_scope_id", "kpi_scope_standing",
        ["tenant_id", "scope_id", "key", "id"],
    )  # fmt: skip
    op.create_table(
        "kpi_scope_look",
        _key("tenant_id", sa.Uuid()),
        _key("kpi_id", sa.Uuid()),
        _key("standing", sa.String(length=40)),
        sa.Column("value", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "kpi_id", name=op.f("pk_kpi_scope_look")),
    )
    for table in _TABLES:
        op.execute(f"SELECT modelward_guard('{table}')")
    for table in ("kpi_scope_value", "kpi_scope_standing"):
        op.execute(f"REVOKE UPDATE, DELETE ON {table} FROM modelward_app, modelward_server")


_TABLES = (
    "kpi_scope", "kpi_scope_point", "kpi_scope_process", "kpi_scope_kpi", "kpi_scope_value",
    "kpi_scope_standing", "kpi_scope_look",
)  # fmt: skip


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
