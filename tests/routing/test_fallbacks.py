"""What may stand in: what was activated here, as it was activated, for as long as it is fit."""

from collections.abc import Callable
from typing import Any

import pytest

from app.client import Problem
from tests.live import (
    Live,
    Place,
    champion,
    crown,
    evidence,
    ready_to_commit,
    released,
    route,
)
from tests.routing.plans import Cast
from tests.system.traffic import wait_for

OBEYED_SECONDS = 5
HANDED = {"endpoint": "https://scoring.example/1", "parameters": {"threshold": 0.5}}
ELSEWHERE = {"endpoint": "https://elsewhere.example/x", "parameters": {"threshold": 0}}
REASON = {"reason": "a test"}
UNITS = [f"unit-{number}" for number in range(60)]


@pytest.fixture(scope="module")
def at(live: Live) -> Cast:
    """A champion, the one before him, and one who was only released."""
    return three(live)


def three(live: Live) -> Cast:
    former = champion(live)
    here = former.point
    return Cast(live, former, champion(live, point=here), released(live, point=here))


def seat(live: Live, place: Place, **handed: Any) -> None:
    """Have a version activated as challenger: it decides nothing until a plan says so."""
    named = {"model": place.model, "version": place.version, "decision_point": place.point}
    case = live["ops"].post("/v1/activations", {**named, "role": "challenger", **handed})
    evidence(live["ops"], case, "model_deployment", "deployment", {"digest": "sha256:" + "0" * 64})
    ready_to_commit(live, case)
    live["ops"].post(f"/v1/activations/{case['id']}:commit")


def declare(at: Cast, place: Place | None, **more: Any) -> Any:
    path = f"{at.path}/fallback"
    named: dict[str, Any] = {"kind": "previous_champion"}
    if place is not None:
        named = {"kind": "version", "model": place.model, "version": place.version}
    revision = at.live["ops"].get(path)["revision"] or None
    return at.live["ops"].put(path, {**named, **more}, revision=revision)


def refused(call: Callable[[], Any]) -> Any:
    with pytest.raises(Problem) as problem:
        call()
    return problem.value.document


def send_back(live: Live, place: Place) -> None:
    """A validator finds that a version is not what it was."""
    case = live["dev"].post("/v1/validations", {"model": place.model, "version": place.version})
    body = {"path": "mathematical_drift", "reason": "its pattern is gone"}
    live["val"].post(f"/v1/validations/{case['id']}:fail", body)


def found(live: Live, kind: str, point: str) -> list[str]:
    """What adherence says of a kind about a point."""
    said = live["aud"].get("/v1/adherence")["findings"]
    return [one["detail"] for one in said if (one["kind"], one["subject"]) == (kind, point)]


def test_who_was_only_released_stands_in_for_nobody_until_he_is_activated(at: Cast) -> None:
    denied = refused(lambda: declare(at, at.challenger, **ELSEWHERE))

    assert (denied["status"], denied["code"]) == (409, "not_a_fallback")
    assert "POST /v1/activations" in denied["mend"]
    assert at.live["aud"].get(f"{at.path}/fallback")["revision"] == 0
    seat(at.live, at.challenger, **HANDED)
    said = declare(at, at.challenger)
    assert said["answers"]["model"] == at.challenger.model
    declare(at, None)


def test_it_answers_as_it_was_activated_and_no_other_address_is_handed_out(at: Cast) -> None:
    others: list[dict[str, Any]] = [
        ELSEWHERE,
        {"endpoint": "https://e.example"},
        {"parameters": {}},
    ]
    for other in others:
        denied = refused(lambda: declare(at, at.challenger, **other))  # noqa: B023 - called at once
        assert (denied["status"], denied["code"]) == (409, "not_as_activated")
        assert denied["endpoint"] == HANDED["endpoint"]
        assert denied["parameters"] == HANDED["parameters"]
        assert "POST /v1/activations" in denied["mend"]

    said = declare(at, at.challenger, **HANDED)
    assert {name: said[name] for name in HANDED} == HANDED
    assert {name: said["answers"][name] for name in HANDED} == HANDED
    at.live["ops"].post(f"{at.path}:stop", REASON)
    wait_for(lambda: at.route("u")["arm"] == "fallback", "the stop", OBEYED_SECONDS)
    answer = at.route("u")
    assert answer["model"] == at.challenger.model
    assert {name: answer[name] for name in HANDED} == HANDED
    at.live["ops"].post(f"{at.path}:resume", REASON)
    declare(at, None)


def test_who_answers_a_holdout_is_changed_by_agreement_alone(at: Cast) -> None:
    live = at.live
    at.put({"holdout": {"rate": 0.2}})
    held = next(unit for unit in UNITS if at.route(unit)["arm"] == "holdout")

    change = declare(at, at.challenger)

    assert (change["kind"], change["target"]) == ("plan", f"fallback of {at.champion.point}")
    assert live["aud"].get(f"{at.path}/fallback")["kind"] == "previous_champion"
    assert at.route(held)["model"] == at.former.model
    own = refused(lambda: live["dev"].post(f"/v1/changes/{change['id']}:approve", REASON))
    assert own["code"] == "self_approval"  # he developed who is to answer
    live["com"].post(f"/v1/changes/{change['id']}:approve", REASON)
    wait_for(
        lambda: at.route(held)["model"] == at.challenger.model, "who stands in", OBEYED_SECONDS
    )
    # Back to nobody by name: who then answers was agreed to as little.
    back = declare(at, None)
    assert str(at.live["dev"].get("/v1/me")["id"]) in back["after"]["barred"]
    live["com"].post(f"/v1/changes/{back['id']}:approve", REASON)
    at.put({})


def test_a_holdout_that_waits_for_agreement_is_answered_by_whom_it_was_asked_with(
    at: Cast,
) -> None:
    path = f"{at.path}/plan"
    plan = {"holdout": {"rate": 0.1}}
    change = at.live["ops"].put(path, plan, revision=at.revision)
    held_out = change["after"]["held_out"]
    assert (held_out["model"], held_out["version"]) == (at.former.model, at.former.version)

    declare(at, at.challenger)

    denied = refused(lambda: at.live["com"].post(f"/v1/changes/{change['id']}:approve", REASON))
    assert (denied["status"], denied["code"]) == (409, "approval_void")
    assert at.live["aud"].get(path)["spec"]["holdout"] is None
    declare(at, None)


def test_who_was_sent_back_answers_no_more_and_adherence_names_him(live: Live) -> None:
    at = three(live)
    former = at.former
    crown(live, at.challenger)
    declare(at, at.former)
    live["ops"].post(f"{at.path}:stop", REASON)
    wait_for(lambda: at.route("u")["model"] == at.former.model, "the stop", OBEYED_SECONDS)
    assert found(live, "fallback_unfit", former.point) == []

    send_back(live, at.former)

    def nobody() -> bool:
        try:
            at.route("u")
        except Problem as problem:
            return problem.code == "stopped"
        return False

    wait_for(nobody, "the end of it", OBEYED_SECONDS)
    assert live["aud"].get(f"{at.path}/fallback")["answers"] is None
    (detail,) = found(live, "fallback_unfit", former.point)
    assert f"{former.model}@1 is returned" in detail
    # Not the champion before either: whom people named answers, or nobody.
    declare(at, None)
    wait_for(lambda: route(live, former.point, "u")["model"] == at.champion.model, "him", 5)
    assert found(live, "fallback_unfit", former.point) == []
    live["ops"].post(f"{at.path}:resume", REASON)
