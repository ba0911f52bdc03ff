"""Who makes deciders, baselines, evidence, thresholds and tiers does not decide on them alone."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from app.client import Client, Problem
from app.platform.embedded import EmbeddedPostgres
from tests.live import (
    Live,
    Place,
    approve,
    champion,
    enthroned,
    evidence,
    lift_control,
    make_model,
    open_activation,
    ready_to_commit,
    released,
    unique,
)
from tests.system.doors import STEP, a_version, newcomer, refused
from tests.tenants import another


@pytest.fixture(scope="module")
def bank(live: Live) -> Iterator[Live]:
    with another(live) as found:
        lift_control(found, "policy")
        yield found


@pytest.fixture(scope="module")
def place(bank: Live) -> Place:
    return released(bank)


@pytest.fixture
def case(bank: Live, place: Place) -> Iterator[Any]:
    found = open_activation(bank, place)
    yield found
    now = bank["ops"].get(f"/v1/cases/{found['id']}")
    if now["closed_at"] is None and now["result"] is None:
        bank["ops"].post(f"/v1/cases/{found['id']}:withdraw")


def test_who_chose_the_baseline_does_not_approve(bank: Live) -> None:
    _, _, both = newcomer(bank, "developer", "validator")
    with both:
        model = make_model(bank)
        made = bank["dev"].post(f"/v1/models/{model}/versions", a_version(model))
        columns = {"x": [float(i) for i in range(200)]}
        both.put(f"/v1/models/{model}/versions/{made['number']}/baseline", {"columns": columns})
        case = bank["dev"].post("/v1/validations", {"model": model, "version": 1})
        path = f"/v1/cases/{case['id']}/steps/technical_validation/approvals"
        lost = refused(both, path, {"approved": True, "reason": "fine bins"})
        me = both.get("/v1/me")["id"]

    assert lost.code == "self_approval"
    assert "chose its baseline" in lost.document["detail"]
    insert = (
        "INSERT INTO gates_approval (tenant_id, id, case_id, step, approved, reason, principal_id,"
        " person_id, roles, requester_id, developer_id, digest)"
        " SELECT tenant_id, gen_random_uuid(), id, 'x', true, 'x', %s, %s, '[]', requester_id,"
        " developer_id, 'x' FROM gates_case WHERE id = %s"
    )
    with (
        psycopg.connect(EmbeddedPostgres(bank.data_dir).url) as connection,
        pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="chose the baseline"),
    ):
        connection.execute(insert, (me, me, case["id"]))


def test_a_gate_may_ask_that_its_evidence_comes_from_another(bank: Live, place: Place) -> None:
    policy = bank.admin.get("/v1/policies/low")
    gates = policy["body"]["gates"]
    apart = {**gates[f"activation.{STEP}"], "apart_from_evidence": True}
    body = {"body": {**policy["body"], "gates": {**gates, f"activation.{STEP}": apart}}}
    saved = bank.admin.put("/v1/policies/low", body, revision=policy["revision"])
    opened = open_activation(bank, place)
    evidence(bank["val"], opened, STEP, "minutes", {"page": 1})

    own = refused(
        bank["val"],
        f"/v1/cases/{opened['id']}/steps/{STEP}/approvals",
        {"approved": True, "reason": "as I said"},
    )
    bank["ops"].post(f"/v1/cases/{opened['id']}:withdraw")
    bank.admin.put("/v1/policies/low", {"body": policy["body"]}, revision=saved["revision"])

    assert own.code == "self_approval"
    assert "supplied its evidence" in own.document["detail"]


@pytest.mark.parametrize("part", ["kpis", "monitor"])
def test_other_thresholds_after_the_approval_void_it(
    bank: Live, case: Any, place: Place, part: str
) -> None:
    ready_to_commit(bank, case)
    point = f"/v1/decision-points/{place.point}"
    if part == "kpis":
        wanted = {"name": "margin", "threshold": -1, "unit": "AUD"}
        bank["ops"].put(f"{point}/kpis/{unique('kpi')}", wanted)
    else:
        bank["ops"].put(f"{point}/monitor", {"psi": 0.9})

    lost = refused(bank["ops"], f"/v1/activations/{case['id']}:commit")

    assert (lost.code, lost.document["changed"]) == ("approval_void", [part])


def test_a_model_is_made_lighter_by_two_and_graver_by_one(bank: Live) -> None:
    place = released(bank)
    opened = open_activation(bank, place)
    ready_to_commit(bank, opened)
    path = f"/v1/models/{place.model}"

    def put(by: Client, tier: str) -> Any:
        revision = by.get(path)["revision"]
        body = {"risk_tier": tier, "reason": "more is at stake"}
        return by.put(f"{path}/risk-tier", body, revision=revision)

    with pytest.raises(Problem) as developer:
        put(bank["ops"], "high")
    graver = put(bank["val"], "high")
    lost = refused(bank["ops"], f"/v1/activations/{opened['id']}:commit")
    asked = put(bank["val"], "low")
    own = refused(bank["val"], f"/v1/changes/{asked['id']}:approve", {"reason": "as I said"})
    # He sits on the committee as well, and developed it.
    dev = refused(bank["dev"], f"/v1/changes/{asked['id']}:approve", {"reason": "harmless"})
    bank["com"].post(f"/v1/changes/{asked['id']}:approve", {"reason": "agreed"})

    assert developer.value.code == "decision_denied"
    assert (graver["risk_tier"], lost.document["changed"]) == ("high", ["tier"])
    assert (own.code, dev.code) == ("self_approval", "self_approval")
    assert bank["dev"].get(path)["risk_tier"] == "low"


def test_rights_can_be_limited_to_models_points_and_tiers(bank: Live, place: Place) -> None:
    rights = bank.admin.get("/v1/decision-rights")
    elsewhere = [
        {"role": "developer", "action": "version.publish", "models": ["another"]},
        {"role": "developer", "action": "model.edit", "tiers": ["high"]},
        {"role": "operator", "action": "point.edit", "points": ["another"]},
    ]
    limited = {item["action"] for item in elsewhere}
    kept = [grant for grant in rights["body"]["grants"] if grant["action"] not in limited]
    body = {"body": {**rights["body"], "grants": [*kept, *elsewhere]}}
    asked = bank.admin.put("/v1/decision-rights", body, revision=rights["revision"])
    bank["com"].post(f"/v1/changes/{asked['id']}:approve", {"reason": "a test"})
    model, point = f"/v1/models/{place.model}", f"/v1/decision-points/{place.point}"
    tries = (
        (bank["dev"], "post", f"{model}/versions", a_version(place.model), None),
        (bank["dev"], "put", f"{model}/aliases/mine", {"number": 1}, None),
        (bank["dev"], "patch", model, {"owner": "dev"}, bank["dev"].get(model)["revision"]),
        (bank["ops"], "patch", point, {"description": "x"}, bank["ops"].get(point)["revision"]),
    )
    found = []
    for by, verb, path, content, revision in tries:
        more = {} if revision is None else {"revision": revision}
        with pytest.raises(Problem) as refusal:
            getattr(by, verb)(path, content, **more)
        found.append((refusal.value.code, refusal.value.document["permission"]))
    now = bank.admin.get("/v1/decision-rights")["revision"]
    back = bank.admin.put("/v1/decision-rights", {"body": rights["body"]}, revision=now)
    bank["com"].post(f"/v1/changes/{back['id']}:approve", {"reason": "a test"})

    assert found == [
        ("decision_denied", "version.publish"), ("decision_denied", "model.edit"),
        ("decision_denied", "model.edit"), ("decision_denied", "point.edit"),
    ]  # fmt: skip


def test_who_may_approve_changes_can_be_limited_to_a_tier(bank: Live) -> None:
    rights = bank.admin.get("/v1/decision-rights")
    control = {
        **rights["body"]["change_control"],
        "policy": {"approvals": 1, "roles": ["validator"]},
    }
    kept = [
        grant
        for grant in rights["body"]["grants"]
        if (grant["action"], grant["role"]) != ("change.approve", "validator")
    ]
    low = {"role": "validator", "action": "change.approve", "tiers": ["low"]}
    body = {"body": {"grants": [*kept, low], "change_control": control}}
    with pytest.raises(Problem) as unreachable:
        bank.admin.put("/v1/decision-rights", body, revision=rights["revision"])
    control["policy"]["roles"] = ["committee", "validator"]
    asked = bank.admin.put("/v1/decision-rights", body, revision=rights["revision"])
    bank["com"].post(f"/v1/changes/{asked['id']}:approve", {"reason": "a test"})

    def edit(tier: str) -> str:
        policy = bank.admin.get(f"/v1/policies/{tier}")
        wanted = {"body": {**policy["body"], "revalidate_days": 99}}
        return str(
            bank.admin.put(f"/v1/policies/{tier}", wanted, revision=policy["revision"])["id"]
        )

    high = refused(bank["val"], f"/v1/changes/{edit('high')}:approve", {"reason": "too grave"})
    done = bank["val"].post(f"/v1/changes/{edit('low')}:approve", {"reason": "mine"})
    now = bank.admin.get("/v1/decision-rights")["revision"]
    back = bank.admin.put("/v1/decision-rights", {"body": rights["body"]}, revision=now)
    bank["com"].post(f"/v1/changes/{back['id']}:approve", {"reason": "a test"})

    assert unreachable.value.code == "bad_rights"
    assert (high.code, high.document["tier"]) == ("decision_denied", "high")
    assert done["result"] == "applied"


def test_the_line_of_business_has_its_say(bank: Live, place: Place) -> None:
    _, _, business = newcomer(bank, "business")
    policy = bank.admin.get("/v1/policies/low")
    gates = policy["body"]["gates"]
    wanted = {**gates[f"activation.{STEP}"], "quorum": [{"role": "business", "count": 1}]}
    body = {"body": {**policy["body"], "gates": {**gates, f"activation.{STEP}": wanted}}}
    saved = bank.admin.put("/v1/policies/low", body, revision=policy["revision"])
    opened = open_activation(bank, place)
    path = f"/v1/activations/{opened['id']}/steps/{STEP}:judge"
    approve(bank["com"], opened, STEP)
    without = bank["ops"].post(path)["passed"]
    with business:
        approve(business, opened, STEP)
        kpi = f"/v1/decision-points/{place.point}/kpis/{unique('kpi')}"
        agreed = business.put(kpi, {"name": "margin", "threshold": 1, "unit": "AUD"})
    approve_again = bank["ops"].post(path)
    bank["ops"].post(f"/v1/cases/{opened['id']}:withdraw")
    bank.admin.put("/v1/policies/low", {"body": policy["body"]}, revision=saved["revision"])

    assert (without, agreed["threshold"]) == (False, 1)
    # The KPI that was agreed on after his word is not the one he gave it on.
    assert not approve_again["passed"]


def test_a_field_that_is_left_alone_is_not_sent_as_null(bank: Live, place: Place) -> None:
    path = f"/v1/models/{place.model}"
    with pytest.raises(Problem) as refusal:
        bank["dev"].patch(path, {"owner": None}, revision=bank["dev"].get(path)["revision"])

    assert refusal.value.status == 422


def test_nobody_goes_back_unasked_to_what_is_no_longer_approved(bank: Live) -> None:
    first = champion(bank)
    champion(bank, point=first.point)
    path = f"/v1/models/{first.model}"
    graver = {"risk_tier": "medium", "reason": "more is at stake"}
    bank["val"].put(f"{path}/risk-tier", graver, revision=bank["val"].get(path)["revision"])
    back = f"/v1/decision-points/{first.point}:rollback"

    body = {"instead_of": enthroned(bank, first.point), "reason": "complaints"}

    lost = refused(bank["ops"], back, body)
    done = bank["ops"].post(back, {**body, "accept_unapproved": True})
    found = bank["aud"].get("/v1/adherence")["findings"]

    assert lost.code == "unapproved_version"
    assert lost.document["invalid"][0] == f"{STEP}: tier changed since"
    below = [why.partition(":")[0] for why in lost.document["invalid"][1:]]
    assert below == ["validation", "release"]
    assert done["version_id"] == bank["dev"].get(f"{path}/versions/1")["id"]
    name = f"{first.model}@{first.version} at {first.point}"
    assert {
        "kind": "approval_invalid",
        "subject": name,
        "detail": lost.document["invalid"][0],
    } in found
