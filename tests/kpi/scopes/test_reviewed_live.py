"""What was approved of a scope is done to that scope, as it was, and to no other."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.kpi.scopes.test_scopes_live import (
    KPI,
    agreed_in,
    control,
    delete,
    make_scope,
    put,
    scope,
)
from tests.live import Live, lift_control, make_point, unique
from tests.platform.wire import problem_of, speaker


@pytest.fixture(autouse=True)
def _uncontrolled(live: Live) -> Iterator[None]:
    lift_control(live, "kpi")
    yield
    lift_control(live, "kpi")


def controlled(live: Live) -> None:
    control(live, {"approvals": 1, "roles": ["committee"]})


def approve(live: Live, asked: httpx.Response) -> httpx.Response:
    assert asked.status_code == 202, asked.text
    path = f"/v1/changes/{asked.json()['id']}:approve"
    return speaker(live, "com").post(path, json={"reason": "agreed"})


def test_a_kpi_that_was_approved_for_some_points_is_not_agreed_on_for_others(live: Live) -> None:
    first, second, third = (make_point(live) for _ in range(3))
    key = make_scope(live, first, second)
    path = f"/v1/kpi-scopes/{key}"
    controlled(live)
    asked = put(live, f"{path}/kpis/net", KPI)
    assert approve(live, put(live, path, scope(third), 1)).status_code == 200

    void = problem_of(approve(live, asked), 409, "approval_void")

    assert third in void["detail"]
    problem_of(speaker(live, "aud").get(f"{path}/kpis/net"), 404, "not_found")
    assert approve(live, put(live, f"{path}/kpis/net", KPI)).status_code == 200


def test_nor_for_a_scope_that_was_made_anew_under_the_key(live: Live) -> None:
    here, there = make_point(live), make_point(live)
    key = make_scope(live, here)
    path = f"/v1/kpi-scopes/{key}"
    controlled(live)
    asked = put(live, f"{path}/kpis/net", KPI)
    assert approve(live, delete(live, path, 1)).status_code == 200
    assert approve(live, put(live, path, scope(there))).status_code == 200

    problem_of(approve(live, asked), 409, "approval_void")

    problem_of(speaker(live, "aud").get(f"{path}/kpis/net"), 404, "not_found")


def test_a_portfolio_is_put_of_the_points_that_its_processes_had(live: Live) -> None:
    first, second = make_point(live), make_point(live)
    process, path = make_scope(live, first), f"/v1/kpi-scopes/{unique('scope')}"
    controlled(live)
    asked = put(live, path, scope(processes=(process,)))
    again = put(live, f"/v1/kpi-scopes/{process}", scope(first, second), 1)
    assert approve(live, again).status_code == 200

    problem_of(approve(live, asked), 409, "approval_void")

    problem_of(speaker(live, "aud").get(path), 404, "not_found")


def test_what_only_who_asked_can_correct_voids_the_approval(live: Live) -> None:
    first, second = make_point(live), make_point(live)
    path = f"/v1/kpi-scopes/{make_scope(live, first)}"
    was = agreed_in(live, first, "AUD")
    controlled(live)
    asked = put(live, f"{path}/kpis/net", {**KPI, "currency": "AUD"})
    lift_control(live, "kpi")
    # The scope is what it was; what its point is agreed in is not.
    assert delete(live, was, 1).status_code == 204
    agreed_in(live, first, "EUR")
    controlled(live)

    void = problem_of(approve(live, asked), 409, "approval_void")

    assert "EUR" in void["detail"]
    assert second not in str(void)


def test_a_condition_on_what_stood_once_under_a_key_does_not_hold_again(live: Live) -> None:
    here, there = make_point(live), make_point(live)
    scoped = f"/v1/kpi-scopes/{unique('scope')}"
    own = {**KPI, "formula": "net_value"}
    ways: list[tuple[str, Any, Any]] = [
        (scoped, scope(here), scope(there)),
        (f"/v1/kpi-scopes/{make_scope(live, here)}/kpis/net", KPI, {**KPI, "threshold": 5}),
        (f"/v1/decision-points/{here}/kpis/net", own, {**own, "threshold": 5}),
    ]

    for path, first, second in ways:
        assert put(live, path, first).headers["etag"] == '"1"', path
        assert delete(live, path, 1).status_code == 204
        # There is nothing there to be edited.
        problem_of(put(live, path, first, 1), 412, "condition_stale")
        assert put(live, path, second).headers["etag"] == '"2"', path
        problem_of(put(live, path, first, 1), 412, "condition_stale")
        problem_of(delete(live, path, 1), 412, "condition_stale")
        assert put(live, path, first, 2).headers["etag"] == '"3"', path
