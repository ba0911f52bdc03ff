"""What a window's drift costs, read from profiles: as much after ten million events as after ten
thousand.
"""

import asyncio
import time
from collections.abc import Iterator
from statistics import median
from uuid import UUID

import numpy as np
import psycopg

from app import telemetry
from app.bus import make_bus
from app.drift import Thresholds, compare
from app.kit.ids import uuid7
from app.platform.db import Database
from app.platform.settings import Settings
from app.telemetry.layout import fit, score_bins
from app.telemetry.tally import Tally, merged, tally

VARIABLES, HOURS, TURNS = 10, 24, 41
FEW, MANY = 10_000, 10_000_000
_AT_ONCE = 250_000
_FIRST = 490_000


def measure(url: str) -> dict[str, float]:
    """Return the milliseconds of a day's window over both numbers of events, and their ratio."""
    rng = np.random.default_rng(5)
    columns = [rng.normal(size=20_000).tolist() for _ in range(VARIABLES)]
    bins = [fit(f"x{at}", column, numeric=True) for at, column in enumerate(columns)]
    layout = telemetry.Layout((*bins, score_bins()))
    baseline = _tallied(layout, rng, 20_000)
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("SELECT id FROM identity_tenant LIMIT 1").fetchone()
        assert found is not None
        tenant: UUID = found[0]
        series = [_stored(connection, tenant, layout, rng, events) for events in (FEW, MANY)]
    return asyncio.run(_timed(url, tenant, layout, baseline, series))


async def _timed(
    url: str, tenant: UUID, layout: telemetry.Layout, baseline: Tally, series: list[UUID]
) -> dict[str, float]:
    spent: dict[UUID, list[float]] = {one: [] for one in series}
    database = Database(url, Settings(), make_bus())
    try:
        for _ in range(TURNS):
            for one in series:
                began = time.perf_counter()
                async with database.session(tenant) as session:
                    window = await telemetry.inputs(session, tenant, [one])
                assert window is not None
                compare(layout, baseline, window, Thresholds())
                spent[one].append((time.perf_counter() - began) * 1e3)
    finally:
        await database.close()
    few, many = (median(spent[one]) for one in series)
    return {
        "drift_from_profiles_ms": max(few, many),
        "drift_of_few_ms": few,
        "drift_of_many_ms": many,
        "growth": many / few,
    }


def _stored(
    connection: psycopg.Connection,
    tenant: UUID,
    layout: telemetry.Layout,
    rng: np.random.Generator,
    events: int,
) -> UUID:
    """Store a day of so many events as a worker would have folded them."""
    series = uuid7()
    connection.execute(
        "INSERT INTO telemetry_series (tenant_id, id, point_id, version_id, arm)"
        " VALUES (%s, %s, gen_random_uuid(), gen_random_uuid(), 'champion')",
        (tenant, series),
    )
    for hour in range(HOURS):
        parts = [_tallied(layout, rng, rows) for rows in _parts(events // HOURS)]
        found = merged(parts)
        connection.execute(
            "INSERT INTO telemetry_hour (tenant_id, series_id, kind, hour, n, payload)"
            " VALUES (%s, %s, 'inputs', %s, %s, %s)",
            (tenant, series, _FIRST + hour, found.n, found.encode()),
        )
    return series


def _parts(rows: int) -> Iterator[int]:
    while rows > 0:
        yield min(rows, _AT_ONCE)
        rows -= _AT_ONCE


def _tallied(layout: telemetry.Layout, rng: np.random.Generator, rows: int) -> Tally:
    columns = [rng.normal(size=rows) for _ in range(VARIABLES)]
    codes, values = layout.place([*columns, rng.random(rows)])  # type: ignore[list-item]
    return tally(codes, values, layout.size)
