"""Idempotency keys: stored in the transaction of the act they stand for."""

import re
from datetime import datetime
from uuid import UUID

from fastapi import Response
from psycopg.errors import LockNotAvailable
from sqlalchemy import LargeBinary, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.kit.actor import Actor
from app.kit.refusal import Kind, Malformed, Refusal
from app.platform.db import ALL_TENANTS, Base, Database, Json
from app.platform.http.problems import render

_KEY = re.compile(r"[\x21-\x7e]{1,128}")
_WAIT = "150ms"
_KEPT_HOURS = 48


class KeyInFlight(Refusal):
    """The same key is being worked on at this moment."""

    kind = Kind.CONFLICT
    code = "idempotency_in_flight"
    title = "The first request with this key is still running"
    mend = "Wait a moment and send the same request again."


class KeyReused(Refusal):
    """The key belongs to another request."""

    kind = Kind.INVALID
    code = "idempotency_key_reused"
    title = "The Idempotency-Key was used for a different request"
    mend = "Use a new key for a new request."


class ShownOnce(Refusal):
    """The act was done; its answer is not repeated."""

    kind = Kind.CONFLICT
    code = "shown_once"
    title = "Done before; the answer is shown once only"
    mend = "Use what the first answer gave you, or issue another key."


class IdempotencyKey(Base):
    """What a key was answered; a row commits with the act, never without it."""

    __tablename__ = "platform_idempotency"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    principal_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int | None]
    headers: Mapped[Json | None]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


async def claim(
    session: AsyncSession, actor: Actor, key: str, fingerprint: bytes, request_id: str
) -> Response | None:
    """Take the key for this transaction; return the stored answer if it was taken before.

    ``request_id`` is the one of the repetition.
    """
    if not _KEY.fullmatch(key):
        raise Malformed("An Idempotency-Key is 1 to 128 visible ASCII characters.")
    await session.execute(text(f"SET LOCAL lock_timeout = '{_WAIT}'"))
    row = {"tenant_id": actor.tenant_id, "principal_id": actor.id, "key": key}
    try:
        taken = await session.scalar(
            insert(IdempotencyKey)
            .values(**row, fingerprint=fingerprint)
            .on_conflict_do_nothing()
            .returning(IdempotencyKey.key)
        )
    except OperationalError as error:
        if not isinstance(error.orig, LockNotAvailable):
            raise
        raise KeyInFlight("Another request with this Idempotency-Key is running.") from error
    if taken is not None:
        await session.execute(text("SET LOCAL lock_timeout TO DEFAULT"))
        return None
    stored = await session.scalar(select(IdempotencyKey).filter_by(**row))
    if stored is None or stored.status is None:
        raise KeyInFlight("Another request with this Idempotency-Key is running.")
    if stored.fingerprint != fingerprint:
        raise KeyReused(
            "This Idempotency-Key came with another method, path, query or body before."
        )
    if stored.body is None:  # only what was shown once is kept without
        shown = ShownOnce("The first answer to this key held a secret and was not kept.")
        answer = render(shown, request_id)
        answer.headers["Idempotency-Replayed"] = "true"
        return answer
    replay = {**(stored.headers or {}), "Idempotency-Replayed": "true"}
    return Response(stored.body, stored.status, replay)


async def keep(session: AsyncSession, actor: Actor, key: str, response: Response) -> None:
    """Store the answer beside the act, before both commit."""
    kept = {
        name: value
        for name, value in response.headers.items()
        if name in {"content-type", "etag", "location"}
    }
    body: bytes | None = bytes(response.body)
    if response.headers.get("cache-control") == "no-store":
        body = None  # a secret is shown once: what is kept says that it was, not what it was
    await session.execute(
        update(IdempotencyKey)
        .filter_by(tenant_id=actor.tenant_id, principal_id=actor.id, key=key)
        .values(status=response.status_code, headers=kept, body=body)
    )


async def forget(database: Database) -> None:
    """Delete keys nobody will repeat any more."""
    old = func.now() - func.make_interval(0, 0, 0, 0, _KEPT_HOURS)
    async with database.transaction(ALL_TENANTS) as session:
        await session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < old))
