"""A database with a version that is watched."""

from collections.abc import AsyncIterator

import pytest

from app.platform.db import Database
from app.platform.settings import Settings
from tests.drift.watched import Watched, make_watched, seated_bus


@pytest.fixture
async def db(shared_database: str) -> AsyncIterator[Database]:
    found = Database(shared_database, Settings(pool_wait_seconds=10), seated_bus())
    yield found
    await found.close()


@pytest.fixture
async def here(db: Database) -> Watched:
    return await make_watched(db)
