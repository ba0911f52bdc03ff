"""Formulas: what they come to, what is refused and where, and how sure they are."""

from collections.abc import Callable
from math import isclose, isfinite, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kpi.computed import value
from app.kpi.rules import Formula
from app.kpi.scopes.formula import QUANTITIES, Expression, NotReckoned, Quantities
from app.kpi.scopes.parsing import MAX_LENGTH, BadFormula
from app.kpi.scopes.spread import error_of
from app.telemetry import Performance

NAMES = ("reward", "cost", "decisions", "hits")
AT = {"loans": Performance(reward=7.0, cost=3.0, valued=2, hits=1)}
WHOLE = Performance(reward=19.0, cost=5.0, valued=4, hits=3)
OVER = Quantities(WHOLE, AT, {"complaints": 2.0, "silent": None})

# A formula as text, beside what Python makes of it; nothing where that divides by zero.
Tree = tuple[str, Callable[[], float]]


def leaf(text: str, number: float) -> Tree:
    return text, lambda: number


def joined(parts: tuple[Tree, str, Tree]) -> Tree:
    (left, of_left), sign, (right, of_right) = parts
    ways: dict[str, Callable[[float, float], float]] = {
        "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b,
        "/": lambda a, b: a / b,
    }  # fmt: skip
    return f"({left} {sign}\n {right})", lambda: ways[sign](of_left(), of_right())


LEAVES = st.one_of(
    st.integers(0, 99).map(lambda n: leaf(str(n), float(n))),
    st.floats(0, 1e6).map(lambda n: leaf(repr(n), n)),
    st.sampled_from(NAMES).map(lambda name: leaf(name, float(QUANTITIES[name](WHOLE)))),
    st.sampled_from(NAMES).map(
        lambda name: leaf(f"point['loans'].{name}", float(QUANTITIES[name](AT["loans"])))
    ),
    st.just(leaf('pushed["complaints"]', 2.0)),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(joined),
        inner.map(lambda one: (f"-{one[0]}", lambda: -one[1]())),
    ),
    max_leaves=12,
)


@given(TREES)
def test_a_formula_comes_to_what_python_makes_of_it(tree: Tree) -> None:
    text, reference = tree
    try:
        expected: float | None = reference()
    except (ZeroDivisionError, OverflowError):
        expected = None
    try:
        found: float | None = Expression.read(text).reckon(OVER)
    except NotReckoned:
        found = None

    assert found == expected or expected is None or not isfinite(expected)
    assert expected is not None or found is None


@given(st.text(st.sampled_from("0123456789.eE+-*/()[]\"' \n_abcdefghijklmnoprstuwd,"), max_size=60))
def test_any_text_is_read_or_refused_with_a_place_in_it(text: str) -> None:
    fault: BadFormula | None = None
    try:
        Expression.read(text).reckon(OVER)
    except NotReckoned:
        pass
    except BadFormula as found:
        fault = found

    lines = text.split("\n")
    assert fault is None or 1 <= fault.line <= len(lines)
    assert fault is None or 1 <= fault.column <= len(lines[fault.line - 1]) + 1


def test_signs_bind_as_they_are_taught() -> None:
    ways = {
        "reward - cost - 1": 13.0, "reward - cost * 2": 9.0, "-reward + cost": -14.0,
        "12 / 3 / 2 + reward * 0": 2.0, "min(reward, 3, cost) + max(1, 2)": 5.0,
        "(reward - cost) / decisions": 3.5, " reward*.5 ": 9.5, "1e1 + cost": 15.0,
        'point["loans"].reward - pushed["complaints"] * 12.5': -18.0,
    }  # fmt: skip

    assert {text: Expression.read(text).reckon(OVER) for text in ways} == ways


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("reward / (cost - 5)", "divides by zero, in line 1 at 8"),
        ("1 / (1 / (cost - 5))", "divides by zero"),
        ("reward - pushed['silent']", "nothing was reported of silent"),
        ("point['gone'].reward", "gone is no point of the scope any more"),
        ("1 / (reward * 1e308)", "larger than any number"),
    ],
)
def test_what_cannot_be_reckoned_says_why(text: str, said: str) -> None:
    with pytest.raises(NotReckoned, match=said):
        Expression.read(text).reckon(OVER)


