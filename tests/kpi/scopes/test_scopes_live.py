"""Processes and portfolios, and what is agreed for them, over HTTP."""

from typing import Any

import httpx
import pytest

from tests.live import Live, lift_control, make_point, unique
from tests.platform.wire import problem_of, speaker

KPI = {"name": "What it brings", "formula": "total_net_value", "threshold": 100, "unit": "AUD"}


@pytest.fixture(scope="module", autouse=True)
def _uncontrolled(live: Live) -> None:
    lift_control(live, "kpi")


def put(live: Live, path: str, body: Any, revision: int | None = None) -> httpx.Response:
    headers = {} if revision is None else {"If-Match": f'"{revision}"'}
    return speaker(live, "ops").put(path, json=body, headers=headers)


def delete(live: Live, path: str, revision: int) -> httpx.Response:
    return speaker(live, "ops").delete(path, headers={"If-Match": f'"{revision}"'})


def make_scope(live: Live, *points: str, processes: tuple[str, ...] = ()) -> str:
    key = unique("scope")
    live["ops"].put(f"/v1/kpi-scopes/{key}", scope(*points, processes=processes))
    return key


def scope(*points: str, processes: tuple[str, ...] = ()) -> dict[str, Any]:
    kind = "portfolio" if processes else "process"
    named = {"decision_points": list(points), "processes": list(processes)}
    return {"kind": kind, "name": "A scope", **named}


def agreed_in(live: Live, point: str, currency: str) -> str:
    terms = {"name": "k", "threshold": 0, "unit": currency, "currency": currency}
    path = f"/v1/decision-points/{point}/kpis/{unique('kpi')}"
    live["ops"].put(path, terms)
    return path


def test_a_portfolio_is_of_its_own_points_and_those_of_its_processes_each_once(live: Live) -> None:
    first, second, third = sorted(make_point(live) for _ in range(3))
    quote, claim = make_scope(live, first, second), make_scope(live, second)
    whole = make_scope(live, second, third, processes=(quote, claim))

    found = live["aud"].get(f"/v1/kpi-scopes/{whole}")

    assert found["decision_points"] == [second, third]
    assert found["processes"] == sorted([quote, claim])
    assert found["points"] == [first, second, third]
    assert whole in {one["key"] for one in live["aud"].pages("/v1/kpi-scopes", limit=2)}


def test_a_scope_is_made_of_what_there_is_and_says_what_there_is_not(live: Live) -> None:
    point = make_point(live)
    process, path = make_scope(live, point), f"/v1/kpi-scopes/{unique('scope')}"
    whole = make_scope(live, processes=(process,))

    points = problem_of(put(live, path, scope(point, "no-a", "no-b")), 404, "not_found")
    nested = problem_of(put(live, path, scope(processes=(process, whole))), 404, "not_found")

    assert (points["missing"], nested["missing"]) == (["no-a", "no-b"], [whole])
    assert point not in points["detail"]
    for nothing in (scope(), {**scope(point), "kind": "process", "processes": [process]}):
        assert put(live, path, nothing).status_code == 422
    twice = put(live, path, scope(point, point))
    assert "stands there twice" in str(problem_of(twice, 422, "invalid"))


def test_a_process_that_a_portfolio_names_is_not_ended(live: Live) -> None:
    process = make_scope(live, make_point(live))
    whole = make_scope(live, processes=(process,))

    refused = problem_of(delete(live, f"/v1/kpi-scopes/{process}", 1), 409, "kpi_scope_named")

    assert refused["portfolios"] == [whole]
    assert f"PUT /v1/kpi-scopes/{whole}" in refused["mend"]
    put(live, f"/v1/kpi-scopes/{whole}", scope(make_point(live)) | {"kind": "portfolio"}, 1)
    assert delete(live, f"/v1/kpi-scopes/{process}", 1).status_code == 204
    problem_of(speaker(live, "aud").get(f"/v1/kpi-scopes/{process}"), 404, "not_found")


