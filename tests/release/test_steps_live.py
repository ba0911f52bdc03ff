"""Three steps of a release as the server measures them, over HTTP."""

import uuid
from typing import Any

import pytest

from app.client import Problem
from app.telemetry import CSV, JSON_LINES
from tests.catalog import assets
from tests.live import (
    Live,
    Place,
    champion,
    make_model,
    make_point,
    make_version,
    rehearse,
    route,
    unique,
    validate,
    wait_folded,
)
from tests.platform.wire import problem_of
from tests.release.samples import KINDS, encoded, judged, open_release, rows, send

ENDPOINT, PARAMETERS = "endpoint_identification", "parameter_testing"
INSTANCES = "instantiation_validation"
NUMBER = {"type": "number"}


@pytest.fixture(scope="module")
def place(live: Live) -> Place:
    """A validated version that nobody has rehearsed, and its point."""
    model = make_model(live)
    found = Place(model, make_point(live), make_version(live, model))
    validate(live, model, found.version)
    return found


@pytest.fixture(scope="module")
def case(live: Live, place: Place) -> Any:
    return open_release(live, place)


def edit(live: Live, key: str, **contract: Any) -> Any:
    point = live["ops"].get(f"/v1/decision-points/{key}")
    body = {"contract": {**point["contract"], **contract}}
    return live["ops"].patch(f"/v1/decision-points/{key}", body, revision=point["revision"])


def evidence_of(verdict: Any, kind: str) -> Any:
    return verdict["facts"]["evidence"][kind]


def failed(verdict: Any) -> list[str]:
    """The rules that close the gate."""
    results = [one for one in verdict["results"] if one["severity"] == "block"]
    return [one["rule"] for one in results if not one["passed"]]


def test_a_contract_with_a_schema_is_kept_and_checked(live: Live, place: Place, case: Any) -> None:
    named = {"model": place.model, "version": place.version}
    path = f"/v1/decision-points/{place.point}:check-contract"
    nullable = {"type": "object", "properties": {"x": {"type": ["number", "null"]}},
                "required": ["x"]}  # fmt: skip

    before = live["dev"].post(path, named)
    edited = edit(
        live, place.point, input_schema=nullable, data_classes={"$.x": "confidential"},
        output_schema={**NUMBER, "maximum": 0.5},
    )  # fmt: skip
    after = live["dev"].post(path, named)
    verdict = judged(live, case, ENDPOINT)
    edit(live, place.point, input_schema=None, data_classes={}, output_schema=None)
    again = judged(live, case, ENDPOINT)

    assert (before["compatible"], before["mismatches"]) == (True, [])
    assert edited["contract"]["input_schema"] == nullable
    assert [(one["side"], one["path"], one["kind"]) for one in after["mismatches"]] == [
        ("input", "$.x", "schema"),
        ("input", "$.x", "data_class"),
        ("output", "$", "schema"),
    ]
    assert not verdict["passed"]
    assert evidence_of(verdict, "contract")["mismatches"] == after["mismatches"]
    assert "input_schema" not in verdict["facts"]["point"]
    assert again["passed"]


def test_a_schema_outside_of_the_subset_is_refused(live: Live, place: Place) -> None:
    with pytest.raises(Problem) as refusal:
        edit(live, place.point, input_schema={"$ref": "http://169.254.169.254/latest"})

    assert refusal.value.status == 422
    assert "nothing outside of the schema" in str(refusal.value.document["errors"])


def test_neighbours_are_told_from_both_ends_with_their_circle(live: Live) -> None:
    first, second, third = (make_point(live) for _ in range(3))
    edit(live, first, downstream=[second])
    edit(live, second, downstream=[third], upstream=[first])
    open_way = live["aud"].get(f"/v1/decision-points/{second}/neighbours")
    edit(live, first, downstream=[second], upstream=[third])
    closed = live["aud"].get(f"/v1/decision-points/{second}/neighbours")

    assert open_way == {
        "decision_point": second,
        "upstream": [{"key": first, "declared_by": sorted([first, second])}],
        "downstream": [{"key": third, "declared_by": [second]}],
        "cycle": None,
    }
    assert closed["cycle"] == [second, third, first, second]
    for wrong, status, code in (([first], 422, "own_neighbour"), ([unique("p")], 404, "not_found")):
        with pytest.raises(Problem) as refusal:
            edit(live, first, upstream=wrong)
        assert (refusal.value.status, refusal.value.code) == (status, code)


