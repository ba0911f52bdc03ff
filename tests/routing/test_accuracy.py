"""Splits of a million units: shares as written, whatever the plan, and no layer knows another."""

import random
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from scipy.stats import chi2, chi2_contingency

from app.routing import engine
from app.routing.engine import cbor_text
from app.routing.spec import EVERYTHING
from tests.routing.test_parity import compiled, drawn_context, drawn_plan

CORPUS = 50
UNITS = 1_000_000
UNLIKELY = 0.001


def p_of(number: int, units: int) -> float:
    """Return how likely the arms' units are, in all segments of one plan of the corpus together."""
    dice = random.Random(20260712 + number)
    plan = compiled(f"point-{number}", drawn_plan(dice))
    contexts = [drawn_context(dice) for _ in range(997)]
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    held = 0
    for index in range(units):
        unit = f"customer-{index}"
        arm, branch, _ = plan.choose(unit, cbor_text(unit), contexts[index % 997])
        if branch is None:
            held += 1
        else:
            seen[branch.name][arm.name] += 1
    found, freedom = 0.0, 0
    if plan.holdout is not None:
        share = plan.holdout[1].propensity
        found += (held - share * units) ** 2 / (units * share * (1 - share))
        freedom += 1
    for branch in plan.branches:
        total = seen[branch.name].total()
        drawn = [
            (arm.name, weight) for arm, weight in zip(branch.arms, branch.weights, strict=True)
        ]
        expected = {name: total * weight / branch.total for name, weight in drawn if weight}
        assert seen[branch.name].keys() <= expected.keys(), "an arm of weight 0 was given to nobody"
        if len(expected) < 2 or min(expected.values()) < 5:
            continue
        found += sum((seen[branch.name][name] - n) ** 2 / n for name, n in expected.items())
        freedom += len(expected) - 1
    return float(chi2.sf(found, freedom)) if freedom else 1.0


def test_shares_are_as_written_for_some_plans_of_the_corpus() -> None:
    assert min(p_of(number, 50_000) for number in range(5)) > UNLIKELY


@pytest.mark.slow
def test_shares_of_a_million_units_are_as_written_for_every_plan_of_the_corpus() -> None:
    with ProcessPoolExecutor(2) as pool:
        found = list(pool.map(p_of, range(CORPUS), [UNITS] * CORPUS))
    print(f"{CORPUS} plans, {UNITS:,} units each: least p {min(found):.4f}")

    assert min(found) > UNLIKELY
    # Were they too good, the test would not see what it looks for.
    assert np.mean(np.array(found) < 0.5) == pytest.approx(0.5, abs=0.3)


@pytest.mark.slow
def test_layers_salts_and_holdouts_know_nothing_of_each_other() -> None:
    shares = {
        "summer": engine.layer("summer", 0, EVERYTHING // 2, EVERYTHING),
        "winter": engine.layer("winter", 0, EVERYTHING // 2, EVERYTHING),
        "holdout": engine.Share("holdout/price", 0, 50_000, engine.HELD_OUT_OF),
        "other point": engine.Share("holdout/offer", 0, 50_000, engine.HELD_OUT_OF),
    }
    units = [f"customer-{number}" for number in range(UNITS)]
    within = {name: [share.takes(unit) for unit in units] for name, share in shares.items()}
    names = list(shares)
    for index, one in enumerate(names):
        for other in names[index + 1 :]:
            both = Counter(zip(within[one], within[other], strict=True))
            table = [[both[mine, its] for its in (False, True)] for mine in (False, True)]
            assert chi2_contingency(table).pvalue > UNLIKELY, (one, other)
