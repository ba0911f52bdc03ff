"""What gates are told of a version: of drift only what its windows could say."""

from typing import Any

import pytest
from sqlalchemy import update

from app.drift import standing
from app.drift.tables import Window
from tests.drift.watched import Watched

pytestmark = pytest.mark.anyio

SEASON = {"monitor": {"drift_against": "season"}}
FAR = {"js": 0.8, "drifts": False, "severe": False, "seasonal": None}


async def test_while_an_input_has_no_season_nobody_is_told_that_it_does_not_drift(
    here: Watched,
) -> None:
    unknown = [{"name": name, **FAR} for name in ("x", "y")]
    await here.window(basis=SEASON)
    await become(here, unknown)

    early = await stand(here)

    known = [{**row, "drifts": row["name"] == "x", "seasonal": {"js": 0.3}} for row in unknown]
    for _ in range(2):
        await here.window(basis=SEASON)
        await become(here, known)
    later = await stand(here)

    assert (early.windows, early.variables, early.share, early.severe_share) == (1, 0, None, None)
    assert (later.variables, later.share, later.severe_share) == (2, 0.0, 0.0)


async def become(here: Watched, variables: list[dict[str, Any]]) -> None:
    """Have the newest window say something else of its variables."""
    async with here.db.transaction(here.tenant) as session:
        key = {"tenant_id": here.tenant, "id": here.seen[-1]}
        await session.execute(update(Window).filter_by(**key).values(variables=variables))


async def stand(here: Watched) -> Any:
    async with here.db.session(here.tenant) as session:
        return await standing(session, here.tenant, here.point, here.version)
