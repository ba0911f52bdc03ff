"""An ensemble answers no better than what is inside of it."""

from typing import Any

import pytest

from tests.activation.deploying import commit, events, refused
from tests.catalog import assets
from tests.live import (
    Live,
    Place,
    approve,
    crown,
    evidence,
    make_model,
    make_point,
    make_version,
    open_activation,
    ready_to_commit,
    rehearse,
    release,
    roll_back,
    route,
    validate,
)


def validated(live: Live) -> Place:
    """A version that was validated, and nothing else."""
    model = make_model(live)
    found = Place(model, "", make_version(live, model))
    validate(live, model, found.version)
    return found


def ensemble_of(live: Live, *members: Place, point: str | None = None) -> Place:
    """An ensemble that has passed its release."""
    model = assets.make_model(live, "ensemble")
    named = [{"model": one.model, "version": one.version} for one in members]
    number = make_version(live, model, specifics=assets.specifics("ensemble", members=named))
    found = Place(model, point or make_point(live), number)
    validate(live, model, number)
    rehearse(live, found)
    assert release(live, found)["passed"]
    return found


def retire(live: Live, place: Place) -> None:
    path = f"/v1/models/{place.model}/versions/{place.version}:retire"
    live["ops"].post(path, {"reason": "a test", "accept_dependants": True})


def findings(live: Live, kind: str) -> dict[str, str]:
    found = live["aud"].get("/v1/adherence")["findings"]
    return {one["subject"]: one["detail"] for one in found if one["kind"] == kind}


@pytest.fixture(scope="module")
def good(near: Live) -> Place:
    return validated(near)


def test_an_ensemble_is_not_activated_with_members_nobody_validated(
    near: Live, good: Place
) -> None:
    raw = make_model(near)
    inner = ensemble_of(near, good, Place(raw, "", make_version(near, raw)))
    outer = ensemble_of(near, inner, good)

    denied = refused(lambda: open_activation(near, outer), "members_unfit")

    (named,) = denied["members"]  # inside of a member, too
    assert (named["member"], named["stage"]) == (f"{raw}@1", "published")
    assert named["mend"].startswith(f'POST /v1/validations {{"model": "{raw}", "version": 1}}')
    validate(near, raw, 1)
    assert open_activation(near, outer)["id"]


def test_a_member_lost_before_the_swap_refuses_it(near: Live, good: Place) -> None:
    leaving = validated(near)
    place = ensemble_of(near, good, leaving)
    case = open_activation(near, place)
    ready_to_commit(near, case)
    retire(near, leaving)

    denied = refused(lambda: commit(near, case), "members_unfit")

    (named,) = denied["members"]
    assert (named["member"], named["stage"]) == (f"{leaving.model}@1", "retired")
    assert f"POST /v1/models/{place.model}/versions" in named["mend"]


def test_of_a_member_lost_later_people_are_told_and_adherence_names_it(
    near: Live, good: Place
) -> None:
    leaving = validated(near)
    place = crown(near, ensemble_of(near, good, leaving))
    subject = f"{place.model}@1 at {place.point}"
    assert subject not in findings(near, "member_unfit")

    sent_back(near, leaving)

    assert findings(near, "member_unfit")[subject] == f"its member {leaving.model}@1 is returned"
    (told,) = [
        e["data"]
        for e in events(near, "activation.ensemble.member_lost")
        if e["data"]["point"] == place.point
    ]
    assert (told["model"], told["number"], told["stage"]) == (place.model, 1, "returned")
    assert {person["name"] for person in told["addressees"]} == {"ops", "dev"}
    assert route(near, place.point, "u")["model"] == place.model  # it goes on until people decide
    # Back to it, where another has come since, only if that is said aloud.
    crown(near, ensemble_of(near, good, validated(near), point=place.point))
    denied = refused(lambda: roll_back(near, place.point), "unapproved_version")
    assert denied["invalid"] == [f"its member {leaving.model}@1 is returned"]


def test_a_member_of_what_decides_is_not_retired_however_much_is_accepted(
    near: Live, good: Place
) -> None:
    place = crown(near, ensemble_of(near, good, validated(near)))

    denied = refused(lambda: retire(near, good), "in_use")

    here = [one for one in denied["in_the_way"] if one["decision_point"] == place.point]
    assert [(one["kind"], one["weight"]) for one in here] == [("ensemble", "blocks")]
    assert f"POST /v1/models/{place.model}/versions without it" in here[0]["mend"]


