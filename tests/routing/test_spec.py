from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.routing.spec import MAX_WEIGHT, Bandit, Champion, Plan, Shadow, Split, VersionArm


def arm(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "model": "price", "version": 1, **more}


def plan(strategy: dict[str, Any], shadows: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"segments": [{"strategy": strategy}], "shadows": shadows or []}


SPLIT = {"kind": "split", "arms": [arm("a", weight=90), arm("b", version=2, weight=10)]}
BANDIT = {"kind": "bandit", "arms": [arm("a"), arm("b", version=2)]}


def test_an_empty_plan_leaves_everything_to_the_champion() -> None:
    assert isinstance(Plan().segments[0].strategy, Champion)
    assert Plan() == Plan.model_validate({}) == Plan.model_validate(plan({"kind": "champion"}))


@pytest.mark.parametrize(("written", "kind"), [(SPLIT, Split), (BANDIT, Bandit)])
def test_a_plan_survives_being_stored(written: dict[str, Any], kind: type) -> None:
    found = Plan.model_validate(plan(written, [arm("s", version=3, rate=0.5)]))

    assert isinstance(found.segments[0].strategy, kind)
    assert Plan.model_validate(found.model_dump(mode="json")) == found
    assert Plan.model_validate_json(found.model_dump_json()) == found


def test_a_bandit_starts_with_the_designs_defaults() -> None:
    found = Bandit.model_validate(BANDIT)

    assert (found.reward, found.floor) == ("binary", 0.01)
    assert (found.burn_in_units, found.burn_in_conversions) == (100, 40)
    assert found.update_seconds == 3600


SPLIT_ARMS: list[Any] = [
    [],
    [arm("a", weight=1)],
    [arm("a", weight=0), arm("b", weight=0)],
    [arm("a", weight=1), arm("a", weight=1)],
    [arm("a", weight=-1), arm("b", weight=2)],
    [arm("a", weight=MAX_WEIGHT + 1), arm("b", weight=1)],
    [arm("a", weight=0.5), arm("b", weight=0.5)],
    [arm("a"), arm("b", weight=1)],
    [arm("a", weight=1, extra=1), arm("b", weight=1)],
    [arm(f"arm-{index}", weight=1) for index in range(21)],
]


@pytest.mark.parametrize("arms", SPLIT_ARMS)
def test_a_split_that_cannot_be_drawn_is_refused(arms: Any) -> None:
    with pytest.raises(ValidationError):
        Plan.model_validate(plan({"kind": "split", "arms": arms}))


@pytest.mark.parametrize(
    "changes",
    [
        {"floor": 0.051},
        {"floor": -0.01},
        {"floor": float("nan")},
        {"reward": "ordinal"},
        {"arms": [arm("a")]},
        {"arms": [arm("a"), arm("a")]},
        {"burn_in_units": -1},
        {"update_seconds": 0},
        {"update_seconds": 86_401},
        {"weight": 1},
    ],
)
def test_a_bandit_out_of_its_bounds_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Plan.model_validate(plan({**BANDIT, **changes}))


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 20), st.floats(0, 0.05))
def test_no_floor_that_is_allowed_promises_more_than_there_is(count: int, floor: float) -> None:
    arms = [arm(f"arm-{index}") for index in range(count)]

    found = Bandit.model_validate({"kind": "bandit", "arms": arms, "floor": floor})

    assert len(found.arms) * found.floor <= 1


@pytest.mark.parametrize("rate", [0, -0.1, 1.01, float("nan")])
def test_a_shadows_rate_is_a_share_above_nothing(rate: float) -> None:
    with pytest.raises(ValidationError):
        Shadow.model_validate(arm("s", rate=rate))


@pytest.mark.parametrize(
    "written",
    [
        plan({"kind": "oracle"}),
        plan({}),
        {"segments": []},
        {"segments": [{}, {}]},
        {"segments": [{"name": "Every One"}]},
        {"segments": [{}], "extra": 1},
        plan(SPLIT, [arm("s"), arm("s", version=2)]),
        plan(SPLIT, [arm(f"s-{index}", version=index + 1) for index in range(11)]),
    ],
)
def test_a_plan_of_another_shape_is_refused(written: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Plan.model_validate(written)


def test_a_version_shadows_a_point_once() -> None:
    # Two events of one version and decision would have one id, and the second would be lost.
    with pytest.raises(ValidationError):
        Plan.model_validate(plan(SPLIT, [arm("s", version=3), arm("t", version=3)]))


def test_no_arm_is_called_what_the_guarded_perimeter_is_called() -> None:
    # Its production traffic would count as rehearsed, and never be watched.
    with pytest.raises(ValidationError):
        VersionArm.model_validate(arm("rehearsal"))


@pytest.mark.parametrize("name", ["", "A", "a b", "a\n", "ä", "x" * 41, "a/b", "shadow:a"])
def test_an_arms_name_needs_no_escaping(name: str) -> None:
    with pytest.raises(ValidationError):
        VersionArm.model_validate(arm(name))


@pytest.mark.parametrize("model", ["", "a b", "a/b", "a\n", "x" * 129, "..\\x", "ä"])
def test_a_models_name_needs_no_escaping(model: str) -> None:
    with pytest.raises(ValidationError):
        VersionArm.model_validate({"name": "a", "model": model, "version": 1})


def crossed(*levels: dict[str, Any]) -> Plan:
    factor = {"name": "limit", "levels": list(levels)}
    return Plan.model_validate(plan({"kind": "multivariate", "factors": [factor]}))


def test_under_other_parameters_the_champion_is_one_of_the_others() -> None:
    as_activated = {"name": "as-is", "weight": 1}
    strict = {"name": "strict", "parameters": {"limit": 0.9}, "weight": 1}

    assert not crossed(as_activated, strict).outweighs("price", 1)
    assert crossed({**as_activated, "weight": 0}, strict).outweighs("price", 1)
    assert crossed(as_activated, {**strict, "weight": 2}).outweighs("price", 1)


@pytest.mark.parametrize("name", ["rehearsal"])
def test_no_combination_is_called_what_the_guarded_perimeter_is_called(name: str) -> None:
    with pytest.raises(ValidationError, match="perimeter"):
        crossed({"name": name}, {"name": "strict"})


def test_who_is_held_out_is_none_of_the_champions() -> None:
    even = [arm("a", weight=1), arm("b", version=2, weight=1)]
    whole = plan({"kind": "split", "arms": even})

    assert not Plan.model_validate(whole).outweighs("price", 1)
    assert Plan.model_validate({**whole, "holdout": {"rate": 0.1}}).outweighs("price", 1)


def test_a_plan_is_immutable() -> None:
    with pytest.raises(ValidationError):
        Plan().shadows = ()  # type: ignore[misc]
