"""A release keeps what was agreed when it was opened: by which KPIs, and who validates."""

from typing import Any

import pytest

from app.client import Client, Problem
from tests.live import Live, Place, make_model, make_point, make_version, rehearse, unique, validate
from tests.system.doors import a_version

KPI = {"name": "Margin", "formula": "mean_reward", "direction": "at_least", "threshold": 0.5,
       "unit": "EUR"}  # fmt: skip


@pytest.fixture(scope="module")
def place(live: Live) -> Place:
    model = make_model(live)
    found = Place(model, make_point(live), make_version(live, model))
    validate(live, model, found.version)
    return found


def opened(live: Live, place: Place, **more: Any) -> Any:
    body = {"model": place.model, "version": place.version, "decision_point": place.point}
    return live["dev"].post("/v1/releases", {**body, **more})


def test_only_who_had_no_part_in_it_is_asked_to_validate(live: Live, place: Place) -> None:
    for name, code in (("dev", "unfit_validator"), ("ops", "unfit_validator"),
                       (unique("nobody"), "not_found")):  # fmt: skip
        with pytest.raises(Problem) as refusal:
            opened(live, place, validator=name)
        assert refusal.value.code == code
    stage = live["dev"].get(f"/v1/models/{place.model}/versions/{place.version}")["stage"]
    assert stage == "validated"


def test_a_release_keeps_its_validator_and_the_kpis_of_its_beginning(
    live: Live, place: Place
) -> None:
    path = f"/v1/decision-points/{place.point}/kpis/margin"
    live["com"].put(path, KPI)

    case = opened(live, place, validator="val")
    live["com"].put(path, {**KPI, "threshold": 0.1}, revision=1)

    kept = live["aud"].get(f"/v1/cases/{case['id']}")["details"]
    val = live["val"].get("/v1/me")["id"]
    assert kept["validator_id"] == val
    assert kept["kpis"] == [
        {**KPI, "key": "margin", "tolerance": 0.0, "revision": 1, "terms": None}
    ]
    told = next(
        event
        for event in live["aud"].pages("/v1/events-feed", limit=200)
        if event["type"] == "gates.case.opened" and event["data"]["case_id"] == case["id"]
    )
    assert told["data"]["addressees"] == [{"id": val, "name": "val"}]


@pytest.mark.parametrize(
    ("then", "now", "path"), [(2.0, 0.1, "business_drift"), (0.5, 2.0, "delivers_as_promised")]
)
def test_a_release_is_held_to_what_was_agreed_when_it_began(
    live: Live, then: float, now: float, path: str
) -> None:
    model = make_model(live)
    place = Place(model, make_point(live), make_version(live, model))
    kpis = f"/v1/decision-points/{place.point}/kpis"
    live["com"].put(f"{kpis}/margin", {**KPI, "threshold": then})
    validate(live, model, place.version)
    rehearse(live, place)
    case = opened(live, place)
    live["com"].put(f"{kpis}/margin", {**KPI, "threshold": now}, revision=1)
    live["com"].put(f"{kpis}/later", {**KPI, "threshold": 0.2})

    verdict = live["ops"].post(f"/v1/releases/{case['id']}/steps/kpi_validation:judge")

    assert verdict["path"] == path
    kept = live["aud"].get(f"/v1/cases/{case['id']}")["evidence"]
    said = next(one["payload"] for one in kept if one["kind"] == "kpi")
    held = {one["key"]: (one["threshold"], one["missed"]) for one in said["measured"]}
    assert held == {"margin": (then, path == "business_drift"), "later": (0.2, False)}
    assert said["edited"] == ["margin"]


def test_a_kpi_that_its_own_developer_set_is_named_however_it_was_edited_since(live: Live) -> None:
    _, key = live.newcomer("developer", "operator")
    point = make_point(live)
    kpis = f"/v1/decision-points/{point}/kpis"
    with Client(live.url, key) as both:
        model = make_model(live)
        number = both.post(f"/v1/models/{model}/versions", a_version(model))["number"]
        both.put(f"{kpis}/margin", KPI)
        both.put(f"{kpis}/other", KPI)
    live["com"].put(f"{kpis}/other", {**KPI, "threshold": 0.4}, revision=1)
    place = Place(model, point, number)
    validate(live, model, number)
    rehearse(live, place)
    case = opened(live, place)
    live["com"].put(f"{kpis}/margin", {**KPI, "threshold": 0.1}, revision=1)

    live["ops"].post(f"/v1/releases/{case['id']}/steps/kpi_validation:judge")

    kept = live["aud"].get(f"/v1/cases/{case['id']}")["evidence"]
    said = next(one["payload"] for one in kept if one["kind"] == "kpi")
    assert said["own"] == ["margin"]

    # Whoever agrees on the very same figure stands for it as well.
    live["com"].put(f"{kpis}/margin", KPI, revision=2)
    assert live["aud"].get(f"{kpis}/margin")["revision"] == 3
    live["ops"].post(f"/v1/releases/{case['id']}/steps/kpi_validation:judge")
    kept = live["aud"].get(f"/v1/cases/{case['id']}")["evidence"]
    said = [one["payload"] for one in kept if one["kind"] == "kpi"][-1]
    assert said["own"] == []


def test_a_kpi_whose_values_its_developer_reports_is_named(live: Live, place: Place) -> None:
    me = live["dev"].get("/v1/me")
    made = live.admin.post(
        "/v1/principals",
        {
            "name": unique("pusher"),
            "kind": "service",
            "owner": me["name"],
            "roles": ["application"],
        },
    )
    key = live.admin.post(f"/v1/principals/{made['id']}/keys", {"days": 1})["key"]
    kpis = f"/v1/decision-points/{place.point}/kpis"
    for name in ("sales", "margin-pushed"):
        live["com"].put(f"{kpis}/{name}", {**KPI, "formula": "pushed"})
    value = {"kpi": "sales", "at": "2026-01-01T00:00:00Z", "value": 1e6}
    about = {"model": place.model, "version": place.version}
    with Client(live.url, key) as pusher:
        pusher.post(f"/v1/decision-points/{place.point}/kpi-values", {"values": [value | about]})
    case = next(
        one
        for one in live["aud"].pages("/v1/cases", model=place.model, kind="release")
        if one["details"]["decision_point"] == place.point
    )
    live["ops"].post(f"/v1/releases/{case['id']}/steps/kpi_validation:judge")

    kept = live["aud"].get(f"/v1/cases/{case['id']}")["evidence"]
    said = [one["payload"] for one in kept if one["kind"] == "kpi"][-1]
    assert said["own"] == ["sales"]
