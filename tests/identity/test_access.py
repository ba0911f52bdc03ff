"""Deny by default: every route × every role, as the application itself declares them."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.identity import ROLES, Role
from tests.live import Live, unique
from tests.platform.wire import problem_of, speaker
from tests.ways import KNOCKED, PUBLIC, SEEN, WAYS, Way, declared

CONDITION = {"If-Match": '"1"'}
PLAUSIBLE = {"number": "1", "tier": "low", "step": "technical_validation"}


def url(way: Way) -> str:
    """Return the path with something plausible for each parameter."""
    return way.url(_plausible)


def _plausible(name: str) -> str:
    return PLAUSIBLE.get(name, str(uuid4()) if name.endswith("_id") else unique("none"))


EDITS = [way for way in WAYS if way.method in {"PATCH", "PUT"}]


def test_every_route_asks_for_a_permission_or_is_on_the_public_list() -> None:
    assert len(WAYS) > 40
    assert [way for way in WAYS if way.permission is None] == []
    assert {way.path for way in declared()} - {way.path for way in WAYS} == PUBLIC


def test_every_permission_that_is_asked_for_belongs_to_a_role() -> None:
    assert {way.permission for way in WAYS} <= frozenset().union(*ROLES.values())


@pytest.fixture(scope="module")
def keys(live: Live) -> dict[Role, str]:
    """A key for each role alone."""
    found = {}
    for role in Role:
        _, found[role] = live.newcomer(role)
    return found


@pytest.mark.parametrize("role", Role)
def test_a_role_does_what_its_permissions_say_and_nothing_else(
    live: Live, keys: dict[Role, str], role: Role
) -> None:
    wrong = {}
    with httpx.Client(base_url=live.url, headers=CONDITION, timeout=10) as http:
        http.headers["Authorization"] = f"Bearer {keys[role]}"
        for way in WAYS:
            answer = http.request(way.method, url(way))
            may = way.permission in ROLES[role]
            if answer.status_code in {401, *range(500, 600)} or (answer.status_code == 403) is may:
                wrong[way] = answer.status_code
            elif not may:
                assert problem_of(answer, 403)["permission"] == way.permission

    assert wrong == {}


def test_without_a_key_every_route_asks_who_is_there(live: Live) -> None:
    with httpx.Client(base_url=live.url, headers=CONDITION) as http:
        for way in WAYS:
            problem_of(http.request(way.method, url(way)), 401, "unauthenticated")


@pytest.mark.parametrize("who", ["nobody", "auditor"])
@pytest.mark.parametrize("sent", ["no condition", "no JSON"])
def test_who_may_not_edit_is_told_so_and_nothing_else(
    live: Live, keys: dict[Role, str], who: str, sent: str
) -> None:
    headers = {} if who == "nobody" else {"Authorization": f"Bearer {keys[Role.AUDITOR]}"}
    body = b"{" if sent == "no JSON" else b""
    headers |= {"Content-Type": "application/json"} if body else {}
    answers = {
        way: httpx.request(way.method, live.url + url(way), content=body, headers=headers)
        for way in EDITS
    }

    refused = 401 if who == "nobody" else 403
    assert {way: a.status_code for way, a in answers.items() if a.status_code != refused} == {}


def test_what_is_public_needs_no_key(live: Live) -> None:
    for path in SEEN:
        assert httpx.get(live.url + path).status_code == 200, path
    for path in KNOCKED:
        url = live.url + path.format(rule_id=uuid4())
        problem_of(httpx.post(url), 422, "invalid")


def test_me_names_the_roles_and_what_they_may_do(live: Live, keys: dict[Role, str]) -> None:
    for role, key in keys.items():
        found = httpx.get(f"{live.url}/v1/me", headers={"Authorization": f"Bearer {key}"}).json()

        assert found["roles"] == [role]
        assert set(found["permissions"]) == ROLES[role]
        assert found["person_id"] == found["id"]


def test_a_service_account_needs_a_person_who_answers_for_it(live: Live) -> None:
    service = {"name": unique("bot"), "kind": "service", "roles": ["application"]}
    for owner in ({}, {"owner": "nobody-we-know"}, {"owner": "app"}, {"owner": None}):
        answer = speaker(live, "admin").post("/v1/principals", json={**service, **owner})
        problem_of(answer, 422, "owner_required")
    person = {"name": unique("person"), "owner": "ops", "roles": ["developer"]}
    problem_of(speaker(live, "admin").post("/v1/principals", json=person), 422, "owner_required")

    made = live.admin.post("/v1/principals", {**service, "owner": "ops"})
    key = live.equipped(made["id"])
    found = httpx.get(f"{live.url}/v1/me", headers={"Authorization": f"Bearer {key}"}).json()

    assert found["person_id"] == made["owner_id"] != found["id"]


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"roles": []}, "roles"), ({"roles": ["root"]}, "roles"), ({}, "roles"),
        ({"roles": ["developer", "developer"]}, "roles"),
        ({"roles": ["developer"], "kind": "god"}, "kind"),
        ({"roles": ["developer"], "name": "a b"}, "name"),
        ({"roles": ["developer"], "name": "x" * 129}, "name"),
        ({"roles": ["developer"], "tenant_id": str(uuid4())}, "tenant_id"),
        ({"roles": ["developer"], "id": str(uuid4())}, "id"),
    ],
)  # fmt: skip
def test_a_principal_has_known_roles_and_a_name_that_needs_no_escaping(
    live: Live, body: dict[str, Any], at: str
) -> None:
    answer = speaker(live, "admin").post("/v1/principals", json={"name": unique("p"), **body})

    assert problem_of(answer, 422)["errors"][0]["at"].startswith(f"body.{at}")


@pytest.mark.parametrize("days", [0, -1, 367, 1.5, "long", None])
def test_a_key_lives_a_day_to_a_year(live: Live, days: Any) -> None:
    me = live["dev"].get("/v1/me")

    answer = speaker(live, "dev").post(f"/v1/principals/{me['id']}/keys", json={"days": days})

    problem_of(answer, 422, "invalid")
