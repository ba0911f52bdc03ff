from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.identity.rules import ROLES, Role, permissions

WRITES = {"write", "manage", "approve", "open", "validate", "judge", "operate", "plan", "points"}


def holders(permission: str) -> set[Role]:
    return {role for role in Role if permission in ROLES[role]}


def test_every_role_has_rights_and_every_right_a_holder() -> None:
    assert set(ROLES) == set(Role)
    assert all(ROLES.values())


def test_nobody_but_those_who_decide_approves() -> None:
    deciding = {Role.COMMITTEE, Role.VALIDATOR, Role.OPERATOR, Role.BUSINESS}

    assert holders("gates:approve") == deciding


def test_who_develops_does_not_validate_judge_approve_activate_or_route() -> None:
    assert not ROLES[Role.DEVELOPER] & {
        "gates:approve",
        "release:validate",
        "release:judge",
        "activation:operate",
        "routing:plan",
        "policy:write",
        "identity:manage",
    }


@pytest.mark.parametrize(
    "permission",
    [
        "catalog:write",
        "catalog:points",
        "gates:approve",
        "gates:evidence",
        "release:open",
        "release:validate",
        "release:judge",
        "activation:operate",
        "routing:plan",
        "routing:decide",
        "telemetry:write",
        "telemetry:rehearse",
        "kpi:write",
    ],
)
def test_an_administrator_manages_people_and_rules_and_nothing_else(permission: str) -> None:
    assert holders(permission)
    assert permission not in ROLES[Role.ADMINISTRATOR]


@pytest.mark.parametrize(
    ("permission", "only"),
    [
        ("identity:manage", {Role.ADMINISTRATOR}),
        ("policy:write", {Role.ADMINISTRATOR}),
        ("catalog:write", {Role.DEVELOPER}),
        ("release:open", {Role.DEVELOPER}),
        ("release:validate", {Role.VALIDATOR}),
        ("activation:operate", {Role.OPERATOR}),
        ("routing:plan", {Role.OPERATOR}),
        ("routing:decide", {Role.APPLICATION}),
    ],
)
def test_each_grave_right_has_one_role(permission: str, only: set[Role]) -> None:
    assert holders(permission) == only


def test_an_auditor_sees_and_changes_nothing() -> None:
    assert "audit:read" in ROLES[Role.AUDITOR]
    assert not {right.partition(":")[2] for right in ROLES[Role.AUDITOR]} & WRITES


def test_an_application_decides_and_reports_and_governs_nothing() -> None:
    assert ROLES[Role.APPLICATION] == {
        "routing:decide", "telemetry:write", "telemetry:outcome", "telemetry:give", "catalog:read",
        "deployment:report",
    }  # fmt: skip


def test_no_role_alone_takes_a_version_from_the_catalog_to_production() -> None:
    for role in Role:
        assert not {"catalog:write", "gates:approve", "activation:operate"} <= ROLES[role]
        assert not {"catalog:write", "gates:approve"} <= ROLES[role]


@settings(max_examples=100, deadline=None)
@given(st.frozensets(st.sampled_from(Role)))
def test_several_roles_may_do_what_each_of_them_may(roles: frozenset[Role]) -> None:
    found = permissions(frozenset(role.value for role in roles))

    assert found == {right for role in roles for right in ROLES[role]}


def test_no_role_contains_another_so_that_none_is_superfluous() -> None:
    # A quorum knows the line of business from the committee, though both make the same calls.
    for one, two in combinations(set(Role) - {Role.AUDITOR, Role.BUSINESS}, 2):
        assert not ROLES[one] <= ROLES[two]
        assert not ROLES[two] <= ROLES[one]


def test_an_unknown_role_is_not_passed_over() -> None:
    with pytest.raises(ValueError, match="emperor"):
        permissions(frozenset({"emperor"}))
