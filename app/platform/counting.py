"""Counting: what Prometheus metrics are read from the database, every so often."""

import asyncio
from contextlib import suppress
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError


class Counted(Protocol):
    """Metrics that are counted all at once; a scrape shows the last count."""

    @property
    def every_seconds(self) -> float:
        """How often they are counted."""
        ...

    async def count(self) -> None:
        """Count once."""
        ...


async def count_forever(counted: Counted) -> None:
    """Count until cancelled; while the database is away the last count stands."""
    while True:
        with suppress(SQLAlchemyError, OSError):
            await counted.count()
        await asyncio.sleep(counted.every_seconds)