@pytest.mark.parametrize("media", KINDS)
def test_a_sample_of_each_kind_gives_the_same_report(live: Live, case: Any, media: str) -> None:
    sent = send(live, case, encoded(rows(), media), media, time_column="at")

    assert sent.status_code == 201, sent.text
    found = sent.json()
    report = found["payload"]
    assert (found["kind"], found["measured"]) == ("parameters", True)
    assert (report["source"], report["events"], report["part"]) == (
        "sample", 600, "developed the version",
    )  # fmt: skip
    assert report["sampled_by"] == live["dev"].get("/v1/me")["id"]
    assert report["events_per_minute"] == pytest.approx(1)
    assert report["since"].startswith("2026-03-01T00:00:00")
    [x] = report["variables"]
    assert (x["found"], x["null_share"], x["invalid_share"]) == (
        "text" if media == CSV else "number", 0.1, 0,
    )  # fmt: skip
    assert x["min"] < -2 < 2 < x["max"]
    assert "n/a" not in sent.text


def test_the_newest_sample_is_judged_until_something_was_rehearsed(live: Live) -> None:
    model = make_model(live)
    own = Place(model, make_point(live), make_version(live, model))
    validate(live, model, own.version)
    case = open_release(live, own)
    nothing = judged(live, case, PARAMETERS)
    send(live, case, encoded(rows(shift=3), JSON_LINES), JSON_LINES, time_column="at")
    moved = judged(live, case, PARAMETERS)
    edit(live, own.point, events_per_minute=4)
    slow = judged(live, case, PARAMETERS)
    rehearse(live, own)
    rehearsed = judged(live, case, PARAMETERS)

    assert [evidence_of(v, "parameters")["source"] for v in (nothing, moved, slow, rehearsed)] == [
        "rehearsal", "sample", "sample", "rehearsal",
    ]  # fmt: skip
    assert evidence_of(nothing, "parameters")["events"] == 0
    assert evidence_of(moved, "parameters")["drifting"] == ["x"]
    assert [evidence_of(v, "parameters")["velocity_ratio"] for v in (moved, slow)] == [
        pytest.approx(1), pytest.approx(0.25),
    ]  # fmt: skip
    failed = {r["rule"] for r in moved["results"] if not r["passed"]}
    assert failed == {"quality", "like_the_baseline"}  # a tenth of the sample is null
    assert rehearsed["passed"]
    assert evidence_of(rehearsed, "parameters")["variables"][0]["drifts"] is False


def test_a_word_among_the_numbers_is_one_bad_value(live: Live, case: Any) -> None:
    for media in (CSV, JSON_LINES):
        report = send(live, case, encoded(rows(bad=6), media), media).json()["payload"]

        assert report["variables"][0]["invalid_share"] == pytest.approx(0.01)
        assert report["velocity_ratio"] is None


def test_who_may_not_submit_evidence_sends_no_sample(live: Live, case: Any) -> None:
    problem_of(send(live, case, b"{}", JSON_LINES, who="aud"), 403, "permission_denied")
    problem_of(send(live, {"id": uuid.uuid4()}, b"{}", JSON_LINES), 404, "not_found")


def test_recorded_traffic_is_seen_with_the_new_versions_eyes(live: Live) -> None:
    seated = champion(live)
    events = [
        {"token": route(live, seated.point, f"u{i}")["token"], "score": 0.5,
         "at": f"2026-02-01T00:{i:02d}:00Z", "features": {"x": 40.0 + i}}
        for i in range(20)
    ]  # fmt: skip
    live["app"].post("/v1/events", {"events": events})
    wait_folded(live, seated.point)
    model = make_model(live)
    challenger = Place(model, seated.point, make_version(live, model))
    validate(live, model, challenger.version)
    case = open_release(live, challenger)
    path = f"/v1/releases/{case['id']}/steps/{PARAMETERS}:recorded"

    report = live["ops"].post(path, {"days": 1})["payload"]
    verdict = judged(live, case, PARAMETERS)

    assert (report["source"], report["events"], report["part"]) == ("recorded", 20, None)
    assert report["events_per_minute"] == pytest.approx(1)
    [x] = report["variables"]
    assert (x["min"], x["max"], x["out_of_range"], x["found"]) == (40, 59, True, "number")
    assert evidence_of(verdict, "parameters") == report


