"""The audit log: bodies, personal data that can be erased, the tree and what is signed of it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# The only change an entry knows: its personal data into nothing.
_ERASABLE = """
CREATE FUNCTION audit_entry_erasable() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE erased audit_entry := OLD;
BEGIN
    erased.personal := NULL;
    erased.salt := NULL;
    IF NEW IS DISTINCT FROM erased THEN
        RAISE EXCEPTION 'rows of % are appended, never changed', TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$
"""
# Whoever appends an entry, a release that knows no log included, has it numbered.
_WAITING = """
CREATE FUNCTION audit_entry_waiting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_pending (tenant_id, stream, seq)
        SELECT tenant_id, stream, seq FROM appended;
    RETURN NULL;
END $$
"""
_APPENDED = ("audit_leaf", "audit_node", "audit_checkpoint")


def upgrade() -> None:
    op.add_column("audit_entry", sa.Column("version_id", sa.Uuid(), nullable=True))
    op.add_column("audit_entry", sa.Column("body", sa.String(), nullable=True))
    op.add_column("audit_entry", sa.Column("personal", sa.String(), nullable=True))
    op.add_column("audit_entry", sa.Column("salt", sa.LargeBinary(), nullable=True))
    op.create_index(
        "ix_audit_entry_version_id",
        "audit_entry",
        ["tenant_id", "version_id", "at"],
        postgresql_where=sa.text("version_id IS NOT NULL"),
    )
    op.create_index("ix_audit_entry_actor_id", "audit_entry", ["tenant_id", "actor_id", "at"])
    op.create_table(
        "audit_pending",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("stream", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "stream", "seq", name=op.f("pk_audit_pending")),
    )
    op.create_table(
        "audit_leaf",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("stream", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "index", name=op.f("pk_audit_leaf")),
        sa.UniqueConstraint(
            "tenant_id", "stream", "seq", name=op.f("uq_audit_leaf_tenant_id_stream_seq")
        ),
    )
    op.create_table(
        "audit_node",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("level", sa.BigInteger(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "level", "index", name=op.f("pk_audit_node")),
    )
    op.create_table(
        "audit_log",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_audit_log")),
    )
    op.create_table(
        "audit_checkpoint",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("tenant_id", "size", name=op.f("pk_audit_checkpoint")),
    )
    op.create_table(
        "audit_delivery",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("sink", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("tenant_id", "sink", name=op.f("pk_audit_delivery")),
    )
    op.execute("DROP TRIGGER audit_entry_append_only ON audit_entry")
    op.execute(_ERASABLE)
    op.execute(_WAITING)
    op.execute(
        "CREATE TRIGGER audit_entry_append_only BEFORE DELETE OR TRUNCATE"
        " ON audit_entry FOR EACH STATEMENT EXECUTE FUNCTION modelward_append_only()"
    )
    op.execute(
        "CREATE TRIGGER audit_entry_erasable BEFORE UPDATE"
        " ON audit_entry FOR EACH ROW EXECUTE FUNCTION audit_entry_erasable()"
    )
    op.execute(
        "CREATE TRIGGER audit_entry_waiting AFTER INSERT ON audit_entry"
        " REFERENCING NEW TABLE AS appended"
        " FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_waiting()"
    )
    op.execute(
        "INSERT INTO audit_pending (tenant_id, stream, seq)"
        " SELECT tenant_id, stream, seq FROM audit_entry"
    )
    for table in _APPENDED:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE"
            f" ON {table} FOR EACH STATEMENT EXECUTE FUNCTION modelward_append_only()"
        )


def downgrade() -> None:
    op.execute("DROP TRIGGER audit_entry_waiting ON audit_entry")
    op.execute("DROP TRIGGER audit_entry_erasable ON audit_entry")
    op.execute("DROP TRIGGER audit_entry_append_only ON audit_entry")
    op.execute("DROP FUNCTION audit_entry_waiting()")
    op.execute("DROP FUNCTION audit_entry_erasable()")
    op.execute(
        "CREATE TRIGGER audit_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE"
        " ON audit_entry FOR EACH STATEMENT EXECUTE FUNCTION modelward_append_only()"
    )
    for table in (
        "audit_delivery", "audit_checkpoint", "audit_log", "audit_node", "audit_leaf",
        "audit_pending",
    ):  # fmt: skip
        op.drop_table(table)
    op.drop_index("ix_audit_entry_actor_id", table_name="audit_entry")
    op.drop_index("ix_audit_entry_version_id", table_name="audit_entry")
    for column in ("salt", "personal", "body", "version_id"):
        op.drop_column("audit_entry", column)
