"""Guardrails: a champion that does not hold what was agreed goes by itself, once."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest

from app.client import Problem
from app.kit.actor import SYSTEM_ID
from tests.live import (
    Live,
    Place,
    champion,
    enthroned,
    lift_control,
    open_activation,
    ready_to_commit,
    released,
    roll_back,
    route,
    unique,
    wait_folded,
)
from tests.system.traffic import wait_for
from tests.tenants import another, database_of

EVENTS = 30
SOON = 30
WRONG = "performance.labelled >= 20 && performance.accuracy < 0.4"


@pytest.fixture(scope="module")
def live(live: Live) -> Iterator[Live]:
    """A tenant of our own: what is changed by hand here, its log does not vouch for."""
    with another(live) as found:
        yield found


def path(point: str, name: str) -> str:
    return f"/v1/decision-points/{point}/guardrails/{name}"


def guarded(live: Live, point: str, when: str = WRONG, **terms: Any) -> str:
    name = unique("rail")
    live["ops"].put(path(point, name), {"when": when, "min_events": EVENTS, **terms})
    return name


def committed(live: Live, place: Place, *, role: str = "champion") -> Any:
    case = open_activation(live, place, role=role)
    ready_to_commit(live, case)
    return live["ops"].post(f"/v1/activations/{case['id']}:commit")


def behave(
    live: Live, place: Place, version_id: str, *, well: bool, hours_ago: int = 0, times: int = 1
) -> None:
    """Let the application be answered by a version, and learn that it was right or wrong."""
    wait_for(lambda: route(live, place.point, "probe")["version_id"] == version_id, "the swap", 10)
    now = (datetime.now(UTC) - timedelta(hours=hours_ago)).isoformat()
    tokens = [route(live, place.point, f"u{n}") for n in range(EVENTS * times)]
    events = [
        {"token": one["token"], "at": now, "features": {"x": 0.1}, "score": 0.9} for one in tokens
    ]
    live["app"].post("/v1/events", {"events": events})
    outcomes = [
        {"decision_id": one["decision_id"], "label": int(well), "reward": 1.0, "at": now}
        for one in tokens
    ]
    live["app"].post("/v1/outcomes", {"outcomes": outcomes})
    wait_folded(live, place.point)


def breaches(live: Live, point: str) -> list[Any]:
    return list(live["aud"].pages(f"/v1/decision-points/{point}/breaches"))


def breached(live: Live, point: str, count: int = 1) -> list[Any]:
    wait_for(lambda: len(breaches(live, point)) >= count, "the breach", SOON)
    return breaches(live, point)


def looked_at(live: Live, version_id: str, *, role: str = "champion") -> None:
    """Wait until who has a seat, and keeps it, has been looked at from now on."""
    query = """
        SELECT max(l.at) FROM activation_look l
        JOIN routing_seat s ON (s.tenant_id, s.id) = (l.tenant_id, l.seat_id)
        WHERE s.version_id = %s AND s.role = %s AND s.until IS NULL
    """
    with psycopg.connect(database_of(live), autocommit=True) as connection:

        def last() -> datetime | None:
            found = connection.execute(query, (version_id, role)).fetchone()
            return found[0] if found else None

        before = last()
        wait_for(lambda: (now := last()) is not None and now != before, "the look", SOON)


def refused(call: Callable[[], Any]) -> Any:
    with pytest.raises(Problem) as problem:
        call()
    return problem.value.document


@pytest.fixture(scope="module")
def fallen(live: Live) -> tuple[Place, Place, Any]:
    """A second champion that was wrong, the first one, and the breach that moved them."""
    first = champion(live)
    name = guarded(live, first.point, within_minutes=60)
    seated = committed(live, second := released(live, point=first.point))
    behave(live, second, seated["version_id"], well=False)
    (found,) = breached(live, first.point)
    assert found["guardrail"] == name
    return first, second, found


def test_who_is_wrong_is_rolled_back_with_the_facts_on_record(
    live: Live, fallen: tuple[Place, Place, Any]
) -> None:
    first, second, found = fallen
    versions = {
        name: live["aud"].get(f"/v1/models/{place.model}/versions/{place.version}")["id"]
        for name, place in (("first", first), ("second", second))
    }
    assert (found["taken"], found["why"]) == ("rolled_back", None)
    assert (found["version_id"], found["restored_id"]) == (versions["second"], versions["first"])
    facts = found["facts"]
    assert facts["traffic"]["events"] == EVENTS
    assert facts["performance"]["accuracy"] == 0.0
    assert 0 <= facts["minutes_since_swap"] < 60
    assert facts["drift"]["windows"] == 1
    assert enthroned(live, first.point) == versions["first"]
    wait_for(lambda: route(live, first.point, "u")["version_id"] == versions["first"], "back", 5)

    told = live["aud"].get("/v1/audit", action="guardrail.breached", limit=200)["items"]
    entry = next(e for e in told if e["details"]["breach"] == found["id"])
    assert entry["actor_id"] == str(SYSTEM_ID)
    assert entry["details"]["guardrail"] == found["guardrail"]
    events = [
        one["data"]
        for one in live["aud"].pages("/v1/events-feed", limit=200)
        if one["type"] == "activation.guardrail.breached"
    ]
    assert found["id"] in {one["breach_id"] for one in events}


def test_a_good_past_does_not_hide_a_bad_day(live: Live) -> None:
    place = champion(live)
    seat = enthroned(live, place.point)
    behave(live, place, seat, well=True, hours_ago=30, times=4)
    with psycopg.connect(database_of(live)) as connection:  # he has been champion for two days
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE routing_seat SET since = since - interval '2 days' WHERE version_id = %s",
            (seat,),
        )
    guarded(live, place.point, action="alert")
    behave(live, place, seat, well=False)

    (found,) = breached(live, place.point)

    facts = found["facts"]
    assert (facts["performance"]["accuracy"], facts["traffic"]["events"]) == (0.0, EVENTS)
    assert facts["minutes_since_swap"] > 2 * 1440 - 1


def test_two_bad_champions_do_not_take_turns(live: Live, fallen: tuple[Place, Place, Any]) -> None:
    first, _, found = fallen
    behave(live, first, enthroned(live, first.point), well=False)
    again, once = breached(live, first.point, 2)

    assert once["id"] == found["id"]
    assert again["guardrail"] == found["guardrail"]
    assert (again["taken"], again["restored_id"]) == ("alerted", None)
    assert "rolled back from" in again["why"]
    assert enthroned(live, first.point) == again["version_id"]


def test_who_may_not_come_back_is_replaced_by_what_was_declared(live: Live) -> None:
    first = champion(live)
    seated = committed(live, second := released(live, point=first.point))
    assert roll_back(live, first.point)["version_id"] != seated["version_id"]
    # The first is champion again; who was before him was rolled back from.
    fallback = f"/v1/decision-points/{first.point}/fallback"
    live["ops"].put(fallback, {"kind": "constant", "constant": "refer"})
    name = guarded(live, second.point)
    behave(live, first, enthroned(live, first.point), well=False)
    (found,) = breached(live, first.point)

    assert (found["taken"], found["action"]) == ("stopped", "rollback")
    wait_for(lambda: route(live, first.point, "u").get("constant") == "refer", "the stop", 5)
    (stop,) = live["aud"].get(f"/v1/decision-points/{first.point}/stops")["items"]
    assert (stop["id"], stop["cause"]) == (found["stop_id"], f"guardrail:{name}")
    assert stop["by_itself"]
    resume = f"/v1/decision-points/{first.point}:resume"
    denied = refused(lambda: live["ops"].post(resume, {"reason": "looked at it"}))
    assert denied["code"] == "cause_stands"
    live["ops"].post(resume, {"reason": "looked at it", "accept_cause": True})
    assert len(breaches(live, first.point)) == 1
    judges_from = live["aud"].get(path(first.point, name))["judges_from"]
    assert datetime.fromisoformat(judges_from) > datetime.now(UTC)

    # What was accepted is the hours before: of those after he is stopped anew.
    with psycopg.connect(database_of(live)) as connection:
        connection.execute("SET session_replication_role = replica")
        earlier = "UPDATE {} SET {} - interval '2 hours' WHERE id = %s"
        for table, column, row in (
            ("routing_stop", "until", found["stop_id"]), ("activation_breach", "at", found["id"]),
        ):  # fmt: skip
            connection.execute(earlier.format(table, f"{column} = {column}"), (row,))
    again, once = breached(live, first.point, 2)
    assert (once["id"], again["taken"]) == (found["id"], "stopped")
    assert again["stop_id"] != found["stop_id"]


def test_alerts_stops_and_failures_each_do_what_they_say(live: Live) -> None:
    place = champion(live)
    seat = enthroned(live, place.point)
    fine = guarded(live, place.point, "performance.accuracy < 0.1")
    alert = guarded(live, place.point, "traffic.events > 0", action="alert", min_events=1)
    patient = guarded(live, place.point, "true", min_events=10**6)
    broken = guarded(live, place.point, "drift.severe[9] == 'x'")
    behave(live, place, seat, well=True)
    found = {one["guardrail"]: one for one in breached(live, place.point, 2)}

    assert found.keys() == {alert, broken}
    assert {fine, patient} & found.keys() == set()
    assert found[alert]["taken"] == "alerted"
    assert (found[broken]["taken"], bool(found[broken]["why"])) == ("failed", True)
    assert enthroned(live, place.point) == seat

    stop = guarded(live, place.point, "traffic.labelled >= 1 && minutes_since_swap > 0.0",
                   action="stop")  # fmt: skip
    found = {one["guardrail"]: one for one in breached(live, place.point, 3)}
    assert found[stop]["taken"] == "stopped"
    resume = f"/v1/decision-points/{place.point}:resume"
    live["ops"].post(resume, {"reason": "a test", "accept_cause": True})


def test_guardrails_are_edited_with_a_condition_and_refused_with_every_fault(live: Live) -> None:
    place = champion(live)
    name = guarded(live, place.point, "traffic.events < 0")
    assert live["aud"].get(path(place.point, name))["revision"] == 1
    bad = {"when": "evidence.x >"}
    refusal = refused(lambda: live["ops"].put(path(place.point, "x"), bad))
    assert (refusal["status"], refusal["code"]) == (422, "bad_condition")
    assert refusal["errors"][0]["line"] == 1
    unknown = refused(lambda: live["ops"].put(path(place.point, "x"), {"when": "evidence.x > 0"}))
    assert "evidence" in unknown["detail"]
    again = {"when": "traffic.events < 1", "action": "alert"}
    stale = refused(lambda: live["ops"].put(path(place.point, name), again))
    assert stale["code"] == "condition_missing"
    assert live["ops"].put(path(place.point, name), again, revision=1)["revision"] == 2
    assert [one["name"] for one in live["aud"].pages(path(place.point, "").rstrip("/"))] == [name]
    for who, code in (("dev", "permission_denied"), ("com", "permission_denied")):
        assert refused(partial(live[who].put, path(place.point, "x"), again))["code"] == code
    gone = live["ops"]._http.delete(path(place.point, name), headers={"If-Match": '"2"'})
    assert gone.status_code == 204
    assert refused(lambda: live["aud"].get(path(place.point, name)))["status"] == 404


def test_a_guardrail_that_was_edited_is_asked_again(live: Live) -> None:
    place = champion(live)
    terms = {"when": "traffic.events >= 0", "min_events": 0, "action": "alert"}
    live["ops"].put(path(place.point, "again"), terms)
    (first,) = breached(live, place.point)

    live["ops"].put(path(place.point, "again"), {**terms, "action": "stop"}, revision=1)
    second = breached(live, place.point, 2)[0]

    assert (first["taken"], first["revision"]) == ("alerted", 1)
    assert (second["action"], second["revision"]) == ("stop", 2)


def test_under_change_control_a_guardrail_is_asked_for(live: Live) -> None:
    place = champion(live)
    rights = live.admin.get("/v1/decision-rights")
    control = {**rights["body"]["change_control"], "monitor": {"roles": ["committee"]}}
    body = {"body": {**rights["body"], "change_control": control}}
    change = live.admin.put("/v1/decision-rights", body, revision=rights["revision"])
    live["val"].post(f"/v1/changes/{change['id']}:approve", {"reason": "agreed"})
    try:
        name = str(uuid.uuid4())
        asked = live["ops"].put(path(place.point, name), {"when": "true", "action": "alert"})
        assert asked["target"] == f"guardrail {name} of {place.point}"
        # Who developed the champion does not say what would end its reign.
        denied = refused(
            lambda: live["dev"].post(f"/v1/changes/{asked['id']}:approve", {"reason": "mine"})
        )
        assert denied["code"] == "self_approval"
        live["com"].post(f"/v1/changes/{asked['id']}:approve", {"reason": "agreed"})
        assert live["aud"].get(path(place.point, name))["when"] == "true"
    finally:
        lift_control(live, "monitor")
