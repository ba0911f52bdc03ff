"""Segments of a region, answered by the versions' instances there."""

from typing import Any

import pytest

from app.client import Problem
from tests.live import Live, Place, open_activation, ready_to_commit, released, roll_back
from tests.routing.plans import Cast, cast

VIC = {"==": [{"var": "region"}, "vic"]}


@pytest.fixture
def at(live: Live) -> Cast:
    return cast(live)


def path(place: Place) -> str:
    return f"/v1/models/{place.model}/versions/{place.version}/instances"


def set_up(live: Live, place: Place, threshold: float, key: str = "vic") -> None:
    """Set a version up for Victoria; an endpoint of its own has only the first."""
    live["dev"].post(
        path(place),
        {
            "key": key,
            "segment": {"state": "VIC"},
            "parameters": {"threshold": threshold},
            "endpoint": f"https://vic.example.com/{place.model}",
        },
    )


def pinned(strategy: dict[str, Any] | None = None) -> dict[str, Any]:
    vic = {"name": "vic", "when": VIC, "instance": "vic"}
    return {"segments": [{**vic, **({"strategy": strategy} if strategy else {})}, {"name": "rest"}]}


def answers(at: Cast) -> tuple[Any, Any]:
    """What a unit is told within the region and elsewhere."""
    return at.route("u", context={"region": "vic"}), at.route("u", context={"region": "nsw"})


def test_a_region_is_answered_by_its_instance(at: Cast) -> None:
    set_up(at.live, at.champion, 0.62)
    at.put(pinned())

    here, there = answers(at)
    flag = f"/ofrep/v1/evaluate/flags/{at.champion.point}"
    context = {"targetingKey": "u", "region": "vic"}
    evaluated = at.live["app"].post(flag, {"context": context})
    file = at.live["app"].get("/flagd/v1/flags.json")["flags"][at.champion.point]

    assert (here["version_id"], here["arm"]) == (there["version_id"], "champion")
    assert here["instance"] == "vic"
    assert here["endpoint"] == f"https://vic.example.com/{at.champion.model}"
    assert here["parameters"]["threshold"] == 0.62
    assert "instance" not in there
    assert there["endpoint"] != here["endpoint"]
    assert evaluated["variant"] == "champion@vic"
    assert evaluated["value"] == file["variants"]["champion@vic"]
    assert file["targeting"]["if"][1:] == ["champion@vic", "champion"]


def test_a_plan_or_a_swap_without_the_instance_is_refused(at: Cast) -> None:
    lacking = at.refused(pinned())
    set_up(at.live, at.champion, 0.62)
    even = [at.arm("champion", "a", weight=1), at.arm("challenger", "b", weight=1)]
    also = at.refused(pinned({"kind": "split", "arms": even}))
    at.put(pinned())
    coming = released(at.live, point=at.champion.point)
    case = open_activation(at.live, coming)
    ready_to_commit(at.live, case)
    with pytest.raises(Problem) as swap:
        at.live["ops"].post(f"/v1/activations/{case['id']}:commit")

    assert lacking["code"] == also["code"] == swap.value.code == "no_instance"
    assert at.champion.model in lacking["detail"]
    assert at.challenger.model in also["detail"]
    assert path(coming) in swap.value.document["mend"]

    set_up(at.live, coming, 0.7)
    ready_to_commit(at.live, case)  # approved without the instance, it is to be approved with it
    at.live["ops"].post(f"/v1/activations/{case['id']}:commit")
    here, _ = answers(at)
    assert (here["model"], here["parameters"]["threshold"]) == (coming.model, 0.7)


def test_a_pin_outlives_the_experiment_and_the_swap(at: Cast) -> None:
    for place in (at.champion, at.challenger):
        set_up(at.live, place, 0.5)
    even = [at.arm("champion", "a", weight=1), at.arm("challenger", "b", weight=1)]
    at.put(pinned({"kind": "split", "arms": even}))
    case = open_activation(at.live, at.challenger)
    ready_to_commit(at.live, case)
    at.live["ops"].post(f"/v1/activations/{case['id']}:commit")

    plan = at.live["ops"].get(f"{at.path}/plan")["spec"]
    here, there = answers(at)

    assert [(one["instance"], one["strategy"]["kind"]) for one in plan["segments"]] == [
        ("vic", "champion"), (None, "champion"),
    ]  # fmt: skip
    assert here["model"] == there["model"] == at.challenger.model
    assert here["instance"] == "vic"


def test_who_stands_in_does_so_as_the_regions_instance(at: Cast) -> None:
    for place, threshold in ((at.champion, 0.5), (at.challenger, 0.6), (at.former, 0.7)):
        set_up(at.live, place, threshold)
    all_new = {"kind": "split", "arms": [at.arm("challenger", "b", weight=1),
                                         at.arm("champion", "a", weight=1)]}  # fmt: skip
    at.put(pinned(all_new))
    named = {"model": at.challenger.model, "version": at.challenger.version, "reason": "a test"}
    at.live["ops"].post(f"{at.path}:stop", named)

    told = [at.route(f"u-{n}", context={"region": "vic"}) for n in range(20)]

    stopped = [one for one in told if one.get("stopped")]
    assert stopped
    assert {(one["model"], one["instance"]) for one in stopped} == {(at.former.model, "vic")}
    assert {one["parameters"]["threshold"] for one in stopped} == {0.7}


def test_an_instance_in_use_is_not_ended_and_none_is_taken_up_unasked(at: Cast) -> None:
    set_up(at.live, at.champion, 0.62)
    at.put(pinned())
    with pytest.raises(Problem) as found:
        at.live["dev"].delete(f"{path(at.champion)}/vic")
    roll_back(at.live, at.champion.point)
    without, _ = answers(at)
    with pytest.raises(Problem) as unasked:
        set_up(at.live, at.former, 0.4)
    at.put({"segments": [{"name": "rest"}]})
    set_up(at.live, at.former, 0.4)
    at.put(pinned())
    taken_up, _ = answers(at)

    for refusal in (found.value, unasked.value):
        assert (refusal.status, refusal.code) == (409, "instance_pinned")
        assert refusal.document["decision_points"] == [at.champion.point]
    assert without["model"] == at.former.model
    assert "instance" not in without, "a rollback is never kept waiting"
    assert (taken_up["instance"], taken_up["parameters"]["threshold"]) == ("vic", 0.4)
    at.put({"segments": [{"name": "rest"}]})
    at.live["dev"].delete(f"{path(at.champion)}/vic")