def test_edits_are_made_on_what_was_seen_and_stand_in_the_log(live: Live) -> None:
    point, other = make_point(live), make_point(live)
    key = make_scope(live, point)
    path = f"/v1/kpi-scopes/{key}"

    problem_of(put(live, path, scope(other)), 428, "condition_missing")
    problem_of(put(live, path, scope(other), 7), 412, "condition_stale")
    turned = {**scope(other), "kind": "portfolio"}
    problem_of(put(live, path, turned, 1), 409, "kpi_scope_kind_fixed")
    edited = put(live, path, scope(other), 1)
    live["ops"].put(f"{path}/kpis/net", KPI)
    assert delete(live, f"{path}/kpis/net", 1).status_code == 204
    live["ops"].put(f"{path}/kpis/net", KPI)
    assert delete(live, path, 2).status_code == 204

    assert (edited.json()["points"], edited.headers["etag"]) == ([other], '"2"')
    stream = f"kpi-scope:{edited.json()['id']}"
    entries = live["aud"].get("/v1/audit", stream=stream)["items"]
    assert [one["action"] for one in reversed(entries)] in (
        [f"kpi.scope.{act}" for act in _ACTS], [f"kpi.scope.{act}" for act in reversed(_ACTS)],
    )  # fmt: skip
    assert live["aud"].post("/v1/audit:verify")["faults"] == []


_ACTS = ("set", "set", "agreed", "withdrawn", "agreed", "ended")


def test_who_may_not_agree_on_kpis_makes_no_scope(live: Live) -> None:
    path = f"/v1/kpi-scopes/{unique('scope')}"
    body = scope(make_point(live))

    problem_of(speaker(live, "aud").put(path, json=body), 403, "permission_denied")
    problem_of(speaker(live, "app").get("/v1/kpi-scopes"), 403, "permission_denied")


def test_what_is_attributed_is_agreed_on_at_a_point(live: Live) -> None:
    point = make_point(live)
    path = f"/v1/kpi-scopes/{make_scope(live, point)}/kpis/lift"

    refused = problem_of(put(live, path, {**KPI, "formula": "uplift"}), 422, "attributed_at_points")

    assert f"PUT /v1/decision-points/{point}/kpis/lift" in refused["mend"]


def test_money_of_different_currencies_is_not_added_up(live: Live) -> None:
    here, there, silent = (make_point(live) for _ in range(3))
    agreed_in(live, here, "AUD")
    agreed_in(live, there, "EUR")
    alone, both = make_scope(live, here, silent), make_scope(live, here, there)
    own = {"formula": "expression", "expression": "reward / decisions"}
    ways: list[tuple[str, str, dict[str, Any]]] = [
        ("alone", alone, {"currency": "EUR"}), ("both", both, {}), ("own", both, own),
        ("mean", both, {"formula": "mean_reward"}), ("named", both, {"currency": "AUD"}),
    ]  # fmt: skip

    for name, key, terms in ways:
        answer = put(live, f"/v1/kpi-scopes/{key}/kpis/{name}", {**KPI, **terms})
        refused = problem_of(answer, 409, "mixed_currencies")
        places = {point for of in refused["currencies"].values() for point in of}
        assert set(refused["currencies"]) == {"AUD", "EUR"}
        assert here in places, name
    counted = {"formula": "expression", "expression": "hits / labelled"}
    ways = [
        ("left-out", alone, {}), ("named", alone, {"currency": "AUD"}), ("counted", both, counted),
        ("share", both, {"formula": "accuracy", "threshold": 0.5}),
    ]  # fmt: skip
    for name, key, terms in ways:
        answer = put(live, f"/v1/kpi-scopes/{key}/kpis/{name}", {**KPI, **terms})
        assert answer.status_code == 200, answer.text