def test_where_nothing_was_recorded_that_is_said(live: Live, case: Any) -> None:
    with pytest.raises(Problem) as refusal:
        live["dev"].post(f"/v1/releases/{case['id']}/steps/{PARAMETERS}:recorded", {})

    assert refusal.value.code == "nothing_recorded"


def scores(**more: Any) -> dict[str, Any]:
    rows_ = [0.1, 0.4, 0.6, 0.9]
    keys = ("nsw", "vic", "qld", "sa", "tas")
    return {
        "rows": 4,
        "tolerance": 0.5,
        "instances": {
            key: {"segment": {"state": key}, "scores": [s + 0.01 * i for s in rows_]}
            for i, key in enumerate(keys)
        },
        **more,
    }


def test_instances_are_held_to_the_stricter_tolerance(live: Live, place: Place, case: Any) -> None:
    path = f"/v1/releases/{case['id']}/steps/{INSTANCES}:sample"
    ensemble = {
        "members": {"a": {"scores": [0.1, 0.4, 0.6, 0.9]}, "b": {"scores": [0.9, 0.6, 0.4, 0.1]}},
        "combiner": "majority",
    }

    unpriced = live["dev"].post(path, scores(labels=[0, 0, 1, 1], ensemble=ensemble))["payload"]
    for key, brings in (("value", 10), ("value-too", 99)):
        live["ops"].put(
            f"/v1/decision-points/{place.point}/kpis/{key}",
            {
                "name": "Value of an answer", "formula": "error_cost", "threshold": 0.0,
                "unit": "AUD a decision", "prices": {"true_positive": brings, "false_positive": -2},
            },
        )  # fmt: skip

    own = live["dev"].post(path, scores(labels=[0, 0, 1, 1], ensemble=ensemble))["payload"]
    edit(live, place.point, instance_tolerance=0.001)
    verdict = judged(live, case, INSTANCES)

    assert (own["tolerance"], own["tolerance_by"]) == (0.5, "sender")
    assert (own["segments"], own["outliers"], own["rank_agreement"]) == (5, 0, 1)
    assert own["dispersion"] == pytest.approx(0.0158113883)
    assert own["accuracy"]["nsw"] == 1
    assert own["ensemble"]["most_influential"] in {"a", "b"}
    shares = {one["member"]: one["shapley"] for one in own["ensemble"]["contributions"]["members"]}
    assert shares["a"] > 0 > shares["b"]
    money = own["ensemble"]["contributions"]["money"]
    # Always yes brings (10 - 2) / 2; so do the two together, whose weights are never a majority.
    assert (money["kpi"], money["without"]) == ("value", 4)
    assert money["kpis_not_used"] == ["value-too"]
    missing = unpriced["ensemble"]["contributions"]
    assert (missing["money"], "error_cost" in missing["money_lacking"]) == (None, True)
    assert [one["alone"] for one in money["members"]] == [1, -5]
    held = evidence_of(verdict, "instances")
    assert (held["tolerance"], held["tolerance_by"]) == (0.001, "contract")
    assert held["dispersion"] == own["dispersion"]
    assert held["beyond"]
    assert not verdict["passed"]
    edit(live, place.point, instance_tolerance=None)


def test_neither_scores_nor_tolerance_are_those_of_who_made_the_version(
    live: Live, place: Place, case: Any
) -> None:
    path = f"/v1/releases/{case['id']}/steps/{INSTANCES}:sample"
    live["dev"].post(path, scores())

    own = judged(live, case, INSTANCES)
    sent = live["val"].post(path, scores())["payload"]
    theirs = judged(live, case, INSTANCES)
    edit(live, place.point, instance_tolerance=0.5)

    assert failed(own) == ["agreed_tolerance", "scored_apart"]
    assert sent["part"] is None
    assert failed(theirs) == ["agreed_tolerance"]
    assert judged(live, case, INSTANCES)["passed"]


