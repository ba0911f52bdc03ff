"""Search looks at the newest versions and at a sample before it asks the inverted index.

What the index says of a common word is long, whatever is wanted of it: a hundred thousand places
were put together to learn that more than a thousand match. Rows say as much for less: a page of a
word that is everywhere stands in the newest few, and a sample over all tells where a word begins
that is in an older part only.
"""

from alembic import context, op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_TEXT = "content || about || state"
_TERMS = f"{_TEXT} || array_to_tsvector(ARRAY[(ward || 'n'::text) || (ordinal >> 11)::text])"
# The wall is in here, as row-level security lets no index on a tsvector be used: rows of the
# transaction's own tenant, whatever was asked. Where the inverted index is meant, nothing else can
# serve, whatever the statistics say: scans are off, and what another index could take up is written
# so that none does (IS NOT DISTINCT FROM, + 0).
_FIND = """
CREATE OR REPLACE FUNCTION catalog_search_find(
    asked tsquery, ward text, below bigint, oldest bigint, most bigint
) RETURNS TABLE (version_id uuid, ordinal bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 20
SET search_path FROM CURRENT SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    own uuid := nullif(current_setting('modelward.tenant', true), '')::uuid;
    first bigint := oldest >> 11;
    newest bigint;
    top bigint;
    lowest bigint;
    got bigint := 0;
    found_now bigint;
    ids uuid[];
    places bigint[];
    windows tsquery;
BEGIN
    -- The newest rows, one by one: enough for a page of what is everywhere.
    RETURN QUERY SELECT n.version_id, n.ordinal FROM (
            SELECT * FROM catalog_search s WHERE s.tenant_id = own AND s.ordinal < below
            ORDER BY s.ordinal DESC LIMIT least(most, 50) * 6
        ) AS n WHERE ({text}) @@ asked ORDER BY n.ordinal DESC LIMIT most;
    GET DIAGNOSTICS got = ROW_COUNT;
    IF got >= most THEN
        RETURN;
    END IF;
    SELECT min(n.ordinal) INTO below FROM (
        SELECT s.ordinal FROM catalog_search s WHERE s.tenant_id = own AND s.ordinal < below
        ORDER BY s.ordinal DESC LIMIT least(most, 50) * 6
    ) AS n;
    IF below IS NULL OR below <= oldest THEN
        RETURN;
    END IF;
    newest := (below - 1) >> 11;
    -- A sample of the others: what lies above its newest hit is thin, what lies below may be thick.
    SELECT max(s.ordinal) >> 11 INTO top FROM (
        SELECT near.ordinal, ({text}) @@ asked AS fits
        FROM generate_series(oldest, below - 1, (below - oldest) / 32 + 1) AS place
        CROSS JOIN LATERAL (
            SELECT * FROM catalog_search s
            WHERE s.tenant_id = own AND s.ordinal >= place AND s.ordinal < below
            ORDER BY s.ordinal LIMIT 1
        ) AS near
    ) AS s WHERE s.fits;
    -- Windows stand beside what was asked, not in it: the index then skips ahead in both lists.
    top := coalesce(top, newest);
    WHILE newest >= top AND got < most LOOP
        lowest := CASE WHEN newest > top THEN greatest(newest - 63, top + 1) ELSE top END;
        SELECT string_agg(quote_literal(catalog_search_find.ward || 'n' || n), ' | ')::tsquery
        INTO windows FROM generate_series(lowest, newest) AS n;
        RETURN QUERY SELECT s.version_id, s.ordinal FROM catalog_search s
            WHERE ({terms}) @@ windows AND ({terms}) @@ asked
                AND s.tenant_id IS NOT DISTINCT FROM own AND s.ordinal + 0 < below
            ORDER BY s.ordinal DESC LIMIT most - got;
        GET DIAGNOSTICS found_now = ROW_COUNT;
        got := got + found_now;
        newest := lowest - 1;
    END LOOP;
    IF newest < first OR got >= most THEN
        RETURN;
    END IF;
    -- That was not enough. If few match at all, they are read at once.
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
                    AND s.tenant_id IS NOT DISTINCT FROM own AND s.ordinal + 0 < below
                ORDER BY s.ordinal DESC LIMIT most - got;
            GET DIAGNOSTICS found_now = ROW_COUNT;
            got := got + found_now;
            newest := newest - 1;
        END LOOP;
    END LOOP;
END $$
"""


def upgrade() -> None:
    op.execute(_FIND.format(text=_TEXT, terms=_TERMS))


def downgrade() -> None:
    before = context.script.get_revision("0013").module
    find, terms = before._FIND, before._TERMS  # noqa: SLF001 - what stood before is written there
    op.execute(find.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION").format(terms=terms))
