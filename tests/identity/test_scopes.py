"""A key grants what it was made for, and never more than its maker had."""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.client import Client, Problem
from tests.live import Live, make_point, open_activation, released, unique
from tests.platform.wire import problem_of


def me(live: Live, key: str) -> Any:
    return httpx.get(f"{live.url}/v1/me", headers=bearer(key)).json()


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def keys_of(live: Live, name: str) -> str:
    return f"/v1/principals/{live[name].get('/v1/me')['id']}/keys"


def account(live: Live, owner: str, *roles: str) -> Any:
    body = {"name": unique("bot"), "kind": "service", "owner": owner, "roles": list(roles)}
    made = live.admin.post("/v1/principals", body)
    live.agree(made)
    return made


def refused(call: Callable[[], Any], code: str = "beyond_own_rights") -> dict[str, Any]:
    with pytest.raises(Problem) as refusal:
        call()
    assert refusal.value.code == code, refusal.value
    return refusal.value.document


def within(seconds: float, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)


def test_a_narrow_key_has_its_own_roles_and_no_others(live: Live) -> None:
    made = live["dev"].post(keys_of(live, "dev"), {"days": 1, "roles": ["committee"]})

    found = me(live, made["key"])
    model = {"name": unique("m"), "risk_tier": "low", "owner": "dev", "purpose": "p"}
    answer = httpx.post(f"{live.url}/v1/models", json=model, headers=bearer(made["key"]))

    assert found["roles"] == made["roles"] == ["committee"]
    assert "catalog:write" not in found["permissions"]
    assert problem_of(answer, 403, "permission_denied")["permission"] == "catalog:write"
    assert "developer" in answer.json()["mend"]


def test_a_narrow_key_makes_no_wider_one(live: Live) -> None:
    path, point = keys_of(live, "dev"), unique("point")
    narrow = live["dev"].post(path, {"days": 1, "roles": ["committee"], "points": [point]})
    with Client(live.url, narrow["key"]) as client:
        excess = refused(lambda: client.post(path, {"days": 1, "roles": ["developer"]}))
        beyond = refused(lambda: client.post(path, {"days": 1, "points": [point, "other"]}))
        child = client.post(path, {"days": 1})

    assert (excess["exceeding"], excess["of"]) == (["developer"], "roles")
    assert (beyond["exceeding"], beyond["of"]) == (["other"], "points")
    assert (child["roles"], child["points"]) == (["committee"], [point])


def test_a_key_for_one_decision_point_is_refused_at_every_other(live: Live) -> None:
    mine, other = make_point(live), make_point(live)
    made = live["ops"].post(keys_of(live, "ops"), {"days": 1, "points": [mine]})
    with httpx.Client(base_url=live.url, headers=bearer(made["key"])) as http:
        http.headers["If-Match"] = '"1"'
        contract = {"inputs": [{"name": "x"}], "events_per_minute": 1, "latency_ms": 1}
        rehearsed: dict[str, Any] = {"model": "m", "version": 1, "decision_point": other}
        at = f"/v1/decision-points/{other}"
        for method, path, body in (
            ("GET", at, None),
            ("PATCH", at, {"contract": contract}),
            ("GET", f"{at}/plan", None),
            ("PUT", f"{at}/plan", {"shadows": []}),
            ("GET", f"{at}/seats", None),
            ("GET", f"{at}/rounds", None),
            ("GET", f"{at}/telemetry", None),
            ("GET", f"{at}/monitor", None),
            ("PUT", f"{at}/monitor", {"hits": 1}),
            ("GET", f"{at}/kpis", None),
            ("PUT", f"{at}/kpis/k", {"name": "k", "threshold": 1, "unit": "AUD"}),
            ("GET", f"{at}/kpis:measure?model=m&version=1", None),
            ("POST", f"{at}:rollback", {"instead_of": str(UUID(int=1)), "reason": "r"}),
            ("POST", "/v1/events", {**rehearsed, "events": [EVENT]}),
            ("POST", "/v1/profiles", {**rehearsed, **PROFILE}),
            ("POST", "/v1/outcomes", {**rehearsed, "outcomes": [OUTCOME]}),
        ):
            refusal = problem_of(http.request(method, path, json=body), 403, "out_of_scope")
            assert refusal["points"] == [mine], path
        assert http.get(f"/v1/decision-points/{mine}").status_code == 200
        listed = http.get("/v1/decision-points").json()["items"]
        assert [point["key"] for point in listed] == [mine]
        new = {"key": unique("point"), "kind": "rule", "owner": "ops", "contract": contract}
        problem_of(http.post("/v1/decision-points", json=new), 403, "out_of_scope")


