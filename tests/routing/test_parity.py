"""Whole plans give every unit the arm that flagd gives it by the exported file."""

import random
from collections import Counter, defaultdict
from itertools import product
from typing import Any

import pytest
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext
from scipy.stats import chi2_contingency, chisquare

from app.routing import engine
from app.routing.arms import CHAMPION
from app.routing.conditions import compile_condition
from app.routing.engine import Arm, Branch, Compiled, cbor_text
from app.routing.explaining import explanation
from app.routing.flagd import flag_of
from app.routing.spec import EVERYTHING, Plan

REGIONS = ("vic", "nsw", "qld", "sa")
CONDITIONS: list[Any] = [
    {"==": [{"var": "region"}, "vic"]},
    {"in": [{"var": "region"}, ["nsw", "qld"]]},
    {">=": [{"var": "customer.age"}, 40]},
    {"and": [{"var": "vip"}, {"<": [{"var": "customer.age"}, 60]}]},
    {"or": [{"starts_with": [{"var": "targetingKey"}, "unit-1"]}, {"!": {"var": "vip"}}]},
    {"sem_ver": [{"var": "app"}, ">=", "2.0.0"]},
    {"ends_with": [{"var": "targetingKey"}, "7"]},
    {"!==": [{"var": "nobody"}, None]},
]


def compiled(key: str, written: dict[str, Any]) -> Compiled:
    """A plan as it is evaluated, each arm's version in its seat."""
    plan = Plan.model_validate(written)
    branches = []
    for segment in plan.segments:
        arms = segment.strategy.written()
        total = sum(arm.weight for arm in arms)
        branches.append(
            Branch(
                segment.name,
                total,
                engine.bounds([arm.weight for arm in arms]),
                tuple(
                    Arm(
                        arm.name,
                        bytes(16),
                        arm.weight / total,
                        f'"arm":"{arm.name}","model":"{arm.model}"',
                    )
                    for arm in arms
                ),
                segment.when,
                compile_condition(segment.when) if segment.when is not None else None,
                engine.layer(segment.layer.name, segment.layer.begin, segment.layer.end, EVERYTHING)
                if segment.layer
                else None,
                segment.salt,
            )
        )
    holdout = None
    if plan.holdout:
        rate = plan.holdout.rate
        holdout = engine.held_out(key, rate, Arm("holdout", bytes(16), rate, '"arm":"holdout"'))
    return Compiled(key, "", bytes(16), 1, 1, engine.salt(key), tuple(branches), (), holdout)


def arm(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "model": "price", "version": 1, **more}


def drawn_strategy(dice: random.Random, tag: str) -> dict[str, Any]:
    kind = dice.choice(["champion", "split", "split", "multivariate", "bandit"])
    if kind == "champion":
        return {"kind": kind}
    if kind == "multivariate":
        levels = [
            {"name": f"{tag}{n}", "model": "price", "version": n + 1, "weight": dice.randint(0, 9)}
            for n in range(dice.randint(2, 4))
        ]
        levels[0]["weight"] = 3
        strict = [{"name": "lo", "weight": 2}, {"name": "hi", "parameters": {"limit": 0.9}}]
        return {
            "kind": kind,
            "factors": [{"name": "model", "levels": levels}, {"name": "limit", "levels": strict}],
        }
    names = [f"{tag}{n}" for n in range(dice.randint(2, 6))]
    if kind == "bandit":
        return {"kind": kind, "arms": [arm(name) for name in names]}
    weights = [dice.choice([0, 1, 5, 50, 97, 1000]) for _ in names]
    weights[dice.randrange(len(weights))] = 7
    return {"kind": kind, "arms": [arm(n, weight=w) for n, w in zip(names, weights, strict=True)]}


def drawn_plan(dice: random.Random) -> dict[str, Any]:
    """A plan of one to five segments of any kind."""
    segments = []
    for number in range(dice.randrange(5)):
        segment: dict[str, Any] = {"name": f"s{number}"}
        if dice.random() < 0.8:
            segment["when"] = dice.choice(CONDITIONS)
        if "when" not in segment or dice.random() < 0.3:
            begin = dice.randrange(EVERYTHING - 1)
            end = dice.randint(begin + 1, EVERYTHING)
            segment["layer"] = {"name": dice.choice("abc"), "begin": begin, "end": end}
        segments.append(segment)
    segments.append({"name": "rest"})
    for number, segment in enumerate(segments):
        segment["strategy"] = drawn_strategy(dice, "abcdef"[number])
        if dice.random() < 0.4:
            segment["salt"] = dice.choice(["spring", "autumn"])
    plan: dict[str, Any] = {"segments": segments}
    if dice.random() < 0.3:
        plan["holdout"] = {"rate": dice.choice([0.01, 0.05, 0.2])}
    return plan


def drawn_context(dice: random.Random) -> dict[str, Any]:
    context: dict[str, Any] = {
        "region": dice.choice(REGIONS),
        "vip": dice.random() < 0.3,
        "customer": {"age": dice.randint(18, 90)},
        "app": f"{dice.randint(1, 3)}.{dice.randint(0, 9)}.{dice.randint(0, 9)}",
    }
    if dice.random() < 0.1:
        del context["customer"]
    return context


