"""What a version stands on at the swap is what stands now: its validation, release and waivers."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.client import Client, Problem
from tests.live import (
    Live,
    Place,
    approve,
    evidence,
    lift_control,
    make_model,
    make_point,
    make_version,
    open_activation,
    ready_to_commit,
    rehearse,
    release,
    released,
    validate,
    wait_routed,
)
from tests.system.doors import STEP, refused, tomorrow
from tests.tenants import another

RELEASE = ("model_release", "endpoint_identification", "parameter_testing", "kpi_validation")


@pytest.fixture(scope="module")
def bank(live: Live) -> Iterator[Live]:
    with another(live) as found:
        lift_control(found, "policy")
        yield found


def asked(place: Place) -> dict[str, Any]:
    return {"model": place.model, "version": place.version, "decision_point": place.point}


def unrehearsed(bank: Live) -> tuple[Place, Any]:
    """A valid version whose release has begun, without any traffic in the perimeter."""
    model = make_model(bank)
    place = Place(model, make_point(bank), make_version(bank, model))
    validate(bank, model, place.version)
    return place, bank["dev"].post("/v1/releases", asked(place))


def findings(bank: Live, place: Place) -> set[tuple[str, str]]:
    name = f"{place.model}@{place.version} at {place.point}"
    found = bank["aud"].get("/v1/adherence")["findings"]
    return {(item["kind"], item["detail"]) for item in found if item["subject"] == name}


def seated(bank: Live, place: Place) -> None:
    case = open_activation(bank, place)
    ready_to_commit(bank, case)
    bank["ops"].post(f"/v1/activations/{case['id']}:commit")
    wait_routed(bank, place)


def judged(bank: Live, case: Any) -> Any:
    for step in RELEASE:
        bank["ops"].post(f"/v1/releases/{case['id']}/steps/{step}:judge")
    return bank["dev"].get(f"/v1/cases/{case['id']}")


def test_a_rejected_emergency_in_the_release_carries_nothing_into_production(bank: Live) -> None:
    place, case = unrehearsed(bank)
    for step, upheld in (("parameter_testing", True), ("kpi_validation", False)):
        path = f"/v1/cases/{case['id']}/steps/{step}:break-glass"
        taken = bank["ops"].post(path, {"reason": "hurry"})
        review = {"upheld": upheld, "review": "asked who was there"}
        if upheld:
            bank["com"].post(f"/v1/waivers/{taken['id']}:review", review)
    assert judged(bank, case)["result"] == "released"
    seated(bank, place)
    bank["com"].post(f"/v1/waivers/{taken['id']}:review", review)
    lost = refused(bank["ops"], "/v1/activations", {**asked(place), "role": "challenger"})

    assert (lost.code, lost.document["changed"]) == ("approval_void", ["release"])
    assert lost.document["open"] == ["release.kpi_validation"]
    assert ("step_unproven", "release.kpi_validation") in findings(bank, place)


def test_a_waiver_of_the_release_shows_while_the_version_is_in_production(bank: Live) -> None:
    place, case = unrehearsed(bank)
    for step in ("parameter_testing", "kpi_validation"):
        gate = bank["aud"].get("/v1/policies/low")["body"]["gates"][f"release.{step}"]
        for rule in gate["rules"]:
            wanted = {"case_id": case["id"], "step": step, "rule": rule["name"]}
            change = bank["dev"].post("/v1/waivers", {**wanted, "days": 3, "reason": "new"})
            bank["com"].post(f"/v1/changes/{change['id']}:approve", {"reason": "agreed"})
    assert judged(bank, case)["result"] == "released"
    seated(bank, place)
    waived = [detail for kind, detail in findings(bank, place) if kind == "rule_waived"]

    assert waived
    assert all(detail.startswith("release.") for detail in waived)


@pytest.mark.parametrize("what", ["tier", "contract", "policy"])
def test_what_the_release_was_of_stands_at_the_swap(bank: Live, what: str) -> None:
    place = released(bank)
    model, point = f"/v1/models/{place.model}", f"/v1/decision-points/{place.point}"
    policy = bank.admin.get("/v1/policies/low")
    if what == "tier":
        graver = {"risk_tier": "medium", "reason": "more is at stake"}
        bank["val"].put(f"{model}/risk-tier", graver, revision=bank["val"].get(model)["revision"])
    elif what == "contract":
        known = bank["ops"].get(point)
        contract = {**known["contract"], "events_per_minute": 1e6}
        bank["ops"].patch(point, {"contract": contract}, revision=known["revision"])
    else:
        gates = policy["body"]["gates"]
        stricter = {**gates["release.kpi_validation"], "approval_days": 7}
        body = {**policy["body"], "gates": {**gates, "release.kpi_validation": stricter}}
        bank.admin.put("/v1/policies/low", {"body": body}, revision=policy["revision"])
    lost = refused(bank["ops"], "/v1/activations", asked(place))
    if what == "policy":
        now = bank.admin.get("/v1/policies/low")["revision"]
        bank.admin.put("/v1/policies/low", {"body": policy["body"]}, revision=now)

    assert lost.code == "approval_void"
    assert what in lost.document["changed"]


def test_what_changed_since_is_validated_and_released_again(bank: Live) -> None:
    place = released(bank)
    point = f"/v1/decision-points/{place.point}"
    known = bank["ops"].get(point)
    contract = {**known["contract"], "latency_ms": 70}
    bank["ops"].patch(point, {"contract": contract}, revision=known["revision"])
    with pytest.raises(Problem):
        open_activation(bank, place)
    version = {"model": place.model, "version": place.version}
    case = bank["dev"].post("/v1/validations", version)
    step = "technical_validation"
    evidence(bank["val"], case, step, "technical", {"holdout_rows": 200, "reproducible": True})
    approve(bank["val"], case, step)
    assert bank["val"].post(f"/v1/validations/{case['id']}/steps/{step}:judge")["passed"]
    rehearse(bank, place)
    assert release(bank, place)["passed"]
    seated(bank, place)

    assert findings(bank, place) == set()
    assert bank["dev"].get(f"/v1/models/{place.model}/versions/1")["stage"] == "activated"


def limited(bank: Live, name: str, point: str) -> Client:
    path = f"/v1/principals/{bank[name].get('/v1/me')['id']}/keys"
    return Client(bank.url, bank[name].post(path, {"days": 1, "points": [point]})["key"])


def test_a_key_for_other_points_decides_nothing_here(bank: Live) -> None:
    place = released(bank)
    case = open_activation(bank, place)
    step = f"/v1/cases/{case['id']}/steps/{STEP}"
    until = {"to": "val", "roles": ["committee"], "until": tomorrow(), "reason": "x"}
    with limited(bank, "com", "elsewhere") as com, limited(bank, "ops", "elsewhere") as ops:
        found = [
            refused(com, f"{step}/approvals", {"approved": True, "reason": "x"}),
            refused(com, "/v1/delegations", until),
            refused(ops, f"{step}/evidence", {"kind": "k", "payload": {}}),
            refused(ops, f"{step}:break-glass", {"reason": "x"}),
            refused(ops, f"/v1/activations/{case['id']}/steps/{STEP}:judge"),
            refused(ops, "/v1/waivers", {"case_id": case["id"], "step": STEP, "days": 1,
                                         "rule": "production_committee", "reason": "x"}),
            refused(ops, "/v1/approval-requests", {"case_id": case["id"], "step": STEP}),
        ]  # fmt: skip
    with limited(bank, "com", place.point) as here:
        approve(here, case, STEP)

    assert [problem.code for problem in found] == ["out_of_scope"] * len(found)


def test_a_plan_is_not_agreed_to_by_who_developed_what_it_favours(bank: Live) -> None:
    place = released(bank)
    seated(bank, place)
    rights = bank.admin.get("/v1/decision-rights")
    control = rights["body"]["change_control"]
    plan = {"approvals": 1, "roles": ["committee"]}
    body = {"body": {**rights["body"], "change_control": {**control, "plan": plan}}}
    change = bank.admin.put("/v1/decision-rights", body, revision=rights["revision"])
    bank["com"].post(f"/v1/changes/{change['id']}:approve", {"reason": "a test"})
    path = f"/v1/decision-points/{place.point}/plan"
    model = make_model(bank)
    shadow = {"name": "watcher", "model": model, "version": make_version(bank, model)}
    wanted = {"shadows": [shadow]}
    asked = bank["ops"].put(path, wanted, revision=bank["ops"].get(path)["revision"])
    own = refused(bank["dev"], f"/v1/changes/{asked['id']}:approve", {"reason": "mine"})
    done = bank["com"].post(f"/v1/changes/{asked['id']}:approve", {"reason": "agreed"})
    now = bank.admin.get("/v1/decision-rights")["revision"]
    back = bank.admin.put("/v1/decision-rights", {"body": rights["body"]}, revision=now)
    bank["com"].post(f"/v1/changes/{back['id']}:approve", {"reason": "a test"})

    assert (own.code, "sends traffic" in own.document["detail"]) == ("self_approval", True)
    assert done["result"] == "applied"
