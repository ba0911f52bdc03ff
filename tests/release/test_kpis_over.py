"""What becomes of a window's KPIs is known of whoever had a seat in it, whether he has it still."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from app import drift
from app.bus import make_bus
from app.kpi import service as kpis
from app.kpi.rules import Direction, Formula
from app.platform.db import Database, clock
from app.platform.events import ask
from app.platform.settings import Settings
from tests.drift.watched import Watched, make_watched

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)


@pytest.fixture
async def here(shared_database: str) -> AsyncIterator[Watched]:
    db = Database(shared_database, Settings(), make_bus())
    made = await make_watched(db)
    async with db.session(made.tenant) as session:
        now = await clock(session)
    yield replace(made, start=now)
    await db.close()


async def measured(here: Watched, day: int) -> list[str] | None:
    """Return the KPIs of a day from now, as a monitor asks for them."""
    since = here.start + day * DAY
    async with here.db.session(here.tenant) as session:
        asked = drift.KpisOver(here.tenant, here.point, here.version, since, since + DAY)
        found = await ask(session, asked)
    return None if found is None else [one.key for one in found]


async def test_a_window_of_his_time_is_measured_after_a_version_has_left(here: Watched) -> None:
    async with here.session() as session:
        await kpis.define(
            session, here.key, "margin", expected=None, by=here.actor(),
            fields={"name": "Margin", "formula": Formula.MEAN_REWARD, "threshold": 2.0,
                    "direction": Direction.AT_LEAST, "tolerance": 0.5, "unit": "EUR"},
        )  # fmt: skip
    assert await measured(here, 0) is None, "it never had a seat"

    await here.seat()
    assert [await measured(here, day) for day in (-30, 0, 1)] == [["margin"]] * 3
    await here.leave()
    assert [await measured(here, day) for day in (-30, -1, 0, 1)] == [
        None, None, ["margin"], None,
    ]  # fmt: skip