def test_an_ensemble_is_weighed_as_the_catalogue_says_it_is_made(live: Live) -> None:
    names = [assets.make_version(live) for _ in range(2)]
    first, second = (f"{name}@1" for name in names)
    inside = [
        {"model": name, "version": 1, "weight": weight}
        for name, weight in zip(names, (3, 1), strict=True)
    ]
    model = assets.make_model(live, "ensemble")
    made = assets.specifics("ensemble", combiner="weighted_mean", members=inside)
    assets.publish(live, model, specifics=made)
    validate(live, model, 1)
    case = open_release(live, Place(model, make_point(live), 1))
    path = f"/v1/releases/{case['id']}/steps/{INSTANCES}:sample"
    members = {first: {"scores": [0.2, 0.4, 0.6, 0.8]}, second: {"scores": [0.8, 0.6, 0.4, 0.2]}}

    def refused(ensemble: dict[str, Any]) -> dict[str, Any]:
        with pytest.raises(Problem) as refusal:
            live["dev"].post(path, scores(ensemble=ensemble))
        assert (refusal.value.status, refusal.value.code) == (422, "not_its_members")
        return refusal.value.document

    found = live["dev"].post(path, scores(ensemble={"members": members}))["payload"]["ensemble"]
    other = refused({"members": {first: members[first], "someone@1": members[second]}})
    heavier = refused({"members": {**members, second: {**members[second], "weight": 9}}})
    greatest = refused({"members": members, "combiner": "max"})

    assert (found["composed_by"], found["combiner"]) == ("catalogue", "weighted_mean")
    assert found["contributions_lacking"] == "the sample has no labels"
    assert {one["member"]: one["weight"] for one in found["members"]} == {first: 3, second: 1}
    # Without the heavier one its answers are the lighter one's: 0.35, 0.45, ... become 0.8, 0.6.
    without = next(one for one in found["members"] if one["member"] == first)["left_out"]
    assert without["max_change"] == pytest.approx(0.45)
    assert (other["missing"], other["foreign"]) == ([second], ["someone@1"])
    assert heavier["other"] == [second]
    assert "weighted_mean" in greatest["detail"]


def test_scores_of_other_rows_are_no_common_sample(live: Live, case: Any) -> None:
    path = f"/v1/releases/{case['id']}/steps/{INSTANCES}:sample"
    odd = scores(labels=[0, 1])
    odd["instances"]["vic"]["scores"] = [0.1, 0.2]

    with pytest.raises(Problem) as refusal:
        live["dev"].post(path, odd)

    assert refusal.value.code == "bad_scores"
    assert refusal.value.document["wrong"] == ["instance vic", "labels"]


def test_what_the_server_measured_is_not_outranked_by_what_is_claimed(
    live: Live, case: Any
) -> None:
    live["dev"].post(
        f"/v1/releases/{case['id']}/steps/{INSTANCES}:sample",
        scores(tolerance=0.001),
    )
    live["dev"].post(
        f"/v1/cases/{case['id']}/steps/{INSTANCES}/evidence",
        {"kind": "instances", "payload": {"segments": 5, "dispersion": 0, "tolerance": 9}},
    )

    verdict = judged(live, case, INSTANCES)

    assert evidence_of(verdict, "instances")["tolerance"] == 0.001
    assert not verdict["passed"]


def test_instances_that_the_catalog_knows_are_missed_when_left_out(
    live: Live, place: Place, case: Any
) -> None:
    catalogued = f"/v1/models/{place.model}/versions/{place.version}/instances"
    for key in ("nsw", "wa"):
        live["dev"].post(catalogued, {"key": key, "segment": {"state": key}})
    path = f"/v1/releases/{case['id']}/steps/{INSTANCES}:sample"

    found = live["dev"].post(path, scores())["payload"]

    assert (found["unscored"], found["unregistered"]) == (["wa"], ["qld", "sa", "tas", "vic"])
