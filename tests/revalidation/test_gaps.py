"""Telemetry that policy asks for of a champion: missed when it is not there, and when it is."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from app import revalidation
from tests.live import Live, Place, champion, lift_control, route, wait_folded
from tests.notifications.test_feed import Reader
from tests.revalidation.aging import seated_ago, step
from tests.tenants import another

ASKED = {"silence_minutes": 60, "features": 0.9, "scores": 0.9, "outcomes": 0.5, "outcome_hours": 0}


@pytest.fixture(scope="module")
def bank(live: Live) -> Iterator[Live]:
    with another(live) as found:
        lift_control(found, "policy")
        ask(found, ASKED)
        yield found


def ask(bank: Live, telemetry: dict[str, Any] | None) -> Any:
    policy = bank.admin.get("/v1/policies/low")
    body = {**policy["body"], "telemetry": telemetry}
    return bank.admin.put("/v1/policies/low", {"body": body}, revision=policy["revision"])


def watched(bank: Live, place: Place) -> set[str]:
    """Look, and return what is missed of a point."""
    step(bank, revalidation.watch_arrival)
    found = bank["aud"].pages("/v1/telemetry-gaps", open="true")
    return {item["signal"] for item in found if item["decision_point"] == place.point}


def told(reader: Reader, place: Place) -> list[tuple[str, str]]:
    while reader.more():
        pass
    return [
        (event["type"].rpartition(".")[2], event["data"]["signal"])
        for event in reader.seen
        if event["type"].startswith("telemetry.gap.") and event["data"]["point"] == place.point
    ]


def report(bank: Live, place: Place, number: int, **event: Any) -> list[str]:
    """Have the application report on decisions of now; return what they are called."""
    decided = [route(bank, place.point, f"u{n}") for n in range(number)]
    at = datetime.now(UTC).isoformat()
    events = [{"token": item["token"], "at": at, **event} for item in decided]
    bank["app"].post("/v1/events", {"events": events})
    wait_folded(bank, place.point)
    return [item["decision_id"] for item in decided]


def label(bank: Live, place: Place, decisions: list[str]) -> None:
    at = datetime.now(UTC).isoformat()
    outcomes = [{"decision_id": item, "label": 1, "at": at} for item in decisions]
    bank["app"].post("/v1/outcomes", {"outcomes": outcomes})
    wait_folded(bank, place.point)


def test_silence_is_missed_until_events_come(bank: Live) -> None:
    place, reader = champion(bank), Reader(bank).catch_up()
    early = watched(bank, place)
    seated_ago(bank, place, 3)
    silent = [watched(bank, place) for _ in range(2)]
    (gap,) = (
        item
        for item in bank["aud"].pages("/v1/telemetry-gaps", open="true")
        if item["decision_point"] == place.point
    )
    decisions = report(bank, place, 4, score=0.7, features={"x": 1.0})
    label(bank, place, decisions)
    after = watched(bank, place)
    over = [
        item
        for item in bank["aud"].pages("/v1/telemetry-gaps", open="false")
        if item["decision_point"] == place.point and item["signal"] == "events"
    ]

    assert (early, silent, after) == (set(), [{"events"}] * 2, set())
    assert (gap["model"], gap["version"], gap["asked"]) == (place.model, 1, 60)
    assert 170 < gap["found"] < 190
    assert [item["closed_as"] for item in over] == ["arrives"]
    assert [item for item in told(reader, place) if item[1] == "events"] == [
        ("opened", "events"), ("closed", "events"),
    ]  # fmt: skip
    event = next(e for e in reader.seen if e["type"] == "telemetry.gap.opened")
    assert [person["name"] for person in event["data"]["addressees"]] == ["ops", "dev"]


def test_events_without_inputs_scores_or_outcomes_are_missed_each(bank: Live) -> None:
    place = champion(bank)
    bare = report(bank, place, 4)
    first = watched(bank, place)
    full = report(bank, place, 60, score=0.7, features={"x": 1.0})
    label(bank, place, bare)
    second = watched(bank, place)
    label(bank, place, full)
    third = watched(bank, place)
    ask(bank, {**ASKED, "features": 0.99})
    stricter = watched(bank, place)
    ask(bank, None)
    nothing = watched(bank, place)
    ask(bank, ASKED)
    closed = [
        item["closed_as"]
        for item in bank["aud"].pages("/v1/telemetry-gaps")
        if item["decision_point"] == place.point and item["signal"] == "features"
    ]

    assert first == {"features", "scores", "outcomes"}
    assert second == {"outcomes"}
    assert (third, stricter, nothing) == (set(), {"features"}, set())
    assert closed == ["not_asked", "arrives"]


def test_who_leaves_the_seat_is_missed_no_longer(bank: Live) -> None:
    place = champion(bank)
    seated_ago(bank, place, 3)
    before = watched(bank, place)
    champion(bank, point=place.point)
    after = watched(bank, place)

    assert (before, after) == ({"events"}, set())
    gaps = [g for g in bank["aud"].pages("/v1/telemetry-gaps") if g["model"] == place.model]
    assert [gap["closed_as"] for gap in gaps] == ["seat_left"]


def test_another_tenant_sees_nothing_of_it(bank: Live, live: Live) -> None:
    place = champion(bank)
    seated_ago(bank, place, 3)

    assert watched(bank, place) == {"events"}
    assert watched(live, place) == set()
    assert place.point not in str(list(live["aud"].pages("/v1/telemetry-gaps")))
    assert place.point not in str(list(live["aud"].pages("/v1/revalidations")))


def test_evidence_says_what_is_asked_and_whether_it_arrives(bank: Live) -> None:
    place = champion(bank)
    seat = next(s for s in bank["ops"].pages(f"/v1/decision-points/{place.point}/seats"))
    path = f"/v1/activations/{seat['case_id']}"
    seated_ago(bank, place, 3)
    for step_name in ("production_audit_procedures", "model_tracking_behaviour"):
        bank["ops"].post(f"{path}/steps/{step_name}:judge")
    case = bank["aud"].get(f"/v1/cases/{seat['case_id']}")
    found = {item["kind"]: item["payload"] for item in case["evidence"]}

    for kind in ("traffic", "tracking"):
        assert found[kind]["asked"] == {
            "silence_minutes": 60, "features": 0.9, "scores": 0.9, "outcomes": 0.5,
        }  # fmt: skip
        assert found[kind]["gaps"] == ["events"]
        assert found[kind]["arriving"]["silence_minutes"] > 170
    assert {"events", "labelled", "first_hour", "through"} <= found["traffic"].keys()
    assert {"windows", "drifting", "until"} <= found["tracking"].keys()


def test_policies_of_before_are_read_and_written_as_they_were(bank: Live) -> None:
    policy = ask(bank, None)

    assert "telemetry" not in policy["body"]
    assert "revalidation" not in policy["body"]
    assert policy["digest"] == bank["aud"].get("/v1/policies/low", revision=1)["digest"]
    assert "telemetry" in bank["aud"].get("/v1/policies/high")["body"]
    ask(bank, ASKED)
