"""Keys in memory: hot paths authenticate without a query.

A key is loaded at its first use and re-checked with all others by one query every few seconds, so
that a revocation reaches every process within that time; when a key was last used is written down
at the same time, not by the requests themselves. While the database is away the keys last
seen good go on working, for a bounded time, and so do those that were kept on disk where a process
begins meanwhile. How many calls a key still has in this process stands
beside it.
"""

import asyncio
import logging
import math
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, func, select, true, tuple_, update
from sqlalchemy.exc import SQLAlchemyError

from app.identity.actors import actor_of
from app.identity.delegation import lent_to
from app.identity.keys import fingerprint, well_formed
from app.identity.tables import Key, Principal
from app.kit.actor import Actor, Lent
from app.kit.bucket import Bucket
from app.kit.refusal import RateLimited
from app.platform.db import ALL_TENANTS, Database
from app.platform.http.guard import Peer, Unauthenticated
from app.platform.http.throttle import WrongCredentials
from app.platform.settings import Settings
from app.platform.shelf import Shelf
from app.platform.together import Together

logger = logging.getLogger(__name__)

_MAX_KNOWN = 50_000
_KEPT, _FORMAT = "keys", 1
_KEPT_SECONDS = 10.0
_AHEAD = 60.0
"""Clocks differ by less."""
_A_WHILE = timedelta(seconds=30)
"""A use is not written down again within this time."""


@dataclass(frozen=True, slots=True)
class _Known:
    actor: Actor
    expires: float  # on the monotonic clock of this process
    sha256: bytes
    id: tuple[UUID, UUID]
    calls: Bucket


