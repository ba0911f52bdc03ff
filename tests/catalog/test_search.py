"""Search finds what somebody who reads everything would, as things are now."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from app.bus import make_bus
from app.catalog import indexing, lexemes, service
from app.catalog.rules import AssetKind, RiskTier, Stage
from app.catalog.search import search
from app.kit.page import BadCursor
from app.platform.db import Database
from app.platform.settings import Settings
from tests.catalog.shelf import NOTHING, OWNERS, Noted, Shelf, shelf

pytestmark = pytest.mark.anyio

WORDS = ("price", "pricing", "risk", "risky", "credit", "größe", "x1", "alpha", "beta")
STAGES = (Stage.PUBLISHED, Stage.VALIDATED, Stage.CANDIDATE, Stage.RETIRED)
TAGS: tuple[dict[str, str], ...] = (
    {},
    {"team": "energy"},
    {"team": "risk"},
    {"price": "beta alpha"},
)
ALL = text("SELECT * FROM catalog_search_find(CAST(:terms AS tsquery), :ward, 1000000, 0, 1000)")


@pytest.fixture
async def database(empty_database: str) -> AsyncIterator[Database]:
    found = Database(empty_database, Settings(pool_wait_seconds=10), make_bus())
    yield found
    await found.close()


def some(dice: random.Random) -> str:
    return " ".join(dice.sample(WORDS, dice.randint(1, 3)))


async def disturb(made: Shelf, dice: random.Random) -> None:
    """Do one of the things that change what is found."""
    act = dice.randrange(7)
    if act < 2 or not made.notes:
        await made.version(
            dice.choice(list(made.models)), summary=some(dice), use=some(dice),
            reference=f"s3://{dice.choice(WORDS)}/x", inputs=dice.sample(WORDS, 2),
            tags=dice.choice(TAGS),
        )  # fmt: skip
    elif act < 4:
        await made.move(dice.choice(made.notes), dice.choice(STAGES))
    elif act == 4:
        await made.tag(dice.choice(made.notes), dice.choice(TAGS))
    else:
        change: dict[str, Any] = dice.choice([
            {"purpose": some(dice)}, {"tags": dice.choice(TAGS)}, {"owner": dice.choice(OWNERS)},
            {"risk_tier": dice.choice(list(RiskTier))},
        ])  # fmt: skip
        await made.edit(dice.choice(list(made.models)), **change)


def question(dice: random.Random) -> dict[str, Any]:
    """Return a few of the things that can be asked for."""
    wanted: dict[str, Any] = {
        "q": " ".join(
            word[: dice.randint(2, len(word))] + "*" if dice.random() < 0.4 else word
            for word in dice.sample(WORDS, dice.randint(1, 2))
        ),
        "kind": dice.choice(list(AssetKind)[:2]),
        "risk_tier": dice.choice(list(RiskTier)),
        "stage": dice.choice(STAGES),
        "owner": dice.choice(OWNERS),
        "tag": dice.choice(("team", "team:risk", "price:beta alpha", "none")),
        "model": dice.choice(("rates-price", "limits")),
    }
    return {name: wanted[name] for name in dice.sample(list(wanted), dice.randint(0, 3))}


@pytest.mark.parametrize("seed", [1, 2])
async def test_it_finds_what_a_plain_look_at_everything_finds(
    database: Database, seed: int
) -> None:
    dice = random.Random(seed)
    made = await shelf(database)
    await made.model("rates-price", purpose="To price.")
    await made.model("limits", kind=AssetKind.MATHEMATICAL, owner="erik", tags={"team": "risk"})

    for _ in range(40):
        await disturb(made, dice)
        for _ in range(3):
            wanted = question(dice)
            assert await made.ids(limit=dice.choice((1, 3, 200)), **wanted) == made.expected(
                **wanted
            ), wanted


async def test_a_change_is_found_in_its_own_transaction_and_nothing_of_one_undone(
    database: Database,
) -> None:
    made = await shelf(database)
    await made.model("limits", purpose="before")
    note = await made.version("limits")

    async with database.session(made.by.tenant_id) as session:
        model = await service.model_of(session, "limits", by=made.by, lock=True)
        model.purpose = "after"
        await session.flush()
        asked: dict[str, Any] = {**NOTHING, "q": "after", "cursor": None, "limit": 1}
        (hit,) = (await search(session, **asked, by=made.by)).items
        assert hit["version_id"] == note.id
        await session.rollback()

    assert await made.ids(q="after") == []
    assert await made.ids(q="before") == [note.id]


async def test_another_tenants_words_are_not_found(database: Database) -> None:
    own, other = await shelf(database), await shelf(database)
    for one in (own, other):
        await one.model("limits", purpose="credit")
        await one.version("limits", summary="credit")

    assert await own.ids(q="credit") == own.expected(q="credit")
    assert await own.ids() == own.expected()
    # Even with the other's ward: the wall is the transaction's tenant.
    theirs = lexemes.ward(other.by.tenant_id)
    async with database.session(own.by.tenant_id) as session:
        query = lexemes.query(theirs, ["wcredit"])
        rows = await session.execute(ALL, {"terms": query, "ward": theirs})
        assert list(rows) == []


async def test_pages_stay_as_they_are_while_newer_versions_come(database: Database) -> None:
    made = await shelf(database)
    await made.model("limits")
    first = [await made.version("limits", summary="credit") for _ in range(7)]

    page = await made.found(q="credit", limit=3)
    await made.version("limits", summary="credit")
    rest = await made.found(q="credit", limit=200, cursor=page.next_cursor)

    ids = [hit["version_id"] for hit in (*page.items, *rest.items)]
    assert ids == [note.id for note in reversed(first)]
    assert rest.next_cursor is None


@pytest.mark.parametrize("cursor", ["x", "WzFd", "WyJhIl0", "Wy0xXQ", "WzFlMzAwXQ", "W10"])
async def test_a_cursor_of_nobodys_is_refused(database: Database, cursor: str) -> None:
    made = await shelf(database)
    if cursor == "WzFd":  # [1]: well made, and before everything
        assert (await made.found(cursor=cursor)).items == []
        return
    with pytest.raises(BadCursor):
        await made.found(cursor=cursor)


async def test_what_matched_is_named(database: Database) -> None:
    made = await shelf(database)
    await made.model("limits", purpose="Credit.")
    await made.version("limits", summary="Creditworthiness", reference="s3://credit/x")

    (hit,) = (await made.found(q="credit")).items

    assert hit["matched"] == ["purpose", "training_data"]


async def test_a_version_is_found_by_what_it_was_made_from_and_what_its_kind_says(
    database: Database,
) -> None:
    made = await shelf(database)
    await made.model("limits", kind=AssetKind.MATHEMATICAL)
    noted = await made.version(
        "limits",
        digest="sha256:" + "0b" * 32,
        lineage={"commit": "9f2c1e7", "run": "nightly-12", "repository": "https://git.example/lim"},
        specifics={"equation": "exposure = haircut * notional"},
    )
    await made.version("limits")

    for q, field in (("9f2c1e7", "made_from"), ("0b0b0b*", "made_from"), ("nightly", "made_from"),
                     ("haircut", "specifics")):  # fmt: skip
        (hit,) = (await made.found(q=q)).items
        assert (hit["version_id"], hit["matched"]) == (noted.id, [field])


async def test_what_a_release_without_search_left_is_filled_in(
    database: Database, empty_database: str
) -> None:
    made = await shelf(database)
    await made.model("limits")
    notes = [await made.version("limits", summary="credit") for _ in range(3)]
    with psycopg.connect(empty_database) as connection:
        connection.execute("DELETE FROM catalog_search")
        connection.execute("UPDATE catalog_version SET searched = NULL")
    assert await made.ids() == []
    await made.move(notes[0], Stage.RETIRED)  # which finds no row to follow

    await indexing.fill(database)

    assert await made.ids(q="credit") == made.expected(q="credit")
    assert await made.ids(stage=Stage.RETIRED) == [notes[0].id]


async def test_what_an_earlier_release_could_be_found_by_less_is_written_anew(
    database: Database, empty_database: str
) -> None:
    made = await shelf(database)
    await made.model("limits")
    noted = await made.version("limits", lineage={"commit": "9f2c1e7"})
    await made.tag(noted, {"team": "risk"})
    with psycopg.connect(empty_database) as connection:
        connection.execute("UPDATE catalog_search SET content = ''::tsvector")
        connection.execute("UPDATE catalog_version SET searched = NULL")
    assert await made.ids(q="9f2c1e7") == []

    await indexing.fill(database)

    assert await made.ids(q="9f2c1e7") == await made.ids(tag="team:risk") == [noted.id]


async def test_edits_of_a_model_and_its_versions_at_once_all_show(database: Database) -> None:
    made = await shelf(database)
    await made.model("limits")
    notes = [await made.version("limits") for _ in range(6)]

    async def move(note: Noted) -> None:
        for stage in (Stage.VALIDATED, Stage.CANDIDATE):
            await made.move(note, stage)

    async def rename() -> None:
        for purpose in ("one", "two", "three"):
            await made.edit("limits", purpose=purpose)

    await asyncio.gather(rename(), *(move(note) for note in notes))

    assert await made.ids(q="three", stage=Stage.CANDIDATE) == made.expected()
