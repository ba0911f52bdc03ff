"""Rows against entries: what stands in the tables is what the log says was written to them."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.chain import Entry, Fault
from app.audit.vouching import ROWS, Vouched, fingerprint_of, key_of, private_of

FOUNDED = "tenant.created"
ADOPTED = "rows.adopted"
_BATCH = 1000
_BORN = "row"
_DETAILS, _SPEAKS = Entry._fields.index("details"), f'"{ROWS}":'


class Said(NamedTuple):
    """What an entry said of a row."""

    own: bool
    """By the act that wrote it; what was adopted counts only where there is nothing else."""
    at: datetime
    stream: str
    seq: int
    fingerprint: str | None
    """Nothing once the row was deleted."""
    private: str | None
    """Over what is personal of it; nothing if there is nothing, or once it was erased."""


class Rows:
    """What the entries of a tenant say of its rows; the last word counts."""

    def __init__(self) -> None:
        self.said: dict[str, Said] = {}
        self.since: datetime | None = None
        """The first entry that speaks of rows at all: older rows are nobody's word."""
        self.complete = False
        """Every row has its entry: the tenant was founded so, or what was older was adopted."""

    def take(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Go on with the next entries, each as a row that begins with the fields of ``Entry``.

        They come in any order, and anything may stand in them.
        """
        for row in rows:
            if _SPEAKS in row[_DETAILS]:
                self._take(Entry(*row[: len(Entry._fields)]))

    def _take(self, entry: Entry) -> None:
        rows = _told(entry.details)
        if rows is None or type(entry.at) is not datetime:
            return
        if self.since is None or entry.at < self.since:
            self.since = entry.at
        self.complete = self.complete or entry.action in {FOUNDED, ADOPTED}
        own, private = entry.action != ADOPTED, _told(entry.personal) or {}
        for key, print_ in rows.items():
            said = Said(own, entry.at, entry.stream, entry.seq, print_, private.get(key))
            known = self.said.get(key)
            if known is None or _before(known, said):
                self.said[key] = said


def _told(written: str | None) -> dict[str, Any] | None:
    """Return what a part of an entry says of rows, if it is there and says anything."""
    try:
        found = orjson.loads(written or b"{}").get(ROWS)
    except (orjson.JSONDecodeError, AttributeError, TypeError):
        return None
    return found if type(found) is dict else None


def _before(known: Said, said: Said) -> bool:
    """Say whether an entry follows another: by number in one stream, for clocks can be set back."""
    if known.own is not said.own:
        return said.own
    if known.stream == said.stream:
        return known.seq < said.seq
    return known.at < said.at


async def compare(session: AsyncSession, tenant_id: UUID, rows: Rows) -> tuple[int, list[Fault]]:
    """Return how many rows the entries vouch for, and a fault for each that is not as they say."""
    faults: list[Fault] = []
    unseen = dict(rows.said)
    if rows.since is None:
        return 0, faults
    async for key, fingerprint, private, old in standing(session, tenant_id, rows.since):
        said = unseen.pop(key, None)
        if said is None:
            if rows.complete or not old:
                faults.append(Fault(_BORN, 0, f"no entry tells of {key}"))
        elif said.fingerprint != fingerprint or said.private not in (None, private):
            faults.append(Fault(said.stream, said.seq, f"{key} is not as the entry says"))
    faults += [
        Fault(said.stream, said.seq, f"{key} is gone, of which the entry tells")
        for key, said in unseen.items()
        if said.fingerprint is not None
    ]
    return len(rows.said), faults


async def standing(
    session: AsyncSession, tenant_id: UUID, since: datetime
) -> AsyncIterator[tuple[str, str, str | None, bool]]:
    """Yield each row's key and fingerprints, and whether it is older than ``since``."""
    for kind in Vouched.__subclasses__():
        table: Any = kind
        # Compared there: whoever edits rows may leave times in them that cannot be read.
        old = getattr(table, kind.__since__) < since
        query = select(key_of(kind), fingerprint_of(kind), private_of(kind), old)
        mine = query.where(table.tenant_id == tenant_id).execution_options(yield_per=_BATCH)
        async for row in await session.stream(mine):
            yield row[0], row[1], row[2], row[3]
