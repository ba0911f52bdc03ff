"""What scopes come to, against the rows themselves."""

from datetime import UTC, datetime, timedelta
from functools import partial
from math import isclose, sqrt
from typing import Any

import numpy as np
import pytest

from app import audit
from app.kit.actor import Actor
from app.kit.refusal import NotFound
from app.kpi.scopes import agreeing, measuring, service
from app.kpi.scopes.measuring import ScopeMeasured
from app.kpi.scopes.reading import Span, TooMuchToMeasure, read
from app.kpi.scopes.reporting import Report, report
from app.kpi.scopes.rules import (
    MOST_KPIS,
    MOST_SCOPES,
    ScopeFormula,
    ScopeKind,
    TooManyScoped,
)
from app.kpi.scopes.series import ScopeSeries, series
from app.kpi.scopes.tables import Scope
from app.kpi.scopes.withdrawing import TERMS
from app.platform.db import Database
from app.telemetry import HOLDOUT, REHEARSAL, begins, hour_at
from tests.kpi.scopes.grounds import NAN, Brought, Ground, make_ground

pytestmark = pytest.mark.anyio
TODAY = hour_at(datetime.now(UTC)) // 24 * 24
DAYS = 3


@pytest.fixture
async def ground(database: Database) -> Ground:
    return await make_ground(database)


def rows(seed: int, n: int = 200, *, last: int = TODAY, days: int = DAYS) -> list[Brought]:
    """Outcomes of some days, of which not everything is known of each."""
    rng = np.random.default_rng(seed)
    found = []
    for hour in rng.integers(last - 24 * days, last, n):
        score = float(rng.random())
        found.append(
            Brought(
                int(hour),
                round(float(rng.normal(3, 2)), 2) if rng.random() < 0.8 else NAN,
                round(float(rng.gamma(1)), 2) if rng.random() < 0.5 else NAN,
                float(rng.random() < score), score,
            )
        )  # fmt: skip
    return found


async def measured(ground: Ground, scope: Scope, **span: Any) -> dict[str, ScopeMeasured]:
    async with ground.db.session(ground.tenant) as session:
        asked: dict[str, Any] = {"since": None, "until": None, **span}
        return {one.key: one for one in await measuring.measure(session, scope, **asked)}


async def line(ground: Ground, scope: Scope, key: str, **span: Any) -> ScopeSeries:
    asked: dict[str, Any] = {"since": None, "until": None, "bucket_hours": None, **span}
    async with ground.db.session(ground.tenant) as session:
        return await series(session, scope.key, key, **asked, by=ground.actor())


def known(found: list[Brought]) -> np.ndarray[Any, Any]:
    """The net value of each decision of which something is known."""
    net = [np.nan_to_num([one.reward, -one.cost]).sum() for one in found if any(
        not np.isnan(value) for value in (one.reward, one.cost))]  # fmt: skip
    return np.array(net)


