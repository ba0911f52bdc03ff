"""A long log to verify: sealed here, copied in, then numbered and signed by the product.

``audit.record`` would take a minute for it. The entries are those that it would have made, of
streams of every length, with details and personal data of ordinary size.
"""

import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import LiteralString
from uuid import UUID

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app import audit
from app.audit.chain import GENESIS, Entry
from app.audit.sealing import seal
from app.kit.actor import Actor
from app.platform.db import Database

STREAMS = 1_000
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_ENTRIES: LiteralString = (
    "COPY audit_entry (tenant_id, stream, seq, at, actor_id, actor_name, action, details,"
    " version_id, body, personal, salt, hash) FROM STDIN"
)
_STREAMS: LiteralString = "COPY audit_stream (tenant_id, name, seq, hash) FROM STDIN"


async def fill(superuser_url: str, by: Actor, entries: int) -> None:
    """Append ``entries`` to new streams of the tenant, past row-level security."""
    heads: dict[str, tuple[int, bytes]] = {}
    async with await psycopg.AsyncConnection.connect(superuser_url) as connection:
        cursor = connection.cursor()
        async with cursor.copy(_ENTRIES) as copy:
            for number in range(entries):
                await copy.write_row(_row(heads, by, number))
        async with cursor.copy(_STREAMS) as copy:
            for name, (seq, hash_) in heads.items():
                await copy.write_row((by.tenant_id, name, seq, hash_))


def _row(heads: dict[str, tuple[int, bytes]], by: Actor, number: int) -> Entry:
    """Return one row; the first streams are a hundred times as long as the last."""
    version = UUID(int=(number * number // 7 if number % 2 else number) % STREAMS + 1)
    stream = f"version:{version}"
    seq, previous = heads.get(stream, (0, GENESIS))
    entry = seal(
        previous,
        tenant_id=by.tenant_id,
        stream=stream,
        seq=seq + 1,
        at=_BEGAN + timedelta(microseconds=1_000_003 * number),
        actor_id=by.id,
        action="evidence.recorded",
        details={
            "case": str(UUID(int=number)),
            "step": "technical_validation",
            "kind": "technical",
            "digest": "sha256:" + f"{number:064x}",
            "measured": False,
        },
        personal={"actor": by.name, "reason": "looked at it"},
        salt=number.to_bytes(16, "big"),
    )
    heads[stream] = entry.seq, entry.hash
    return entry


async def verified_per_second(
    database: Database, by: Actor, rounds: int
) -> tuple[list[float], audit.Report]:
    """Number and sign what waits, then verify it again and again: entries a second of each."""
    with tempfile.TemporaryDirectory(prefix="modelward-bench-") as home:
        signer = audit.Signer(Ed25519PrivateKey.generate(), "bench", Path(home))
        began = time.perf_counter()
        await audit.sequence(database, signer)
        await audit.deliver(database, signer, [])
        print(f"  numbered and signed in {time.perf_counter() - began:.1f} s", flush=True)
        rates = []
        for _ in range(rounds):
            began = time.perf_counter()
            report = await audit.verify(database, by.tenant_id, signer)
            rates.append(report.entries / (time.perf_counter() - began))
            print(f"  verified {report.entries:,} at {rates[-1]:>9,.0f} entries/s", flush=True)
    return rates, report
