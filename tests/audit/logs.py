"""A log with entries, a signer outside the database, and a superuser whom nothing stops."""

import uuid
from pathlib import Path

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app import audit
from app.audit import Report, Signer
from app.kit.actor import Actor
from app.platform.db import Database

TENANT = uuid.UUID(int=7)
ACTOR = Actor(uuid.UUID(int=1), TENANT, "dana", uuid.UUID(int=1), frozenset(), frozenset())
STREAM, OTHER = "model:m", "model:a"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def signer_in(directory: Path) -> Signer:
    return Signer(KEY, "test", directory)


async def write(database: Database, count: int, *, streams: tuple[str, ...] = (STREAM,)) -> None:
    for number in range(count):
        async with database.transaction(TENANT) as session:
            for stream in streams:
                await audit.record(
                    session, ACTOR, "version.edited", stream, number=number,
                    personal={"reason": f"because {number}"},
                )  # fmt: skip


async def keep(database: Database, signer: Signer) -> None:
    """What the worker does at every turn."""
    await audit.sequence(database, signer)
    await audit.deliver(database, signer, [])


async def verified(database: Database, signer: Signer | None = None, batch: int = 5000) -> Report:
    return await audit.verify(database, TENANT, signer, batch=batch)


async def exported(database: Database) -> list[bytes]:
    async with database.snapshot(TENANT) as session:
        lumps = [lump async for lump in audit.export(session, TENANT)]
    return b"".join(lumps).splitlines(keepends=True)


def faults(report: Report) -> list[tuple[str, int]]:
    return [(fault.stream, fault.seq) for fault in report.faults]


def as_superuser(url: str, *statements: str) -> None:
    """Change the log as somebody would who does not want to be stopped by a trigger."""
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in statements:
            assert connection.execute(statement).rowcount != 0