async def test_sums_and_means_are_those_of_the_rows_and_parts_add_up(ground: Ground) -> None:
    one, two, silent = [await ground.point() for _ in range(3)]
    here, beside, there = rows(1), rows(2, 50), rows(3, 300)
    await ground.bring(one, here)
    await ground.bring(one, beside, arm=HOLDOUT)
    await ground.bring(two, there)
    # Neither of these decides anything.
    await ground.bring(two, rows(4), arm=REHEARSAL)
    await ground.bring(two, rows(5), arm="shadow:x")
    process = await ground.scope(one)
    whole = await ground.scope(two, silent, processes=[process])
    names = ("total_net_value", "total_reward", "total_cost", "net_value", "mean_reward", "auc")
    for name in names:
        await ground.agree(whole, name, formula=ScopeFormula(name), window_days=DAYS)

    found = await measured(ground, whole)

    every = [*here, *beside, *there]
    net, rewards = known(every), np.array([r.reward for r in every if not np.isnan(r.reward)])
    costs = np.array([r.cost for r in every if not np.isnan(r.cost)])
    expected = {
        "total_net_value": net.sum(), "total_reward": rewards.sum(), "total_cost": costs.sum(),
        "net_value": net.mean(), "mean_reward": rewards.mean(),
    }  # fmt: skip
    for name, value in expected.items():
        assert isclose(found[name].value or NAN, value, rel_tol=1e-9), name
    for name in ("total_net_value", "total_reward", "total_cost"):
        parts = found[name].parts
        assert [part.decision_point for part in parts] == sorted([one, two, silent])
        assert isclose(sum(part.value or 0 for part in parts), expected[name], rel_tol=1e-9)
        assert sum(part.outcomes for part in parts) == found[name].outcomes
    # A mean of the whole weighs its points by their decisions.
    mean = found["mean_reward"]
    weighed = sum((part.value or 0) * part.outcomes for part in mean.parts) / mean.outcomes
    assert isclose(mean.value or NAN, weighed, rel_tol=1e-9)
    assert {p.decision_point: p.value for p in mean.parts}[silent] is None
    error = (found["total_reward"].high or NAN) - (found["total_reward"].value or NAN)
    assert isclose(error, 3 * sqrt((rewards**2).sum()), rel_tol=1e-9)


async def test_a_kpi_is_measured_over_its_own_days_and_over_the_time_asked(ground: Ground) -> None:
    point = await ground.point()
    brought = [Brought(TODAY - 1, 1.0), Brought(TODAY - 25, 10.0), Brought(TODAY - 49, 100.0)]
    await ground.bring(point, [*brought, Brought(TODAY, 1000.0)] * 40)
    scope = await ground.scope(point)
    for days in (1, 2, 3):
        await ground.agree(scope, f"d{days}", window_days=days, threshold=2000.0)
    await ground.agree(scope, "mean", formula=ScopeFormula.MEAN_REWARD, threshold=50.0)
    await ground.agree(scope, "late", wait_days=2)

    stands = await measured(ground, scope)
    since = begins(TODAY - 30, 1)
    asked = await measured(ground, scope, since=since, until=since + timedelta(hours=30))

    assert {key: one.value for key, one in stands.items()} == {
        "d1": 40.0, "d2": 440.0, "d3": 4440.0, "mean": 1.0, "late": 4000.0,
    }  # fmt: skip
    assert [stands[f"d{days}"].missed for days in (1, 2, 3)] == [True, True, False]
    # Its threshold is of so many days, and 30 hours are none of these; a mean is of any time.
    assert {key: (one.value, one.missed) for key, one in asked.items()} == {
        "d1": (440.0, None), "d2": (440.0, None), "d3": (440.0, None), "mean": (5.5, True),
        "late": (440.0, None),
    }  # fmt: skip
    assert "of 1.25" in (asked["d2"].lacking or "")
    assert stands["d2"].until == begins(TODAY, 1)


async def test_a_gain_here_that_costs_there_is_seen_beside_the_time_before(
    ground: Ground,
) -> None:
    one, two = sorted([await ground.point() for _ in range(2)])
    await ground.bring(one, [Brought(TODAY - 30, 10.0), Brought(TODAY - 3, 40.0)])
    await ground.bring(two, [Brought(TODAY - 30, 50.0), Brought(TODAY - 3, 5.0)])
    scope = await ground.scope(one, two)
    await ground.agree(scope, "net")

    # By hours that no day begins with as well.
    spans = [{}, {"since": begins(TODAY - 10, 1), "until": begins(TODAY + 13, 1)}]
    for found in [(await measured(ground, scope, **span, compared=True))["net"] for span in spans]:
        assert (found.before, found.value) == (60.0, 45.0)
        assert [(part.before, part.value) for part in found.parts] == [(10.0, 40.0), (50.0, 5.0)]
    assert (await measured(ground, scope))["net"].before is None


