"""Plans of several segments, over HTTP: who answers for whom, and why."""

from collections import Counter
from typing import Any

import httpx
import pytest

from app.client import Problem
from tests.live import Live, champion, open_activation, ready_to_commit, released, roll_back
from tests.platform.wire import problem_of
from tests.routing.plans import Cast, cast, split
from tests.system.traffic import wait_for

UNITS = [f"unit-{number}" for number in range(200)]
VIC = {"==": [{"var": "region"}, "vic"]}


@pytest.fixture(scope="module")
def at(live: Live) -> Cast:
    return cast(live)


def test_the_first_segment_that_takes_a_unit_answers(at: Cast) -> None:
    even = split(at, champion=1)
    at.put({"segments": [{"name": "vic", "when": VIC, "strategy": even}, {"name": "rest"}]})

    in_vic = Counter(at.route(unit, context={"region": "vic"})["arm"] for unit in UNITS)
    elsewhere = [at.route(unit, context={"region": "nsw"}) for unit in UNITS[:20]]
    unknown = at.route("somebody")

    assert set(in_vic) == {"old", "new"}
    assert min(in_vic.values()) > 60
    assert {(answer["arm"], answer["segment"]) for answer in [*elsewhere, unknown]} == {
        ("champion", "rest")
    }
    assert unknown["version"] == at.champion.version
    assert unknown["propensity"] == 1.0


def test_an_arm_is_charted_from_the_plan_on_that_has_it(at: Cast) -> None:
    shadow = at.arm("former", "watching")
    at.put({"segments": [{"strategy": split(at, champion=1)}], "shadows": [shadow]})

    for arm in ("old", "new", "shadow:watching"):
        assert at.live["aud"].get(f"{at.path}/series", arm=arm)["lines"] == []
    with pytest.raises(Problem) as problem:
        at.live["aud"].get(f"{at.path}/series", arm="newer")
    assert {"old", "new", "shadow:watching"} <= set(problem.value.document["known"])


def test_who_has_written_a_plan_is_answered_by_it(at: Cast) -> None:
    for number in range(20):
        written = at.put({"segments": [{"strategy": split(at, champion=number + 1)}]})

        assert at.route("somebody")["plan_revision"] == written["revision"]


def test_who_asks_why_is_told(at: Cast) -> None:
    even = split(at, champion=1)
    at.put({"segments": [{"name": "vic", "when": VIC, "strategy": even}, {"name": "rest"}]})

    taken = at.route("somebody", context={"region": "vic"}, explain=True)
    passed = at.route("somebody", context={"region": "sa"}, explain=True)

    why = taken["explanation"]
    assert (why["segment"], why["of"], why["passed_by"]) == ("vic", 2, [])
    assert why["weights"] == {"old": 1, "new": 1}
    assert ("old", "new")[why["bucket"]] == taken["arm"]
    assert passed["explanation"]["passed_by"] == [{"segment": "vic", "because": "when"}]
    assert "explanation" not in at.route("somebody")


def test_many_are_decided_as_each_would_be(at: Cast) -> None:
    at.put({"segments": [{"strategy": split(at, champion=1)}]})
    units = [{"unit": unit, "context": {"region": "vic"}} for unit in UNITS]

    found = at.live["app"].post(f"{at.path}/route:batch", {"units": units})["decisions"]

    assert [one["arm"] for one in found] == [at.route(unit)["arm"] for unit in UNITS]
    assert len({one["decision_id"] for one in found}) == len(UNITS)
    assert len({one["generation"] for one in found}) == 1
    scored = [
        {"event_id": one["decision_id"], "token": one["token"], "at": "2026-04-07T10:00:00Z",
         "score": 0.5, "features": {}}
        for one in found[:3]
    ]  # fmt: skip
    assert all(event["token"] for event in scored)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "has units"),
        ({"units": []}, "1 to 1,000"),
        ({"units": [{"unit": "u"}] * 1001}, "1 to 1,000"),
        ({"units": [{"unit": "u"}, {"unit": ""}]}, "units[1]: unit is a string"),
        ({"units": [{"unit": "u", "context": 1}]}, "units[0]: context is an object"),
        ({"units": [{"unit": "u", "explain": 1}]}, "units[0]: explain is true or false"),
    ],
)
def test_of_many_the_one_that_is_wrong_is_named(at: Cast, body: Any, says: str) -> None:
    bearer = {"authorization": f"Bearer {at.live.keys['app']}"}
    url = f"{at.live.url}{at.path}/route:batch"

    problem = problem_of(httpx.post(url, json=body, headers=bearer), 422)

    assert says in problem["detail"]
    assert problem["code"] == "bad_route_request"


