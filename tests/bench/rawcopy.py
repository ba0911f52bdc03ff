"""The yardstick of ingest: binary COPY by psycopg, row by row, of the rows the server stored.

A process of its own, driven like the load generator. The table has the raw events' columns and no
index. Rows are held as Python objects beforehand; one COPY stream with one commit a batch, and for
the record the same over as many connections as the server is sent batches on;
``synchronous_commit`` as the server has it.
"""

import asyncio
import json
import sys
import time
from typing import Any

import orjson
import psycopg
import uvloop
from psycopg.types.json import set_json_dumps

_COLUMNS = {
    "tenant_id": "uuid",
    "decision_id": "uuid",
    "received_at": "timestamptz",
    "series_id": "uuid",
    "at": "timestamptz",
    "latency_ms": "float8",
    "plan_revision": "int8",
    "generation": "int8",
    "propensity": "float8",
    "unit": "bytea",
    "decided_at": "timestamptz",
    "features": "jsonb",
}
_NAMES = ", ".join(_COLUMNS)
_COPY = f"COPY bench_copy ({_NAMES}) FROM STDIN (FORMAT BINARY)"
_NEWEST = f"""
SELECT {_NAMES} FROM telemetry_event
WHERE received_at > coalesce((SELECT max(received_at) FROM bench_copy), '-infinity')
"""

Connection = psycopg.AsyncConnection[Any]


class Copier:
    """Connections opened and batches read before the clock starts."""

    def __init__(self, connections: list[Connection]) -> None:
        self._connections = connections

    async def create(self) -> dict[str, Any]:
        """Make the table, and begin with what the rehearsal has left."""
        connection = self._connections[0]
        await connection.execute("CREATE TABLE bench_copy (LIKE telemetry_event)")
        await connection.execute(
            f"INSERT INTO bench_copy ({_NAMES}) SELECT {_NAMES} FROM telemetry_event"
        )
        shown = await (await connection.execute("SHOW synchronous_commit")).fetchone()
        version = await (await connection.execute("SHOW server_version")).fetchone()
        await connection.commit()
        assert shown is not None
        assert version is not None
        return {"synchronous_commit": shown[0], "postgres": version[0]}

    async def copy(self, size: int) -> dict[str, Any]:
        """Copy the rows the server has stored since the last time, by one stream, then by all."""
        rows = await (await self._connections[0].execute(_NEWEST)).fetchall()
        await self._connections[0].commit()
        batches = [rows[at : at + size] for at in range(0, len(rows), size)]
        spent = time.process_time()
        seconds = await self._timed(self._connections[:1], batches)
        spent = time.process_time() - spent
        lanes = await self._timed(self._connections, batches)
        return {"rows": len(rows), "seconds": seconds, "lanes_seconds": lanes, "load_cpu": spent}

    async def _timed(self, connections: list[Connection], batches: list[Any]) -> float:
        queue = iter(batches)
        began = time.perf_counter()
        await asyncio.gather(*(self._drain(one, queue) for one in connections))
        return time.perf_counter() - began

    async def _drain(self, connection: Connection, queue: Any) -> None:
        types = list(_COLUMNS.values())
        for batch in queue:
            async with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
                copy.set_types(types)
                for row in batch:
                    await copy.write_row(row)
            await connection.commit()

    async def count(self) -> dict[str, Any]:
        """Return how many events the server holds, for the reconciliation."""
        cursor = await self._connections[0].execute(
            "SELECT (SELECT count(*) FROM telemetry_event),"
            " (SELECT count(*) FROM telemetry_receipt_stored)"
        )
        found = await cursor.fetchone()
        await self._connections[0].commit()
        assert found is not None
        return {"events": found[0], "receipts": found[1]}


async def connect(url: str, lanes: int) -> Copier:
    """Open the connections."""
    return Copier([await Connection.connect(url) for _ in range(lanes)])


def main() -> None:
    """Do what stdin says until it ends."""
    set_json_dumps(orjson.dumps)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        copier = runner.run(connect(**json.loads(sys.stdin.readline())))
        for line in sys.stdin:
            order = json.loads(line)
            acts: dict[str, Any] = {
                "create": copier.create,
                "copy": copier.copy,
                "count": copier.count,
            }
            print(json.dumps(runner.run(acts[order.pop("do")](**order))), flush=True)


if __name__ == "__main__":
    main()