async def test_there_is_an_end_to_what_is_agreed(ground: Ground) -> None:
    scope = await ground.scope(await ground.point())
    for number in range(MOST_KPIS):
        await ground.agree(scope, f"k{number}", formula=ScopeFormula.PUSHED)
    place = {"tenant_id": ground.tenant, "kind": ScopeKind.PROCESS, "name": "s"}
    async with ground.db.transaction(ground.tenant) as session:
        session.add_all(Scope(**place, key=f"s{one}") for one in range(1, MOST_SCOPES))
        await audit.record(session, Actor.system(ground.tenant), "made", "kpi-scope")
    terms = {**dict.fromkeys(TERMS), "formula": ScopeFormula.TOTAL_COST}
    fields = {"kind": ScopeKind.PROCESS, "name": "s", "decision_points": [], "processes": []}

    for call, said in (
        (partial(agreeing.define, scope_key=scope.key, key="more"), terms),
        (partial(service.define, key="more"), fields),
    ):
        with pytest.raises(TooManyScoped):
            async with ground.db.transaction(ground.tenant) as session:
                await call(session, expected=None, fields=said, by=ground.actor())


async def test_what_is_reported_comes_to_its_aggregate_and_the_highest_revision_stands(
    ground: Ground,
) -> None:
    scope = await ground.scope(await ground.point())
    for how in ("sum", "mean", "newest"):
        await ground.agree(scope, how, formula=ScopeFormula.PUSHED, aggregate=how, window_days=2)
    first, second = begins(TODAY - 30, 1), begins(TODAY - 5, 1)
    said = [(first, "", 10.0, 0), (first, "nsw", 999.0, 0), (first, "", 20.0, 1),
            (second, "nsw", 1.0, 0), (second, "vic", 4.0, 0),
            (begins(TODAY - 60, 1), "", 5000.0, 0)]  # fmt: skip
    values = [
        Report(how, at, value, segment, revision)
        for how in ("sum", "mean", "newest")
        for at, segment, value, revision in said
    ]

    async with ground.db.transaction(ground.tenant) as session:
        stored = [await report(session, scope.key, values, by=ground.actor()) for _ in range(2)]
    found = await measured(ground, scope)
    daily = await line(ground, scope, "sum", since=begins(TODAY - 72, 1), until=begins(TODAY, 1))

    assert stored == [len(values), 0]
    assert {key: (one.value, one.outcomes) for key, one in found.items()} == {
        "sum": (25.0, 3), "mean": (25.0 / 3, 3), "newest": (2.5, 3),
    }  # fmt: skip
    assert [one.value for one in daily.figures] == [5000.0, 20.0, 5.0]
    assert (found["sum"].parts, daily.parts) == ([], [])


async def test_a_series_by_day_adds_up_to_the_whole_with_each_point_beside_it(
    ground: Ground,
) -> None:
    one, two = [await ground.point() for _ in range(2)]
    here, there = rows(6), rows(7)
    await ground.bring(one, here)
    await ground.bring(two, there)
    scope = await ground.scope(one, two)
    await ground.agree(scope, "total", window_days=DAYS)
    text = f'reward - cost - point["{one}"].reward + point["{one}"].cost'
    await ground.agree(
        scope, "rest", formula=ScopeFormula.EXPRESSION, expression=text, window_days=DAYS
    )
    span = {"since": begins(TODAY - 24 * 5, 1), "until": begins(TODAY, 1)}

    total, rest = [await line(ground, scope, key, **span) for key in ("total", "rest")]
    found = await measured(ground, scope)

    assert (total.bucket_hours, len(total.figures)) == (24, 5)
    assert [figure.value for figure in total.figures[:2]] == [None, None]
    summed = sum(figure.value or 0 for figure in total.figures)
    assert isclose(summed, found["total"].value or NAN, rel_tol=1e-9)
    assert isclose(summed, known([*here, *there]).sum(), rel_tol=1e-9)
    parts = {part.decision_point: part.figures for part in total.parts}
    assert parts.keys() == {one, two}
    others = {figure.at: figure.value or NAN for figure in parts[two]}
    for figure in rest.figures[2:]:
        assert isclose(figure.value or NAN, others[figure.at], rel_tol=1e-6)
    assert rest.figures[0].lacking == "there are no outcomes of this time"


