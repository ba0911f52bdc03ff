"""A hundred thousand versions, written by COPY beside one that was registered.

Everything but the words is copied from the real one. The words are the product's own lexemes of
texts in which some words are everywhere, some in one half only, and some in a handful.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
import psycopg

from app.catalog import lexemes
from app.kit.ids import uuid7

STAGES = ("published", "validated", "candidate", "released", "retired")
_COMMON = ("regression", "calibrated", "quarterly", "demand", "price", "forecast", "region")
_NAMED = 3_000
_VERSION = (
    "tenant_id, id, model_id, number, source, digest, signature, training_data, lineage, card,"
    " content_digest, stage, returned_to, tags, revision, developer_id, created_at, searched"
)


@dataclass(frozen=True, slots=True)
class Shelf:
    """A model as it is catalogued."""

    id: UUID
    name: str
    kind: str
    tier: str
    purpose: str
    owner_id: UUID
    tags: dict[str, str]


def fill(url: str, models: list[Any], sample: str, count: int) -> None:
    """Add ``count`` versions to ``models``, like ``sample``, the id of a registered one."""
    shelves = [
        Shelf(
            UUID(one["id"]), one["name"], one["kind"], one["risk_tier"], one["purpose"],
            UUID(one["owner_id"]), one["tags"],
        )
        for one in models
    ]  # fmt: skip
    dice = random.Random(20260407)
    with psycopg.connect(url) as connection:
        first = connection.execute(
            f"SELECT {_VERSION} FROM catalog_version WHERE id = %s", (sample,)
        ).fetchone()
        assert first is not None
        rows = list(_rows(list(first), shelves, dice, count))
        with connection.cursor().copy(f"COPY catalog_version ({_VERSION}) FROM STDIN") as copy:
            for row, _ in rows:
                copy.write_row([orjson.dumps(v).decode() if type(v) is dict else v for v in row])
        into = "tenant_id, version_id, model_id, ward, content, about, state"
        with connection.cursor().copy(f"COPY catalog_search ({into}) FROM STDIN") as copy:
            for row, shelf in rows:
                copy.write_row(_search_row(row, shelf))
        connection.execute(
            "UPDATE catalog_model m SET last_number = (SELECT max(number) FROM catalog_version v"
            " WHERE v.tenant_id = m.tenant_id AND v.model_id = m.id) WHERE id = ANY(%s)",
            ([shelf.id for shelf in shelves],),
        )
        connection.commit()


def _rows(
    first: list[Any], shelves: list[Shelf], dice: random.Random, count: int
) -> Iterator[tuple[list[Any], Shelf]]:
    for number in range(count):
        shelf = shelves[number % len(shelves)]
        row = list(first)
        row[1], row[2], row[3] = uuid7(), shelf.id, 1_000_000 + number // len(shelves)
        row[6] = {
            "inputs": [{"name": f"{dice.choice(_COMMON)}_{dice.randrange(40)}"} for _ in range(8)],
            "output": "probability",
        }
        row[7] = {"reference": f"s3://lake/{shelf.name}/{number % 900}.parquet"}
        half = "elderly" if number < count // 2 else "modern"
        row[9] = {
            "summary": f"Logistic {' '.join(dice.sample(_COMMON, 4))}, {half} term"
            f"{dice.randrange(_NAMED)} rare{number // 10}.",
            "intended_use": f"Bidding in region {dice.randrange(50)} for {dice.choice(_COMMON)}.",
            "limitations": "Not for anything else.",
        }
        row[11] = dice.choice(STAGES)
        row[13] = {"team": f"team-{dice.randrange(30)}", "reviewed": dice.choice(("yes", "no"))}
        yield row, shelf


def _search_row(row: list[Any], shelf: Shelf) -> list[Any]:
    ward = lexemes.ward(row[0])
    names = ("source", "digest", "signature", "training_data", "lineage", "card")
    said = dict(zip(names, row[4:10], strict=True))
    content = lexemes.content({**said, "specifics": None})
    about = lexemes.about(
        shelf.name, shelf.purpose, shelf.kind, shelf.tier, shelf.owner_id, tuple(shelf.tags.items())
    )
    state = lexemes.state(row[11], row[13])
    parts = (" ".join(f"'{ward}{one}'" for one in part) for part in (content, about, state))
    return [row[0], row[1], row[2], ward, *parts]