def test_what_is_too_long_or_too_deep_is_refused_and_not_run() -> None:
    for text in ("(" * 5000, "-" * 100 + "1", "reward+" * (MAX_LENGTH // 8) + "1", "1" * 3000):
        with pytest.raises(BadFormula):
            Expression.read(text)


def test_no_formula_turns_more_often_than_is_looked_at() -> None:
    Expression.read("min(reward, " * 16 + "1" + ")" * 16).require(frozenset(), frozenset())
    with pytest.raises(BadFormula, match="more than 16 times"):
        Expression.read("min(reward, " * 17 + "1" + ")" * 17).require(frozenset(), frozenset())


def done(rng: Any, n: int, *, before: bool = False) -> Performance:
    """Outcomes of decisions, or as the release before folded them."""
    rewards = rng.gamma(2.0, 3.0, n)
    known = rng.random(n) < 0.7
    costs = rng.gamma(1.0, 1.0, n)
    hits = int((rng.random(n) < 0.8).sum())
    pairs: dict[str, Any] = {} if before else {
        "paired": int(known.sum()),
        "paired_net_squared": float(((rewards - costs)[known] ** 2).sum()),
        "paired_reward_squared": float((rewards[known] ** 2).sum()),
        "paired_cost_squared": float((costs[known] ** 2).sum()),
    }  # fmt: skip
    return Performance(
        **pairs,
        rewarded=int(known.sum()), reward=float(rewards[known].sum()),
        reward_squared=float((rewards[known] ** 2).sum()), costed=n, cost=float(costs.sum()),
        cost_squared=float((costs**2).sum()), valued=n, labelled=n, hits=hits,
    )  # fmt: skip


def test_a_mean_and_a_share_have_the_errors_of_the_textbook() -> None:
    found = done(np.random.default_rng(1), 500)
    over = Quantities(found, {"a": found}, {})

    mean = error_of(Expression.read("reward / rewarded"), over)
    share = error_of(Expression.read("hits / labelled"), over)

    assert isclose(mean or 0, value(Formula.MEAN_REWARD, found).error or 1, rel_tol=1e-5)
    net = error_of(Expression.read("(reward - cost) / decisions"), over)
    assert isclose(net or 0, value(Formula.NET_VALUE, found).error or 1, rel_tol=0.05)
    rate = found.hits / found.labelled
    assert isclose(share or 0, sqrt(rate * (1 - rate) / found.labelled), rel_tol=1e-5)


@pytest.mark.parametrize(
    ("text", "tight"),
    [
        ("reward / decisions", True),
        ("reward", True),
        ("point['a'].reward / point['b'].reward", True),
        ("reward - 2 * point['b'].reward", True),
        ("cost / decisions * 7 + point['b'].hits / point['b'].labelled", False),
        ("(reward - cost) / decisions", True),
        ("reward - cost * 3", True),
        ("(reward - cost) / decisions", False),
    ],
)
def test_errors_are_what_formulas_differ_by_from_one_run_to_the_next(
    text: str, *, tight: bool
) -> None:
    """Where Σxy of two sums is not known, the error is no smaller than that, and not twice it."""
    rng = np.random.default_rng(2)
    expression = Expression.read(text)
    values, errors = [], []
    for _ in range(1500):
        points = {
            key: done(rng, int(rng.poisson(n)), before=not tight)
            for key, n in (("a", 300), ("b", 200))
        }
        whole = Performance(
            **{
                name: sum(getattr(one, name) for one in points.values())
                for name in ("rewarded", "reward", "reward_squared", "costed", "cost",
                             "cost_squared", "valued", "labelled", "hits")
            }
        )  # fmt: skip
        over = Quantities(whole, points, {})
        values.append(expression.reckon(over))
        errors.append(error_of(expression, over) or 0.0)

    spread, said = float(np.std(values)), float(np.mean(errors))
    assert 0.95 * spread <= said <= (1.06 if tight else 2.0) * spread


def test_what_is_only_reported_is_as_certain_as_it_is_said() -> None:
    assert error_of(Expression.read("pushed['complaints'] * 2"), OVER) is None
