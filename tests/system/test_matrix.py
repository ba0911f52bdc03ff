"""Every route × every role × both tenants, as the application itself declares its routes.

The callers are of one tenant, with each role alone, or let in no more. What they ask for is
their own, the other tenant's, or nothing that exists.
"""

from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import httpx
import orjson
import pytest

from app.identity import ROLES, Role
from tests.platform.wire import problem_of
from tests.system import callers
from tests.system.callers import Call, call
from tests.system.holdings import EVERYWHERE, OWNING, WITHIN, Holdings, nothing, owned, required
from tests.ways import WAYS, Way, example_of

INVALID = b'{"no JSON'
NAMES = OWNING | {"alias", "kpi", "instance"}
ORDER = ("GET", "PUT", "PATCH", "POST", "DELETE")
BESIDE = {
    "POST /v1/outcomes": "telemetry:outcome",
    "GET /v1/principals/{principal_id}/keys": "identity:read",
}
"""What may be asked for beside the route's own permission: for a body, or for another's things."""
PERSONAL = {"not_yours_to_read",
    "not_the_requester", "not_the_approver", "self_approval", "beyond_own_rights",
    "decision_denied", "not_asked", "not_your_operation", "signing_key_refused",
}  # fmt: skip
"""Refusals for who one is and what one answers for, not for want of a permission."""

Targets = dict[str, Callable[[Way], str]]


@pytest.fixture(scope="module")
def roles(own: Holdings) -> dict[Role, str]:
    return callers.each_role(own.live)


@pytest.fixture(scope="module")
def targets(own: Holdings, other: Holdings) -> Targets:
    return {"own": own.url, "other": other.url, "none": lambda way: way.url(nothing)}


def with_query(way: Way, url: str, holdings: Holdings) -> str:
    query = urlencode(holdings.query(way))
    return f"{url}?{query}" if query else url


def body(way: Way) -> bytes | None:
    found = example_of(way)
    return None if found is None else orjson.dumps(found)


def entitled(roles: dict[Role, str], way: Way) -> Iterator[tuple[Role, str]]:
    return ((role, key) for role, key in roles.items() if way.permission in ROLES[role])


def refused_beside(call: Call, answer: httpx.Response) -> bool:
    """Say whether a further permission was asked for that the caller's role has not got."""
    asked = BESIDE.get(str(call.way))
    if asked is None or asked in ROLES[Role(call.who)]:
        return False
    return bool(problem_of(answer, 403, "permission_denied")["permission"] == asked)


def personal(answer: httpx.Response) -> bool:
    """Say whether somebody else in the same role might have been let through."""
    return answer.status_code == 403 and answer.json()["code"] in PERSONAL


def test_every_parameter_is_one_the_tables_know() -> None:
    for way in WAYS:
        assert set(way.parameters) <= OWNING | WITHIN | EVERYWHERE, str(way)
        assert len(owned(way)) <= 1, str(way)


def test_what_must_not_be_seen_is_known(own: Holdings, other: Holdings) -> None:
    named = {name for name in OWNING if name.endswith("_id")} - {"case_id"}

    assert {other.things[name] for name in named} | set(other.cases.values()) <= other.ids
    assert not own.ids & other.ids


def test_every_query_that_must_be_there_is_given(own: Holdings) -> None:
    for way in WAYS:
        assert set(own.query(way)) == set(required(way)), str(way)


def test_who_is_not_let_in_learns_nothing_else(own: Holdings, targets: Targets) -> None:
    calls = [
        Call(way, target(way), who, key, INVALID)
        for who, key in callers.strangers(own.live).items()
        for target in targets.values()
        for way in WAYS
    ]

    for _, answer in call(own.live, calls):
        problem_of(answer, 401, "unauthenticated")


def test_a_role_without_the_permission_is_told_which_and_nothing_else(
    own: Holdings, roles: dict[Role, str], targets: Targets
) -> None:
    calls = [
        Call(way, target(way), role, key, INVALID)
        for role, key in roles.items()
        for target in targets.values()
        for way in WAYS
        if way.permission not in ROLES[role]
    ]

    for asked, answer in call(own.live, calls):
        denied = problem_of(answer, 403, "permission_denied")
        assert (denied["permission"], denied["roles"]) == (asked.way.permission, [asked.who])


def test_another_tenants_things_do_not_exist(
    own: Holdings, other: Holdings, roles: dict[Role, str]
) -> None:
    calls = [
        Call(way, with_query(way, other.url(way), own), role, key, body(way))
        for way in WAYS
        if owned(way)
        for role, key in entitled(roles, way)
    ]

    for asked, answer in call(own.live, calls):
        problem_of(answer, 404, "not_found")
        assert other.seen_in(answer.text, asked.asked) == set(), asked.way


def test_what_has_no_such_name_is_ones_own_in_either_tenant(
    own: Holdings, other: Holdings, roles: dict[Role, str]
) -> None:
    calls = [
        Call(way, with_query(way, own.url(way), own), role, key)
        for way in WAYS
        if way.method == "GET" and not owned(way)
        for role, key in entitled(roles, way)
    ]

    for asked, answer in call(own.live, calls):
        assert answer.status_code == 200, (asked.way, answer.text)
        assert other.seen_in(answer.text, asked.asked) == set(), asked.way


def test_with_the_permission_what_does_not_exist_is_looked_for(
    own: Holdings, other: Holdings, roles: dict[Role, str]
) -> None:
    calls = [
        Call(way, with_query(way, way.url(nothing), own), role, key, body(way))
        for way in WAYS
        for role, key in entitled(roles, way)
    ]

    for asked, answer in call(own.live, calls):
        assert other.seen_in(answer.text, asked.asked) == set(), asked.way
        if owned(asked.way):
            problem_of(answer, 404, "not_found")
            continue
        if refused_beside(asked, answer) or personal(answer):
            continue
        assert answer.status_code not in {401, 403}, (asked, answer.text)
        assert answer.status_code < 500, (asked, answer.text)


def test_ones_own_things_are_found_by_the_same_names(
    own: Holdings, other: Holdings, roles: dict[Role, str]
) -> None:
    """What is refused in the other tenant is there: this one goes last, for it also deletes."""
    ways = sorted(WAYS, key=lambda way: ORDER.index(way.method))
    for method in ORDER:
        calls = [
            Call(way, with_query(way, own.url(way), own), role, key, body(way))
            for way in ways
            if way.method == method and owned(way)
            for role, key in list(entitled(roles, way))[: None if method == "GET" else 1]
        ]
        for asked, answer in call(own.live, calls):
            refused = {} if answer.is_success else answer.json()
            missing = refused["detail"] if answer.status_code == 404 else ""
            assert other.seen_in(answer.text, asked.asked) == set(), asked.way
            # An example may name what does not exist; what stands in the path does.
            named = {own.value(asked.way, name) for name in NAMES & set(asked.way.parameters)}
            assert not [name for name in named if name in missing], (asked, answer.text)
            assert answer.status_code != 401, (asked, answer.text)
            assert answer.status_code < 500, (asked, answer.text)
            if refused_beside(asked, answer):
                continue
            assert answer.status_code != 403 or personal(answer), (asked, answer.text)
            if method == "GET" and not personal(answer):
                assert answer.status_code == 200, (asked, answer.text)
    # Others find it here.
    place = own.place
    alias = f"/v1/models/{place.model}/aliases/{own.things['alias']}"
    own.live["dev"].put(alias, {"number": place.version})