def test_a_point_of_another_currency_does_not_join_later(live: Live) -> None:
    here, there = make_point(live), make_point(live)
    agreed_in(live, here, "AUD")
    agreed_in(live, there, "EUR")
    process = make_scope(live, here)
    whole = make_scope(live, here, processes=(process,))
    live["ops"].put(f"/v1/kpi-scopes/{whole}/kpis/net", {**KPI, "currency": "AUD"})

    # The process itself has no KPI of money, but the portfolio is of its points too.
    joined = put(live, f"/v1/kpi-scopes/{process}", scope(here, there), 1)
    refused = problem_of(joined, 409, "mixed_currencies")

    assert refused["currencies"] == {"AUD": sorted([here, "KPI net of the scope"]), "EUR": [there]}
    assert live["aud"].get(f"/v1/kpi-scopes/{process}")["points"] == [here]


def test_a_formula_that_cannot_be_reckoned_is_refused_with_its_place(live: Live) -> None:
    point = make_point(live)
    path = f"/v1/kpi-scopes/{make_scope(live, point)}/kpis"
    pushed = {"name": "p", "formula": "pushed", "threshold": 0, "unit": "complaints"}
    live["ops"].put(f"{path}/complaints", pushed)
    ways = {
        "rewad / decisions": ("no quantity", 1, 1), "reward / (2 - 2)": ("by zero", 1, 8),
        "reward +\n  point['no'].cost": ("no point of the scope", 2, 3),
        "reward - pushed['nothing']": ("no KPI of the scope", 1, 10),
        "1 + 1": ("names nothing", 1, 1), "reward * * 2": ("is missing", 1, 10),
        "reward == cost": ("says nothing here", 1, 8),
    }  # fmt: skip

    for text, (said, line, column) in ways.items():
        body = {**KPI, "formula": "expression", "expression": text}
        (error,) = problem_of(put(live, f"{path}/own", body), 422, "bad_formula")["errors"]
        assert said in error["problem"], text
        assert (error["line"], error["column"]) == (line, column), text
    text = f'point["{point}"].reward - pushed["complaints"] * 12.5'
    body = {**KPI, "formula": "expression", "expression": text}
    assert put(live, f"{path}/own", body).status_code == 200
    # What an expression names is not withdrawn beneath it.
    left = problem_of(delete(live, f"{path}/complaints", 1), 422, "bad_formula")
    assert left["errors"][0]["kpi"] == "own"


def test_under_change_control_scopes_and_their_kpis_wait_for_agreement(live: Live) -> None:
    key, point = unique("scope"), make_point(live)
    path = f"/v1/kpi-scopes/{key}"
    agreed_in(live, point, "AUD")
    control(live, {"approvals": 1, "roles": ["committee"]})
    try:
        for asked, body in ((path, scope(point)), (f"{path}/kpis/net", KPI)):
            answer = put(live, asked, body)
            assert answer.status_code == 202, answer.text
            problem_of(speaker(live, "aud").get(asked), 404, "not_found")
            change = answer.json()["id"]
            live["com"].post(f"/v1/changes/{change}:approve", {"reason": "agreed"})
            assert live["aud"].get(asked)["revision"] == 1
        # What could not be carried out is not asked for.
        mixed = put(live, f"{path}/kpis/net", {**KPI, "currency": "EUR"}, 1)
        problem_of(mixed, 409, "mixed_currencies")
        turned = {**scope(point), "kind": "portfolio"}
        problem_of(put(live, path, turned, 1), 409, "kpi_scope_kind_fixed")
        for asked in (f"{path}/kpis/net", path):
            change = delete(live, asked, 1).json()["id"]
            live["com"].post(f"/v1/changes/{change}:approve", {"reason": "agreed"})
            problem_of(speaker(live, "aud").get(asked), 404, "not_found")
    finally:
        lift_control(live, "kpi")


def control(live: Live, how: dict[str, Any]) -> None:
    rights = live.admin.get("/v1/decision-rights")
    body = rights["body"]
    body = {"body": {**body, "change_control": {**body["change_control"], "kpi": how}}}
    change = live.admin.put("/v1/decision-rights", body, revision=rights["revision"])
    live["com"].post(f"/v1/changes/{change['id']}:approve", {"reason": "agreed"})
