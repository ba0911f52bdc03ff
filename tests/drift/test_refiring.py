"""What fires anew and what does not: after somebody's word, and of versions that left."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from app.bus import make_bus
from app.drift import alerts, tending
from app.drift.alert_rules import Ending, State
from app.drift.history import history_of
from app.drift.rules import Thresholds
from app.drift.tables import Window
from app.platform.db import Database, clock
from app.platform.settings import Settings
from tests.drift.watched import LIMITS, START, Watched

pytestmark = pytest.mark.anyio

AT_ONCE = Thresholds(hits=1, of=1)


@pytest.fixture
async def seated(here: Watched) -> AsyncIterator[Watched]:
    """The same, where it is asked who has a seat; days begin with today."""
    database = Database(here.db.url, Settings(), make_bus())
    async with database.session(here.tenant) as session:
        now = await clock(session)
    yield replace(here, db=database, start=now)
    await database.close()


async def again(here: Watched, limits: Thresholds = LIMITS) -> None:
    """Have the windows looked at once more, as when an event comes late."""
    async with here.session() as session:
        windows = await history_of(session, here.tenant, here.point, here.version)
        await alerts.settle(session, windows, limits)


async def judged_otherwise(here: Watched, day: int, *, drifts: bool) -> None:
    """Have what came late change what a window says."""
    async with here.session() as session:
        window = await session.get(Window, (here.tenant, here.seen[day]))
        assert window is not None
        window.variables = [
            {**item, "drifts": drifts and item["name"] == "x"} for item in window.variables
        ]


async def states(here: Watched) -> list[State]:
    return [one.state for one in await here.episodes()]


async def test_what_was_resolved_by_hand_stays_so_until_a_later_window_is_beyond(
    here: Watched,
) -> None:
    for _ in range(3):
        await here.window("x")
    await here.resolve()
    await again(here)
    await judged_otherwise(here, 0, drifts=False)
    await again(here)
    await here.window()
    await again(here)
    assert await states(here) == ["resolved"]

    await here.window("x")
    first, second = await here.episodes()
    assert (first.since, second.since) == (START + timedelta(days=2), START + timedelta(days=5))
    assert second.state is State.FIRING


async def test_a_word_covers_all_that_was_known_when_it_was_given(here: Watched) -> None:
    """Not the window alone that it fired by; nor those that came to say something since."""
    for _ in range(2):
        await here.window(degraded=True)
    for _ in range(3):
        await here.window(degraded=None)
    await here.resolve(subject="accuracy")
    async with here.session() as session:
        late = await session.get(Window, (here.tenant, here.seen[2]))
        assert late is not None
        late.degraded = True
    await again(here)

    first, second = await here.episodes("accuracy")
    assert first.through == first.since == START + timedelta(days=2)
    assert (second.state, second.since) == (State.FIRING, START + timedelta(days=3))


async def test_an_episode_is_dated_by_the_newest_window_that_is_beyond(here: Watched) -> None:
    await here.window("x")
    await here.window()
    await here.window()
    await judged_otherwise(here, 1, drifts=True)
    await again(here)

    (episode,) = await here.episodes()
    assert episode.since == START + timedelta(days=2)


async def test_what_comes_late_of_a_version_that_left_fires_nothing(seated: Watched) -> None:
    await seated.seat()
    for _ in range(2):
        await seated.window("x")
    await seated.leave()
    await tending.tend(seated.db)
    for _ in range(3):
        await again(seated)
    await seated.window("x", "y", severe=("x",))
    await seated.window("y")

    (episode,) = await seated.episodes()
    assert episode.ending is Ending.VERSION_LEFT
    assert await seated.episodes("y") == []
    told = [kind.rpartition(".")[2] for kind, _ in await seated.told()]
    assert told == ["raised", "resolved"]


async def test_without_a_seat_nothing_worsens_before_it_is_ended(seated: Watched) -> None:
    await seated.seat()
    await seated.window("x", limits=AT_ONCE)
    await seated.leave()
    await seated.window(severe=("x",), limits=AT_ONCE)

    assert [one.severity for one in await seated.episodes()] == ["warning"]


async def test_who_is_back_is_judged_by_windows_of_his_new_seat(seated: Watched) -> None:
    """Whether or not anything fired before he left."""
    seated.start -= timedelta(days=3)
    await seated.seat()
    await seated.window("x")
    await seated.window("x")
    await seated.leave()
    await tending.tend(seated.db)
    await seated.window("x", "y")
    await seated.seat()
    await again(seated, AT_ONCE)
    assert await states(seated) == ["resolved"]
    assert await seated.episodes("y") == []

    await seated.window("x")
    assert await states(seated) == ["resolved"]
    await seated.window("x")
    assert await states(seated) == ["resolved", "firing"]


async def test_who_changes_seats_has_not_left(seated: Watched) -> None:
    """A challenger that becomes champion is judged by all that he did."""
    seated.start -= timedelta(days=1)
    await seated.seat()
    await seated.window("x")
    await seated.change_seats()
    await seated.window("x")

    assert await states(seated) == ["firing"]
