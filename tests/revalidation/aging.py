"""What tests do to time: nobody waits for a year, so that somebody past all triggers edits a row.

And the worker's steps, called when a test wants them rather than when their minute comes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg

from app.bus import make_bus
from app.platform.db import Database
from app.platform.settings import Settings
from tests.live import Live, Place
from tests.tenants import database_of


def edited(live: Live, statement: str, *values: Any) -> None:
    with psycopg.connect(database_of(live), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        assert connection.execute(statement.encode(), values).rowcount > 0


def validated_ago(live: Live, place: Place, days: float) -> None:
    """Put a version's validation so many days back."""
    edited(
        live,
        "UPDATE gates_case SET closed_at = clock_timestamp() - make_interval(secs => %s)"
        " WHERE kind = 'validation' AND result = 'validated' AND details ->> 'model' = %s",
        days * 86_400,
        place.model,
    )


def seated_ago(live: Live, place: Place, hours: float) -> None:
    """Put the beginning of a point's reign so many hours back."""
    edited(
        live,
        "UPDATE routing_seat SET since = clock_timestamp() - make_interval(secs => %s)"
        " WHERE until IS NULL AND point_id ="
        " (SELECT id FROM catalog_decision_point WHERE key = %s)",
        hours * 3600,
        place.point,
    )


def step(live: Live, work: Callable[[Database], Awaitable[None]]) -> None:
    """Take one of the worker's steps."""

    async def take() -> None:
        database = Database(database_of(live), Settings(pool_wait_seconds=10), make_bus())
        try:
            await work(database)
        finally:
            await database.close()

    asyncio.run(take())
