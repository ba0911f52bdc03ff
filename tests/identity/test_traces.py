"""What is kept of exchanged tokens lasts as long as it is needed."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app import identity
from app.bus import make_bus
from app.identity.tables import OidcUse
from app.kit.ids import uuid7
from app.platform.db import ALL_TENANTS, Database
from app.platform.settings import Settings

pytestmark = pytest.mark.anyio


async def test_a_token_is_remembered_until_it_is_refused_for_its_age(empty_database: str) -> None:
    database = Database(empty_database, Settings(), make_bus())
    now, tenant = datetime.now(UTC), uuid7()
    async with database.transaction(ALL_TENANTS) as session:
        session.add_all(
            OidcUse(
                tenant_id=tenant, issuer="i", jti=name.encode(), expires_at=now + timedelta(hours=h)
            )
            for name, h in (("old", -1), ("good", 1))
        )

    await identity.forget_tokens(database)

    async with database.session(ALL_TENANTS) as session:
        assert list(await session.scalars(select(OidcUse.jti))) == [b"good"]
    await database.close()
