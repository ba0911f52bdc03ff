"""Versions that were there before the index of descent are in it, whatever their lineage says."""

from collections.abc import Iterator

import psycopg
import pytest

from app.platform import migrations
from tests.conftest import named

NAME = "modelward_backfill"
BEFORE = "0011"
LINEAGES = {
    1: "{}",
    2: '{"parents": [1]}',
    3: '{"parents": [1, 2, 2, 9]}',
    4: '{"parents": null}',
    5: '{"parents": [5, 3.0], "commit": "c"}',
    6: '{"parents": "none"}',
}


@pytest.fixture
def bare(cluster_url: str) -> Iterator[str]:
    with psycopg.connect(cluster_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {NAME}")
        yield named(cluster_url, NAME)
        admin.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


def test_the_migration_reads_descent_out_of_lineages(bare: str) -> None:
    migrations.upgrade(bare, BEFORE)
    with psycopg.connect(bare, autocommit=True) as connection:
        for model in ("one", "other"):
            connection.execute(
                "INSERT INTO catalog_model (tenant_id, id, name, kind, risk_tier, owner_id,"
                " purpose, tags, last_number, revision) VALUES (md5('tenant')::uuid,"
                " md5(%s)::uuid, %s, 'rule_set', 'low', md5('owner')::uuid, '', '{}', 6, 1)",
                (model, model),
            )
            for number, lineage in LINEAGES.items():
                connection.execute(
                    "INSERT INTO catalog_version (tenant_id, id, model_id, number, source,"
                    " signature, training_data, lineage, card, content_digest, stage, tags,"
                    " revision, developer_id) VALUES (md5('tenant')::uuid, gen_random_uuid(),"
                    " md5(%s)::uuid, %s, 'urn:x', '{}', '{}', %s, '{}', '', 'published', '{}', 1,"
                    " md5('owner')::uuid)",
                    (model, number, lineage),
                )
    migrations.upgrade(bare)

    with psycopg.connect(bare) as connection:
        rows = connection.execute(
            "SELECT m.name, p.number, c.number, d.kind FROM catalog_descent d"
            " JOIN catalog_version p ON p.id = d.parent_id"
            " JOIN catalog_version c ON c.id = d.child_id"
            " JOIN catalog_model m ON m.id = c.model_id AND m.id = p.model_id"
        ).fetchall()
    assert sorted(rows) == [
        (model, parent, child, "parent")
        for model in ("one", "other")
        for parent, child in ((1, 2), (1, 3), (2, 3), (3, 5))
    ]
