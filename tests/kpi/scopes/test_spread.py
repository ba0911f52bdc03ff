"""How far chance moves what formulas come to: the slopes, the bounds, and what they cost."""

import asyncio
from math import isclose, sqrt
from time import monotonic
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.kpi.scopes.formula import QUANTITIES, Expression, NotReckoned, Quantities
from app.kpi.scopes.rules import ScopeFormula
from app.kpi.scopes.series import series
from app.kpi.scopes.spread import error_of
from app.platform.db import Database
from app.telemetry import Performance, begins
from tests.kpi.scopes.grounds import Brought, make_ground
from tests.kpi.scopes.test_formula import TREES, Tree, done
from tests.kpi.scopes.test_measuring import TODAY

EVERY = " + ".join(f"{name} / 7" for name in QUANTITIES)
"""A formula that names all there is."""


@settings(max_examples=200, deadline=None)
@given(TREES)
def test_slopes_are_those_of_differences(tree: Tree) -> None:
    at = {"loans": Performance(reward=7.0, cost=3.0, valued=2, hits=1)}
    whole = Performance(reward=19.0, cost=5.0, valued=4, hits=3)
    expression = Expression.read(tree[0])
    try:
        slopes = expression.slopes(Quantities(whole, at, {"complaints": 2.0}))
        for leaf, slope in slopes.items():
            step = 1e-6
            above, below = (
                expression.reckon(Quantities(whole, at, {"complaints": 2.0}, {leaf: sign * step}))
                for sign in (1.0, -1.0)
            )
            scale = max(abs(above), abs(slope), 1.0)
            near = isclose((above - below) / (2 * step), slope, rel_tol=1e-3, abs_tol=1e-6 * scale)
            assert near or scale > 1e5, "what is that steep is rounded away"
    except NotReckoned:
        return


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-50, 50), st.integers(-50, 50), st.integers(0, 1), st.booleans()),
        min_size=1, max_size=30,
    ),
    st.lists(st.integers(-3, 3), min_size=3, max_size=3),
)  # fmt: skip
def test_an_error_is_never_smaller_than_that_of_any_decisions_of_these_sums(
    rows: list[tuple[int, int, int, bool]], slopes: list[int]
) -> None:
    """Of terms of opposite slope as well, whatever the sign of what is brought."""
    reward, cost, hit = np.array([row[:3] for row in rows], dtype=float).T
    found = Performance(
        rewarded=len(rows), reward=float(reward.sum()), reward_squared=float((reward**2).sum()),
        costed=len(rows), cost=float(cost.sum()), cost_squared=float((cost**2).sum()),
        valued=len(rows), labelled=len(rows), hits=int(hit.sum()),
    )  # fmt: skip
    a, b, c = slopes
    text = f"reward * ({a}) + cost * ({b}) + hits * ({c})".replace("(-", "(0-")

    error = error_of(Expression.read(text), Quantities(found, {"p": found}, {}))

    exact = sqrt(float(((a * reward + b * cost + c * hit) ** 2).sum()))
    assert (error or 0.0) >= exact * (1 - 1e-9)


def sums(rewards: Any, costs: Any = None) -> Performance:
    costs = np.zeros(len(rewards)) if costs is None else costs
    net, squares = rewards - costs, float((rewards**2).sum())
    return Performance(
        rewarded=len(rewards), reward=float(rewards.sum()), reward_squared=squares,
        costed=len(costs), cost=float(costs.sum()), cost_squared=float((costs**2).sum()),
        valued=len(rewards), paired=len(rewards), paired_net_squared=float((net**2).sum()),
        paired_reward_squared=squares,
        paired_cost_squared=float((costs**2).sum()),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "at_least"),
    [
        ("max(reward - 1000, 0)", 1.0),
        ("0 - min(1000 - reward, 0)", 1.0),
        ("max(0, max(reward - 1000, cost - 90000)) * 3 + decisions * 0", 3.0),
        ("max(point['a'].reward - 1000, 0) + max(point['b'].reward - 1000, 0)", 60.0),
        ("max(reward, 1000) / 1000", 1.001),
        ("max(reward - cost - 900, 0)", 1.0),
    ],
)
def test_what_lies_below_its_least_on_a_day_of_bad_luck_is_not_missed_for_certain(
    text: str, at_least: float
) -> None:
    """A reward of 1,050, sd 145; it was told on two days of five."""
    rng = np.random.default_rng(6)
    expression, told = Expression.read(text), 0
    for _ in range(1_000):
        some = [rng.gamma(16, 20 / 16, int(rng.poisson(52.5))) for _ in "ab"]
        points = {"a": sums(some[0], np.full(len(some[0]), 2.0)), "b": sums(some[1])}
        over = Quantities(points["a"], points, {})
        value, error = expression.reckon(over), error_of(expression, over) or 0.0
        told += value + 3 * error < at_least

    assert told <= 4


def test_a_turn_that_is_out_of_reach_makes_no_error_larger() -> None:
    done = sums(np.random.default_rng(1).gamma(16, 1, 100))
    over = Quantities(done, {"a": done}, {})
    for text in ("min({}, 1e9)", "max({}, 0)", "max(min({}, 9e9), -5)", "min(1e9, {}) + max(1, 2)"):
        for inner in ("reward - cost", "reward / rewarded", "3 * reward"):
            plain, turned = (
                error_of(Expression.read(one), over) for one in (inner, text.format(inner))
            )
            assert isclose(plain or 0, turned or 1, rel_tol=1e-9), (text, inner)


def test_a_hundred_points_and_every_quantity_are_reckoned_in_no_time() -> None:
    rng = np.random.default_rng(1)
    heard = {f"p{n}": done(rng, 50) for n in range(2)}
    silent = {f"s{n}": Performance() for n in range(98)}
    whole = Performance(**{name: sum(getattr(one, name) for one in heard.values())
                           for name in ("rewarded", "reward", "valued", "hits")})  # fmt: skip
    over = Quantities(whole, heard | silent, {})
    expression = Expression.read(EVERY)

    began = monotonic()
    errors = [error_of(expression, over) for _ in range(200)]
    took = monotonic() - began

    assert errors[0] == error_of(expression, Quantities(whole, heard, {}))
    assert took < 1.0, "a line of 200 buckets; it was 6 s"


@pytest.mark.anyio
async def test_whoever_asks_while_a_long_line_is_reckoned_is_answered(database: Database) -> None:
    ground = await make_ground(database)
    keys = [await ground.point() for _ in range(40)]
    hours = range(TODAY - 196, TODAY)
    await ground.bring(keys[0], [Brought(hour, 3.0, 1.0, 1.0, 0.7) for hour in hours])
    scope = await ground.scope(*keys)
    named = ", ".join(f'point["{key}"].reward' for key in keys[:30])
    longest = f"{EVERY} + " + named.replace(",", " +")
    await ground.agree(scope, "k", formula=ScopeFormula.EXPRESSION, expression=longest)
    waited = [0.0]

    async def ask_again() -> None:
        while True:
            began = monotonic()
            await asyncio.sleep(0.005)
            waited.append(monotonic() - began)

    asking = asyncio.create_task(ask_again())
    async with ground.db.session(ground.tenant) as session:
        found = await series(
            session, scope.key, "k", since=begins(hours[0], 1), until=begins(TODAY, 1),
            bucket_hours=1, by=ground.actor(),
        )  # fmt: skip
    asking.cancel()

    assert len([one for one in found.figures if one.value is not None]) == len(hours)
    assert max(waited) < 0.5, "it was seconds"
