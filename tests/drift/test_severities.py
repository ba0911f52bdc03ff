"""Alerts that get worse, and less so: when, who is told, and what guardrails see of it."""

from typing import Any

import psycopg
import pytest

from app import audit, drift
from app.drift.rules import Thresholds
from app.platform.db import clock
from tests.drift.watched import NOBODY, Watched

pytestmark = pytest.mark.anyio

AT_ONCE = Thresholds(hits=1, of=1)


async def said(here: Watched) -> list[tuple[str, str]]:
    return [(kind.rpartition(".")[2], data["severity"]) for kind, data in await here.told()]


async def facts(here: Watched, **more: Any) -> dict[str, Any]:
    async with here.db.session(here.tenant) as session:
        return await drift.alert_facts(session, here.tenant, here.point, here.version, **more)


async def test_a_harmless_remainder_is_no_critical_alert(here: Watched) -> None:
    """It takes as many windows to be believed as its end would; who looks at it still does."""
    for _ in range(3):
        await here.window(severe=("x",))
    await here.acknowledge()
    for _ in range(2):
        await here.window("x")
    (still,) = await here.episodes()
    await here.window("x")
    (eased,) = await here.episodes()
    for _ in range(3):
        await here.window()
    (over,) = await here.episodes()

    assert (still.severity, eased.severity) == ("critical", "warning")
    assert (eased.state, over.state) == ("acknowledged", "resolved")
    assert (over.severity, over.worst) == ("warning", "critical")
    assert await said(here) == [
        ("raised", "critical"), ("acknowledged", "critical"), ("eased", "warning"),
        ("resolved", "warning"),
    ]  # fmt: skip
    eased_event = (await here.told())[2][1]
    assert (eased_event["before"], eased_event["worst"]) == ("critical", "critical")
    assert eased_event["addressees"] == [str(NOBODY)]
    assert (await audit.verify(here.db, here.tenant)).faults == []


async def test_what_worsens_under_a_silence_is_told_when_the_silence_is_over(
    here: Watched,
) -> None:
    await here.window("x", limits=AT_ONCE)
    row = await here.silence(subject="x")
    await here.window(severe=("x",), limits=AT_ONCE)
    await here.tend()
    assert await said(here) == [("raised", "warning")]

    await here.end_silence(row)
    await here.tend()
    await here.tend()
    assert await said(here) == [("raised", "warning"), ("worsened", "critical")]
    assert (await here.told())[-1][1]["before"] == "warning"


async def test_what_came_and_went_under_a_silence_is_not_told(here: Watched) -> None:
    await here.window("x", limits=AT_ONCE)
    row = await here.silence(subject="x")
    await here.window(severe=("x",), limits=AT_ONCE)
    await here.window("x", limits=AT_ONCE)
    await here.end_silence(row)
    await here.tend()

    assert await said(here) == [("raised", "warning")]


async def test_who_looks_at_it_under_a_silence_is_told_of_after_it(here: Watched) -> None:
    """Who was told before that it fires, and who is told only now."""
    await here.window("x", limits=AT_ONCE)
    rows = [await here.silence(subject="x"), await here.silence(subject="y")]
    await here.window("x", "y", limits=AT_ONCE)
    await here.acknowledge()
    await here.acknowledge(subject="y")
    for row in rows:
        await here.end_silence(row)
    await here.tend()
    await here.tend()

    told = [(kind.rpartition(".")[2], data["subject"]) for kind, data in await here.told()]
    assert told[0] == ("raised", "x")
    assert sorted(told[1:]) == [("acknowledged", "x"), ("acknowledged", "y"), ("raised", "y")]
    assert told.index(("raised", "y")) < told.index(("acknowledged", "y"))


async def test_guardrails_see_what_worsened_since_they_last_spoke(here: Watched) -> None:
    await here.window("x", "y", limits=AT_ONCE)
    async with here.db.session(here.tenant) as session:
        spoke = await clock(session)
    await here.window("x", severe=("y",), limits=AT_ONCE)
    found = await facts(here, since=spoke)

    assert [(one["subject"], one["severity"]) for one in found["open"]] == [("y", "critical")]
    assert found["open"][0]["raised_at"] < spoke < found["open"][0]["fired_at"]
    async with here.db.session(here.tenant) as session:
        spoke = await clock(session)
    await here.window("x", "y", limits=AT_ONCE)
    assert (await facts(here, since=spoke))["open"] == []
    assert (await facts(here))["critical"] == 0


async def test_what_the_release_before_told_is_not_told_again(here: Watched) -> None:
    """It says that, and not what: what it was is what it has become until something moves it."""
    await here.window("x", "y", limits=AT_ONCE)
    with psycopg.connect(here.db.url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE drift_episode SET told_severity = NULL, told_state = NULL, worst = NULL,"
            " fired_at = NULL"
        )
    await here.tend()
    assert len(await here.told()) == 2
    assert (await facts(here))["open"][0]["fired_at"] is not None
    await here.window("x", severe=("y",), limits=AT_ONCE)
    await here.tend()

    assert await said(here) == [("raised", "warning")] * 2 + [("worsened", "critical")]
