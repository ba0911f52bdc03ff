"""Search: every version's lexemes in one inverted index, and the way to find by them.

Versions of before have no row yet, nor do those that the previous release makes meanwhile: the
worker writes theirs in batches.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_TERMS = (
    "content || about || state"
    " || array_to_tsvector(ARRAY[(ward || 'n'::text) || (ordinal >> 11)::text])"
)
# Row-level security lets no index on a tsvector be used, for its operator may leak. So the wall is
# in here: rows of the transaction's own tenant, whatever was asked. Nothing but the inverted index
# can serve these queries, whatever the statistics say: scans are off, and what another index could
# take up is written so that none does (IS NOT DISTINCT FROM, + 0).
_FIND = """
CREATE FUNCTION catalog_search_find(
    asked tsquery, ward text, below bigint, oldest bigint, most bigint
) RETURNS TABLE (version_id uuid, ordinal bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 20
SET search_path FROM CURRENT SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    own uuid := nullif(current_setting('modelward.tenant', true), '')::uuid;
    newest bigint := (below - 1) >> 11;
    first bigint := oldest >> 11;
    got bigint := 0;
    found_now bigint;
    lowest bigint;
    ids uuid[];
    places bigint[];
    windows tsquery;
BEGIN
    -- Windows stand beside what was asked, not in it: the index then skips ahead in both lists.
    IF newest >= first THEN
        windows := quote_literal(catalog_search_find.ward || 'n' || newest)::tsquery;
        RETURN QUERY SELECT s.version_id, s.ordinal FROM catalog_search s
            WHERE ({terms}) @@ windows AND ({terms}) @@ asked
                AND s.tenant_id IS NOT DISTINCT FROM own AND s.ordinal + 0 < below
            ORDER BY s.ordinal DESC LIMIT most;
        GET DIAGNOSTICS got = ROW_COUNT;
        newest := newest - 1;
    END IF;
    IF newest < first OR got >= most THEN
        RETURN;
    END IF;
    -- The newest are not enough. If few match at all, they are read at once.
    SELECT array_agg(few.version_id), array_agg(few.ordinal) INTO ids, places FROM (
        SELECT s.version_id, s.ordinal FROM catalog_search s
        WHERE ({terms}) @@ asked AND s.tenant_id IS NOT DISTINCT FROM own LIMIT 1000
    ) AS few;
    IF coalesce(cardinality(ids), 0) < 1000 THEN
        RETURN QUERY SELECT few.id, few.place FROM unnest(ids, places) AS few(id, place)
            WHERE few.place < below AND few.place >> 11 <= newest
            ORDER BY few.place DESC LIMIT most - got;
        RETURN;
    END IF;
    -- Many do: sixteen windows are asked whether they hold any, then one by one.
    WHILE newest >= first AND got < most LOOP
        lowest := greatest(newest - 15, first);
        SELECT string_agg(quote_literal(catalog_search_find.ward || 'n' || n), ' | ')::tsquery
        INTO windows FROM generate_series(lowest, newest) AS n;
        PERFORM FROM catalog_search s
            WHERE ({terms}) @@ windows AND ({terms}) @@ asked
                AND s.tenant_id IS NOT DISTINCT FROM own LIMIT 1;
        IF NOT FOUND THEN
            newest := lowest - 1;
            CONTINUE;
        END IF;
        WHILE newest >= lowest AND got < most LOOP
            windows := quote_literal(catalog_search_find.ward || 'n' || newest)::tsquery;
            RETURN QUERY SELECT s.version_id, s.ordinal FROM catalog_search s
                WHERE ({terms}) @@ windows AND ({terms}) @@ asked
                    AND s.tenant_id IS NOT DISTINCT FROM own
                ORDER BY s.ordinal DESC LIMIT most - got;
            GET DIAGNOSTICS found_now = ROW_COUNT;
            got := got + found_now;
            newest := newest - 1;
        END LOOP;
    END LOOP;
END $$
"""


def upgrade() -> None:
    op.add_column("catalog_version", sa.Column("searched", sa.Boolean(), nullable=True))
    op.create_index(
        "ix_catalog_version_unsearched",
        "catalog_version",
        ["tenant_id", "id"],
        postgresql_where=sa.text("searched IS NULL"),
    )
    op.execute("GRANT UPDATE (searched) ON catalog_version TO modelward_app, modelward_server")
    op.create_table(
        "catalog_search",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("ward", sa.String(), nullable=False),
        sa.Column("content", postgresql.TSVECTOR(), nullable=False),
        sa.Column("about", postgresql.TSVECTOR(), nullable=False),
        sa.Column("state", postgresql.TSVECTOR(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "version_id", name=op.f("pk_catalog_search")),
        sa.UniqueConstraint(
            "tenant_id", "ordinal", name=op.f("uq_catalog_search_tenant_id_ordinal")
        ),
    )
    op.create_index(
        "ix_catalog_search_model_id", "catalog_search", ["tenant_id", "model_id", "ordinal"]
    )
    op.execute(
        f"CREATE INDEX ix_catalog_search_terms ON catalog_search USING gin (({_TERMS}))"
        " WITH (gin_pending_list_limit = 256)"
    )
    op.execute("SELECT modelward_guard('catalog_search')")
    op.execute(
        "GRANT USAGE ON SEQUENCE catalog_search_ordinal_seq TO modelward_app, modelward_server"
    )
    op.execute(_FIND.format(terms=_TERMS))
    signature = "catalog_search_find(tsquery, text, bigint, bigint, bigint)"
    op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO modelward_app")


def downgrade() -> None:
    op.execute("DROP FUNCTION catalog_search_find(tsquery, text, bigint, bigint, bigint)")
    op.drop_table("catalog_search")
    op.drop_index("ix_catalog_version_unsearched", "catalog_version")
    op.drop_column("catalog_version", "searched")
