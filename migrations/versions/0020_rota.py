"""The rota: when each of the worker's jobs is due. It takes the place of a queue of jobs.

What the queue held is not carried over: every job finds its work in the tables of its room. A
worker of the release before ends here, and its supervisor starts this release's.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_DROP_QUEUE = """
DO $$
DECLARE found record;
BEGIN
    FOR found IN SELECT oid::regclass AS name FROM pg_class
        WHERE relkind = 'r' AND relname LIKE 'procrastinate\\_%' LOOP
        EXECUTE format('DROP TABLE %s CASCADE', found.name);
    END LOOP;
    FOR found IN SELECT oid::regprocedure AS name FROM pg_proc
        WHERE proname LIKE 'procrastinate\\_%' LOOP
        EXECUTE format('DROP FUNCTION %s CASCADE', found.name);
    END LOOP;
    FOR found IN SELECT oid::regtype AS name FROM pg_type
        WHERE typname LIKE 'procrastinate\\_%' AND typtype IN ('e', 'c') LOOP
        EXECUTE format('DROP TYPE IF EXISTS %s CASCADE', found.name);
    END LOOP;
END $$
"""


def upgrade() -> None:
    op.execute(_DROP_QUEUE)
    op.create_table(
        "platform_rota",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_platform_rota")),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON platform_rota TO modelward_server")


def downgrade() -> None:
    op.drop_table("platform_rota")
