"""Silences: what they mute, whose they are, when they are over."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from app.drift import lapsing, tending
from app.drift.alert_rules import AlertKind, SilenceOver, SilencesEverything
from app.drift.rules import Thresholds
from app.kit.refusal import NotFound
from app.platform.db import Database
from app.platform.settings import Settings
from tests.drift.watched import Watched, seated_bus

pytestmark = pytest.mark.anyio

AT_ONCE = Thresholds(hits=1, of=1)
RAISED, TAKEN = "drift.alert.raised", "drift.alert.acknowledged"


async def test_what_is_silenced_is_recorded_and_not_told_until_the_silence_ends(
    here: Watched,
) -> None:
    row = await here.silence(subject="x")
    await here.window("x", "y", limits=AT_ONCE)
    await here.acknowledge()

    assert [data["subject"] for _, data in await here.told()] == ["y"]
    assert await here.entries("alert.") == ["alert.raised"] * 2 + ["alert.acknowledged"]
    await here.tend()
    assert len(await here.told()) == 1
    await here.end_silence(row)
    await here.tend()
    await here.tend()
    assert [(kind, data["subject"]) for kind, data in await here.told()] == [
        (RAISED, "y"), (RAISED, "x"), (TAKEN, "x"),
    ]  # fmt: skip
    with pytest.raises(SilenceOver):
        await here.end_silence(row)
    assert await here.entries("silence.") == ["silence.begun", "silence.ended"]


async def test_what_fails_before_it_keeps_nobody_from_being_told(here: Watched) -> None:
    row = await here.silence(subject="x")
    await here.window("x", limits=AT_ONCE)
    await here.end_silence(row)

    async def fail(*_: Any) -> None:
        raise ValueError("as planned")

    bus = seated_bus()
    bus.answer(lapsing.KpisAgreed, fail)
    database = Database(here.db.url, Settings(), bus)
    try:
        with pytest.raises(ExceptionGroup):
            await tending.tend(database)
    finally:
        await database.close()

    assert [(kind, data["subject"]) for kind, data in await here.told()] == [(RAISED, "x")]


async def test_of_what_was_never_told_the_end_is_not_told_either(here: Watched) -> None:
    row = await here.silence(kind=AlertKind.DATA)
    await here.window("x", limits=AT_ONCE)
    await here.end_silence(row)
    await here.resolve()

    assert await here.told() == []


@pytest.mark.parametrize(
    ("what", "mutes"),
    [
        ({"point_key": "p"}, True),
        ({"model": "m"}, True),
        ({"model": "m", "number": 1}, True),
        ({"kind": AlertKind.DATA}, True),
        ({"subject": "x"}, True),
        ({"subject": "x", "kind": AlertKind.PREDICTION}, False),
        ({"subject": "xx"}, False),
        ({"point_key": "p", "model": "m", "kind": AlertKind.DATA, "subject": "x"}, True),
    ],
)
async def test_a_silence_mutes_what_all_of_it_matches(
    here: Watched,
    what: dict[str, Any],
    mutes: bool,  # noqa: FBT001 - a table's column
) -> None:
    await here.silence(**what)
    await here.window("x", limits=AT_ONCE)

    assert (await here.told() == []) is mutes


async def test_a_silence_is_over_when_its_time_is_up(here: Watched) -> None:
    row = await here.silence(subject="x")
    assert row.until - row.at == timedelta(hours=1)
    with psycopg.connect(here.db.url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE drift_silence SET at = at - interval '2 h', until = until - interval '2 h'"
        )
    await here.window("x", limits=AT_ONCE)

    assert len(await here.told()) == 1
    with pytest.raises(SilenceOver):
        await here.end_silence(row)


async def test_a_silence_names_something_that_exists(here: Watched) -> None:
    with pytest.raises(SilencesEverything):
        await here.silence()
    for unknown in ({"point_key": "none"}, {"model": "none"}, {"model": "m", "number": 9}):
        with pytest.raises(NotFound):
            await here.silence(**unknown)
