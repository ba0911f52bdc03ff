"""Retirement: what nothing needs any more goes; what is known of it stays."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import psycopg
import pytest

from app.client import Client, Problem
from tests.conftest import home
from tests.live import (
    Live,
    Place,
    champion,
    make_model,
    make_point,
    make_version,
    open_activation,
    ready_to_commit,
    released,
    route,
    start,
)
from tests.system.processes import nothing_left
from tests.system.traffic import wait_for
from tests.tenants import database_of

DRAINED = 3
"""Seconds that a table of this module's server may be old."""
REASON = {"reason": "a test"}


@pytest.fixture(scope="module")
def brisk() -> Iterator[Live]:
    """A server whose tables are never as old as by default, so that versions drain sooner."""
    with home() as directory, nothing_left(directory):  # noqa: SIM117 - ended in this order
        with start(directory, table_max_age_seconds=str(DRAINED)) as found:
            yield found


def version_of(place: Place) -> str:
    return f"/v1/models/{place.model}/versions/{place.version}"


def point_of(place: Place) -> str:
    return f"/v1/decision-points/{place.point}"


def retire(client: Client, place: Place, **more: Any) -> Any:
    return client.post(f"{version_of(place)}:retire", {**REASON, **more})


def refused(call: Callable[[], Any]) -> Any:
    with pytest.raises(Problem) as problem:
        call()
    return problem.value.document


def in_the_way(live: Live, place: Place, **more: Any) -> list[str]:
    document = refused(lambda: retire(live["ops"], place, **more))
    assert (document["status"], document["code"]) == (409, "in_use"), document
    assert all(item["mend"] and item["detail"] for item in document["in_the_way"])
    return sorted(item["kind"] for item in document["in_the_way"])


def drained(live: Live, place: Place, **more: Any) -> Any:
    """Retire a version as soon as no table can answer with it any more."""
    answers: list[Any] = []

    def done() -> bool:
        try:
            answers.append(retire(live["ops"], place, **more))
        except Problem as problem:
            kinds = [item["kind"] for item in problem.document["in_the_way"]]
            if kinds != ["draining"]:
                raise
            return False
        return True

    wait_for(done, "drained", DRAINED + 10, every=0.3)
    return answers[-1]


def seated(live: Live, place: Place) -> Any:
    case = open_activation(live, place, role="challenger")
    ready_to_commit(live, case)
    return live["ops"].post(f"/v1/activations/{case['id']}:commit")


def planned(live: Live, place: Place, body: dict[str, Any]) -> Any:
    path = f"{point_of(place)}/plan"
    return live["ops"].put(path, body, revision=live["ops"].get(path)["revision"])


def test_each_obstacle_is_named_with_the_call_that_mends_it(brisk: Live) -> None:
    first = champion(brisk)
    second = released(brisk, point=first.point)
    seat = seated(brisk, second)
    arms = [
        {"name": "old", "model": first.model, "version": first.version, "weight": 1},
        {"name": "new", "model": second.model, "version": second.version, "weight": 1},
    ]
    planned(brisk, first, {"segments": [{"strategy": {"kind": "split", "arms": arms}}]})
    fallback = f"{point_of(first)}/fallback"
    terms = {"kind": "version", "model": second.model, "version": second.version}
    brisk["ops"].put(fallback, terms)

    assert in_the_way(brisk, first) == ["arm", "champion"]
    assert in_the_way(brisk, second) == ["arm", "challenger", "fallback"]
    assert in_the_way(brisk, second, validate_only=True) == ["arm", "challenger", "fallback"]
    listed = brisk["aud"].get(f"{version_of(second)}/dependants")["dependants"]
    assert sorted(one["kind"] for one in listed) == ["arm", "challenger", "fallback"]
    assert {one["weight"] for one in listed} == {"blocks"}

    # A seat whose arm gets traffic is not given back; nor is the champion's.
    unseat = f"{point_of(first)}/seats/{{}}:unseat"
    taken = refused(lambda: brisk["ops"].post(unseat.format(seat["id"]), REASON))
    assert (taken["code"], taken["in_the_way"][0]["name"]) == ("seat_taken", "new")
    seats = brisk["aud"].pages(f"{point_of(first)}/seats")
    throne = next(s["id"] for s in seats if s["role"] == "champion")
    taken = refused(lambda: brisk["ops"].post(unseat.format(throne), REASON))
    assert taken["in_the_way"][0]["kind"] == "champion"

    shadows = [{"name": "watcher", "model": second.model, "version": second.version}]
    planned(brisk, first, {"shadows": shadows})
    given_back = brisk["ops"].post(unseat.format(seat["id"]), REASON)
    assert given_back["until"]
    again = refused(lambda: brisk["ops"].post(unseat.format(seat["id"]), REASON))
    assert again["code"] == "seat_vacant"
    case = brisk["aud"].get(f"/v1/cases/{seat['case_id']}")
    assert case["result"] == "unseated"
    assert in_the_way(brisk, second) == ["fallback", "shadow"]
    planned(brisk, first, {})
    assert in_the_way(brisk, second) == ["fallback"]
    brisk["ops"].put(fallback, {"kind": "previous_champion"}, revision=1)
    assert in_the_way(brisk, second) == ["draining"]
    answer = drained(brisk, second)

    assert (answer["stage"], answer["warnings"]) == ("retired", [])
    check_gone(brisk, second)