async def test_no_more_is_read_than_an_answer_may_take(ground: Ground) -> None:
    point = await ground.point()
    await ground.bring(point, rows(8, 50))
    scope = await ground.scope(point)
    await ground.agree(scope, "k", window_days=DAYS)

    async with ground.db.session(ground.tenant) as session:
        spans = [Span(TODAY - 24 * DAYS, TODAY)]
        with pytest.raises(TooMuchToMeasure):
            await read(session, ground.tenant, ground.points, spans, width=24, most=10)
    with pytest.raises(TooMuchToMeasure):
        await line(ground, scope, "k", since=datetime(1980, 1, 1, tzinfo=UTC), bucket_hours=1)
    text = "+".join(["reward"] * 200)
    await ground.agree(scope, "e", formula=ScopeFormula.EXPRESSION, expression=text)
    span = {"since": begins(TODAY - 3000, 1), "until": begins(TODAY, 1), "bucket_hours": 1}
    with pytest.raises(TooMuchToMeasure, match="steps"):
        await line(ground, scope, "e", **span)
    long = await line(ground, scope, "k", since=datetime(1980, 1, 1, tzinfo=UTC))
    assert (long.bucket_hours, len(long.figures) < 1000) == (24 * 28, True)


async def test_a_kpi_that_is_too_wide_keeps_no_other_from_being_measured(ground: Ground) -> None:
    point = await ground.point()
    await ground.bring(point, [Brought(TODAY - 1 - hour, 1.0) for hour in range(24 * 30)])
    scope = await ground.scope(point)
    for key, days, waits in (("day", 1, 0), ("late", 1, 20), ("week", 7, 0), ("wide", 30, 0)):
        await ground.agree(scope, key, window_days=days, wait_days=waits)
    await ground.agree(scope, "said", formula=ScopeFormula.PUSHED, window_days=30)
    text = "pushed['said'] * 2"
    await ground.agree(
        scope, "twice", formula=ScopeFormula.EXPRESSION, expression=text, window_days=30
    )
    async with ground.db.transaction(ground.tenant) as session:
        said = [Report("said", begins(TODAY - 600, 1), 4.0, "", 0)]
        await report(session, scope.key, said, by=ground.actor())

    found = await measured(ground, scope, most=200)
    beside = await measured(ground, scope, most=200, compared=True)
    alone = await measured(ground, scope, most=200, kpi="twice")

    assert {key: one.value for key, one in found.items()} == {
        "day": 24.0, "late": 24.0, "week": 168.0, "wide": None, "said": 4.0, "twice": 8.0,
    }  # fmt: skip
    wide = found["wide"]
    assert (wide.missed, wide.certain, wide.parts) == (None, False, [])
    assert "720 hours of its time hold outcomes, and 200 are read" in (wide.lacking or "")
    assert {key: (one.value, one.before) for key, one in beside.items()} == {
        "day": (24.0, 24.0), "late": (24.0, 24.0), "week": (None, None), "wide": (None, None),
        "said": (4.0, None), "twice": (8.0, None),
    }  # fmt: skip
    assert {key: one.value for key, one in alone.items()} == {"twice": 8.0}
    with pytest.raises(NotFound):
        await measured(ground, scope, kpi="none")


async def test_another_tenant_has_none_of_it(ground: Ground, database: Database) -> None:
    scope = await ground.scope(await ground.point())
    await ground.agree(scope, "k")
    other = await make_ground(database)

    async with other.db.session(other.tenant) as session:
        assert await session.get(Scope, (ground.tenant, scope.id)) is None
        found = await measuring.measure(session, scope, since=None, until=None)
    assert found == []
