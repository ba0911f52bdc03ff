"""A KPI that is withdrawn: gone for who agrees, and nothing eased for who is held to it."""

from typing import Any

import httpx
import pytest

from app.client import Problem
from tests.live import (
    Live,
    Place,
    lift_control,
    make_model,
    make_point,
    make_version,
    rehearse,
    unique,
    validate,
)
from tests.platform.wire import problem_of, speaker

KPI = {"name": "Margin", "formula": "mean_reward", "direction": "at_least", "threshold": 2.0,
       "unit": "EUR"}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _uncontrolled(live: Live) -> None:
    lift_control(live, "kpi")


def at(point: str) -> str:
    return f"/v1/decision-points/{point}"


def withdraw(live: Live, path: str, revision: int | None, who: str = "com") -> httpx.Response:
    headers = {} if revision is None else {"If-Match": f'"{revision}"'}
    return speaker(live, who).delete(path, headers=headers)


def test_a_withdrawn_kpi_is_neither_listed_nor_measured_and_can_be_agreed_on_anew(
    live: Live,
) -> None:
    model, point = make_model(live), make_point(live)
    number = make_version(live, model)
    path = f"{at(point)}/kpis/margin"
    live["com"].put(path, {**KPI, "target": 3.0, "currency": "EUR"})
    live["com"].put(f"{at(point)}/kpis/other", KPI)

    problem_of(withdraw(live, path, None), 428, "condition_missing")
    problem_of(withdraw(live, path, 7), 412, "condition_stale")
    problem_of(withdraw(live, path, 1, who="aud"), 403, "permission_denied")
    assert withdraw(live, path, 1).status_code == 204

    assert [one["key"] for one in live["aud"].get(f"{at(point)}/kpis")["items"]] == ["other"]
    said = live["aud"].get(f"{at(point)}/kpis:measure", model=model, version=number)
    assert [one["key"] for one in said["measures"]] == ["other"]
    problem_of(speaker(live, "aud").get(path), 404, "not_found")
    problem_of(withdraw(live, path, 1), 404, "not_found")
    live["com"].put(path, KPI)
    again = live["aud"].get(path)
    assert (again["revision"], again["target"], again["currency"]) == (2, None, None)


def test_a_withdrawal_is_in_the_log_with_what_was_agreed(live: Live) -> None:
    point = make_point(live)
    live["com"].put(f"{at(point)}/kpis/margin", KPI)
    withdraw(live, f"{at(point)}/kpis/margin", 1)

    stream = f"point:{live['aud'].get(at(point))['id']}"
    entries = live["aud"].get("/v1/audit", stream=stream)["items"]
    (gone,) = [one for one in entries if one["action"] == "kpi.withdrawn"]
    assert (gone["details"]["key"], gone["details"]["before"]["threshold"]) == ("margin", 2.0)
    assert all(
        found is None for name, found in gone["details"]["wrote"].items() if "definition" in name
    )


def test_what_a_guardrail_asks_for_is_not_withdrawn(live: Live) -> None:
    point = make_point(live)
    path, rail = f"{at(point)}/kpis/margin", f"{at(point)}/guardrails/rail"
    live["com"].put(path, KPI)
    live["ops"].put(rail, {"when": "kpi.values['margin'] < 0.0", "action": "alert"})
    live["ops"].put(f"{rail}-else", {"when": "traffic.events < 0", "action": "alert"})

    refused = problem_of(withdraw(live, path, 1), 409, "kpi_watched")

    assert refused["guardrails"] == ["rail"]
    assert rail in refused["mend"]
    speaker(live, "ops").delete(rail, headers={"If-Match": '"1"'})
    assert withdraw(live, path, 1).status_code == 204


def test_a_release_is_held_to_a_kpi_that_was_withdrawn_since_it_began(live: Live) -> None:
    model = make_model(live)
    place = Place(model, make_point(live), make_version(live, model))
    live["com"].put(f"{at(place.point)}/kpis/margin", KPI)
    validate(live, model, place.version)
    rehearse(live, place)
    body = {"model": model, "version": place.version, "decision_point": place.point}
    case = live["dev"].post("/v1/releases", body)
    assert withdraw(live, f"{at(place.point)}/kpis/margin", 1).status_code == 204

    verdict = live["ops"].post(f"/v1/releases/{case['id']}/steps/kpi_validation:judge")

    assert verdict["path"] == "business_drift"
    kept = live["aud"].get(f"/v1/cases/{case['id']}")["evidence"]
    said = next(one["payload"] for one in kept if one["kind"] == "kpi")
    assert (said["missed"], said["edited"]) == (["margin"], ["margin"])


def test_under_change_control_a_withdrawal_waits_for_agreement(live: Live) -> None:
    point = make_point(live)
    path = f"{at(point)}/kpis/{unique('kpi')}"
    live["com"].put(path, KPI)
    control(live, {"approvals": 1, "roles": ["committee"]})
    try:
        asked = withdraw(live, path, 1, who="ops")
        assert asked.status_code == 202, asked.text
        assert live["aud"].get(path)["threshold"] == 2.0
        change = asked.json()
        assert (change["kind"], change["after"]["fields"]) == ("kpi", None)
        live["com"].post(f"/v1/changes/{change['id']}:approve", {"reason": "agreed"})
        with pytest.raises(Problem) as gone:
            live["aud"].get(path)
        assert gone.value.status == 404
    finally:
        lift_control(live, "kpi")


def control(live: Live, how: dict[str, Any]) -> None:
    rights = live.admin.get("/v1/decision-rights")
    body = rights["body"]
    body = {"body": {**body, "change_control": {**body["change_control"], "kpi": how}}}
    change = live.admin.put("/v1/decision-rights", body, revision=rights["revision"])
    live["com"].post(f"/v1/changes/{change['id']}:approve", {"reason": "agreed"})