class Keyring:
    """An ``Authenticator`` over the keys in use."""

    def __init__(self, database: Database, settings: Settings, wrong: WrongCredentials) -> None:
        self._database = database
        self._wrong = wrong
        rate, burst = settings.key_calls_per_second, settings.key_calls_burst
        self._bucket = partial(Bucket, rate=rate, burst=burst)
        self._every = settings.refresh_seconds
        self._stale_after = settings.stale_keys_seconds
        self._known: dict[str, _Known] = {}
        self._used: dict[str, tuple[UUID, UUID]] = {}
        self._fresh = time.monotonic()
        self._kept: dict[bytes, _Known] = {}
        self._dropped = False
        # A process that begins is called by everybody at once, each with a key it does not know.
        self._unknown: Together[None, bytes, _Known] = Together(lambda _, keys: self._select(keys))

    async def __call__(self, authorization: str | None, peer: Peer, *, paced: bool) -> Actor:
        """Return the caller of a request."""
        text = _key_of(authorization)
        known = self._known.get(text)
        if known is None:
            with self._wrong.counted(peer):
                known = await self._load(text)
        now = time.monotonic()
        if known.expires <= now:
            with self._wrong.counted(peer):
                raise Unauthenticated("The key has expired.")
        if now - self._fresh > self._stale_after:
            raise Unauthenticated("No key could be checked for too long.")
        if paced and (wait := known.calls.take(now)):
            raise RateLimited("Too many calls came with this key.", retry_after=math.ceil(wait))
        self._used[text] = known.id
        return known.actor

    def known(self, authorization: str | None) -> Actor | None:
        """Return the caller of a request that is not paced, if his key needs no asking."""
        scheme, _, text = (authorization or "").partition(" ")
        found = self._known.get(text)
        now = time.monotonic()
        if (
            found is None
            or found.expires <= now
            or now - self._fresh > self._stale_after
            or scheme.lower() != "bearer"
        ):
            return None
        self._used[text] = found.id
        return found.actor

    async def refresh_forever(self) -> None:
        """Re-check the keys in use until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            with suppress(SQLAlchemyError, OSError):
                await self.refresh()
                await self._note_uses()

    async def refresh(self) -> None:
        """Re-check every key in use by one query; forget those that no longer hold."""
        held = {known.sha256: (text, known.calls) for text, known in self._known.items()}
        # What was kept on disk goes when the database has been asked, and not before.
        good = await self._select(held) if held or self._kept else {}
        for sha256, (text, calls) in held.items():
            if sha256 in good:
                self._known[text] = replace(good[sha256], calls=calls)
            else:
                self._known.pop(text, None)
                self._dropped = True
        self._fresh = time.monotonic()
        self._kept = {}

    def restore(self, shelf: Shelf) -> None:
        """Let the keys that were kept work, until the database says more."""
        kept = shelf.read(_KEPT)
        if kept is None:
            return
        now, behind = time.time(), time.time() - time.monotonic()
        try:
            found = orjson.loads(kept)
            if found["format"] != _FORMAT or found["at"] > now + _AHEAD:
                return
            known = [self._restored(stored, behind) for stored in found["keys"]]
        except (KeyError, TypeError, ValueError):
            logger.warning("the keys that were kept cannot be read", exc_info=True)
            return
        self._fresh = min(found["at"] - behind, time.monotonic())
        self._kept = {one.sha256: one for one in known}

    def _restored(self, stored: dict[str, Any], behind: float) -> _Known:
        actor, sha256 = _actor(stored["actor"]), bytes.fromhex(stored["sha256"])
        id_ = actor.tenant_id, UUID(stored["id"])
        return _Known(actor, stored["expires"] - behind, sha256, id_, self._bucket())

    async def keep_forever(self, shelf: Shelf) -> None:
        """Keep the keys in use on disk, as hashes, until cancelled; without one that falls out.

        Only while the database is there: another process on this disk may know more.
        """
        kept = self._fresh
        while True:
            await asyncio.sleep(self._every)
            late = self._fresh - kept > _KEPT_SECONDS
            if not self._kept and (self._dropped or late) and self._fresh != kept:
                self._dropped, kept = False, self._fresh
                known, at = list(self._known.values()), time.time() + kept - time.monotonic()
                await shelf.keep(_KEPT, await asyncio.to_thread(_dumped, known, at))

    async def _note_uses(self) -> None:
        """Write down by one statement which keys were used; rows that somebody holds wait."""
        used = dict(self._used)
        if not used:
            return
        due = (
            select(Key.tenant_id, Key.id)
            .where(
                tuple_(Key.tenant_id, Key.id).in_(set(used.values())),
                func.coalesce(Key.last_used_at < func.clock_timestamp() - _A_WHILE, true()),
            )
            .with_for_update(skip_locked=True)
        )
        async with self._database.transaction(ALL_TENANTS) as session:
            await session.execute(
                update(Key)
                .where(tuple_(Key.tenant_id, Key.id).in_(due))
                .values(last_used_at=func.clock_timestamp())
                .execution_options(synchronize_session=False)
            )
        for text in used:
            self._used.pop(text, None)

    async def _load(self, text: str) -> _Known:
        if not well_formed(text):
            raise Unauthenticated("This is not an API key of this server.")
        sha256 = fingerprint(text)
        try:
            known = await self._unknown(None, sha256)
        except (SQLAlchemyError, OSError):
            known = self._kept.get(sha256)
            if known is None:
                raise
        if known is None:
            raise Unauthenticated("The key is unknown, revoked or expired.")
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[text] = known
        return known

    async def _select(self, hashes: Iterable[bytes]) -> dict[bytes, _Known]:
        left = func.extract("epoch", Key.expires_at - func.clock_timestamp())
        async with self._database.session(ALL_TENANTS) as session:
            rows = await session.execute(
                select(Key, Principal, left.label("left"))
                .join(
                    Principal,
                    (Principal.tenant_id == Key.tenant_id) & (Principal.id == Key.principal_id),
                )
                .where(
                    Key.sha256.in_(list(hashes)),
                    Key.revoked_at.is_(None),
                    Key.expires_at > func.clock_timestamp(),
                    Principal.disabled_at.is_(None),
                )
            )
            found = list(rows)
            # A key narrowed to some roles lends no others.
            people = {row.Principal.id for row in found if row.Key.roles is None}
            lent = await lent_to(session, people) if people else {}
            return {
                row.Key.sha256: _known(row, lent.get(row.Principal.id, ()), self._bucket())
                for row in found
            }


def _key_of(authorization: str | None) -> str:
    """Return the key in an Authorization header, whatever its scheme's spelling."""
    scheme, _, text = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not text:
        raise Unauthenticated("The request carries no API key.")
    return text


def _dumped(known: list[_Known], at: float) -> bytes:
    ahead = time.time() - time.monotonic()
    keys = [
        {
            "sha256": one.sha256.hex(),
            "id": one.id[1],
            "expires": one.expires + ahead,
            "actor": one.actor,
        }
        for one in known
    ]
    return orjson.dumps({"format": _FORMAT, "at": at, "keys": keys}, default=sorted)


def _actor(stored: dict[str, Any]) -> Actor:
    return Actor(
        id=UUID(stored["id"]),
        tenant_id=UUID(stored["tenant_id"]),
        name=stored["name"],
        person_id=UUID(stored["person_id"]),
        roles=frozenset(stored["roles"]),
        permissions=frozenset(stored["permissions"]),
        points=None if stored["points"] is None else frozenset(stored["points"]),
        key_id=UUID(stored["key_id"]) if stored["key_id"] else None,
        lent=tuple((UUID(giver), frozenset(roles)) for giver, roles in stored["lent"]),
    )


def _known(row: Row[Key, Principal, int], lent: Lent, calls: Bucket) -> _Known:
    key = row.Key
    lent = lent if key.roles is None else ()
    actor = actor_of(row.Principal, roles=key.roles, points=key.points, key_id=key.id, lent=lent)
    expires = time.monotonic() + float(row.left)
    return _Known(actor, expires, key.sha256, (key.tenant_id, key.id), calls)
