"""Units that come again: what they make of an experiment, from events in the database."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from app import telemetry
from app.bus import make_bus
from app.platform.db import Database
from app.platform.settings import Settings
from app.routing.rewards import Earned
from tests.live import Live
from tests.routing.plans import Cast, cast, split
from tests.routing.trials import scored
from tests.tenants import database_of


@pytest.fixture(scope="module")
def at(live: Live) -> Cast:
    found = cast(live)
    found.put({"segments": [{"strategy": split(found, champion=1)}]})
    return found


def arms(at: Cast) -> Any:
    (found,) = at.live["aud"].get(f"{at.path}/experiments")["experiments"]
    return {arm["arm"]: arm for arm in found["arms"]}


def test_rewards_that_a_unit_brings_twice_say_as_much_as_once(at: Cast) -> None:
    seen = scored(at, {"old": 3, "new": 6})
    once = arms(at)
    scored(at, {"old": 3, "new": 6})
    twice = arms(at)

    for name, arm in twice.items():
        assert (once[name]["design_effect"], arm["design_effect"]) == pytest.approx((1.0, 2.0))
        assert arm["units"] == once[name]["units"] == seen[name]
        assert arm["rewarded"] == 2 * once[name]["rewarded"]
        assert arm["standard_error"] == pytest.approx(once[name]["standard_error"])
    assert twice["new"]["gain"] == pytest.approx(once["new"]["gain"])


def test_decisions_that_bring_nothing_do_not_crowd_out_those_that_did(at: Cast) -> None:
    units = [{"unit": f"later-{number}"} for number in range(300)]
    decisions = at.live["app"].post(f"{at.path}/route:batch", {"units": units})["decisions"]
    now = datetime.now(UTC)
    events = [
        {"token": one["token"], "at": now.isoformat(), "score": 0.5, "features": {"x": 0.1}}
        for one in decisions
    ]
    at.live["app"].post("/v1/events", {"events": events})

    async def read(waits: timedelta, most: int) -> list[telemetry.Rewarded]:
        database = Database(database_of(at.live), Settings(), make_bus())
        try:
            tenant = UUID(at.live["aud"].get("/v1/me")["tenant_id"])
            async with database.session(tenant) as session:
                point = UUID(at.live["aud"].get(at.path)["id"])
                series = await telemetry.series_of(session, tenant, point)
                return await telemetry.rewarded_of(
                    session, tenant, [one.id for one in series], since=now - timedelta(hours=1),
                    until=now + timedelta(hours=1), waits=waits, most=most,
                )  # fmt: skip
        finally:
            await database.close()

    at_once = asyncio.run(read(timedelta(0), 200))
    in_time = asyncio.run(read(timedelta(hours=1), 5_000))

    assert len(at_once) == 200
    assert all(row.reward is not None for row in at_once)
    assert sum(row.reward is None for row in in_time) == 300
    assert sum(row.reward is not None for row in in_time) >= 700


def test_what_comes_after_its_time_counts_for_nothing(at: Cast) -> None:
    seen = scored(at, {"old": 3, "new": 6})
    waits = timedelta(hours=1)
    before = asyncio.run(held(at, waits))
    with psycopg.connect(database_of(at.live)) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE telemetry_outcome SET at = at + interval '30 days' WHERE decision_id IN"
            " (SELECT decision_id FROM telemetry_event e JOIN telemetry_series s"
            " ON s.id = e.series_id JOIN catalog_decision_point p ON p.id = s.point_id"
            " WHERE p.key = %s AND s.arm = 'new')",
            (at.champion.point,),
        )
    after = asyncio.run(held(at, waits))

    assert before["new"].rewarded >= seen["new"]
    assert (after["new"].rewarded, after["new"].conversions, after["new"].reward) == (0, 0, 0)
    assert after["old"] == before["old"]


async def held(at: Cast, waits: timedelta) -> dict[str, Earned]:
    """What the arms' hours hold of rewards that came in time."""
    database = Database(database_of(at.live), Settings(), make_bus())
    try:
        tenant = UUID(at.live["aud"].get("/v1/me")["tenant_id"])
        point = UUID(at.live["aud"].get(at.path)["id"])
        since = datetime.now(UTC) - timedelta(hours=2)
        async with database.session(tenant) as session:
            arms = {one.id: one.arm for one in await telemetry.series_of(session, tenant, point)}
            hours = await telemetry.hours_of(session, tenant, list(arms), since)
            found = await telemetry.in_time(session, tenant, hours, since=since, waits=waits)
    finally:
        await database.close()
    sums = dict.fromkeys(("old", "new"), Earned())
    for series, known in found.items():
        for one in known:
            if arms[series] in sums:
                sums[arms[series]] = sums[arms[series]].plus(Earned.in_hour(one))
    return sums
