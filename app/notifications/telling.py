"""Events as they are told outside: in the feed, and as CloudEvents in a webhook's body."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from app import identity
from app.notifications.tables import Outgoing

MEDIA_TYPE = "application/cloudevents+json; charset=utf-8"
_ADDRESSEES = "addressees"


@dataclass(frozen=True, slots=True)
class Told:
    """An event with the names of whom it is addressed to.

    The outbox holds ids alone: who has left can be forgotten, and old events with him.
    """

    id: UUID
    type: str
    at: datetime
    data: dict[str, Any]

    def cloud_event(self, tenant_id: UUID) -> bytes:
        """Return the event as CloudEvents 1.0 writes it in JSON."""
        return orjson.dumps(
            {
                "specversion": "1.0",
                "id": str(self.id),
                "source": f"urn:modelward:tenant:{tenant_id}",
                "type": self.type,
                "time": self.at,
                "datacontenttype": "application/json",
                "data": self.data,
            }
        )


async def tell(session: AsyncSession, tenant_id: UUID, rows: Collection[Outgoing]) -> list[Told]:
    """Return events as they are told."""
    ids = {UUID(item) for row in rows for item in row.data.get(_ADDRESSEES, ())}
    names = await identity.names_of(session, tenant_id, ids) if ids else {}
    return [Told(row.id, row.type, row.at, _named(row.data, names)) for row in rows]


def _named(data: dict[str, Any], names: dict[UUID, str]) -> dict[str, Any]:
    if _ADDRESSEES not in data:
        return data
    people = [{"id": item, "name": names.get(UUID(item))} for item in data[_ADDRESSEES]]
    return {**data, _ADDRESSEES: people}