def test_what_was_validated_by_lighter_rules_shows_inside_of_a_graver_ensemble(
    near: Live, good: Place
) -> None:
    other = validated(near)
    place = ensemble_of(near, good, other)
    # What a member is said to be by now was not asked for when it was validated.
    for model, tier in ((place.model, "medium"), (good.model, "high")):
        path, graver = f"/v1/models/{model}", {"risk_tier": tier, "reason": "more is at stake"}
        revision = near["dev"].get(path)["revision"]
        near["dev"].put(f"{path}/risk-tier", graver, revision=revision)
    asked = {"model": place.model, "version": 1, "decision_point": make_point(near)}
    void = refused(lambda: near["dev"].post("/v1/releases", asked), "approval_void")
    validate_graver(near, place)
    case = near["dev"].post("/v1/releases", asked)

    judged = near["ops"].post(f"/v1/releases/{case['id']}/steps/model_release:judge")

    assert (void["changed"], "POST /v1/validations" in void["mend"]) == (["policy", "tier"], True)
    rule = next(one for one in judged["results"] if one["rule"] == "grave_inside")
    assert (rule["passed"], rule["severity"]) == (False, "warn")
    assert any("POST /v1/validations" in call for call in rule["mend"])
    facts = near["aud"].get(f"/v1/cases/{case['id']}")["verdicts"][-1]["facts"]
    assert facts["version"]["lighter_members"] == sorted(
        f"{one.model}@1 (low)" for one in (good, other)
    )
    sent_back(near, other)
    near["ops"].post(f"/v1/releases/{case['id']}/steps/model_release:judge")
    facts = near["aud"].get(f"/v1/cases/{case['id']}")["verdicts"][-1]["facts"]
    assert f"{other.model}@1 (returned)" in facts["version"]["lighter_members"]


def validate_graver(live: Live, place: Place) -> None:
    """The bridge, as the medium tier asks for it."""
    case = live["dev"].post("/v1/validations", {"model": place.model, "version": place.version})
    for step, kind, payload in (
        ("business_validation", "business", {"thresholds_met": True}),
        ("technical_validation", "technical", {"holdout_rows": 200, "reproducible": True}),
    ):
        evidence(live["val"], case, step, kind, payload)
        approve(live["val"], case, step)
        assert live["val"].post(f"/v1/validations/{case['id']}/steps/{step}:judge")["passed"]


def test_a_member_of_what_would_stand_in_is_not_retired_either(near: Live) -> None:
    leaving = validated(near)
    ensemble = crown(near, ensemble_of(near, leaving, validated(near)))
    crown(near, ensemble_of(near, validated(near), validated(near), point=ensemble.point))
    path = f"/v1/decision-points/{ensemble.point}/fallback"
    terms = {"kind": "version", "model": ensemble.model, "version": ensemble.version}
    near["ops"].put(path, terms)

    denied = refused(lambda: retire(near, leaving), "in_use")

    (named,) = denied["in_the_way"]
    assert (named["kind"], named["decision_point"]) == ("ensemble", ensemble.point)
    assert f"PUT {path}" in named["mend"]


def sent_back(live: Live, place: Place) -> Any:
    """The version's own release, elsewhere, ends in data drift."""
    elsewhere = Place(place.model, make_point(live), place.version)
    rehearse(live, elsewhere, shift=3.0)
    verdict = release(live, elsewhere)
    assert verdict["path"] == "data_drift", verdict


def test_an_ensemble_whose_member_is_gone_does_not_stand_in(near: Live) -> None:
    leaving = validated(near)
    first = crown(near, ensemble_of(near, leaving, validated(near)))
    crown(near, ensemble_of(near, validated(near), validated(near), point=first.point))
    path = f"/v1/decision-points/{first.point}/fallback"
    before = near["aud"].get(path)["answers"]
    dependants = near["aud"].get(f"/v1/models/{leaving.model}/versions/1/dependants")["dependants"]
    retire(near, leaving)
    terms = {"kind": "version", "model": first.model, "version": first.version}
    denied = refused(lambda: near["ops"].put(path, terms), "not_a_fallback")

    assert before["model"] == first.model
    (told,) = [one for one in dependants if one["kind"] == "ensemble"]
    assert (told["decision_point"], told["weight"]) == (first.point, "acceptable")
    assert leaving.model in denied["detail"]
    assert near["aud"].get(path)["answers"] is None
