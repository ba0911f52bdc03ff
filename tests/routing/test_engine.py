from collections import Counter

import cbor2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openfeature.contrib.tools.flagd.core.targeting.custom_ops import fractional
from scipy.stats import chisquare

from app.routing.engine import Arm, Branch, Compiled, bounds, cbor_text, salt, watcher
from app.routing.spec import MAX_WEIGHT

ANY = st.characters(exclude_categories=["Cs"])
UNITS = st.text(ANY, min_size=1, max_size=256)
KEYS = st.text("abcXYZ019._@-", min_size=1, max_size=128)
WEIGHTS = st.lists(
    st.integers(0, MAX_WEIGHT) | st.sampled_from([0, 1, 50]), min_size=1, max_size=20
).filter(any)


def arm(name: str, propensity: float = 1.0) -> Arm:
    return Arm(name, name.encode().ljust(16, b"\0"), propensity, "")


def plan(key: str, weights: list[int], rates: tuple[float, ...] = ()) -> Compiled:
    return Compiled(
        key=key,
        fragment="",
        point_id=bytes(16),
        revision=1,
        generation=1,
        salt=salt(key),
        branches=(
            Branch(
                "everyone",
                sum(weights),
                bounds(weights),
                tuple(arm(f"arm-{index}") for index in range(len(weights))),
            ),
        ),
        shadows=tuple(
            watcher(key, arm(f"shadow-{index}", rate), rate) for index, rate in enumerate(rates)
        ),
    )


def assigned(compiled: Compiled, unit: str) -> Arm:
    return compiled.assign(unit, cbor_text(unit), {})


@settings(max_examples=400, deadline=None)
@given(st.text(ANY, max_size=256))
@example("")
@example("a" * 23)
@example("a" * 24)
@example("a" * 255)
@example("a" * 256)
@example("\U0001f600" * 256)
@example("e\u0301\0\x7f")
def test_text_is_encoded_as_canonical_cbor(text: str) -> None:
    assert cbor_text(text) == cbor2.dumps(text, canonical=True)


@settings(max_examples=200, deadline=None)
@given(KEYS, UNITS)
def test_salt_and_unit_are_the_canonical_cbor_of_their_pair(key: str, unit: str) -> None:
    assert salt(key) + cbor_text(unit) == cbor2.dumps([key, unit], canonical=True)


@settings(max_examples=500, deadline=None)
@given(KEYS, WEIGHTS, UNITS)
@example("point", [0, 0, 1, 0], "unit")
@example("point", [MAX_WEIGHT] * 20, "unit")
def test_a_unit_gets_the_arm_that_flagd_gives_it(key: str, weights: list[int], unit: str) -> None:
    compiled = plan(key, weights)
    pairs = [
        [found.name, weight]
        for found, weight in zip(compiled.branches[0].arms, weights, strict=True)
    ]

    expected = fractional({"targetingKey": unit, "$flagd": {"flagKey": key}}, *pairs)

    assert assigned(compiled, unit).name == expected


def test_a_thousand_units_of_one_plan_get_flagds_arms() -> None:
    weights = [5, 0, 1, 0, 4]
    compiled = plan("price-direction", weights)
    pairs = [[f"arm-{index}", weight] for index, weight in enumerate(weights)]
    data = {"$flagd": {"flagKey": "price-direction"}}

    for number in range(1000):
        unit = f"customer-{number}"
        expected = fractional({"targetingKey": unit, **data}, *pairs)
        assert assigned(compiled, unit).name == expected


@pytest.mark.parametrize("weights", [[1, 1], [90, 10], [1, 0, 3, 6], [9_700, 100, 100, 100]])
def test_the_shares_of_many_units_are_the_weights(weights: list[int]) -> None:
    compiled = plan("shares", weights)
    seen = Counter(assigned(compiled, f"unit-{n}").name for n in range(100_000))
    used = [index for index, weight in enumerate(weights) if weight]

    expected = [100_000 * weights[index] / sum(weights) for index in used]
    found = chisquare([seen[f"arm-{index}"] for index in used], expected)

    assert set(seen) == {f"arm-{index}" for index in used}
    assert found.pvalue > 0.001


@settings(max_examples=200, deadline=None)
@given(KEYS, WEIGHTS, UNITS, st.integers(1, 1000))
def test_an_answer_does_not_change_when_asked_again_or_scaled(
    key: str, weights: list[int], unit: str, factor: int
) -> None:
    once = assigned(plan(key, weights), unit)

    assert assigned(plan(key, weights), unit) == once
    lone = [0] * len(weights)
    lone[int(once.name.removeprefix("arm-"))] = factor
    assert assigned(plan(key, lone), unit) == once


@settings(max_examples=200, deadline=None)
@given(UNITS, st.integers(0, 100), st.integers(0, 100))
def test_a_ramp_keeps_every_unit_it_has_taken(unit: str, one: int, two: int) -> None:
    low, high = sorted((one, two))

    before = assigned(plan("ramp", [low, 100 - low]), unit).name
    after = assigned(plan("ramp", [high, 100 - high]), unit).name

    assert not (before == "arm-0" and after == "arm-1")


@pytest.mark.parametrize("rate", [0.01, 0.25, 0.9])
def test_a_shadow_sees_its_share_of_the_units(rate: float) -> None:
    compiled = plan("shadowed", [1], (rate,))

    seen = sum(bool(compiled.watchers(cbor_text(f"unit-{n}"))) for n in range(40_000))

    assert chisquare([seen, 40_000 - seen], [40_000 * rate, 40_000 * (1 - rate)]).pvalue > 0.001


@settings(max_examples=200, deadline=None)
@given(KEYS, UNITS)
def test_a_shadow_of_rate_one_sees_every_unit(key: str, unit: str) -> None:
    assert [seen.name for seen in plan(key, [1], (1.0,)).watchers(cbor_text(unit))] == ["shadow-0"]


def test_what_a_shadow_sees_depends_on_neither_the_arm_nor_the_other_shadows() -> None:
    compiled = plan("layers", [1, 1], (0.5, 0.5))
    cells: Counter[tuple[str, bool, bool]] = Counter()
    for number in range(40_000):
        unit = f"unit-{number}"
        seen = {shadow.name for shadow in compiled.watchers(cbor_text(unit))}
        cells[assigned(compiled, unit).name, "shadow-0" in seen, "shadow-1" in seen] += 1

    assert len(cells) == 8
    assert chisquare(list(cells.values())).pvalue > 0.001


def test_two_points_divide_the_same_units_independently() -> None:
    one, two = plan("first", [1, 1]), plan("second", [1, 1])
    cells = Counter(
        (assigned(one, unit).name, assigned(two, unit).name)
        for unit in (f"unit-{number}" for number in range(40_000))
    )

    assert chisquare(list(cells.values())).pvalue > 0.001