def check_gone(live: Live, place: Place) -> None:
    """Nothing new is opened on it, and everything that was is readable."""
    named = {"model": place.model, "version": place.version}
    assert live["aud"].get(version_of(place))["stage"] == "retired"
    assert refused(lambda: live["dev"].post("/v1/validations", named))["code"] == "illegal_move"
    at = {**named, "decision_point": place.point}
    assert refused(lambda: live["dev"].post("/v1/releases", at))["code"] == "illegal_move"
    alias, number = f"/v1/models/{place.model}/aliases/stable", {"number": place.version}
    assert refused(lambda: live["dev"].put(alias, number))["code"] == "version_retired"
    assert refused(lambda: live["ops"].post("/v1/activations", at))["code"] == "not_released"
    shadow = {"shadows": [{"name": "s", **named}]}
    assert refused(lambda: planned(live, place, shadow))["code"] == "not_seated"
    fallback = f"{point_of(place)}/fallback"
    revision = live["aud"].get(fallback)["revision"]
    terms = {"kind": "version", **named}
    denied = refused(lambda: live["ops"].put(fallback, terms, revision=revision))
    assert denied["code"] == "not_a_fallback"
    assert refused(lambda: retire(live["ops"], place))["code"] == "illegal_move"
    history = [e["action"] for e in live["aud"].pages(f"{version_of(place)}/history")]
    assert history[-1] == "version.retired" or "version.retired" in history
    assert live["aud"].get("/v1/cases", **named)["items"]


def test_whoever_was_champion_goes_once_another_is_and_its_cases_with_it(brisk: Live) -> None:
    first = champion(brisk)
    second = champion(brisk, point=first.point)
    brisk["ops"].post(f"{point_of(first)}:stop", REASON)
    # Stopped, it is the one before that answers.
    assert in_the_way(brisk, first) == ["standing_in"]
    brisk["ops"].post(f"{point_of(first)}:resume", REASON)
    other = make_point(brisk)
    named = {"model": first.model, "version": first.version, "decision_point": other}
    case = brisk["dev"].post("/v1/releases", named)
    listed = brisk["aud"].get(f"{version_of(first)}/dependants")["dependants"]
    assert "kept_warm" in {one["kind"] for one in listed if one["weight"] == "warns"}
    answer = drained(brisk, first)

    assert answer["cases"] == [case["id"]]
    assert [one["kind"] for one in answer["warnings"]] == ["kept_warm"]
    assert brisk["aud"].get(f"/v1/cases/{case['id']}")["result"] == "retired"
    # Nobody is left to roll back to, nor to stand in.
    assert brisk["aud"].get(f"{point_of(first)}/fallback")["answers"] is None
    champion_id = brisk["aud"].get(f"{point_of(second)}/champion")["version_id"]
    back = {"instead_of": champion_id, **REASON}
    denied = refused(lambda: brisk["ops"].post(f"{point_of(second)}:rollback", back))
    assert denied["code"] == "nothing_to_roll_back_to"


