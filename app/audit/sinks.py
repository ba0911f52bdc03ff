"""Sinks: places outside the database that checkpoints are written to.

Who runs the server names them; a tenant cannot. Each new checkpoint covers all before it, so that
a sink that was away needs the newest only.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import httpx
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.signer import Signer, append_line
from app.audit.tables import Delivery, SignedCheckpoint
from app.platform.db import ALL_TENANTS, Database

logger = logging.getLogger(__name__)

_SECONDS = 10.0


class BadSink(ValueError):
    """The setting names no place that checkpoints can be written to."""


@dataclass(frozen=True, slots=True)
class Sink:
    """One place: ``file:/directory``, ``https://…`` (POST) or ``put+https://…/prefix`` (PUT)."""

    url: str

    @classmethod
    def parse(cls, text: str) -> "list[Sink]":
        """Read a comma-separated list."""
        found = [cls(item.strip()) for item in text.split(",") if item.strip()]
        for sink in found:
            if urlsplit(sink.url).scheme not in _WRITE:
                raise BadSink(f"{sink.name}: a sink is file:, http(s): or put+http(s):.")
        return found

    @property
    def name(self) -> str:
        """The sink without what is secret in its address."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, parts.path, "", ""))

    async def write(self, tenant_id: UUID, size: int, note: str) -> None:
        """Write a checkpoint; raise what stands in the way."""
        await _WRITE[urlsplit(self.url).scheme](self.url, tenant_id, size, note)


async def _file(url: str, tenant_id: UUID, size: int, note: str) -> None:  # noqa: ARG001 - as the others
    path = Path(urlsplit(url).path) / f"{tenant_id}.checkpoints"
    await asyncio.to_thread(append_line, path, note)


async def _post(url: str, tenant_id: UUID, size: int, note: str) -> None:  # noqa: ARG001 - as the others
    await _send("POST", url, note)


async def _put(url: str, tenant_id: UUID, size: int, note: str) -> None:
    parts = urlsplit(url.removeprefix("put+"))
    path = f"{parts.path.rstrip('/')}/{tenant_id}/{size:020d}"
    await _send("PUT", urlunsplit(parts._replace(path=path)), note)


async def _send(method: str, url: str, note: str) -> None:
    async with httpx.AsyncClient(timeout=_SECONDS, trust_env=False) as client:
        answer = await client.request(
            method, url, content=note, headers={"content-type": "text/plain; charset=utf-8"}
        )
    if not answer.is_success:
        raise httpx.HTTPError(f"answered {answer.status_code}")


_WRITE = {
    "file": _file,
    "http": _post, "https": _post,
    "put+http": _put, "put+https": _put,
}  # fmt: skip


async def deliver(database: Database, signer: Signer, sinks: Sequence[Sink]) -> None:
    """Bring each tenant's newest checkpoint to where it is not yet."""
    async with database.session(ALL_TENANTS) as session:
        rows = await session.execute(
            select(SignedCheckpoint.tenant_id, SignedCheckpoint.size, SignedCheckpoint.note)
            .ext(distinct_on(SignedCheckpoint.tenant_id))
            .order_by(SignedCheckpoint.tenant_id, SignedCheckpoint.size.desc())
        )
        newest = [(row[0], row[1], row[2]) for row in rows]
        taken = {
            (row.tenant_id, row.sink): row.size for row in await session.scalars(select(Delivery))
        }
    for tenant_id, size, note in newest:
        last = signer.last(tenant_id)
        if last is None or last.size < size:
            await asyncio.to_thread(signer.keep, tenant_id, note)
        for sink in sinks:
            if taken.get((tenant_id, sink.name), 0) < size:
                error = await _try(sink, tenant_id, size, note)
                async with database.transaction(tenant_id) as session:
                    await _remember(session, tenant_id, sink, size, error)


async def _try(sink: Sink, tenant_id: UUID, size: int, note: str) -> str | None:
    try:
        await sink.write(tenant_id, size, note)
    except (httpx.HTTPError, OSError) as error:
        reason = f"{type(error).__name__}: {error}".replace(sink.url, sink.name)[:200]
        logger.warning("a sink did not take a checkpoint", extra={"sink": sink.name})
        return reason
    return None


async def _remember(
    session: AsyncSession, tenant_id: UUID, sink: Sink, size: int, error: str | None
) -> None:
    insert = upsert(Delivery).values(
        tenant_id=tenant_id, sink=sink.name, size=0 if error else size,
        failures=1 if error else 0, error=error,
    )  # fmt: skip
    await session.execute(
        insert.on_conflict_do_update(
            index_elements=[Delivery.tenant_id, Delivery.sink],
            set_={
                "size": func.greatest(Delivery.size, insert.excluded.size),
                "failures": Delivery.failures + 1 if error else 0,
                "error": error,
                "at": func.now(),
            },
        )
    )
