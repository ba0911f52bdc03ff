"""Instances answer for their version: who approves it approves them as they are."""

from typing import Any

import pytest

from app.client import Client, Problem
from tests.activation.deploying import commit, refused
from tests.live import Live, Place, approve, open_activation, ready_to_commit, released, roll_back
from tests.routing.plans import Cast, cast

EVIL = {"endpoint": "https://elsewhere.example/untested", "parameters": {"threshold": 0}}


def path(place: Place) -> str:
    return f"/v1/models/{place.model}/versions/{place.version}/instances"


def set_up(live: Live, place: Place, **more: Any) -> Any:
    body = {"key": "nsw", "segment": {"state": "NSW"}, "endpoint": "https://nsw.example/score"}
    return live["dev"].post(path(place), {**body, **more})


def swapped(live: Live, place: Place, **more: Any) -> None:
    """The instance is ended and made anew."""
    live["dev"].delete(f"{path(place)}/nsw")
    set_up(live, place, **more)


def pinned(key: str = "nsw") -> dict[str, Any]:
    return {"segments": [{"name": "all", "instance": key, "strategy": {"kind": "champion"}}]}


@pytest.fixture
def at(live: Live) -> Cast:
    return cast(live)


@pytest.mark.parametrize(
    "change",
    [
        {"endpoint": "https://elsewhere.example/untested"},
        {"parameters": {"threshold": 0}},
        {"segment": {"state": "VIC"}},
    ],
)
def test_an_instance_that_changes_after_approval_voids_it(
    live: Live, change: dict[str, Any]
) -> None:
    place = released(live)
    set_up(live, place)
    case = open_activation(live, place)
    ready_to_commit(live, case)

    swapped(live, place, **change)
    problem = refused(lambda: commit(live, case), "approval_void")
    assert problem["changed"] == ["instances"]

    swapped(live, place)
    assert commit(live, case)["version_id"] == case["version_id"], "it is as it was approved"


def test_the_first_and_the_last_instance_are_changes_as_well(live: Live) -> None:
    place = released(live)
    case = open_activation(live, place)
    ready_to_commit(live, case)
    set_up(live, place, **EVIL)
    made = refused(lambda: commit(live, case), "approval_void")

    approve(live["com"], case, "management_and_governance")
    path_ = f"/v1/activations/{case['id']}/steps/management_and_governance:judge"
    assert live["ops"].post(path_)["passed"]
    live["dev"].delete(f"{path(place)}/nsw")
    ended = refused(lambda: commit(live, case), "approval_void")

    assert made["changed"] == ended["changed"] == ["instances"]


def test_who_has_no_part_in_a_model_neither_makes_nor_ends_its_instances(live: Live) -> None:
    place = released(live)
    set_up(live, place)
    body = {"key": "vic", "segment": {"state": "VIC"}}

    with Client(live.url, live.newcomer("developer")[1]) as stranger:
        made = refused(lambda: stranger.post(path(place), body), "not_your_model")
        ended = refused(lambda: stranger.delete(f"{path(place)}/nsw"), "not_your_model")

    assert place.model in made["detail"]
    assert made["status"] == ended["status"] == 403
    assert [one["key"] for one in live["aud"].pages(path(place))] == ["nsw"]


def test_a_change_of_a_plan_shows_the_instances_it_pins_and_goes_stale_with_them(at: Cast) -> None:
    live = at.live
    set_up(live, at.champion, parameters={"threshold": 0.6})
    change = live["ops"].put(f"{at.path}/plan", pinned(), revision=at.revision)
    [shown] = change["after"]["instances"]

    swapped(live, at.champion, **EVIL)
    agree = f"/v1/changes/{change['id']}:approve"
    stale = refused(lambda: live["com"].post(agree, {"reason": "agreed"}), "approval_void")

    assert (shown["model"], shown["key"]) == (at.champion.model, "nsw")
    assert (shown["endpoint"], shown["parameters"], shown["segment"]) == (
        "https://nsw.example/score", {"threshold": 0.6}, {"state": "NSW"},
    )  # fmt: skip
    assert "nsw" in stale["detail"]
    assert "instance" not in at.route("u"), "nothing was pinned"

    at.put(pinned())
    assert at.route("u")["endpoint"] == EVIL["endpoint"], "as it was shown to who agreed"


def test_nobody_puts_an_instance_where_a_plan_would_take_it_up_unasked(at: Cast) -> None:
    live = at.live
    set_up(live, at.champion)
    at.put(pinned())
    former = refused(lambda: set_up(live, at.former, **EVIL), "instance_pinned")
    roll_back(live, at.champion.point)
    present = refused(lambda: set_up(live, at.former, **EVIL), "instance_pinned")
    thrown = refused(lambda: live["dev"].delete(f"{path(at.champion)}/nsw"), "instance_pinned")

    assert former["decision_points"] == present["decision_points"] == [at.champion.point]
    assert thrown["decision_points"] == [at.champion.point], "undoing brings it back as it was"
    assert "instance" not in at.route("u")
    at.put({"segments": [{"name": "all"}]})
    set_up(live, at.former, endpoint="https://former.example/score")
    at.put(pinned())
    assert at.route("u")["endpoint"] == "https://former.example/score"


def test_who_comes_back_as_an_instance_that_nobody_agreed_to_is_said_aloud(at: Cast) -> None:
    live = at.live
    set_up(live, at.former, **EVIL)
    set_up(live, at.champion)
    at.put(pinned())

    with pytest.raises(Problem) as found:
        roll_back(live, at.champion.point)
    roll_back(live, at.champion.point, accept_unapproved=True)

    assert found.value.code == "unapproved_version"
    assert any("nsw" in why for why in found.value.document["invalid"])
    assert at.route("u")["model"] == at.former.model
