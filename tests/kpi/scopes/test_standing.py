"""How scopes stand: noted when it changes, told when it is certain, and read by whoever asks."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import select

from app import audit, kpi
from app.kit.actor import Actor
from app.kpi.rules import Aggregate, Direction, Formula
from app.kpi.scopes import agreeing, service, standing
from app.kpi.scopes.gauges import ScopeGauges
from app.kpi.scopes.reporting import Report, report
from app.kpi.scopes.rules import ScopeFormula
from app.kpi.scopes.tables import Scope
from app.kpi.scopes.withdrawing import TERMS
from app.kpi.tables import Definition, Terms
from app.notifications.tables import Outgoing
from app.platform.db import Database
from app.telemetry import begins
from tests.kpi.scopes.grounds import NAN, Brought, Ground, make_ground
from tests.kpi.scopes.test_measuring import TODAY, measured

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ground(database: Database) -> Ground:
    return await make_ground(database)


async def stand(ground: Ground, scope: Scope) -> None:
    async with ground.db.transaction(ground.tenant) as session:
        await standing._stand(session, ground.tenant, scope.id)


async def standings(ground: Ground, scope: Scope, key: str) -> list[tuple[str, float | None]]:
    async with ground.db.session(ground.tenant) as session:
        found = await standing.list_standings(
            session, scope.key, key, cursor=None, limit=50, by=ground.actor()
        )
        return [(row.standing.value, row.value) for row in reversed(found.items)]


async def told(ground: Ground) -> list[tuple[str, dict[str, Any]]]:
    async with ground.db.session(ground.tenant) as session:
        rows = await session.scalars(
            select(Outgoing).filter_by(tenant_id=ground.tenant).order_by(Outgoing.told)
        )
        return [(row.type, row.data) for row in rows if row.type.startswith("kpi.scope")]


async def say(ground: Ground, scope: Scope, key: str, value: float, revision: int) -> None:
    said = Report(key, begins(TODAY - 5, 1), value, "", revision)
    async with ground.db.transaction(ground.tenant) as session:
        await report(session, scope.key, [said], by=ground.actor())


async def test_a_standing_is_noted_when_it_changes_and_told_once(ground: Ground) -> None:
    scope = await ground.scope(await ground.point())
    await ground.agree(
        scope, "k", formula=ScopeFormula.PUSHED, aggregate=Aggregate.SUM, threshold=10.0
    )

    await kpi.stand(ground.db)
    for revision, value in enumerate((4.0, 5.0, 30.0, 31.0)):
        await say(ground, scope, "k", value, revision)
        await stand(ground, scope)
        await stand(ground, scope)

    assert await standings(ground, scope, "k") == [
        ("unknown", None), ("missed", 4.0), ("met", 30.0),
    ]  # fmt: skip
    events = await told(ground)
    assert [kind for kind, _ in events] == ["kpi.scope_missed", "kpi.scope_met"]
    first = events[0][1]
    assert (first["scope"], first["kpi"], first["value"], first["threshold"]) == (
        scope.key, "k", 4.0, 10.0,
    )  # fmt: skip


async def test_what_is_agreed_anew_is_looked_at_anew_and_what_is_withdrawn_stays_on_record(
    ground: Ground,
) -> None:
    scope = await ground.scope(await ground.point())
    terms = {"formula": ScopeFormula.PUSHED, "aggregate": Aggregate.SUM}
    await ground.agree(scope, "k", **terms, threshold=10.0)
    await say(ground, scope, "k", 4.0, 0)
    await stand(ground, scope)
    async with ground.db.transaction(ground.tenant) as session:
        agreed = await agreeing.kpi_of(session, scope.key, "k", by=ground.actor())
        fields = {name: getattr(agreed, name) for name in TERMS} | {"threshold": 3.0}
        place = (session, scope.key, "k")
        await agreeing.define(*place, expected=1, fields=fields, by=ground.actor())
    await stand(ground, scope)
    async with ground.db.transaction(ground.tenant) as session:
        await agreeing.withdraw(session, scope.key, "k", expected=2, by=ground.actor())
    await stand(ground, scope)

    assert await standings(ground, scope, "k") == [("missed", 4.0), ("met", 4.0)]
    assert [kind for kind, _ in await told(ground)] == [
        "kpi.scope_missed", "kpi.scope_met", "kpi.scope_withdrawn",
    ]  # fmt: skip


async def test_a_miss_that_chance_may_have_made_is_told_to_nobody(ground: Ground) -> None:
    one, two = [await ground.point() for _ in range(2)]
    await ground.bring(one, [Brought(TODAY - 2, 1.0), Brought(TODAY - 3, 12.0)])
    await ground.bring(two, [Brought(TODAY - 2 - hour % 20, 1.0) for hour in range(900)])
    few, many = await ground.scope(one), await ground.scope(two)
    for scope, terms in ((few, {"threshold": 14.0}), (many, {"threshold": 1200.0})):
        await ground.agree(scope, "k", **terms)

        await stand(ground, scope)

    assert [await standings(ground, one, "k") for one in (few, many)] == [
        [("unknown", 13.0)], [("missed", 900.0)],
    ]  # fmt: skip
    assert [event["scope"] for _, event in await told(ground)] == [many.key]


async def test_one_decision_and_a_day_of_bad_luck_are_told_to_nobody(ground: Ground) -> None:
    one, idle = [await ground.point() for _ in range(2)]
    await ground.bring(one, [Brought(TODAY - 2, 0.0, NAN, 0.0, 0.9)])
    await ground.bring(idle, [Brought(TODAY - 2, 0.0, 0.0, 0.0, 0.9) for _ in range(400)])
    names = ("mean_reward", "net_value", "accuracy", "precision", "log_loss", "mae", "brier",
             "total_reward", "total_net_value")  # fmt: skip
    lonely, unlucky = await ground.scope(one), await ground.scope(idle)
    for name in names:
        terms = {"formula": ScopeFormula(name), "threshold": 0.5}
        if name in {"log_loss", "mae", "brier"}:
            terms["direction"] = Direction.AT_MOST
        await ground.agree(lonely, name, **terms)
    for name, text in (("mean_reward", None), ("x", "reward / decisions")):
        formula = ScopeFormula.EXPRESSION if text else ScopeFormula(name)
        await ground.agree(unlucky, name, formula=formula, expression=text, threshold=1.5)

    for scope in (lonely, unlucky):
        await stand(ground, scope)
    found, idling = await measured(ground, lonely), await measured(ground, unlucky)

    assert await told(ground) == []
    assert {one.missed for one in [*found.values(), *idling.values()]} == {None}
    assert all("1 outcomes" in (found[name].lacking or "") for name in names)
    assert all("of 400 outcomes 0 brought" in (one.lacking or "") for one in idling.values())


async def test_a_formula_that_divides_by_zero_is_unknown_and_says_why(ground: Ground) -> None:
    point = await ground.point()
    await ground.bring(point, [Brought(TODAY - 2, 1.0)])
    scope = await ground.scope(point)
    text = "reward / costed"
    await ground.agree(scope, "k", formula=ScopeFormula.EXPRESSION, expression=text)

    found = (await measured(ground, scope))["k"]
    await stand(ground, scope)

    assert (found.value, found.missed) == (None, None)
    assert "divides by zero" in (found.lacking or "")
    assert await standings(ground, scope, "k") == [("unknown", None)]


async def test_money_that_came_to_differ_is_not_added_up(ground: Ground) -> None:
    one, two = [await ground.point() for _ in range(2)]
    await ground.bring(one, [Brought(TODAY - 2, 1.0)])
    scope = await ground.scope(one, two)
    await ground.agree(scope, "net")
    await ground.agree(scope, "rate", formula=ScopeFormula.CONVERSION_RATE)
    for point, currency in ((one, "AUD"), (two, "EUR")):
        await _agree_at(ground, point, currency)

    found = await measured(ground, scope)

    assert (found["net"].value, found["rate"].value) == (None, 1.0)
    assert f"AUD at {one}; EUR at {two}" in (found["net"].lacking or "")


async def _agree_at(ground: Ground, point: str, currency: str) -> None:
    async with ground.db.transaction(ground.tenant) as session:
        made = Definition(
            tenant_id=ground.tenant, point_id=ground.points[point], key="k", name="K",
            formula=Formula.MEAN_REWARD, direction=Direction.AT_LEAST, threshold=1.0,
            tolerance=0.0, unit=currency,
        )  # fmt: skip
        session.add(made)
        await session.flush()
        session.add(
            Terms(
                tenant_id=ground.tenant, definition_id=made.id, aggregate=Aggregate.MEAN,
                currency=currency,
            )
        )  # fmt: skip
        await session.flush()
        await audit.record(session, Actor.system(ground.tenant), "kpi.agreed", "point")


async def test_gauges_show_what_was_measured_last_and_nothing_that_has_ended(
    ground: Ground,
) -> None:
    scope = await ground.scope(await ground.point())
    await ground.agree(
        scope, "k", formula=ScopeFormula.PUSHED, aggregate=Aggregate.SUM, threshold=10.0, target=20
    )
    registry = CollectorRegistry()
    gauges = ScopeGauges(ground.db, registry)
    for revision, value in enumerate((4.0, 5.0)):
        await say(ground, scope, "k", value, revision)
        await stand(ground, scope)

    await gauges.count()
    lines = [one for one in generate_latest(registry).decode().splitlines() if scope.key in one]

    shown = {one.partition("{")[0]: float(one.rpartition(" ")[2]) for one in lines}
    assert shown.pop("modelward_kpi_scope_measured_timestamp_seconds") > 0
    assert shown == {
        "modelward_kpi_scope_value": 5.0, "modelward_kpi_scope_threshold": 10.0,
        "modelward_kpi_scope_target": 20.0, "modelward_kpi_scope_missed": 1.0,
        "modelward_kpi_scope_unmeasured": 0.0,
    }  # fmt: skip
    async with ground.db.transaction(ground.tenant) as session:
        await service.end(session, scope.key, expected=1, by=ground.actor())
    await gauges.count()
    assert scope.key not in generate_latest(registry).decode()
