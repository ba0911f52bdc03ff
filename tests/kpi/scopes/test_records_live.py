"""What stays on record of a scope that has ended is read, whoever has its key by then."""

from typing import Any

import pytest

from tests.kpi.scopes.test_scopes_live import KPI, delete, make_scope, put, scope
from tests.kpi.scopes.test_values_live import yesterday
from tests.live import Live, lift_control, make_point
from tests.platform.wire import problem_of, speaker
from tests.tenants import another


@pytest.fixture(scope="module", autouse=True)
def _uncontrolled(live: Live) -> None:
    lift_control(live, "kpi")


def test_records_of_what_has_ended_are_read_by_its_id(live: Live) -> None:
    here, there = make_point(live), make_point(live)
    key = make_scope(live, here)
    path = f"/v1/kpi-scopes/{key}"
    put(live, f"{path}/kpis/open", {**KPI, "formula": "pushed"})
    value = {"kpi": "open", "at": yesterday(), "value": 12.0}
    live["app"].post(f"{path}/kpi-values", {"values": [value]})
    was = live["aud"].get(path)
    assert delete(live, path, 1).status_code == 204
    problem_of(speaker(live, "aud").get(f"{path}/kpi-values"), 404, "not_found")
    again = put(live, path, scope(there)).json()

    ended = [one for one in live["aud"].pages("/v1/kpi-scopes", ended="true", limit=2)
             if one["key"] == key]  # fmt: skip
    record = f"/v1/kpi-scopes/{was['id']}"
    (listed,) = live["aud"].get(f"{record}/kpi-values")["items"]

    assert [{**one, "ended_at": None} for one in ended] == [was]
    assert ended[0]["ended_at"] is not None
    assert (listed["value"], listed["withdrawn"]) == (12.0, True)
    assert live["aud"].get(f"{record}/kpis/open/standings")["items"] == []
    # It is a record: nothing is agreed on, measured or reported of it.
    aud = speaker(live, "aud")
    for gone in (record, f"{record}/kpis", f"{record}/measured", f"{record}/kpis/no/standings"):
        problem_of(aud.get(gone), 404, "not_found")
    problem_of(
        speaker(live, "app").post(f"{record}/kpi-values", json={"values": [value]}),
        404, "not_found",
    )  # fmt: skip
    # Of what there is the key is the name, and of what there was the id.
    assert live["aud"].get(f"{path}/kpi-values")["items"] == []
    problem_of(aud.get(f"/v1/kpi-scopes/{again['id']}/kpi-values"), 404, "not_found")


def test_another_tenant_reads_no_records(live: Live) -> None:
    key = make_scope(live, make_point(live))
    was: dict[str, Any] = live["aud"].get(f"/v1/kpi-scopes/{key}")
    assert delete(live, f"/v1/kpi-scopes/{key}", 1).status_code == 204
    with another(live) as other:
        assert other["aud"].get("/v1/kpi-scopes", ended="true")["items"] == []
        answer = speaker(other, "aud").get(f"/v1/kpi-scopes/{was['id']}/kpi-values")
        problem_of(answer, 404, "not_found")