def test_a_narrow_key_sees_the_cases_of_its_points_and_those_of_none(live: Live) -> None:
    place = released(live)
    case = open_activation(live, place)
    asked = {"case_id": case["id"], "step": "management_and_governance", "note": "please"}
    live["ops"].post("/v1/approval-requests", asked)
    found = f"/v1/cases?model={place.model}&version={place.version}"

    def seen(points: list[str]) -> tuple[set[str], set[str], int]:
        made = live["ops"].post(keys_of(live, "ops"), {"days": 1, "points": points})
        with httpx.Client(base_url=live.url, headers=bearer(made["key"])) as http:
            cases = http.get(found).json()["items"]
            waiting = http.get("/v1/approval-requests?limit=200").json()["items"]
            status = http.get(f"/v1/cases/{case['id']}").status_code
        return {one["kind"] for one in cases}, {one["case_id"] for one in waiting}, status

    kinds, waiting, status = seen([place.point])
    assert (kinds, status) == ({"validation", "release", "activation"}, 200)
    assert waiting == {case["id"]}
    assert seen([make_point(live)]) == ({"validation"}, set(), 403)


EVENT = {"event_id": "00000000-0000-4000-8000-000000000001", "at": "2026-01-01T00:00:00Z"}
PROFILE = {
    "id": "00000000-0000-4000-8000-000000000001", "layout_digest": "sha256:1",
    "hours": [{"hour": "2026-01-01T00:00:00Z", "n": 1, "variables": {}}],
}  # fmt: skip
OUTCOME = {
    "decision_id": "00000000-0000-4000-8000-000000000001", "at": "2026-01-01T00:00:00Z", "label": 1,
}  # fmt: skip


def test_an_application_decides_only_where_its_key_is_for(live: Live) -> None:
    app = live["app"].get("/v1/me")["id"]
    key = live.admin.post(f"/v1/principals/{app}/keys", {"days": 1, "points": ["mine"]})["key"]

    def ask(point: str) -> httpx.Response:
        path = f"{live.url}/v1/decision-points/{point}/route"
        return httpx.post(path, json={"unit": "u"}, headers=bearer(key))

    problem_of(ask("mine"), 404)
    assert problem_of(ask("other"), 403, "out_of_scope")["points"] == ["mine"]


def test_an_administrator_makes_no_key_for_a_person_and_only_machine_roles_for_accounts(
    live: Live,
) -> None:
    person = live["val"].get("/v1/me")["id"]
    bot, desk = account(live, "dev", "committee"), account(live, "val", "application", "validator")

    refused(lambda: live.admin.post(f"/v1/principals/{person}/keys", {"days": 1}))
    excess = refused(lambda: live.admin.post(f"/v1/principals/{bot['id']}/keys", {"days": 1}))
    whole = refused(lambda: live.admin.post(f"/v1/principals/{desk['id']}/keys", {"days": 1}))
    body = {"days": 1, "roles": ["application"]}
    part = live.admin.post(f"/v1/principals/{desk['id']}/keys", body)

    assert excess["exceeding"] == ["committee"]
    assert whole["exceeding"] == ["validator"]
    assert part["roles"] == me(live, part["key"])["roles"] == ["application"]