def test_the_last_champion_of_a_point_goes_by_way_of_a_stop(brisk: Live) -> None:
    place = champion(brisk)
    seat = next(brisk["aud"].pages(f"{point_of(place)}/seats"))
    unseat = f"{point_of(place)}/seats/{seat['id']}:unseat"
    brisk["ops"].put(f"{point_of(place)}/fallback", {"kind": "constant", "constant": 1})
    brisk["ops"].post(f"{point_of(place)}:stop", REASON)
    wait_for(lambda: route(brisk, place.point, "u")["arm"] == "fallback", "the stop", 5)
    brisk["ops"].post(unseat, REASON)
    assert drained(brisk, place)["stage"] == "retired"
    assert route(brisk, place.point, "u")["constant"] == 1


def test_who_decides_downstream_is_listed_whichever_end_says_so(brisk: Live) -> None:
    above = champion(brisk)
    named, naming = make_point(brisk), make_point(brisk)
    set_contract(brisk, above.point, "downstream", named)
    set_contract(brisk, naming, "upstream", above.point)
    listed = brisk["aud"].get(f"{version_of(above)}/dependants")["dependants"]
    downstream = [one for one in listed if one["kind"] == "downstream"]

    assert {one["decision_point"] for one in downstream} == {named, naming}
    assert {one["weight"] for one in downstream} == {"acceptable"}
    assert in_the_way(brisk, above) == ["champion", "downstream", "downstream"]
    assert in_the_way(brisk, above, accept_dependants=True) == ["champion"]


def test_names_targets_and_instances_of_a_version_are_listed_too(brisk: Live) -> None:
    model = make_model(brisk)
    place = Place(model, make_point(brisk), make_version(brisk, model))
    alias = f"/v1/models/{model}/aliases/stable"
    brisk["dev"].put(alias, {"number": place.version})
    target = f"{point_of(place)}/targets/eu-1"
    brisk["ops"].put(target, {"environment": "cloud", "required": False})
    named = {"model": model, "version": place.version, "digest": "sha256:" + "0" * 64}
    brisk["app"].post(f"{target}/reports", {**named, "state": "serving"})
    made = {"key": "nsw", "segment": {"state": "nsw"}, "parameters": {}}
    brisk["dev"].post(f"{version_of(place)}/instances", made)

    listed = brisk["aud"].get(f"{version_of(place)}/dependants")["dependants"]

    assert [(one["kind"], one["weight"]) for one in listed] == [
        ("alias", "blocks"), ("target", "blocks"), ("instance", "warns"),
    ]  # fmt: skip
    assert alias in listed[0]["mend"]
    assert (listed[1]["decision_point"], f"{target}/reports" in listed[1]["mend"]) == (
        place.point, True,
    )  # fmt: skip
    assert f"{version_of(place)}/instances/nsw" in listed[2]["mend"]
    assert in_the_way(brisk, place, accept_dependants=True) == ["alias", "target"]
    make_version(brisk, model)
    brisk["dev"].put(alias, {"number": 2})
    assert in_the_way(brisk, place) == ["target"]
    brisk["app"].post(f"{target}/reports", {**named, "state": "warm"})
    answer = retire(brisk["ops"], place)
    assert [one["kind"] for one in answer["warnings"]] == ["target", "instance"]


def set_contract(live: Live, point: str, end: str, other: str) -> None:
    """Say in a contract what decides before or after, behind everybody's back."""
    with psycopg.connect(database_of(live)) as connection:
        connection.execute(
            "UPDATE catalog_decision_point"
            " SET contract = contract || jsonb_build_object(%s::text, jsonb_build_array(%s::text))"
            " WHERE key = %s",
            (end, other, point),
        )


def test_a_developer_alone_retires_nothing(brisk: Live) -> None:
    model = make_model(brisk)
    place = Place(model, "", make_version(brisk, model))
    for who in ("dev", "val", "aud", "app", "com"):
        denied = refused(partial(retire, brisk[who], place))
        assert denied["code"] == "permission_denied", who
    assert retire(brisk["ops"], place, validate_only=True)["stage"] == "published"
    assert retire(brisk["ops"], place)["stage"] == "retired"
