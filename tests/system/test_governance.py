"""Decision rights, approvals, waivers and change requests, by people over HTTP."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.client import Client, Problem
from app.kit.actor import SYSTEM_ID
from tests.live import (
    Live,
    Place,
    approve,
    champion,
    evidence,
    lift_control,
    make_point,
    open_activation,
    ready_to_commit,
    released,
)
from tests.tenants import another

STEP = "management_and_governance"
DEPLOYED = {"digest": "sha256:" + "0" * 64}
A_DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def bank(live: Live) -> Iterator[Live]:
    """A tenant of our own: its rights and policies are edited."""
    with another(live) as found:
        yield found


@pytest.fixture(scope="module")
def place(bank: Live) -> Place:
    return released(bank)


def refused(client: Client, path: str, body: Any = None) -> Problem:
    with pytest.raises(Problem) as refusal:
        client.post(path, body)
    return refusal.value


def ask(bank: Live, case: Any, step: str = STEP) -> Any:
    return bank["ops"].post("/v1/approval-requests", {"case_id": case["id"], "step": step})


def judge(bank: Live, case: Any, step: str = STEP) -> Any:
    return bank["ops"].post(f"/v1/activations/{case['id']}/steps/{step}:judge")


def withdraw(bank: Live, case: Any) -> None:
    bank["ops"].post(f"/v1/cases/{case['id']}:withdraw")


@pytest.fixture
def case(bank: Live, place: Place) -> Iterator[Any]:
    """An activation that waits for its approvals."""
    found = open_activation(bank, place)
    yield found
    if bank["ops"].get(f"/v1/cases/{found['id']}")["closed_at"] is None:
        withdraw(bank, found)


def edit_rights(bank: Live, change: Any) -> Any:
    """Ask for other rights; ``change`` edits the present body."""
    rights = bank.admin.get("/v1/decision-rights")
    body = change(rights["body"])
    return bank.admin.put("/v1/decision-rights", {"body": body}, revision=rights["revision"])


def test_rights_are_edited_by_request_and_approval_and_their_past_can_be_read(bank: Live) -> None:
    before = bank["aud"].get("/v1/decision-rights")
    asked = edit_rights(bank, lambda body: body)
    moment = datetime.now(UTC).isoformat()

    own = refused(bank.admin, f"/v1/changes/{asked['id']}:approve", {"reason": "mine"})
    waiting = [item["id"] for item in bank["com"].pages("/v1/changes", waiting=True)]
    done = bank["com"].post(f"/v1/changes/{asked['id']}:approve", {"reason": "agreed"})
    after = bank["aud"].get("/v1/decision-rights")

    assert (own.status, own.code) == (403, "permission_denied")
    assert (asked["kind"], asked["before"], asked["result"]) == ("rights", before["body"], None)
    assert asked["id"] in waiting
    assert done["result"] == "applied"
    assert after["revision"] == before["revision"] + 1
    assert bank["aud"].get("/v1/decision-rights", at=moment)["revision"] == before["revision"]
    first = bank["aud"].get("/v1/decision-rights", revision=1)
    assert first["author_id"] == str(SYSTEM_ID)
    entries = bank["aud"].get("/v1/audit", action="rights.begun")["items"]
    assert [entry["details"]["digest"] for entry in entries] == [first["digest"]]
    with pytest.raises(Problem) as nothing_yet:
        bank["aud"].get("/v1/decision-rights", at="0001-01-01T00:00:00Z")
    assert nothing_yet.value.code == "not_found"
    detail = bank["aud"].get(f"/v1/changes/{asked['id']}")
    assert [(said["approved"], said["reason"]) for said in detail["decisions"]] == [
        (True, "agreed")
    ]
    again = refused(bank["val"], f"/v1/changes/{asked['id']}:approve", {"reason": "late"})
    assert again.code == "change_closed"


def test_a_decision_beyond_ones_rights_is_refused_and_named(bank: Live, place: Place) -> None:
    def narrowed(body: Any) -> Any:
        grants = [
            {**g, "points": ["elsewhere"]} if g["action"] == "activation.open" else g
            for g in body["grants"]
        ]
        return {**body, "grants": grants}

    asked = edit_rights(bank, narrowed)
    bank["com"].post(f"/v1/changes/{asked['id']}:approve", {"reason": "a trial"})
    with pytest.raises(Problem) as refusal:
        open_activation(bank, place)
    back = edit_rights(bank, lambda _: asked["before"])
    bank["com"].post(f"/v1/changes/{back['id']}:approve", {"reason": "over"})

    assert (refusal.value.status, refusal.value.code) == (403, "decision_denied")
    assert refusal.value.document["permission"] == "activation.open"
    assert refusal.value.document["point"] == place.point


def test_a_change_of_what_was_digested_voids_the_request_and_says_which(
    bank: Live, case: Any
) -> None:
    asked = ask(bank, case)
    evidence(bank["ops"], case, STEP, "minutes", {"page": 3})

    found = bank["com"].get(f"/v1/approval-requests/{asked['id']}")
    void = refused(bank["com"], f"/v1/approval-requests/{asked['id']}:approve", {"reason": "x"})
    pinned = refused(
        bank["com"], f"/v1/cases/{case['id']}/steps/{STEP}/approvals",
        {"reason": "x", "digest": asked["digest"]},
    )  # fmt: skip

    assert (asked["state"], found["state"], found["changed"]) == ("open", "void", ["evidence"])
    for problem in (void, pinned):
        assert (problem.status, problem.code) == (409, "approval_void")
        assert problem.document["changed"] == ["evidence"]


def test_a_request_is_granted_once_and_an_approval_taken_back_no_longer_counts(
    bank: Live, case: Any
) -> None:
    asked = ask(bank, case)
    own = refused(bank["ops"], f"/v1/approval-requests/{asked['id']}:approve", {"reason": "x"})
    bots = refused(bank["bot"], f"/v1/approval-requests/{asked['id']}:approve", {"reason": "x"})
    given = bank["com"].post(f"/v1/approval-requests/{asked['id']}:approve", {"reason": "fine"})
    twice = refused(bank["com"], f"/v1/approval-requests/{asked['id']}:approve", {"reason": "x"})
    granted = bank["ops"].get(f"/v1/approval-requests/{asked['id']}")["state"]
    passed = judge(bank, case)["passed"]
    theirs = refused(bank["val"], f"/v1/approvals/{given['id']}:withdraw", {"reason": "x"})
    bank["com"].post(f"/v1/approvals/{given['id']}:withdraw", {"reason": "I misread it"})

    assert (own.code, bots.code, twice.code) == (
        "self_approval",
        "self_approval",
        "already_decided",
    )
    assert (granted, passed, theirs.code) == ("granted", True, "not_the_approver")
    open_step = bank["ops"].get(f"/v1/cases/{case['id']}")["steps"][0]
    assert (open_step["step"], open_step["passed"]) == (STEP, None)
    assert not judge(bank, case)["passed"]


def test_another_plan_after_the_approval_voids_it_at_the_swap(bank: Live) -> None:
    point = make_point(bank)
    champion(bank, point=point)
    second = released(bank, point=point)
    case = open_activation(bank, second)
    ready_to_commit(bank, case)
    plan = bank["ops"].get(f"/v1/decision-points/{point}/plan")
    watching = {"name": "watching", "model": second.model, "version": second.version}
    bank["ops"].put(
        f"/v1/decision-points/{point}/plan",
        {"segments": plan["spec"]["segments"], "shadows": [watching]},
        revision=plan["revision"],
    )

    lost = refused(bank["ops"], f"/v1/activations/{case['id']}:commit")

    assert (lost.status, lost.code) == (409, "approval_void")
    assert (lost.document["step"], lost.document["changed"]) == (STEP, ["plan"])
    approve(bank["com"], case, STEP)
    judge(bank, case)
    assert bank["ops"].post(f"/v1/activations/{case['id']}:commit")["role"] == "champion"


def test_a_delegate_decides_in_the_lent_role_and_not_for_who_is_conflicted(
    bank: Live, place: Place
) -> None:
    case = open_activation(bank, place)
    person, key = bank.newcomer("auditor")
    name = next(p["name"] for p in bank.admin.pages("/v1/principals") if p["id"] == person)
    path = f"/v1/cases/{case['id']}/steps/{STEP}/approvals"
    lent = {
        "to": name, "roles": ["committee"], "reason": "on leave",
        "until": (datetime.now(UTC) + A_DAY).isoformat(),
    }  # fmt: skip
    with Client(bank.url, key) as stand_in:
        before = refused(stand_in, path, {"reason": "x"})

        # The developer sits on the committee as well, and lends that: it is not worth more lent.
        barred = bank["dev"].post("/v1/delegations", lent)
        conflicted = eventually(lambda: refused(stand_in, path, {"reason": "x"}), "decision_denied")
        bank["dev"].post(f"/v1/delegations/{barred['id']}:end")
        given = bank["com"].post("/v1/delegations", lent)
        approval = None
        deadline = time.monotonic() + 5
        while approval is None and time.monotonic() < deadline:
            try:
                approval = stand_in.post(path, {"reason": "for the committee"})
            except Problem:
                time.sleep(0.1)
        passed = judge(bank, case)["passed"]
        bank["com"].post(f"/v1/delegations/{given['id']}:end")
        withdraw(bank, case)

    assert (before.code, conflicted.code) == ("permission_denied", "decision_denied")
    assert approval is not None
    assert (approval["person_id"], approval["roles"]) == (person, ["auditor", "committee"])
    assert passed
    entry = bank["aud"].get("/v1/audit", action="approval.given", actor_id=person)["items"][0]
    assert entry["details"]["on_behalf_of"] == [lender(bank, "com")]


def eventually(attempt: Any, code: str) -> Problem:
    deadline = time.monotonic() + 5
    while (found := attempt()).code != code and time.monotonic() < deadline:
        time.sleep(0.1)
    return found  # type: ignore[no-any-return]


def lender(bank: Live, name: str) -> str:
    return str(bank[name].get("/v1/me")["id"])


def test_a_delegation_ends_lends_only_what_one_has_and_only_what_decides(bank: Live) -> None:
    soon = (datetime.now(UTC) + A_DAY).isoformat()
    late = (datetime.now(UTC) + 40 * A_DAY).isoformat()
    body = {"to": "aud", "roles": ["committee"], "until": soon, "reason": "x"}

    assert refused(bank["val"], "/v1/delegations", body).code == "beyond_own_rights"
    assert refused(bank["com"], "/v1/delegations", {**body, "until": late}).code == "bad_delegation"
    assert refused(bank["com"], "/v1/delegations", {**body, "to": "com"}).code == "bad_delegation"
    assert refused(bank["bot"], "/v1/delegations", body).code == "bad_delegation"
    roles = {**body, "roles": ["developer"]}
    assert refused(bank["dev"], "/v1/delegations", roles).code == "bad_delegation"


def test_a_waiver_is_approved_shows_in_the_verdict_and_ends(bank: Live, case: Any) -> None:
    wanted = {"case_id": case["id"], "step": STEP, "rule": "production_committee", "days": 5}
    nonsense = {**wanted, "rule": "no_such_rule", "reason": "x"}
    unknown = refused(bank["ops"], "/v1/waivers", nonsense)
    asked = bank["ops"].post("/v1/waivers", {**wanted, "reason": "The committee meets in May."})
    closed = judge(bank, case)
    own = refused(bank["ops"], f"/v1/changes/{asked['id']}:approve", {"reason": "x"})
    devs = refused(bank["dev"], f"/v1/changes/{asked['id']}:approve", {"reason": "x"})
    bank["com"].post(f"/v1/changes/{asked['id']}:approve", {"reason": "until then"})
    verdict = judge(bank, case)
    active = [item["id"] for item in bank["aud"].pages("/v1/waivers", active=True)]
    bank["com"].post(f"/v1/waivers/{asked['id']}:end")
    step = bank["ops"].get(f"/v1/cases/{case['id']}")["steps"][0]

    assert (unknown.status, unknown.code) == (422, "not_waivable")
    assert (closed["passed"], own.code, devs.code) == (False, "self_approval", "self_approval")
    assert verdict["passed"]
    waived = {result["rule"]: result["waiver"] for result in verdict["results"]}
    assert waived == {
        "documented": None,
        "nothing_undocumented": None,
        "production_committee": asked["id"],
    }
    assert asked["id"] in active
    assert (step["passed"], judge(bank, case)["passed"]) == (None, False)


def test_the_glass_is_broken_aloud_never_for_ones_own_and_somebody_else_reviews(
    bank: Live, case: Any
) -> None:
    path = f"/v1/cases/{case['id']}/steps/{STEP}:break-glass"
    devs = refused(bank["dev"], path, {"reason": "x"})
    taken = bank["ops"].post(path, {"reason": "Fraud wave at night.", "hours": 1})
    verdict = judge(bank, case)
    own = refused(bank["ops"], f"/v1/waivers/{taken['id']}:review", {"upheld": True, "review": "x"})
    told = [item["type"] for item in bank["aud"].pages("/v1/events-feed", limit=200)]
    reviewed = bank["com"].post(
        f"/v1/waivers/{taken['id']}:review", {"upheld": False, "review": "It could have waited."}
    )

    assert (devs.code, own.code) == ("permission_denied", "self_approval")
    assert (taken["rule"], verdict["passed"]) == ("*", True)
    assert {r["waiver"] for r in verdict["results"] if not r["passed"]} == {taken["id"]}
    assert "gates.glass.broken" in told
    # What was not right ends at once.
    assert (reviewed["upheld"], reviewed["ended_at"] is not None) == (False, True)
    assert not judge(bank, case)["passed"]


def test_a_controlled_plan_changes_when_enough_have_approved_and_not_if_it_moved(
    bank: Live,
) -> None:
    place = champion(bank)
    control = {"approvals": 2, "roles": ["committee", "validator"]}
    asked = edit_rights(
        bank, lambda body: {**body, "change_control": {**body["change_control"], "plan": control}}
    )
    bank["com"].post(f"/v1/changes/{asked['id']}:approve", {"reason": "agreed"})
    path = f"/v1/decision-points/{place.point}/plan"
    plan = bank["ops"].get(path)
    body = {"segments": plan["spec"]["segments"], "shadows": []}
    one, two = (bank["ops"].put(path, body, revision=plan["revision"]) for _ in range(2))

    half = bank["com"].post(f"/v1/changes/{one['id']}:approve", {"reason": "yes"})
    still = bank["ops"].get(path)["revision"]
    whole = bank["val"].post(f"/v1/changes/{one['id']}:approve", {"reason": "yes"})
    bank["com"].post(f"/v1/changes/{two['id']}:approve", {"reason": "yes"})
    stale = refused(bank["val"], f"/v1/changes/{two['id']}:approve", {"reason": "yes"})
    lift_control(bank, "plan")

    assert (half["result"], still) == (None, plan["revision"])
    assert whole["result"] == "applied"
    assert bank["ops"].get(path)["revision"] == plan["revision"] + 1
    assert bank["ops"].get(path)["cause"] == "edited"
    assert (stale.status, stale.code) == (409, "approval_void")


def test_a_quorum_of_the_policy_counts_people_not_roles(bank: Live, place: Place) -> None:
    policy = bank.admin.get("/v1/policies/low")
    gate = {**policy["body"]["gates"][f"activation.{STEP}"]}
    gate["quorum"] = [{"role": "committee", "count": 1}, {"role": "validator", "count": 1}]
    edit_policy(bank, {**policy["body"]["gates"], f"activation.{STEP}": gate})
    case = open_activation(bank, place)
    request = ask(bank, case)
    bank["com"].post(f"/v1/approval-requests/{request['id']}:approve", {"reason": "yes"})

    waiting = bank["ops"].get(f"/v1/approval-requests/{request['id']}")
    lacking = judge(bank, case)
    bank["val"].post(f"/v1/approval-requests/{request['id']}:approve", {"reason": "yes"})
    full = judge(bank, case)
    withdraw(bank, case)
    closed = refused(bank["val"], f"/v1/approval-requests/{request['id']}:approve", {"reason": "x"})
    edit_policy(bank, policy["body"]["gates"])

    assert (waiting["state"], waiting["missing"]) == ("open", {"validator": 1})
    assert (lacking["passed"], full["passed"]) == (False, True)
    assert "1 × validator" in next(r for r in lacking["results"] if r["rule"] == "quorum")["reason"]
    assert closed.document["state"] == "closed"


def edit_policy(bank: Live, gates: Any) -> None:
    policy = bank.admin.get("/v1/policies/low")
    body = {"body": {**policy["body"], "gates": gates}}
    asked = bank.admin.put("/v1/policies/low", body, revision=policy["revision"])
    bank["com"].post(f"/v1/changes/{asked['id']}:approve", {"reason": "agreed"})
