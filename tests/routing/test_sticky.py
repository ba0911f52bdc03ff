"""Units that keep their arms by their last tokens, whatever becomes of the weights."""

import re
from typing import Any

import pytest

from tests.live import Live
from tests.routing.plans import Cast, cast, split
from tests.tenants import another

UNITS = [f"unit-{number}" for number in range(60)]


@pytest.fixture(scope="module")
def at(live: Live) -> Cast:
    return cast(live)


def sticky(at: Cast, old: int, new: int, **more: Any) -> dict[str, Any]:
    strategy = split(at, champion=old, challenger=new)
    return {"segments": [{"sticky": True, "strategy": strategy, **more}]}


def given(at: Cast) -> dict[str, Any]:
    """What each unit is told at a plan of 8 to 2."""
    at.put(sticky(at, 8, 2))
    return {unit: at.route(unit) for unit in UNITS}


def forged(at: Cast) -> float:
    found = re.search(
        r"(?m)^modelward_decisions_forged_total (\S+)", at.live["aud"].get("/metrics")
    )
    assert found
    return float(found[1])


def test_who_sends_its_last_token_keeps_its_arm_and_its_chance(at: Cast) -> None:
    before = given(at)
    at.put(sticky(at, 2, 8))

    anew = {unit: at.route(unit) for unit in UNITS}
    kept = {unit: at.route(unit, token=one["token"], explain=True) for unit, one in before.items()}
    again = {unit: at.route(unit, token=one["token"]) for unit, one in kept.items()}
    many = at.live["app"].post(
        f"{at.path}/route:batch",
        {"units": [{"unit": unit, "token": one["token"]} for unit, one in before.items()]},
    )["decisions"]

    moved = [unit for unit in UNITS if anew[unit]["arm"] != before[unit]["arm"]]
    assert len(moved) > 15
    for found in (kept, again, dict(zip(UNITS, many, strict=True))):
        assert [(one["arm"], one["propensity"]) for one in found.values()] == [
            (one["arm"], one["propensity"]) for one in before.values()
        ]
    assert all(one["version_id"] == before[unit]["version_id"] for unit, one in kept.items())
    assert "It keeps 'old'" in kept[moved[0]]["explanation"]["why"]
    assert len({one["decision_id"] for one in (*before.values(), *kept.values())}) == 120


def test_an_openfeature_client_keeps_it_by_its_context(at: Cast) -> None:
    before = given(at)
    at.put(sticky(at, 1, 999))
    flag = f"/ofrep/v1/evaluate/flags/{at.champion.point}"

    for unit, one in list(before.items())[:10]:
        context = {"targetingKey": unit, "token": one["token"]}
        assert at.live["app"].post(flag, {"context": context})["variant"] == one["arm"]
    file = at.live["app"].get("/flagd/v1/flags.json")["flags"][at.champion.point]
    assert file["metadata"]["remoteOnly"], "an edge knows no tokens"


def test_a_token_of_something_else_decides_nothing(at: Cast) -> None:
    before = given(at)
    first, second = (next(u for u in UNITS if before[u]["arm"] == arm) for arm in ("old", "new"))
    at.put(sticky(at, 1, 0))
    count = forged(at)
    altered = before[second]["token"][:-6] + "AAAAAA"

    assert at.route(second, token=before[second]["token"])["arm"] == "old", "it decides no more"
    at.put(sticky(at, 999, 1))
    assert at.route(second, token=before[second]["token"])["arm"] == "new"
    assert at.route(first, token=before[second]["token"])["arm"] == "old", "another unit's"
    assert at.route(second, token=altered)["arm"] == "old"
    assert at.route(second, token=altered[:9])["arm"] == "old"
    assert forged(at) == count + 2


def test_a_token_of_another_tenant_decides_nothing(at: Cast) -> None:
    with another(at.live) as other:
        theirs = cast(other)
        theirs.put(sticky(theirs, 0, 1))
        token = theirs.route(UNITS[0])["token"]
    at.put(sticky(at, 1, 1, salt="theirs"))
    count = forged(at)

    found = at.route(UNITS[0], token=token)

    assert found["arm"] == at.route(UNITS[0])["arm"]
    assert forged(at) == count + 1


def test_a_new_salt_shuffles_those_too_who_have_a_token(at: Cast) -> None:
    before = given(at)
    at.put(sticky(at, 1, 999, salt="anew"))

    found = {unit: at.route(unit, token=one["token"]) for unit, one in before.items()}
    assert {one["arm"] for one in found.values()} == {"new"}
    later = {unit: at.route(unit, token=one["token"]) for unit, one in found.items()}
    at.put(sticky(at, 999, 1, salt="anew"))
    kept = {unit: at.route(unit, token=one["token"]) for unit, one in later.items()}
    assert {one["arm"] for one in kept.values()} == {"new"}


def test_lost_units_are_not_suspected_where_they_keep_their_arms(at: Cast) -> None:
    given(at)

    found = at.live["ops"].get(f"{at.path}/experiments")["experiments"][0]

    assert found["mismatch_p"] is None


def test_what_keeps_its_units_by_itself_is_not_sticky(at: Cast) -> None:
    problem = at.refused({"segments": [{"sticky": True}]})

    assert "a champion strategy is not sticky" in str(problem)
