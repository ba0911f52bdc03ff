"""From decisions and reports to what a process comes to, over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.kpi.scopes.test_scopes_live import KPI, make_scope, put
from tests.live import Live, champion, lift_control, make_point, route, unique, wait_folded
from tests.platform.wire import problem_of, speaker
from tests.tenants import another


def yesterday() -> str:
    """Return its noon, by the day on which it is asked."""
    return (datetime.now(UTC) - timedelta(days=1)).replace(hour=12, minute=0).isoformat()


@pytest.fixture(scope="module", autouse=True)
def _uncontrolled(live: Live) -> None:
    lift_control(live, "kpi")


def decided(live: Live, point: str, reward: float, cost: float) -> None:
    token = route(live, point, unique("u"))
    at = yesterday()
    live["app"].post("/v1/events", {"events": [{"token": token["token"], "at": at, "score": 0.5}]})
    outcome = {"decision_id": token["decision_id"], "reward": reward, "cost": cost, "at": at}
    assert live["app"].post("/v1/outcomes", {"outcomes": [outcome]})["accepted"] == 1
    wait_folded(live, point)


def test_a_gain_here_that_costs_there_is_one_sum_with_both_beside_it(live: Live) -> None:
    seated, silent = champion(live), make_point(live)
    decided(live, seated.point, 100.0, 30.0)
    path = f"/v1/kpi-scopes/{make_scope(live, seated.point, silent)}"
    live["ops"].put(f"{path}/kpis/net", {**KPI, "threshold": 50})
    text = f'reward - cost - pushed["complaints"] * 2 + point["{silent}"].reward'
    pushed = {"name": "p", "formula": "pushed", "threshold": 9, "unit": "complaints",
              "direction": "at_most", "aggregate": "sum"}  # fmt: skip
    live["ops"].put(f"{path}/kpis/complaints", pushed)
    own = {**KPI, "formula": "expression", "expression": text}
    live["ops"].put(f"{path}/kpis/own", own)
    value = {"kpi": "complaints", "at": yesterday(), "value": 12, "segment": "nsw"}

    first = live["app"].post(f"{path}/kpi-values", {"values": [value]})
    again = live["app"].post(f"{path}/kpi-values", {"values": [value]})
    found = {one["key"]: one for one in live["aud"].get(f"{path}/measured")["measures"]}
    line = live["aud"].get(f"{path}/series", kpi="net")

    assert (first["accepted"], again["duplicates"]) == (1, 1)
    assert [found[key]["value"] for key in ("net", "complaints", "own")] == [70.0, 12.0, 46.0]
    parts = {part["decision_point"]: part for part in found["net"]["parts"]}
    answering = {"model": seated.model, "version": seated.version}
    assert (parts[seated.point]["value"], parts[seated.point]["champion"]) == (70.0, answering)
    assert (parts[silent]["value"], parts[silent]["champion"]) == (None, None)
    assert (found["net"]["missed"], found["complaints"]["missed"]) == (False, True)
    assert [one["value"] for one in line["figures"] if one["value"] is not None] == [70.0]
    assert [one["decision_point"] for one in line["parts"]] == [seated.point]
    assert live["aud"].get(f"{path}/kpis/net/standings")["items"] == []


def test_what_is_reported_is_refused_as_a_point_s_is(live: Live) -> None:
    path = f"/v1/kpi-scopes/{make_scope(live, make_point(live))}"
    live["ops"].put(f"{path}/kpis/net", KPI)
    live["ops"].put(f"{path}/kpis/p", {**KPI, "formula": "pushed"})
    at = yesterday()

    def said(**more: Any) -> Any:
        body = {"values": [{"kpi": "p", "at": at, "value": 1.0, **more}]}
        return speaker(live, "app").post(f"{path}/kpi-values", json=body)

    assert said().json() == {"accepted": 1, "duplicates": 0}
    problem_of(said(value=2.0), 409, "said_otherwise")
    assert said(value=2.0, revision=1).status_code == 200
    problem_of(said(kpi="net"), 422, "kpi_not_pushed")
    problem_of(said(kpi="none"), 404, "not_found")
    problem_of(said(at="2199-01-01T00:00:00Z"), 422, "in_the_future")
    listed = live["aud"].get(f"{path}/kpi-values", kpi="p")["items"]
    assert [(one["revision"], one["value"]) for one in listed] == [(0, 1.0), (1, 2.0)]


def test_times_are_in_order_and_kpis_exist(live: Live) -> None:
    path = f"/v1/kpi-scopes/{make_scope(live, make_point(live))}"
    live["ops"].put(f"{path}/kpis/net", KPI)
    aud = speaker(live, "aud")
    turned = {"since": "2026-02-02T00:00:00Z", "until": "2026-02-01T00:00:00Z"}

    problem_of(aud.get(f"{path}/measured", params=turned), 422, "not_in_order")
    problem_of(aud.get(f"{path}/series", params={"kpi": "net", **turned}), 422, "not_in_order")
    problem_of(aud.get(f"{path}/series", params={"kpi": "no"}), 404, "not_found")
    problem_of(aud.get(f"{path}/kpis/no/standings"), 404, "not_found")
    edges = {"since": "1970-01-01T00:00:00Z", "until": "8999-12-31T23:59:59Z", "compared": "true"}
    assert aud.get(f"{path}/measured", params=edges).status_code == 200
    assert aud.get(f"{path}/measured", params={"until": edges["since"]}).status_code == 200
    assert aud.get(f"{path}/series", params={"kpi": "net", "until": edges["since"]}).is_success
    long: dict[str, str | int] = {"kpi": "net", "since": "1970-01-01T00:00:00Z", "bucket_hours": 1}
    problem_of(aud.get(f"{path}/series", params=long), 422, "too_much_to_measure")


def test_another_tenant_sees_no_scope_and_names_none_of_its_points(live: Live) -> None:
    point = make_point(live)
    key = make_scope(live, point)
    live["ops"].put(f"/v1/kpi-scopes/{key}/kpis/net", KPI)
    with another(live) as other:
        lift_control(other, "kpi")
        for path in ("", "/measured", "/kpis", "/kpis/net", "/kpis/net/standings", "/kpi-values"):
            answer = speaker(other, "aud").get(f"/v1/kpi-scopes/{key}{path}")
            problem_of(answer, 404, "not_found")
        body = {"kind": "process", "name": "s", "decision_points": [point]}
        problem_of(put(other, f"/v1/kpi-scopes/{key}", body), 404, "not_found")
        assert other["aud"].get("/v1/kpi-scopes")["items"] == []


def test_a_key_for_some_points_is_not_for_what_is_of_several(live: Live) -> None:
    point = make_point(live)
    key = make_scope(live, point)
    me = live["ops"].get("/v1/me")["id"]
    narrow = live["ops"].post(f"/v1/principals/{me}/keys", {"days": 1, "points": [point]})["key"]
    headers = {"Authorization": f"Bearer {narrow}"}
    for path in ("/v1/kpi-scopes", f"/v1/kpi-scopes/{key}", f"/v1/kpi-scopes/{key}/measured"):
        answer = speaker(live, "ops").get(path, headers=headers)
        problem_of(answer, 403, "out_of_scope")
