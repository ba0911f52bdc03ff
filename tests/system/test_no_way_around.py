"""What one person may not bring about alone, though each call by itself is his to make."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from app.client import Problem
from app.platform.embedded import EmbeddedPostgres
from tests.live import (
    Live,
    Place,
    approve,
    champion,
    enthroned,
    evidence,
    make_model,
    make_version,
    open_activation,
    ready_to_commit,
    released,
    roll_back,
    unique,
)
from tests.system.doors import STEP, newcomer, refused
from tests.tenants import another

COMMITTEE = "production_committee"


@pytest.fixture(scope="module")
def bank(live: Live) -> Iterator[Live]:
    """A tenant of our own: people leave it, and its rules are edited."""
    with another(live) as found:
        yield found


@pytest.fixture(scope="module")
def place(bank: Live) -> Place:
    return released(bank)


@pytest.fixture
def case(bank: Live, place: Place) -> Iterator[Any]:
    """An activation that waits for its approvals."""
    found = open_activation(bank, place)
    yield found
    if bank["ops"].get(f"/v1/cases/{found['id']}")["closed_at"] is None:
        bank["ops"].post(f"/v1/cases/{found['id']}:withdraw")


def say(client: Any, case: Any, *, approved: bool) -> Any:
    path = f"/v1/cases/{case['id']}/steps/{STEP}/approvals"
    return client.post(path, {"approved": approved, "reason": "a test"})


def judged(bank: Live, case: Any) -> dict[str, Any]:
    """The failed sub-results of the step that block it, by name; none when it is passed."""
    verdict = bank["ops"].post(f"/v1/activations/{case['id']}/steps/{STEP}:judge")
    failed = {
        item["rule"]: item
        for item in verdict["results"]
        if not item["passed"] and item["severity"] == "block"
    }
    assert verdict["passed"] is not any(not item.get("waiver") for item in failed.values())
    return failed


def waive(bank: Live, case: Any, rule: str, *, days: int = 5) -> Any:
    body = {"case_id": case["id"], "step": STEP, "rule": rule, "days": days, "reason": "a test"}
    return bank["ops"].post("/v1/waivers", body)


def test_a_rejection_stands_though_the_rule_is_waived_and_the_glass_broken(
    bank: Live, case: Any
) -> None:
    asked = waive(bank, case, COMMITTEE)
    bank["com"].post(f"/v1/changes/{asked['id']}:approve", {"reason": "for once"})
    assert not {"nobody_rejects"} & judged(bank, case).keys()

    said = say(bank["com"], case, approved=False)
    waived = judged(bank, case)
    bank["ops"].post(
        f"/v1/cases/{case['id']}/steps/{STEP}:break-glass", {"hours": 1, "reason": "a test"}
    )
    broken = judged(bank, case)
    bank["com"].post(f"/v1/approvals/{said['id']}:withdraw", {"reason": "talked about it"})

    assert waived["nobody_rejects"]["waiver"] is None
    assert broken["nobody_rejects"]["waiver"] is None
    assert "nobody_rejects" not in judged(bank, case)


def test_a_rejection_outlasts_new_evidence_and_its_authors_leaving(bank: Live, case: Any) -> None:
    leaver, _, client = newcomer(bank, "committee")
    with client:
        say(client, case, approved=False)
    evidence(bank["ops"], case, STEP, "minutes", {"page": 4})
    say(bank["com"], case, approved=True)

    told = judged(bank, case)
    bank.admin.post(f"/v1/principals/{leaver}:disable")
    gone = judged(bank, case)

    assert told.keys() == gone.keys() == {"nobody_rejects", COMMITTEE}


def test_a_rejection_that_would_stop_nothing_is_refused_and_told_which_would(
    bank: Live, case: Any
) -> None:
    body = {"approved": False, "reason": "it must not go live"}
    path = f"/v1/cases/{case['id']}/steps/model_activation/approvals"
    told = refused(bank["com"], path, body)

    assert (told.status, told.code) == (409, "not_required")
    assert STEP in told.document["required"]
    assert "model_activation" not in told.document["required"]
    # Of what comes after the swap a rejection does not keep from it.
    assert "application_integration" not in told.document["required"]


def test_who_rejected_may_change_his_mind(bank: Live, case: Any) -> None:
    said = say(bank["com"], case, approved=False)
    again = refused(bank["com"], f"/v1/cases/{case['id']}/steps/{STEP}/approvals", {"reason": "x"})
    bank["com"].post(f"/v1/approvals/{said['id']}:withdraw", {"reason": "convinced"})
    say(bank["com"], case, approved=True)

    assert again.code == "already_decided"
    assert judged(bank, case) == {}


def test_who_asks_for_an_approval_does_not_give_it(bank: Live, case: Any) -> None:
    body = {"case_id": case["id"], "step": STEP}
    asked = bank["com"].post("/v1/approval-requests", body)
    path = f"/v1/approval-requests/{asked['id']}"

    own = refused(bank["com"], f"{path}:approve", {"reason": "mine"})
    aside = refused(bank["com"], f"/v1/cases/{case['id']}/steps/{STEP}/approvals", {"reason": "x"})
    with psycopg.connect(EmbeddedPostgres(bank.data_dir).url, connect_timeout=5) as superuser:
        with newcomer(bank, "committee")[2] as other:
            given = say(other, case, approved=True)
        copied = "SELECT * FROM gates_approval WHERE id = %s"
        row = superuser.execute(copied, [given["id"]])
        names = [column.name for column in row.description or ()]
        values = dict(zip(names, row.fetchone() or (), strict=True))
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="who asked"):
            superuser.execute(
                "INSERT INTO gates_approval SELECT (jsonb_populate_record(a, jsonb_build_object("
                "'id', gen_random_uuid(), 'person_id', %s::text))).* FROM gates_approval a"
                " WHERE id = %s",
                [asked["requester_id"], values["id"]],
            )
        superuser.rollback()

    assert (own.code, aside.code) == ("self_approval", "self_approval")


def test_a_waiver_is_the_committees_to_give_and_ends_with_the_next_revalidation(
    bank: Live, case: Any
) -> None:
    asked = waive(bank, case, COMMITTEE)
    validator = refused(bank["val"], f"/v1/changes/{asked['id']}:approve", {"reason": "x"})
    body = {"case_id": case["id"], "step": STEP, "rule": COMMITTEE, "days": 366, "reason": "x"}
    long = refused(bank["ops"], "/v1/waivers", body)

    assert validator.code == "not_asked"
    assert long.status == 422
    history = bank["aud"].pages("/v1/audit", version_id=case["version_id"])
    assert "change.asked" in {entry["action"] for entry in history}


def test_a_waiver_of_a_light_tier_is_none_of_a_graver_one(bank: Live) -> None:
    model = make_model(bank)
    number = make_version(bank, model)
    step, rule = "technical_validation", "independent_validator"

    def opened() -> Any:
        return bank["dev"].post("/v1/validations", {"model": model, "version": number})

    def results(found: Any) -> Any:
        path = f"/v1/validations/{found['id']}/steps/{step}:judge"
        verdict = bank["val"].post(path)
        return {item["rule"]: item["waiver"] for item in verdict["results"]}

    light = opened()
    body = {"case_id": light["id"], "step": step, "rule": rule, "days": 5, "reason": "a test"}
    asked = bank["dev"].post("/v1/waivers", body)
    bank["com"].post(f"/v1/changes/{asked['id']}:approve", {"reason": "little is at stake"})
    waived = results(light)[rule]
    bank["dev"].post(f"/v1/cases/{light['id']}:withdraw")
    path = f"/v1/models/{model}"
    bank["val"].put(
        f"{path}/risk-tier",
        {"risk_tier": "high", "reason": "more is at stake"},
        revision=bank["val"].get(path)["revision"],
    )

    assert waived == asked["id"]
    assert results(opened())[rule] is None


def test_what_was_decided_before_the_swap_gets_no_more_evidence(bank: Live) -> None:
    seated = champion(bank)
    found = bank["dev"].pages("/v1/cases", model=seated.model, version=seated.version)
    case = next(item for item in found if item["kind"] == "activation")

    body = {"kind": "graffiti", "payload": {"x": 1}}
    late = refused(bank["dev"], f"/v1/cases/{case['id']}/steps/{STEP}/evidence", body)
    evidence(bank["ops"], case, "production_audit_procedures", "note", {"x": 1})

    assert (late.status, late.code) == (409, "case_closed")


def test_a_plan_that_outweighs_the_champion_takes_two(bank: Live) -> None:
    first = champion(bank)
    second = released(bank, point=first.point)
    case = open_activation(bank, second, role="challenger")
    ready_to_commit(bank, case)
    bank["ops"].post(f"/v1/activations/{case['id']}:commit")
    path = f"/v1/decision-points/{first.point}/plan"

    def split(mine: int) -> dict[str, Any]:
        arms = [
            {"name": "now", "model": first.model, "version": first.version, "weight": mine},
            {"name": "new", "model": second.model, "version": second.version, "weight": 10 - mine},
        ]
        return {"segments": [{"strategy": {"kind": "split", "arms": arms}}]}

    def put(mine: int) -> Any:
        return bank["ops"].put(path, split(mine), revision=bank["ops"].get(path)["revision"])

    half = put(5)
    asked = put(1)
    before = bank["aud"].get("/v1/adherence")["findings"]
    bank["com"].post(f"/v1/changes/{asked['id']}:approve", {"reason": "a large trial"})
    after = bank["aud"].get("/v1/adherence")["findings"]

    subject = f"{first.model}@{first.version} at {first.point}"
    outweighed = {
        "kind": "champion_outweighed",
        "subject": subject,
        "detail": "the plan gives others more decisions",
    }
    assert half["revision"] > 1
    assert (asked["kind"], asked["result"]) == ("plan", None)
    assert outweighed not in before
    assert outweighed in after
    assert bank["ops"].get(path)["spec"]["segments"][0]["strategy"]["arms"][0]["weight"] == 1


def test_edited_terms_show_while_nobody_has_to_agree_to_them(bank: Live) -> None:
    seated = champion(bank)
    key = unique("kpi")
    agreed = {"name": "margin", "threshold": -1e9, "unit": "AUD"}
    bank["ops"].put(f"/v1/decision-points/{seated.point}/kpis/{key}", agreed)

    found = bank["aud"].get("/v1/adherence")["findings"]

    subject = f"{seated.model}@{seated.version} at {seated.point}"
    detail = "kpis edited since it was approved"
    assert {"kind": "terms_edited", "subject": subject, "detail": detail} in found


def test_who_agreed_with_guardrails_did_not_agree_without_them(bank: Live) -> None:
    place = released(bank)
    case = open_activation(bank, place)
    rail = f"/v1/decision-points/{place.point}/guardrails"
    terms = {"when": "performance.accuracy < 0.5", "action": "alert"}
    for name in ("floor", "second"):
        bank["ops"].put(f"{rail}/{name}", terms)
    ready_to_commit(bank, case)
    bank["ops"].put(f"{rail}/third", terms)
    bank["ops"].put(f"{rail}/floor", {**terms, "min_events": 10**6}, revision=1)
    void = refused(bank["ops"], f"/v1/activations/{case['id']}:commit")
    bank["ops"].put(f"{rail}/floor", terms | {"min_events": 30}, revision=2)
    approve(bank["com"], case, STEP)
    bank["ops"].post(f"/v1/activations/{case['id']}/steps/{STEP}:judge")
    bank["ops"].post(f"/v1/activations/{case['id']}:commit")

    def edited() -> list[str]:
        subject = f"{place.model}@{place.version} at {place.point}"
        found = bank["aud"].get("/v1/adherence")["findings"]
        mine = [one for one in found if one["subject"] == subject]
        return [one["detail"] for one in mine if one["kind"] == "terms_edited"]

    bank["ops"].put(f"{rail}/fourth", terms)
    added = edited()
    bank["ops"]._http.delete(f"{rail}/second", headers={"If-Match": '"1"'})

    # What is added takes nothing from what was agreed.
    assert (void.code, void.document["changed"]) == ("approval_void", ["guardrails"])
    assert added == []
    assert edited() == ["guardrails edited since it was approved"]


def test_a_lent_role_brings_back_no_version_of_ones_own(bank: Live) -> None:
    mine = champion(bank)
    champion(bank, point=mine.point)
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    loan = {"to": bank["dev"].get("/v1/me")["name"], "roles": ["operator"], "until": until}
    bank["ops"].post("/v1/delegations", {**loan, "reason": "a test"})
    path = f"/v1/decision-points/{mine.point}"
    body = {"instead_of": enthroned(bank, mine.point), "reason": "a test"}

    def lent(act: Callable[[], Any]) -> str:
        """What the lent role is good for, once the key knows of it."""
        deadline = time.monotonic() + 6
        while True:
            with pytest.raises(Problem) as refusal:
                act()
            code: str = refusal.value.code
            if code != "permission_denied" or time.monotonic() > deadline:
                return code
            time.sleep(0.2)

    back = lent(lambda: bank["dev"].post(f"{path}:rollback", body))
    watched = lent(lambda: bank["dev"].put(f"{path}/monitor", {"hits": 1}))
    plan = lent(lambda: bank["dev"].put(f"{path}/plan", {"shadows": []}, revision=2))

    assert (back, watched, plan) == ("decision_denied",) * 3


def test_going_back_past_a_validation_that_no_longer_stands_is_said_aloud(bank: Live) -> None:
    first = champion(bank)
    champion(bank, point=first.point)
    policy = bank.admin.get("/v1/policies/low")
    gate = policy["body"]["gates"]["validation.technical_validation"]
    rules = [*gate["rules"], {"name": "more", "when": "true", "reason": "a test"}]
    body = {**policy["body"], "gates": {**policy["body"]["gates"]}}
    body["gates"]["validation.technical_validation"] = {**gate, "rules": rules}
    asked = bank.admin.put("/v1/policies/low", {"body": body}, revision=policy["revision"])
    bank["com"].post(f"/v1/changes/{asked['id']}:approve", {"reason": "a stricter test"})

    with pytest.raises(Problem) as unasked:
        roll_back(bank, first.point)
    done = roll_back(bank, first.point, accept_unapproved=True)
    told = bank["aud"].get(
        "/v1/audit", action="champion.rolled_back", version_id=done["version_id"]
    )["items"][0]

    assert unasked.value.code == "unapproved_version"
    assert told["details"]["unapproved"] == unasked.value.document["invalid"] != []
    approve_path = f"/v1/models/{first.model}/versions/{first.version}"
    assert done["version_id"] == bank["dev"].get(approve_path)["id"]