def test_every_combination_of_levels_is_an_arm_with_its_parameters(at: Cast) -> None:
    models = {
        "name": "model",
        "levels": [at.arm("champion", "old", weight=2), at.arm("challenger", "new")],
    }
    limits = {
        "name": "limit",
        "levels": [
            {"name": "strict", "parameters": {"limit": 0.9}},
            {"name": "lax", "parameters": {"limit": 0.4}},
        ],
    }
    strategy = {"kind": "multivariate", "factors": [models, limits]}
    at.put({"segments": [{"strategy": strategy}]})

    found = {
        answer["arm"]: (answer["model"], answer["parameters"]["limit"], answer["propensity"])
        for answer in map(at.route, UNITS)
    }

    old, new = at.champion.model, at.challenger.model
    assert found == {
        "old.strict": (old, 0.9, pytest.approx(1 / 3)),
        "old.lax": (old, 0.4, pytest.approx(1 / 3)),
        "new.strict": (new, 0.9, pytest.approx(1 / 6)),
        "new.lax": (new, 0.4, pytest.approx(1 / 6)),
    }


def test_parameters_alone_are_tried_on_the_champion(at: Cast) -> None:
    limits = {
        "name": "limit",
        "levels": [
            {"name": "strict", "parameters": {"limit": 0.9}},
            {"name": "lax", "parameters": {"limit": 0.4}},
        ],
    }
    at.put({"segments": [{"strategy": {"kind": "multivariate", "factors": [limits]}}]})

    answers = [at.route(unit) for unit in UNITS[:40]]

    assert {answer["model"] for answer in answers} == {at.champion.model}
    assert {answer["arm"] for answer in answers} == {"strict", "lax"}


def test_who_is_held_out_is_answered_by_the_fallback(at: Cast) -> None:
    at.put({"segments": [{"strategy": split(at)}], "holdout": {"rate": 0.2}})

    answers = {unit: at.route(unit, explain=True) for unit in UNITS}

    held = [one for one in answers.values() if one["arm"] == "holdout"]
    assert 15 < len(held) < 70
    assert {(one["model"], one["segment"], one["propensity"]) for one in held} == {
        (at.former.model, None, 0.2)
    }
    assert all(one["token"] and "stopped" not in one for one in held)
    assert held[0]["explanation"]["why"].startswith("Held out")
    others = {one["arm"]: one["propensity"] for one in answers.values()}
    assert others["old"] == pytest.approx(0.8 * 0.9)


def test_a_holdout_that_no_version_would_answer_is_refused(live: Live) -> None:
    lone = champion(live)
    path = f"/v1/decision-points/{lone.point}"
    for constant in (False, True):
        if constant:
            live["ops"].put(f"{path}/fallback", {"kind": "constant", "constant": "no"})
        plan = {"holdout": {"rate": 0.1}}
        revision = live["ops"].get(f"{path}/plan")["revision"]
        with pytest.raises(Problem) as found:
            live["ops"].put(f"{path}/plan", plan, revision=revision)
        assert (found.value.status, found.value.code) == (409, "holdout_unanswered")
        assert ("A constant" if constant else "Nothing") in found.value.document["detail"]


def test_a_holdout_stays_answered_by_a_version_and_outlives_a_swap(at: Cast) -> None:
    at.put({"segments": [{"strategy": split(at)}], "holdout": {"rate": 0.2}})
    with pytest.raises(Problem) as found:
        at.live["ops"].put(f"{at.path}/fallback", {"kind": "constant", "constant": "no"})
    case = open_activation(at.live, released(at.live, point=at.champion.point))
    ready_to_commit(at.live, case)
    at.live["ops"].post(f"/v1/activations/{case['id']}:commit")
    plan = at.live["ops"].get(f"{at.path}/plan")["spec"]
    held = [one for unit in UNITS if (one := at.route(unit))["arm"] == "holdout"]
    roll_back(at.live, at.champion.point)

    assert (found.value.status, found.value.code) == (409, "holdout_unanswered")
    assert plan["holdout"] == {"rate": 0.2}
    assert [one["strategy"]["kind"] for one in plan["segments"]] == ["champion"]
    assert {one["model"] for one in held} == {at.champion.model}, "who was champion until then"
    assert at.live["ops"].get(f"{at.path}/plan")["spec"]["holdout"] == {"rate": 0.2}