def test_an_owner_makes_his_accounts_keys_within_his_own_roles(live: Live) -> None:
    bot = account(live, "dev", "committee", "validator")
    path = f"/v1/principals/{bot['id']}/keys"

    excess = refused(lambda: live["dev"].post(path, {"days": 1}))
    refused(lambda: live["val"].post(path, {"days": 1, "roles": ["validator"]}))
    made = live["dev"].post(path, {"days": 1, "roles": ["committee"]})

    assert excess["exceeding"] == ["validator"]
    assert me(live, made["key"])["roles"] == ["committee"]
    assert made["issuer_id"] == live["dev"].get("/v1/me")["id"]
    assert [key["id"] for key in live["dev"].pages(path)] == [made["id"]]
    assert live["dev"].post(f"/v1/keys/{made['id']}:revoke")["revoked_at"]


def test_a_key_says_who_made_it_for_what_and_when_it_was_last_used(live: Live) -> None:
    person, key = live.newcomer("developer")
    path = f"/v1/principals/{person}/keys"
    with Client(live.url, key) as client:
        made = client.post(path, {"days": 1, "roles": ["developer"], "points": ["p"]})
        assert (made["roles"], made["points"], made["issuer_id"]) == (["developer"], ["p"], person)
        listed = {found["id"]: found for found in client.pages(path)}
        assert listed[made["id"]]["last_used_at"] is None

        me(live, made["key"])

        def used() -> bool:
            found = next(k for k in client.pages(path) if k["id"] == made["id"])
            return found["last_used_at"] is not None

        within(10, used)


def test_keys_of_others_are_listed_to_who_may_see_them(live: Live) -> None:
    path = keys_of(live, "dev")

    assert list(live["dev"].pages(path))
    assert list(live["aud"].pages(path))
    refused(lambda: live["val"].get(path), "permission_denied")


def test_roles_that_are_taken_away_leave_every_key_within_five_seconds(live: Live) -> None:
    person, key = live.newcomer("developer", "auditor")
    with Client(live.url, key) as client:
        path = f"/v1/principals/{person}/keys"
        narrow = client.post(path, {"days": 1, "roles": ["developer"]})["key"]
    assert me(live, narrow)["roles"] == ["developer"]

    roles = {"roles": ["auditor", "committee"]}
    live.agree(live.admin.post(f"/v1/principals/{person}:assign", roles))

    within(5, lambda: sorted(me(live, key)["roles"]) == ["auditor", "committee"])
    within(5, lambda: me(live, narrow).get("code") == "permission_denied")


def test_nobody_changes_his_own_roles_and_the_last_administrator_keeps_his(live: Live) -> None:
    own = live.admin.get("/v1/me")["id"]
    second, key = live.newcomer("administrator")

    refused(lambda: live.admin.post(f"/v1/principals/{own}:assign", {"roles": ["developer"]}))
    refused(lambda: live.admin.post(f"/v1/principals/{own}:invite"))
    live.admin.post(f"/v1/principals/{second}:assign", {"roles": ["auditor"]})

    def assign_first() -> Any:
        with Client(live.url, key) as client:
            return client.post(f"/v1/principals/{own}:assign", {"roles": ["auditor"]})

    within(5, lambda: me(live, key)["roles"] == ["auditor"])
    refused(assign_first, "permission_denied")


@pytest.mark.parametrize("deciding", ["validator", "committee", "operator"])
def test_an_administrator_never_decides(live: Live, deciding: str) -> None:
    roles = ["administrator", deciding]
    person, _ = live.newcomer("auditor")

    new = refused(
        lambda: live.admin.post("/v1/principals", {"name": unique("x"), "roles": roles}),
        "incompatible_roles",
    )
    refused(
        lambda: live.admin.post(f"/v1/principals/{person}:assign", {"roles": roles}),
        "incompatible_roles",
    )

    assert new["conflicting"] == [deciding]


def test_who_is_let_in_again_goes_on_with_his_keys(live: Live) -> None:
    person, key = live.newcomer("auditor")
    with Client(live.url, key) as client:
        client.get("/v1/me")
    live.admin.post(f"/v1/principals/{person}:disable")
    within(5, lambda: "roles" not in me(live, key))

    assert live.admin.post(f"/v1/principals/{person}:enable")["disabled_at"] is None

    assert me(live, key)["roles"] == ["auditor"]
