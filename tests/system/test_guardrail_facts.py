"""What a guardrail may ask for: latency and errors too, and nothing that nobody measures."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from app.activation.guardrail_facts import SPECIMEN
from app.client import Problem
from tests.live import Live, Place, champion, enthroned, make_point, route, unique, wait_folded
from tests.system.test_guardrails import breached, guarded, path

EVENTS = 40
BUDGET = 50.0
SLOW = "latency.measured >= 30 && latency.p95_ms > latency.budget_ms"


def report(live: Live, place: Place, latencies: list[float | None], *, unanswered: int = 0) -> None:
    """Let the application say how long each answer took; the first ones had none."""
    now = datetime.now(UTC).isoformat()
    events = [
        {
            "token": route(live, place.point, f"u{number}")["token"],
            "at": now,
            "features": {"x": 0.1},
            "score": None if number < unanswered else 0.5,
            "latency_ms": latency,
        }
        for number, latency in enumerate(latencies)
    ]
    assert live["app"].post("/v1/events", {"events": events})["accepted"] == len(events)
    wait_folded(live, place.point)


def refused(call: Callable[[], Any]) -> Any:
    with pytest.raises(Problem) as problem:
        call()
    return problem.value.document


@pytest.fixture(scope="module")
def place(live: Live) -> Place:
    return champion(live)


@pytest.fixture(scope="module")
def slow(live: Live, place: Place) -> tuple[list[float], dict[str, Any], Any]:
    """What was reported, the breaches that followed by guardrail, and what a PUT said of it."""
    names = {
        "slow": guarded(live, place.point, SLOW, action="alert"),
        "patient": guarded(live, place.point, "latency.p50_ms > latency.budget_ms"),
        "failing": guarded(live, place.point, "errors.share > 0.2", action="alert"),
        "broken": guarded(live, place.point, "errors.share > 0.3", action="alert"),
    }
    millis = [float(number) for number in np.random.default_rng(3).permutation(EVENTS - 1) * 2]
    report(live, place, [*millis, None], unanswered=10)
    found = {one["guardrail"]: one for one in breached(live, place.point, 2)}
    named = {word: found[name] for word, name in names.items() if name in found}
    terms = {"when": SLOW, "min_events": EVENTS, "action": "alert"}
    told = live["ops"].put(path(place.point, unique("rail")), terms)
    return millis, named, told


def test_who_answers_too_late_is_told_of_by_the_latencies_that_were_reported(
    live: Live, place: Place, slow: tuple[list[float], dict[str, Any], Any]
) -> None:
    millis, found, _ = slow
    facts = found["slow"]["facts"]["latency"]

    assert found.keys() == {"slow", "failing"}
    wanted = np.quantile(millis, [0.5, 0.95, 0.99], method="inverted_cdf").tolist()
    assert [facts[name] for name in ("p50_ms", "p95_ms", "p99_ms")] == wanted
    assert (facts["max_ms"], facts["budget_ms"]) == (max(millis), BUDGET)
    assert (facts["measured"], facts["events"]) == (EVENTS - 1, EVENTS)
    assert facts["over_budget"] == sum(one > BUDGET for one in millis) / len(millis)
    assert enthroned(live, place.point) == found["slow"]["version_id"]


def test_who_gives_no_answer_is_told_of_by_the_share_that_had_none(
    slow: tuple[list[float], dict[str, Any], Any],
) -> None:
    facts = slow[1]["failing"]["facts"]["errors"]

    assert facts == {"events": EVENTS, "unanswered": 10, "share": 0.25}


def test_a_put_says_what_the_condition_answers_of_the_present_champion(
    live: Live, place: Place, slow: tuple[list[float], dict[str, Any], Any]
) -> None:
    says = slow[2]["says"]
    assert (says["breached"], says["error"], says["events"]) == (True, None, EVENTS)
    assert says["version_id"] == enthroned(live, place.point)

    empty = live["ops"].put(
        path(place.point, unique("rail")), {"when": "drift.severe[0] == 'x'", "action": "alert"}
    )["says"]
    assert (empty["breached"], bool(empty["error"])) == (None, True)
    nobody = make_point(live)
    first = live["ops"].put(path(nobody, "early"), {"when": SLOW})
    assert first["says"] is None
    assert "says" not in live["aud"].get(path(nobody, "early"))


@pytest.mark.parametrize(
    ("when", "problem", "place_of", "names"),
    [
        ("performance.accuracy < 0.5 &&\n performance.acuracy > 0.1", "performance.acuracy",
         (2, 2), {"accuracy", "labelled", "reference", "degraded"}),
        ("traffic['event'] > 3", "traffic.event", (1, 1),
         {"events", "labelled", "since", "through"}),
        ("has(latency.p90_ms)", "latency.p90_ms", (1, 5),
         {"events", "measured", "p50_ms", "p95_ms", "p99_ms", "max_ms", "budget_ms",
          "over_budget"}),
        ("performance.accuracy < performance.reference.acuracy - 0.1",
         "performance.reference.acuracy", (1, 24), {"accuracy", "sigma", "rows"}),
        ("kpi.values.margin < 0.0", "kpi.values.margin", (1, 1), set()),
    ],
)  # fmt: skip
def test_a_name_that_nobody_measures_is_refused_with_its_place_and_the_names_there_are(
    live: Live, place: Place, when: str, problem: str, place_of: tuple[int, int], names: set[str]
) -> None:
    denied = refused(lambda: live["ops"].put(path(place.point, "x"), {"when": when}))

    assert (denied["status"], denied["code"]) == (422, "bad_condition")
    (fault,) = denied["errors"]
    assert problem in fault["problem"]
    assert (fault["line"], fault["column"]) == place_of
    assert set(fault["names"]) == names


@pytest.mark.parametrize(
    "when",
    [
        "traffic.events > 'many'",
        "size(minutes_since_swap) > 1",
        "traffic.events",
        "performance.accuracy < performance.reference - 0.1",
        "size(alerts) > 0",
        "alerts.exists(a, a == 'data')",
        "kpi == {}",
    ],
)
def test_what_could_never_be_answered_is_refused(live: Live, place: Place, when: str) -> None:
    denied = refused(lambda: live["ops"].put(path(place.point, "x"), {"when": when}))

    assert (denied["status"], denied["code"]) == (422, "bad_condition")
    assert denied["errors"][0]["problem"]


def test_an_agreed_kpi_may_be_asked_for(live: Live) -> None:
    point = make_point(live)
    body = {
        "name": "Margin", "formula": "mean_reward", "direction": "at_least", "threshold": 0.0,
        "unit": "EUR",
    }  # fmt: skip
    live["com"].put(f"/v1/decision-points/{point}/kpis/net-margin", body)

    for when in (
        "kpi.values['net-margin'] < 0.0",
        "kpi.measured.exists(traffic, traffic.value != null && traffic.key == 'net-margin')",
    ):
        assert guarded(live, point, when)


def test_all_that_may_be_asked_for_is_measured_and_the_other_way_round(
    slow: tuple[list[float], dict[str, Any], Any],
) -> None:
    facts = slow[1]["slow"]["facts"]

    assert facts.keys() == SPECIMEN.keys()
    for subject, held in SPECIMEN.items():
        if isinstance(held, dict):
            assert facts[subject].keys() == held.keys(), subject
