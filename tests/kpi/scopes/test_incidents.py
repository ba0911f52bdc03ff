"""What is told of a miss can be closed by who hears of it, and says of what it was one."""

import pytest

from app.kpi.scopes import agreeing, service, standing
from app.kpi.scopes.rules import ScopeKind
from app.kpi.scopes.tables import Scope
from app.platform.db import Database
from tests.kpi.scopes.grounds import Brought, Ground, make_ground
from tests.kpi.scopes.test_measuring import TODAY
from tests.kpi.scopes.test_standing import stand, told

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ground(database: Database) -> Ground:
    return await make_ground(database)


async def losing(ground: Ground) -> tuple[str, str]:
    """Return a point that earns and one that loses more."""
    winner, loser = sorted([await ground.point(), await ground.point()])
    await ground.bring(winner, [Brought(TODAY - 2 - one % 20, 1.0) for one in range(400)])
    await ground.bring(loser, [Brought(TODAY - 2 - one % 20, 0.0, 3.0) for one in range(400)])
    return winner, loser


async def put(ground: Ground, scope: Scope, *points: str, name: str = "S") -> None:
    fields = {
        "kind": ScopeKind.PROCESS, "name": name, "decision_points": points, "processes": (),
    }  # fmt: skip
    async with ground.db.transaction(ground.tenant) as session:
        found = await service.scope_by_key(session, scope.key, by=ground.actor())
        await service.define(
            session, scope.key, expected=found.revision, fields=fields, by=ground.actor()
        )


async def listed(ground: Ground, scope: Scope) -> list[tuple[str, list[str] | None, int | None]]:
    async with ground.db.session(ground.tenant) as session:
        found = await standing.list_standings(
            session, scope.key, "net", cursor=None, limit=50, by=ground.actor()
        )
        return [(one.standing.value, one.points, one.scope_revision) for one in found.items[::-1]]


async def test_a_miss_that_ends_because_the_loser_left_says_so(ground: Ground) -> None:
    winner, loser = await losing(ground)
    scope = await ground.scope(winner, loser)
    await ground.agree(scope, "net", threshold=100.0)
    await stand(ground, scope)
    await put(ground, scope, winner)
    for _ in range(2):
        await stand(ground, scope)

    assert await listed(ground, scope) == [
        ("missed", [winner, loser], 1), ("met", [winner], 2),
    ]  # fmt: skip
    (_, missed), (kind, met) = await told(ground)
    assert kind == "kpi.scope_met"
    assert (missed["points"], missed["left"], missed["scope_revision"]) == ([winner, loser], [], 1)
    assert (met["points"], met["joined"], met["left"]) == ([winner], [], [loser])
    assert met["scope_revision"] == 2


async def test_other_points_are_a_change_of_their_own_and_another_name_is_none(
    ground: Ground,
) -> None:
    winner, loser = await losing(ground)
    scope = await ground.scope(winner)
    await ground.agree(scope, "net", threshold=5_000.0)
    await stand(ground, scope)
    await put(ground, scope, winner, name="Another name")
    await stand(ground, scope)
    await put(ground, scope, winner, loser)
    await stand(ground, scope)

    assert await listed(ground, scope) == [
        ("missed", [winner], 1), ("missed", [winner, loser], 3),
    ]  # fmt: skip
    assert [kind for kind, _ in await told(ground)] == ["kpi.scope_missed"]


async def test_what_is_withdrawn_or_ended_while_it_is_missed_is_closed(ground: Ground) -> None:
    scope = await ground.scope(*await losing(ground))
    for key in ("net", "too"):
        await ground.agree(scope, key, threshold=100.0)
    await stand(ground, scope)
    await ground.agree(scope, "new", threshold=100.0)

    async with ground.db.transaction(ground.tenant) as session:
        await agreeing.withdraw(session, scope.key, "net", expected=1, by=ground.actor())
    async with ground.db.transaction(ground.tenant) as session:
        await service.end(session, scope.key, expected=1, by=ground.actor())

    events = await told(ground)
    opened = {data["kpi_id"] for kind, data in events if kind == "kpi.scope_missed"}
    closed = [data for kind, data in events if kind == "kpi.scope_withdrawn"]
    assert opened < {data["kpi_id"] for data in closed}
    assert [(one["kpi"], one["known"], one["ended"]) for one in closed[:1]] == [
        ("net", "missed", False),
    ]  # fmt: skip
    assert sorted((one["kpi"], one["known"] or "", one["ended"]) for one in closed[1:]) == [
        ("new", "", True), ("too", "missed", True),
    ]  # fmt: skip