def compare(plans: int, units: int) -> int:
    """Return how many evaluations were the same; fail at the first that is not."""
    dice = random.Random(20260712)
    written = {f"point-{number}": drawn_plan(dice) for number in range(plans)}
    ours = {key: compiled(key, plan) for key, plan in written.items()}
    flagd = FlagdCore()
    flagd.set_flags({"flags": {key: flag_of(plan) for key, plan in ours.items()}})
    same = 0
    for number in range(units):
        unit, context = f"unit-{number}-{dice.randrange(10**6)}", drawn_context(dice)
        asked = EvaluationContext(unit, context)
        for key, plan in ours.items():
            found = flagd.resolve_object_value(key, {}, asked)
            mine = plan.assign(unit, cbor_text(unit), context)
            assert mine.name == found.variant, (written[key], unit, context)
            same += 1
    return same


def test_random_plans_give_flagds_arms() -> None:
    assert compare(plans=50, units=120) == 6_000


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_many_units_of_random_plans_give_flagds_arms() -> None:
    assert compare(plans=50, units=10_000) == 500_000


def test_each_kind_of_plan_is_among_them() -> None:
    dice = random.Random(20260712)
    plans = [Plan.model_validate(drawn_plan(dice)) for _ in range(50)]
    kinds = Counter(segment.strategy.kind for plan in plans for segment in plan.segments)

    assert set(kinds) == {"champion", "split", "multivariate", "bandit"}
    assert sum(plan.holdout is not None for plan in plans) > 5
    assert sum(segment.layer is not None for plan in plans for segment in plan.segments) > 10


LAYERED: dict[str, Any] = {
    "segments": [
        {
            "name": "one",
            "layer": {"name": "x", "begin": 0, "end": 4000},
            "strategy": {"kind": "split", "arms": [arm("a", weight=1), arm("b", weight=1)]},
        },
        {"name": "rest"},
    ]
}


def other(begin: int, end: int, name: str = "x") -> dict[str, Any]:
    first, rest = LAYERED["segments"]
    return {"segments": [{**first, "layer": {"name": name, "begin": begin, "end": end}}, rest]}


def drawn(plan: Compiled, unit: str) -> str:
    return plan.assign(unit, cbor_text(unit), {}).name


def test_experiments_of_one_layer_have_no_unit_in_common() -> None:
    one, two = compiled("first", LAYERED), compiled("second", other(4000, 10_000))
    units = [f"unit-{number}" for number in range(20_000)]
    taken = Counter((drawn(one, unit) != CHAMPION, drawn(two, unit) != CHAMPION) for unit in units)

    assert set(taken) == {(True, False), (False, True)}
    assert chisquare([taken[True, False], taken[False, True]], [8_000, 12_000]).pvalue > 0.001


def test_layers_of_two_names_know_nothing_of_each_other() -> None:
    one, two = compiled("first", LAYERED), compiled("second", other(0, 4000, "y"))
    cells: dict[bool, Counter[bool]] = defaultdict(Counter)
    for number in range(40_000):
        unit = f"unit-{number}"
        cells[drawn(one, unit) != CHAMPION][drawn(two, unit) != CHAMPION] += 1

    table = [[cells[a][b] for b in (False, True)] for a in (False, True)]
    assert chi2_contingency(table).pvalue > 0.001


def test_in_a_layer_the_arms_are_drawn_anew() -> None:
    plan = compiled("first", LAYERED)
    seen = Counter(drawn(plan, f"unit-{number}") for number in range(40_000))

    assert chisquare([seen["a"], seen["b"], seen[CHAMPION]], [8_000, 8_000, 24_000]).pvalue > 0.001


def test_a_holdout_is_its_share_of_every_arms_units() -> None:
    written = {
        "segments": [
            {"strategy": {"kind": "split", "arms": [arm("a", weight=9), arm("b", weight=1)]}}
        ],
        "holdout": {"rate": 0.1},
    }
    whole, held = compiled("p", {"segments": written["segments"]}), compiled("p", written)
    cells = Counter(
        (drawn(whole, unit), drawn(held, unit)) for unit in (f"u-{n}" for n in range(50_000))
    )

    assert all(now in {before, "holdout"} for before, now in cells)
    expected = [4_500, 500]
    found = [cells["a", "holdout"], cells["b", "holdout"]]
    assert chisquare([*found, 50_000 - sum(found)], [*expected, 45_000]).pvalue > 0.001


def test_a_new_salt_shuffles_and_an_old_one_does_not() -> None:
    strategy = {"kind": "split", "arms": [arm("a", weight=1), arm("b", weight=1)]}

    def plan(salt: str | None) -> Compiled:
        return compiled("p", {"segments": [{"strategy": strategy, "salt": salt}]})

    cells = Counter(
        (drawn(plan("spring"), unit), drawn(plan("autumn"), unit), drawn(plan("spring"), unit))
        for unit in (f"u-{number}" for number in range(4_000))
    )

    assert {(one, again) for one, _, again in cells} == {("a", "a"), ("b", "b")}
    shuffled = [cells[one, two, one] for one, two in product("ab", "ab")]
    assert chisquare(shuffled).pvalue > 0.001


def test_who_is_explained_is_who_was_decided() -> None:
    dice = random.Random(5)
    for number in range(60):
        plan = compiled("p", drawn_plan(dice))
        unit, context = f"unit-{number}", drawn_context(dice)
        chosen = plan.assign(unit, cbor_text(unit), context)

        why = explanation(plan, unit, context)

        assert chosen.name in why["why"] or why["segment"] is None
        assert why["weights"][chosen.name] > 0
        assert 0 <= why["bucket"] < why["of"]
        passed = [one["segment"] for one in why["passed_by"]]
        names = [branch.name for branch in plan.branches]
        assert why["segment"] is None or names.index(why["segment"]) == len(passed)
