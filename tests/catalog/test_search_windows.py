"""Many rows: what windows find is what a plain look at every row finds, in the same order."""

import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.conftest import clone

ROWS = 30_000
OWN, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)
# Of one tenant: word a in all, b in the older third, c in every 7th, d in five, e in every 40th,
# f in a thick part of the middle, g in a thin one and in every second row of the oldest.
_FILL = """
INSERT INTO catalog_search (tenant_id, version_id, model_id, ward, content, about, state)
SELECT CASE WHEN n %% 3 = 0 THEN %(other)s::uuid ELSE %(own)s::uuid END, gen_random_uuid(),
    %(own)s, 'w', array_to_tsvector(array_remove(ARRAY[
        'wa', CASE WHEN n < 10000 THEN 'wb' END, CASE WHEN n %% 7 = 0 THEN 'wc' END,
        CASE WHEN n IN (1, 700, 701, 15001, 29999) THEN 'wd' END,
        CASE WHEN n %% 40 = 1 THEN 'we' END,
        CASE WHEN n BETWEEN 12000 AND 14500 THEN 'wf' END,
        CASE WHEN n BETWEEN 14000 AND 22000 AND n %% 500 = 1 OR n < 4000 AND n %% 2 = 0
            THEN 'wg' END], NULL)), '', ''
FROM generate_series(1, %(rows)s) AS n
"""
_FIND = """
SELECT f.ordinal FROM catalog_search_find(%(asked)s::tsquery, 'w', %(below)s, (
    SELECT min(ordinal) FROM catalog_search), %(most)s) AS f
"""
_PLAIN = """
SELECT ordinal FROM catalog_search WHERE tenant_id = %(own)s AND ordinal < %(below)s
    AND content @@ %(asked)s::tsquery ORDER BY ordinal DESC LIMIT %(most)s
"""


@pytest.fixture(scope="module")
def filled(cluster_url: str, template_url: str) -> Iterator["psycopg.Connection[Any]"]:
    for url in clone(cluster_url, template_url):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_FILL, {"own": OWN, "other": OTHER, "rows": ROWS})
            connection.execute("SELECT set_config('modelward.tenant', %s, false)", (str(OWN),))
            yield connection


@pytest.mark.parametrize(
    "asked",
    ["wa", "wb", "wc", "wd", "we", "wf", "wg", "wx", "wa & wb", "wb & wc", "wd & wa", "wc & we",
     "wf & wg", "wf | wg", "w:*"],
)  # fmt: skip
@pytest.mark.parametrize("below", [2**63 - 1, ROWS + 1, 13_000, 10_001, 2_049, 2_048, 1, 0])
@pytest.mark.parametrize("most", [1, 51, 201])
def test_it_is_what_a_plain_look_finds(
    filled: "psycopg.Connection[Any]", asked: str, below: int, most: int
) -> None:
    values = {"asked": asked, "below": below, "most": most, "own": OWN}

    found = filled.execute(_FIND, values).fetchall()

    assert found == filled.execute(_PLAIN, values).fetchall()


def test_the_table_is_never_read_through(filled: "psycopg.Connection[Any]") -> None:
    """Whatever the statistics say: nobody has gathered any, or whoever has found others."""
    scans = "SELECT pg_stat_get_xact_numscans(%s::regclass)"
    named = ("catalog_search", "ix_catalog_search_terms")
    with filled.transaction():
        # What other transactions have not told yet is counted as well.
        before = [filled.execute(scans, (name,)).fetchall()[0][0] for name in named]
        for asked in ("wa", "wb", "wd", "wf", "wg", "wx"):
            filled.execute(
                "SELECT * FROM catalog_search_find(%s::tsquery, 'w', 30001, 1, 51)", (asked,)
            )
        after = [filled.execute(scans, (name,)).fetchall()[0][0] for name in named]

    assert after[0] == before[0]
    assert after[1] > before[1]


def test_a_session_of_no_tenant_finds_nothing(filled: "psycopg.Connection[Any]") -> None:
    values = {"asked": "wa", "below": ROWS + 1, "most": 5}
    filled.execute("SELECT set_config('modelward.tenant', '', false)")

    found = filled.execute(_FIND, values).fetchall()

    filled.execute("SELECT set_config('modelward.tenant', %s, false)", (str(OWN),))
    assert found == []
