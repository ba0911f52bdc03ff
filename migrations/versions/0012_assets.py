"""Assets: what each kind says of itself, ensembles' members, instances, descent and forks.

Versions that the previous release publishes meanwhile are not in the index of descent: what they
came from stands in their lineage, as before.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_NOW = sa.text("now()")
_JSON = postgresql.JSONB(astext_type=sa.Text())
_TABLES = ("catalog_descent", "catalog_member", "catalog_instance")
_APPENDED = ("catalog_descent", "catalog_member")
_VERSION = ["catalog_version.tenant_id", "catalog_version.id"]
_PARENTS = """
INSERT INTO catalog_descent (tenant_id, child_id, parent_id, kind)
SELECT DISTINCT child.tenant_id, child.id, parent.id, 'parent'
FROM catalog_version AS child
CROSS JOIN LATERAL jsonb_array_elements_text(
    CASE jsonb_typeof(child.lineage -> 'parents') WHEN 'array' THEN child.lineage -> 'parents'
        ELSE '[]' END
) AS named(number)
JOIN catalog_version AS parent ON parent.tenant_id = child.tenant_id
    AND parent.model_id = child.model_id AND parent.number = named.number::numeric
WHERE parent.id <> child.id
"""
# The second wall: whoever developed what a version was forked from does not decide on it.
_ORIGIN = """
CREATE FUNCTION catalog_approval_of_fork() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        WITH RECURSIVE origin AS (
            SELECT v.id, v.developer_id, v.lineage -> 'forked_from' ->> 'version_id' AS before
            FROM gates_case c JOIN catalog_version v
                ON v.tenant_id = c.tenant_id AND v.id = c.version_id
            WHERE c.tenant_id = NEW.tenant_id AND c.id = NEW.case_id
            UNION
            SELECT v.id, v.developer_id, v.lineage -> 'forked_from' ->> 'version_id'
            FROM origin o JOIN catalog_version v
                ON v.tenant_id = NEW.tenant_id AND v.id = o.before::uuid
        )
        SELECT FROM origin WHERE developer_id = NEW.person_id
            AND developer_id <> NEW.developer_id  -- that one is refused by a check
    ) THEN
        RAISE EXCEPTION 'who developed what a version was forked from does not decide on it'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$
"""


def _ids(*names: str) -> "list[sa.Column[object]]":
    return [sa.Column(name, sa.Uuid(), nullable=False) for name in names]


def _of_version(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column], _VERSION, name=op.f(f"fk_{table}_tenant_id_{column}")
    )


def upgrade() -> None:
    op.add_column("catalog_version", sa.Column("specifics", _JSON, nullable=True))
    op.create_index(
        "ix_catalog_version_data_reference",
        "catalog_version",
        ["tenant_id", sa.text("md5(training_data ->> 'reference'::text)")],
    )
    op.create_index(
        "ix_catalog_version_data_digest",
        "catalog_version",
        ["tenant_id", sa.text("(training_data ->> 'digest'::text)")],
    )
    op.create_table(
        "catalog_descent",
        *_ids("tenant_id", "child_id", "parent_id"),
        sa.Column(
            "kind",
            sa.Enum("parent", "fork", "retrain", name="descent", native_enum=False, length=40),
            nullable=False,
        ),
        _of_version("catalog_descent", "child_id"),
        _of_version("catalog_descent", "parent_id"),
        sa.PrimaryKeyConstraint(
            "tenant_id", "child_id", "parent_id", "kind", name=op.f("pk_catalog_descent")
        ),
    )
    op.create_index("ix_catalog_descent_parent_id", "catalog_descent", ["tenant_id", "parent_id"])
    op.create_table(
        "catalog_member",
        *_ids("tenant_id", "ensemble_id", "member_id"),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("weight", sa.Float(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.CheckConstraint("ensemble_id <> member_id", name=op.f("ck_catalog_member_another")),
        _of_version("catalog_member", "ensemble_id"),
        _of_version("catalog_member", "member_id"),
        sa.PrimaryKeyConstraint(
            "tenant_id", "ensemble_id", "member_id", name=op.f("pk_catalog_member")
        ),
        sa.UniqueConstraint(
            "tenant_id", "ensemble_id", "position",
            name=op.f("uq_catalog_member_tenant_id_ensemble_id_position"),
        ),
    )  # fmt: skip
    op.create_index("ix_catalog_member_member_id", "catalog_member", ["tenant_id", "member_id"])
    op.create_table(
        "catalog_instance",
        *_ids("tenant_id", "id", "version_id"),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("segment", _JSON, nullable=False),
        sa.Column("parameters", _JSON, nullable=False),
        sa.Column("endpoint", sa.String(), nullable=True),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        _of_version("catalog_instance", "version_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_catalog_instance")),
    )
    op.create_index(
        "uq_catalog_instance_standing",
        "catalog_instance",
        ["tenant_id", "version_id", "key"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "ix_catalog_instance_version_id",
        "catalog_instance",
        ["tenant_id", "version_id", "key", "id"],
    )
    op.execute(_PARENTS)
    for table in _TABLES:
        op.execute(f"SELECT modelward_guard('{table}')")
    for table in _APPENDED:
        op.execute(f"REVOKE UPDATE, DELETE ON {table} FROM modelward_app, modelward_server")
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE"
            f" ON {table} FOR EACH STATEMENT EXECUTE FUNCTION modelward_append_only()"
        )
    op.execute("REVOKE UPDATE, DELETE ON catalog_instance FROM modelward_app, modelward_server")
    op.execute("GRANT UPDATE (ended_at) ON catalog_instance TO modelward_app, modelward_server")
    op.execute(_ORIGIN)
    op.execute(
        "CREATE TRIGGER gates_approval_of_origin BEFORE INSERT ON gates_approval"
        " FOR EACH ROW EXECUTE FUNCTION catalog_approval_of_fork()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER gates_approval_of_origin ON gates_approval")
    op.execute("DROP FUNCTION catalog_approval_of_fork()")
    for table in reversed(_TABLES):
        op.drop_table(table)
    op.drop_index("ix_catalog_version_data_digest", "catalog_version")
    op.drop_index("ix_catalog_version_data_reference", "catalog_version")
    op.drop_column("catalog_version", "specifics")
