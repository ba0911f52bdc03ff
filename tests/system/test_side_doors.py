"""Ways around the gates that somebody has tried: each is shut."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from app.platform.embedded import EmbeddedPostgres
from tests.live import (
    Live,
    Place,
    approve,
    evidence,
    lift_control,
    open_activation,
    ready_to_commit,
    released,
)
from tests.system.doors import STEP, newcomer, refused, tomorrow
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


def judge(bank: Live, case: Any, step: str = STEP) -> Any:
    return bank["ops"].post(f"/v1/activations/{case['id']}/steps/{step}:judge")


def test_an_administrator_cannot_become_somebody_who_has_a_key(bank: Live) -> None:
    committee = next(p for p in bank.admin.pages("/v1/principals") if p["name"] == "com")

    again = refused(bank.admin, f"/v1/principals/{committee['id']}:invite")
    both = refused(
        bank.admin, "/v1/principals", {"name": "both", "roles": ["administrator", "developer"]}
    )

    assert (again.code, both.code) == ("beyond_own_rights", "incompatible_roles")


def test_who_opened_the_case_does_not_approve_its_waivers(bank: Live, place: Place) -> None:
    _, _, both = newcomer(bank, "operator", "committee")
    with both:
        opened = both.post(
            "/v1/activations",
            {"model": place.model, "version": place.version, "decision_point": place.point},
        )
        waiver = {"case_id": opened["id"], "step": STEP, "rule": "production_committee"}
        asked = bank["dev"].post("/v1/waivers", {**waiver, "days": 3, "reason": "a favour"})
        own = refused(both, f"/v1/changes/{asked['id']}:approve", {"reason": "gladly"})
        both.post(f"/v1/cases/{opened['id']}:withdraw")
    late = refused(bank["com"], f"/v1/changes/{asked['id']}:approve", {"reason": "late"})

    assert own.code == "self_approval"
    # What was asked for one activation is not granted to the next.
    assert (late.code, late.document["changed"]) == ("approval_void", ["case"])


def test_a_rejected_emergency_is_not_repeated_and_shows_in_the_report(bank: Live) -> None:
    case = open_activation(bank, released(bank))
    path = f"/v1/cases/{case['id']}/steps"
    evidence(bank["ops"], case, STEP, "minutes", {"page": 1})
    taken = bank["ops"].post(f"{path}/{STEP}:break-glass", {"reason": "in a hurry"})
    unreviewed = refused(bank["ops"], f"{path}/{STEP}:break-glass", {"reason": "again"})
    for step in (STEP, "model_deployment"):
        assert judge(bank, case, step)["passed"]
    bank["ops"].post(f"/v1/activations/{case['id']}:commit")
    clean = bank["aud"].get("/v1/adherence")["totals"]["step_unproven"]
    review = {"upheld": False, "review": "nobody was in a hurry"}
    bank["com"].post(f"/v1/waivers/{taken['id']}:review", review)
    found = bank["aud"].get("/v1/adherence")

    assert unreviewed.code == "glass_unreviewed"
    assert (clean, found["totals"]["step_unproven"]) == (0, 1)
    assert refused(bank["ops"], f"{path}/{STEP}:break-glass", {"reason": "x"}).code in {
        "glass_unreviewed", "case_closed",
    }  # fmt: skip


def test_the_breaker_s_own_role_does_not_review_him(bank: Live, case: Any) -> None:
    _, _, breaker = newcomer(bank, "operator", "committee")
    _, friend, stand_in = newcomer(bank, "auditor")
    with breaker, stand_in:
        path = f"/v1/cases/{case['id']}/steps/model_deployment:break-glass"
        taken = breaker.post(path, {"reason": "a test"})
        lent = {"to": friend, "roles": ["committee"], "until": tomorrow(), "reason": "a favour"}
        breaker.post("/v1/delegations", lent)
        review = {"upheld": True, "review": "well done"}
        found = refused(stand_in, f"/v1/waivers/{taken['id']}:review", review)

    assert found.status == 403


def test_a_lent_role_and_its_owner_fill_one_place(bank: Live, place: Place) -> None:
    policy = bank.admin.get("/v1/policies/low")
    gates = policy["body"]["gates"]
    wanted = {**gates[f"activation.{STEP}"], "quorum": [{"role": "committee", "count": 2}]}
    body = {"body": {**policy["body"], "gates": {**gates, f"activation.{STEP}": wanted}}}
    saved = bank.admin.put("/v1/policies/low", body, revision=policy["revision"])
    opened = open_activation(bank, place)
    _, friend, stand_in = newcomer(bank, "validator")
    lent = {"to": friend, "roles": ["committee"], "until": tomorrow(), "reason": "a favour"}
    bank["com"].post("/v1/delegations", lent)
    approve(bank["com"], opened, STEP)
    with stand_in:
        approve(stand_in, opened, STEP)

    verdict = judge(bank, opened)
    bank["ops"].post(f"/v1/cases/{opened['id']}:withdraw")
    bank.admin.put("/v1/policies/low", {"body": policy["body"]}, revision=saved["revision"])

    assert not verdict["passed"]
    assert next(r for r in verdict["results"] if r["rule"] == "quorum")["passed"] is False


def test_old_law_does_not_hold_at_the_swap(bank: Live, case: Any) -> None:
    ready_to_commit(bank, case)
    policy = bank.admin.get("/v1/policies/low")
    edited = {**policy["body"], "revalidate_days": 30}
    bank.admin.put("/v1/policies/low", {"body": edited}, revision=policy["revision"])

    lost = refused(bank["ops"], f"/v1/activations/{case['id']}:commit")

    assert (lost.code, lost.document["changed"]) == ("approval_void", ["policy"])


def test_another_contract_after_the_approval_voids_it(bank: Live) -> None:
    place = released(bank)
    case = open_activation(bank, place)
    ready_to_commit(bank, case)
    point = bank["ops"].get(f"/v1/decision-points/{place.point}")
    contract = {**point["contract"], "latency_ms": point["contract"]["latency_ms"] + 1}
    bank["ops"].patch(
        f"/v1/decision-points/{place.point}", {"contract": contract}, revision=point["revision"]
    )

    lost = refused(bank["ops"], f"/v1/activations/{case['id']}:commit")

    assert (lost.code, lost.document["changed"]) == ("approval_void", ["contract"])


def test_who_has_left_no_longer_approves_and_a_word_taken_back_can_be_given_anew(
    bank: Live, case: Any
) -> None:
    leaver, _, committee = newcomer(bank, "committee")
    with committee:
        approve(committee, case, STEP)
    passed = judge(bank, case)["passed"]
    bank.admin.post(f"/v1/principals/{leaver}:disable")
    without = judge(bank, case)["passed"]
    path = f"/v1/cases/{case['id']}/steps/{STEP}/approvals"
    wrong = bank["com"].post(path, {"approved": False, "reason": "the wrong case"})
    bank["com"].post(f"/v1/approvals/{wrong['id']}:withdraw", {"reason": "the wrong case"})
    approve(bank["com"], case, STEP)

    assert (passed, without, judge(bank, case)["passed"]) == (True, False, True)


def test_the_database_knows_whose_case_an_approval_is_of(bank: Live, case: Any) -> None:
    insert = (
        "INSERT INTO gates_approval (tenant_id, id, case_id, step, approved, reason, principal_id,"
        " person_id, roles, requester_id, developer_id, digest)"
        " SELECT tenant_id, gen_random_uuid(), id, 'x', true, 'x', developer_id, developer_id,"
        " '[]', gen_random_uuid(), gen_random_uuid(), 'x' FROM gates_case WHERE id = %s"
    )

    with (
        psycopg.connect(EmbeddedPostgres(bank.data_dir).url) as connection,
        pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="requester and developer"),
    ):
        connection.execute(insert, (case["id"],))


def test_a_known_issuer_is_matched_by_its_own_ids(bank: Live) -> None:
    account = next(p for p in bank.admin.pages("/v1/principals") if p["name"] == "app")
    rule = {
        "name": "any-push", "provider": "generic", "audience": "modelward",
        "issuer": "https://token.actions.githubusercontent.com", "claims": {"event_name": "push"},
        "principal_id": account["id"], "roles": ["application"],
    }  # fmt: skip

    assert refused(bank.admin, "/v1/trust-rules", rule).code == "unstable_claims"
