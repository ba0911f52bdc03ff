"""Who may decide is agreed to by others, and what is lent or asked goes back when it should."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from app.client import Client, Problem
from app.identity import Role
from tests.live import (
    Live,
    Place,
    lift_control,
    open_activation,
    released,
    unique,
)
from tests.system.doors import STEP, newcomer, refused, soon, tomorrow
from tests.tenants import another, database_of, make_tenant


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


def waiting(bank: Live, made: Any) -> Any:
    return bank["com"].get(f"/v1/changes/{made['change_id']}")


def test_one_administrator_makes_nobody_who_decides(bank: Live, case: Any) -> None:
    made = bank.admin.post("/v1/principals", {"name": "puppet", "roles": ["committee", "auditor"]})
    puppet = Client(bank.url, bank.invited(made["id"]))
    path = f"/v1/cases/{case['id']}/steps/{STEP}/approvals"
    with puppet:
        early = refused(puppet, path, {"approved": True, "reason": "gladly"})
        own = refused(puppet, f"/v1/changes/{made['change_id']}:approve", {"reason": "me"})
        asked = waiting(bank, made)
        bank["com"].post(f"/v1/changes/{made['change_id']}:approve", {"reason": "known to us"})
        given = soon(puppet, path, {"approved": True, "reason": "looked at it"})

    assert made["roles"] == ["auditor"]
    assert (early.code, own.code) == ("permission_denied", "permission_denied")
    assert asked["grantee"]["name"] == "puppet"
    assert asked["after"]["roles"] == ["auditor", "committee"]
    assert (waiting(bank, made)["result"], given["approved"]) == ("applied", True)


def test_a_new_key_and_a_second_chance_let_deciding_roles_rest(bank: Live) -> None:
    person, name, client = newcomer(bank, "validator")
    with client:
        key = next(bank.admin.pages(f"/v1/principals/{person}/keys"))
        bank.admin.post(f"/v1/keys/{key['id']}:revoke")
        bank.invited(person)
        invited = next(p for p in bank.admin.pages("/v1/principals") if p["id"] == person)
        bank.agree(invited)
        agreed = next(p for p in bank.admin.pages("/v1/principals") if p["id"] == person)
        bank.admin.post(f"/v1/principals/{person}:disable")
        again = bank.admin.post(f"/v1/principals/{person}:enable")

    assert (invited["roles"], agreed["roles"], again["roles"]) == ([], ["validator"], [])
    assert waiting(bank, again)["reason"] == "let back in"
    assert name not in str(waiting(bank, again)["target"])


def test_a_promotion_waits_and_a_demotion_does_not(bank: Live) -> None:
    person, _, client = newcomer(bank, "operator")
    with client:
        path = f"/v1/principals/{person}:assign"
        up = bank.admin.post(path, {"roles": ["operator", "committee"], "reason": "elected"})
        late = bank.admin.post(path, {"roles": ["auditor"]})
        stale = refused(bank["com"], f"/v1/changes/{up['change_id']}:approve", {"reason": "yes"})

    assert (up["roles"], late["roles"]) == (["operator"], ["auditor"])
    assert (stale.code, stale.status) == ("approval_void", 409)


def test_a_grant_is_agreed_to_by_nobody_it_is_for(bank: Live) -> None:
    person, name, client = newcomer(bank, "committee")
    with client:
        machine = {"name": f"{name}.bot", "kind": "service", "owner": name, "roles": ["operator"]}
        made = bank.admin.post("/v1/principals", machine)
        own = refused(client, f"/v1/changes/{made['change_id']}:approve", {"reason": "mine"})

    assert (own.code, "would have the roles" in own.document["detail"]) == ("self_approval", True)
    assert person == made["owner_id"]


def test_change_control_takes_no_more_people_than_there_are(bank: Live) -> None:
    rights = bank.admin.get("/v1/decision-rights")
    wanted = {"approvals": 5, "roles": ["validator"]}
    control = {**rights["body"]["change_control"], "policy": wanted}
    body = {"body": {**rights["body"], "change_control": control}}

    with pytest.raises(Problem) as refusal:
        bank.admin.put("/v1/decision-rights", body, revision=rights["revision"])

    assert refusal.value.code == "bad_rights"
    assert 1 <= refusal.value.document["people"] < 5


def lend(giver: Client, to: str) -> Any:
    lent = {"to": to, "roles": ["committee"], "until": tomorrow(), "reason": "a holiday"}
    return giver.post("/v1/delegations", lent)


def test_what_was_lent_goes_back_with_the_key_and_to_no_administrator(bank: Live) -> None:
    person, name, client = newcomer(bank, "auditor")
    other, other_name, second = newcomer(bank, "auditor")
    with client, second:
        lend(bank["com"], name)
        lend(bank["com"], other_name)
        key = next(bank.admin.pages(f"/v1/principals/{person}/keys"))
        bank.admin.post(f"/v1/keys/{key['id']}:revoke")
        stolen = Client(bank.url, bank.invited(person))
        bank.admin.post(f"/v1/principals/{other}:assign", {"roles": ["administrator"]})
        with stolen:
            held = stolen.get("/v1/me")["permissions"]
    loans = [one for one in bank["com"].pages("/v1/delegations") if one["to_id"] in {person, other}]

    assert "gates:approve" not in held
    assert len(loans) == 2
    assert all(one["ended_at"] for one in loans)


def test_a_lent_role_and_its_owner_are_one_word_on_a_change(bank: Live) -> None:
    _, name, client = newcomer(bank, "auditor")
    left, _, leaver = newcomer(bank, "committee")
    _, _, third = newcomer(bank, "committee")
    with client, leaver, third:
        rights = bank.admin.get("/v1/decision-rights")
        two = {"approvals": 2, "roles": ["committee"]}
        control = {**rights["body"]["change_control"], "policy": two}
        body = {"body": {**rights["body"], "change_control": control}}
        change = bank.admin.put("/v1/decision-rights", body, revision=rights["revision"])
        bank["com"].post(f"/v1/changes/{change['id']}:approve", {"reason": "a test"})
        policy = bank.admin.get("/v1/policies/medium")
        edited = {"body": {**policy["body"], "revalidate_days": 77}}
        asked = bank.admin.put("/v1/policies/medium", edited, revision=policy["revision"])
        path = f"/v1/changes/{asked['id']}:approve"
        leaver.post(path, {"reason": "before I go"})
        bank.admin.post(f"/v1/principals/{left}:disable")
        lend(bank["com"], name)
        first = soon(client, path, {"reason": "for her"})
        second = bank["com"].post(path, {"reason": "and I"})
        last = third.post(path, {"reason": "and I too"})
        now = bank.admin.get("/v1/decision-rights")["revision"]
        back = bank.admin.put("/v1/decision-rights", {"body": rights["body"]}, revision=now)
        bank["com"].post(f"/v1/changes/{back['id']}:approve", {"reason": "a test"})

    assert (first["result"], second["result"], last["result"]) == (None, None, "applied")


def test_nobody_agrees_before_it_is_known_who_holds_the_key(bank: Live) -> None:
    made = bank.admin.post("/v1/principals", {"name": unique("p"), "roles": ["committee"]})
    early = refused(bank["com"], f"/v1/changes/{made['change_id']}:approve", {"reason": "yes"})
    bank.invited(made["id"])
    done = bank["com"].post(f"/v1/changes/{made['change_id']}:approve", {"reason": "it is she"})

    assert (early.code, done["result"]) == ("no_key_yet", "applied")


def test_the_first_decider_ends_the_founding_however_he_became_one(live: Live) -> None:
    key = asyncio.run(make_tenant(database_of(live), {"boss": {Role.ADMINISTRATOR}}))["boss"]
    with Client(live.url, key) as boss:
        young = Live(live.url, key, live.data_dir, live.process, live.log, {"admin": boss})
        made = [
            boss.post("/v1/principals", {"name": name, "roles": ["auditor"]}) for name in ("a", "b")
        ]
        for one in made:
            young.invited(one["id"])
        path = "/v1/principals/{}:assign"
        first = boss.post(path.format(made[0]["id"]), {"roles": ["committee"]})
        second = boss.post(path.format(made[1]["id"]), {"roles": ["committee"]})

    assert (first["roles"], first["change_id"]) == (["committee"], None)
    assert (second["roles"], second["change_id"] is None) == ([], False)


def test_a_later_decision_about_roles_overtakes_what_was_asked(bank: Live) -> None:
    person, _, client = newcomer(bank, "auditor")
    with client:
        path = f"/v1/principals/{person}:assign"
        asked = bank.admin.post(path, {"roles": ["auditor", "committee"]})
        bank.admin.post(path, {"roles": ["auditor"]})
        late = refused(bank["com"], f"/v1/changes/{asked['change_id']}:approve", {"reason": "yes"})

    assert late.code == "approval_void"


def test_nobody_changes_his_own_roles_through_his_machine(bank: Live) -> None:
    second, name, client = newcomer(bank, "administrator")
    with client:
        machine = {"name": unique("m"), "kind": "service", "owner": name}
        made = client.post("/v1/principals", {**machine, "roles": ["administrator"]})
        key = client.post(f"/v1/principals/{made['id']}/keys", {"days": 1})["key"]
        with Client(bank.url, key) as puppet:
            roles = {"roles": ["administrator", "auditor"]}
            found = refused(puppet, f"/v1/principals/{second}:assign", roles)

    assert found.code == "beyond_own_rights"
