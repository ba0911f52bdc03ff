"""What came another way than a version's own events has its windows looked at again."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from app import audit, kpi
from app.catalog.rules import PointKind
from app.catalog.tables import DecisionPoint
from app.kit.actor import Actor
from app.kpi.rules import Direction, Formula
from app.kpi.tables import NOBODY, Definition, Late
from app.platform.db import Database
from app.telemetry import HOLDOUT, REHEARSAL, Series, begins
from tests.drift.watched import Watched, make_watched

pytestmark = pytest.mark.anyio
HOUR = 490_000


@pytest.fixture
async def here(database: Database) -> Watched:
    return await make_watched(database)


async def series(here: Watched, arm: str, *, touched: int | None = None, **more: UUID) -> UUID:
    async with here.session() as session:
        row = Series(
            tenant_id=here.tenant, point_id=more.get("point", here.point),
            version_id=more.get("version", here.version), arm=arm, touched_hour=touched,
            first_hour=begins(HOUR - 9, 1), through=begins(HOUR, 1),
        )  # fmt: skip
        session.add(row)
        await session.flush()
        return row.id


async def touched(here: Watched) -> dict[str, int | None]:
    async with here.db.session(here.tenant) as session:
        rows = await session.execute(
            select(Series.arm, Series.touched_hour).filter_by(
                tenant_id=here.tenant, point_id=here.point
            )
        )
        return {row.arm: row.touched_hour for row in rows}


async def agree(here: Watched, formula: Formula) -> None:
    async with here.session() as session:
        session.add(
            Definition(
                tenant_id=here.tenant, point_id=here.point, key="k", name="K", formula=formula,
                direction=Direction.AT_LEAST, threshold=1.0, tolerance=0.0, unit="EUR",
            )
        )  # fmt: skip
        await session.flush()
        await audit.record(session, Actor.system(here.tenant), "kpi.agreed", "point")


async def late(here: Watched, hour: int, version: UUID) -> None:
    async with here.session() as session:
        session.add(Late(tenant_id=here.tenant, point_id=here.point, version_id=version, hour=hour))


async def test_reported_values_touch_whose_they_are_from_their_earliest_hour_on(
    here: Watched,
) -> None:
    await series(here, "champion")
    await series(here, "other", version=uuid4(), touched=HOUR - 5)
    await series(here, REHEARSAL)
    await late(here, HOUR - 2, here.version)
    await late(here, HOUR - 1, here.version)
    await kpi.notice(here.db)
    assert await touched(here) == {"champion": HOUR - 2, "other": HOUR - 5, REHEARSAL: None}

    await late(here, HOUR - 7, NOBODY)
    await kpi.notice(here.db)
    await kpi.notice(here.db)
    assert await touched(here) == {"champion": HOUR - 7, "other": HOUR - 7, REHEARSAL: None}
    async with here.db.session(here.tenant) as session:
        assert list(await session.scalars(select(Late).filter_by(tenant_id=here.tenant))) == []


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (Formula.MEAN_REWARD, None),
        (Formula.UPLIFT, HOUR - 3),
        (Formula.UPLIFT_ACROSS, HOUR - 6),
    ],
)
async def test_an_uplift_is_compared_again_with_what_it_is_compared_with(
    here: Watched,
    formula: Formula,
    expected: int | None,
) -> None:
    async with here.session() as session:
        below = DecisionPoint(
            tenant_id=here.tenant, key="below", kind=PointKind.PROCESS, owner_id=NOBODY,
            description="", contract={"upstream": [here.key]},
        )  # fmt: skip
        session.add(below)
        await session.flush()
        await audit.record(session, Actor.system(here.tenant), "point.made", "point")
    await series(here, "champion")
    await series(here, HOLDOUT, touched=HOUR - 3)
    await series(here, REHEARSAL, touched=HOUR - 8)
    await series(here, "champion", point=below.id, touched=HOUR - 6)
    await series(here, "shadow:s", point=below.id, touched=HOUR - 8)
    await agree(here, formula)

    await kpi.notice(here.db)

    assert (await touched(here))["champion"] == expected
