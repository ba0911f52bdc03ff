"""What is not measured any more is not met: nothing heals by silence, and silence is told."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from app.kpi.rules import Aggregate
from app.kpi.scopes import agreeing
from app.kpi.scopes.gauges import ScopeGauges
from app.kpi.scopes.rules import ScopeFormula, Standing, announces, falls_silent
from app.kpi.scopes.tables import Scope
from app.kpi.scopes.withdrawing import TERMS
from app.platform.db import Database
from tests.kpi.scopes.grounds import Ground, make_ground
from tests.kpi.scopes.test_standing import say, stand, standings, told

SUM = {"formula": ScopeFormula.PUSHED, "aggregate": Aggregate.SUM, "threshold": 10.0}


@pytest.fixture
async def ground(database: Database) -> Ground:
    return await make_ground(database)


async def edit(ground: Ground, scope: Scope, key: str, **terms: Any) -> None:
    async with ground.db.transaction(ground.tenant) as session:
        found = await agreeing.kpi_of(session, scope.key, key, by=ground.actor())
        fields = {name: getattr(found, name) for name in TERMS} | terms
        await agreeing.define(
            session, scope.key, key, expected=found.revision, fields=fields, by=ground.actor()
        )


async def gauges_of(ground: Ground, scope: Scope) -> dict[str, float]:
    registry = CollectorRegistry()
    await ScopeGauges(ground.db, registry).count()
    lines = [one for one in generate_latest(registry).decode().splitlines() if scope.key in one]
    return {
        one.partition("{")[0].removeprefix("modelward_kpi_scope_"): float(one.rpartition(" ")[2])
        for one in lines
    }


@pytest.mark.anyio
async def test_a_miss_that_is_not_measured_any_more_stays_one_and_that_is_told_once(
    ground: Ground,
) -> None:
    scope = await ground.scope(await ground.point())
    await ground.agree(scope, "k", **SUM)
    await say(ground, scope, "k", 4.0, 0)
    await stand(ground, scope)
    missed = await gauges_of(ground, scope)

    # Nothing was reported of the day before: as if the days had gone on without reports.
    await edit(ground, scope, "k", wait_days=1)
    for _ in range(2):
        await stand(ground, scope)
    silent = await gauges_of(ground, scope)
    await edit(ground, scope, "k", wait_days=0)
    for _ in range(2):
        await stand(ground, scope)

    assert (missed["missed"], missed["unmeasured"]) == (1.0, 0.0)
    assert (silent["missed"], silent["unmeasured"]) == (1.0, 1.0)
    assert "value" not in silent
    then = datetime.fromtimestamp(silent["measured_timestamp_seconds"], UTC)
    assert silent["measured_timestamp_seconds"] == missed["measured_timestamp_seconds"]
    assert timedelta() <= datetime.now(UTC) - then < timedelta(minutes=5)
    assert await standings(ground, scope, "k") == [
        ("missed", 4.0), ("unknown", None), ("missed", 4.0),
    ]  # fmt: skip
    events = await told(ground)
    assert [kind.removeprefix("kpi.scope_") for kind, _ in events] == [
        "missed",
        "unknown",
        "missed",
    ]
    (_, (_, gone), _) = events
    assert (gone["known"], gone["threshold"]) == ("missed", 10.0)
    assert gone["lacking"] == "nothing was reported of this time"


@pytest.mark.anyio
async def test_what_never_came_is_told_once_its_days_are_over(ground: Ground) -> None:
    scope = await ground.scope(await ground.point())
    long_ago = datetime.now(UTC) - timedelta(days=3)
    await ground.agree(scope, "old", threshold=250_000.0, created_at=long_ago)
    await ground.agree(scope, "new", threshold=250_000.0)

    for _ in range(2):
        await stand(ground, scope)

    ((kind, data),) = await told(ground)
    assert (kind, data["kpi"], data["known"]) == ("kpi.scope_unknown", "old", None)
    assert data["lacking"] == "no outcomes of this time say it"


@pytest.mark.anyio
async def test_gauges_are_of_one_look_whatever_was_agreed_since(ground: Ground) -> None:
    scope = await ground.scope(await ground.point())
    await ground.agree(scope, "k", **SUM, target=20.0)
    await say(ground, scope, "k", 4.0, 0)
    await stand(ground, scope)
    await edit(ground, scope, "k", threshold=1.0, target=None)

    edited = await gauges_of(ground, scope)
    await stand(ground, scope)
    looked = await gauges_of(ground, scope)

    def shown(found: dict[str, float]) -> list[float | None]:
        return [found.get(name) for name in ("value", "threshold", "target", "missed")]

    assert shown(edited) == [4.0, 10.0, 20.0, 1.0]
    assert shown(looked) == [4.0, 1.0, None, 0.0]


LOOKS = st.sampled_from([(Standing.MET, True), (Standing.MISSED, True), (Standing.UNKNOWN, True),
                         (Standing.UNKNOWN, False)])  # fmt: skip


@given(looks=st.lists(LOOKS, max_size=40), due=st.booleans())
def test_whoever_listens_knows_the_last_that_is_known(
    *, looks: list[tuple[Standing, bool]], due: bool
) -> None:
    """What was told last is how it stands, or that nobody knows; and nothing is told twice."""
    before: Standing | None = None
    silent, told = False, []
    for now, measured in looks:
        if measured and announces(before, now, silent=silent):
            told.append(now)
        falls = falls_silent(before, measured=measured, due=due, silent=silent)
        if falls:
            told.append(Standing.UNKNOWN)
        silent = now is Standing.UNKNOWN and (silent or falls)
        before = before if now is Standing.UNKNOWN else now

        heard = told[-1] if told else None
        if silent:
            assert heard is Standing.UNKNOWN
        elif before is Standing.MISSED:
            assert heard is Standing.MISSED
        else:
            assert heard in {None, Standing.MET}
    assert all(one is not other for one, other in pairwise(told))