def test_two_points_do_not_take_the_same_share_of_a_layer(live: Live, at: Cast) -> None:
    layer = {"name": "summer", "begin": 0, "end": 5000}
    experiment = {"name": "mine", "layer": layer, "strategy": split(at, champion=1)}
    at.put({"segments": [experiment, {"name": "rest"}]})
    other = cast(live)

    def theirs(begin: int) -> dict[str, Any]:
        share = {"name": "summer", "begin": begin, "end": 10_000}
        arms = split(other, champion=1)
        return {"segments": [{"name": "a", "layer": share, "strategy": arms}, {"name": "rest"}]}

    problem = other.refused(theirs(4999))
    other.put(theirs(5000))
    here = {unit for unit in UNITS if at.route(unit)["arm"] != "champion"}
    there = {unit for unit in UNITS if other.route(unit)["arm"] != "champion"}

    assert problem["code"] == "layer_taken"
    assert problem["taken"] == [{"decision_point": at.champion.point, "segment": "mine", **layer}]
    assert here | there == set(UNITS)
    assert not here & there


def test_a_segment_that_gives_its_champion_less_than_the_others_needs_agreement(at: Cast) -> None:
    all_new = split(at, champion=0)

    row = at.put(
        {"segments": [{"name": "vic", "when": VIC, "strategy": all_new}, {"name": "rest"}]}
    )

    assert row["kind"] == "plan"
    assert at.route("somebody", context={"region": "vic"})["model"] == at.challenger.model


def test_a_stopped_version_is_stopped_in_every_segment(at: Cast) -> None:
    even = split(at, champion=1)
    renamed = {
        "kind": "split",
        "arms": [at.arm("champion", "a", weight=1), at.arm("challenger", "b", weight=1)],
    }
    segments = [{"name": "vic", "when": VIC, "strategy": even}, {"strategy": renamed}]
    at.put({"segments": segments})
    named = {"model": at.challenger.model, "version": at.challenger.version, "reason": "a test"}
    before = {unit: at.route(unit)["arm"] for unit in UNITS[:30]}
    halted = at.live["ops"].post(f"{at.path}:stop", named)
    moved = next(unit for unit, arm in before.items() if arm == "b")
    wait_for(lambda: at.route(moved)["arm"] == "fallback", "the stop", 5)

    in_vic = {at.route(unit, context={"region": "vic"})["arm"] for unit in UNITS}
    elsewhere = {unit: at.route(unit)["arm"] for unit in before}

    assert in_vic == {"old", "fallback"}
    assert elsewhere == {unit: {"a": "a", "b": "fallback"}[arm] for unit, arm in before.items()}
    at.live["ops"].post(f"{at.path}:resume", {"stop_id": halted["id"], "reason": "a test"})
    wait_for(lambda: at.route(moved)["arm"] == "b", "the end of the stop", 5)


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        ({"segments": [{"name": "a", "when": VIC}]}, "the last segment takes all who are left"),
        ({"segments": [{"name": "a"}, {"name": "b"}]}, "no unit gets past segment 'a'"),
        (
            {"segments": [{"name": "a", "when": {"fractional": [1]}}, {"name": "b"}]},
            "when.fractional: no such operation",
        ),
        ({"holdout": {"rate": 0.5}}, "0.2"),
        (
            {"segments": [{"name": "a", "layer": {"name": "x", "begin": 5, "end": 5}}, {}]},
            "the share ends behind its beginning",
        ),
    ],
)
def test_a_plan_that_cannot_be_meant_is_refused_with_its_place(
    at: Cast, plan: Any, says: str
) -> None:
    problem = at.refused(plan)

    assert says in str(problem)
