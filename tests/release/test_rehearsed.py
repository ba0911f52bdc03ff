"""Rehearsals: whoever sends one is on record, and each release has its own."""

from typing import Any
from uuid import uuid4

import pytest

from app.client import Client, Problem
from tests.catalog import assets
from tests.gates import dockets
from tests.live import (
    Live,
    Place,
    approve,
    evidence,
    make_model,
    make_point,
    make_version,
    rehearse,
    release,
    validate,
    wait_folded,
)

PARAMETERS, KPIS = "parameter_testing", "kpi_validation"
AT = "2026-01-05T10:00:00Z"


def place_of(live: Live, *, tier: str = "low") -> Place:
    model = make_model(live, tier=tier)
    return Place(model, make_point(live), make_version(live, model))


def about(place: Place) -> dict[str, Any]:
    return {"model": place.model, "version": place.version, "decision_point": place.point}


def send(who: Client, place: Place, *names: str) -> Any:
    """Rehearse an event by each name, an outcome of each after it."""
    events = [{"event_id": one, "at": AT, "features": {"x": 0.0}, "score": 0.5} for one in names]
    outcomes = [{"decision_id": one, "label": 1, "at": AT} for one in names]
    taken = who.post("/v1/events", {**about(place), "events": events})
    who.post("/v1/outcomes", {**about(place), "outcomes": outcomes})
    return taken


def opened(live: Live, place: Place) -> Any:
    return live["dev"].post("/v1/releases", about(place))


def judged(live: Live, case: Any, step: str) -> Any:
    return live["ops"].post(f"/v1/releases/{case['id']}/steps/{step}:judge")


def named(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def test_a_developer_of_something_else_does_not_rehearse(live: Live) -> None:
    place = place_of(live)
    _, key = live.newcomer("developer")

    for noun, row in (
        ("events", {"event_id": named(1), "at": AT, "features": {"x": 0.0}, "score": 0.5}),
        ("outcomes", {"decision_id": named(1), "label": 1, "at": AT}),
    ):
        with Client(live.url, key) as stranger, pytest.raises(Problem) as refusal:
            stranger.post(f"/v1/{noun}", {**about(place), noun: [row]})
        assert refusal.value.code == "not_yours_to_rehearse"
        assert "operator" in refusal.value.document["mend"]
    assert send(live["ops"], place, named(1))["accepted"] == 1
    assert send(live["dev"], place, named(2))["accepted"] == 1


def test_evidence_says_who_rehearsed_and_what_part_he_has(live: Live) -> None:
    place = place_of(live, tier="high")
    ops, dev = (live[one].get("/v1/me")["id"] for one in ("ops", "dev"))
    thoroughly_validated(live, place)
    case = opened(live, place)

    nobody = judged(live, case, PARAMETERS)
    send(live["ops"], place, named(1))
    wait_folded(live, place.point)
    apart = judged(live, case, PARAMETERS)
    concluded = judged(live, case, KPIS)
    send(live["dev"], place, named(2))
    wait_folded(live, place.point)
    own = judged(live, case, PARAMETERS)

    assert said(nobody, "parameters") == ([], "nobody on record rehearsed it")
    assert said(apart, "parameters") == said(concluded, "rehearsal") == ([ops], None)
    assert said(own, "parameters") == ([ops, dev], "developed the version")
    assert ["supplied_apart" in failed(one) for one in (nobody, apart, own)] == [True, False, True]
    assert "rehearsed_apart" not in failed(concluded)
    rule = next(one for one in own["results"] if one["rule"] == "supplied_apart")
    assert rule["severity"] == "block"
    assert any(call.endswith("parameter_testing:sample") for call in rule["mend"])


def test_a_release_is_judged_by_no_rehearsal_of_the_one_before(live: Live) -> None:
    place = place_of(live)
    validate(live, place.model, place.version)
    rehearse(live, place)
    assert release(live, place)["passed"]
    again = opened(live, place)

    before = judged(live, again, PARAMETERS)
    taken = [send(live["ops"], place, *map(named, numbers)) for numbers in ((1, 2), (2, 3))]
    wait_folded(live, place.point)
    after = judged(live, again, PARAMETERS)

    assert before["facts"]["evidence"]["parameters"]["events"] == 0
    assert after["facts"]["evidence"]["parameters"]["events"] == 3
    assert [(one["accepted"], one["duplicates"]) for one in taken] == [(2, 0), (1, 1)]
    labelled = judged(live, again, KPIS)["facts"]["evidence"]["performance"]["labelled"]
    assert labelled == 3
    told = live["ops"].get(f"/v1/decision-points/{place.point}/telemetry")
    assert told["stored_events"] == 0
    assert {one["arm"]: one["events"] for one in told["series"]} == {
        "rehearsal": 600, "rehearsal:1": 3,
    }  # fmt: skip


def test_a_rehearsed_outcome_names_its_event_by_either_name_before_it_and_after(live: Live) -> None:
    place = place_of(live)
    names = [str(uuid4()) for _ in range(4)]
    events = [{"event_id": one, "at": AT, "features": {"x": 0.0}, "score": 0.5} for one in names]

    def tell(*said: tuple[str, str]) -> Any:
        outcomes = [{field: one, "label": 1, "at": AT} for field, one in said]
        return live["dev"].post("/v1/outcomes", {**about(place), "outcomes": outcomes})

    before = tell(("event_id", names[0]), ("decision_id", names[1]))
    live["dev"].post("/v1/events", {**about(place), "events": events})
    after = tell(("event_id", names[2]), ("decision_id", names[3]))
    again = tell(("decision_id", names[0]), ("event_id", names[1]), ("event_id", names[3]))

    assert [(one["accepted"], one["duplicates"]) for one in (before, after, again)] == [
        (2, 0), (2, 0), (0, 3),
    ]  # fmt: skip
    (series,) = wait_folded(live, place.point)["series"]
    assert (series["events"], series["labelled"]) == (4, 4)
    with pytest.raises(Problem) as refusal:
        tell(("event_id", "7"))
    assert "event_id is not a UUID" in refusal.value.document["rejected"][0]["detail"]


@pytest.mark.parametrize(("rows", "unmeasured"), [(3, ["gain"]), (600, [])])
def test_a_kpi_of_a_few_outcomes_is_not_measured(
    live: Live, rows: int, unmeasured: list[str]
) -> None:
    place = place_of(live)
    path = f"/v1/decision-points/{place.point}/kpis/gain"
    live["com"].put(path, {"name": "Gain", "threshold": 0.5, "unit": "EUR"})
    validate(live, place.model, place.version)
    rehearse(live, place, rows=rows)

    verdict = judged(live, opened(live, place), KPIS)

    found = verdict["facts"]["evidence"]["kpi"]
    assert (found["values"], found["unmeasured"]) == ({"gain": 1.0}, unmeasured)


def test_who_developed_a_member_approves_no_ensemble(live: Live) -> None:
    person, key = live.newcomer("developer", "committee")
    model = assets.make_model(live)
    with Client(live.url, key) as colleague:
        colleague.post(f"/v1/models/{model}/versions", assets.content())
    inner = assets.make_ensemble(live, model, assets.make_version(live))
    outer = assets.make_ensemble(live, inner, assets.make_version(live))
    made = live["dev"].get(f"/v1/models/{outer}/versions/1")
    assert made["developer_id"] != person
    case = live["dev"].post("/v1/validations", {"model": outer, "version": 1})

    with Client(live.url, key) as colleague, pytest.raises(Problem) as refusal:
        approve(colleague, case, "technical_validation")

    assert refusal.value.code == "self_approval"
    assert "inside" in refusal.value.document["detail"]


def thoroughly_validated(live: Live, place: Place) -> None:
    """The bridge, as the high tier asks for it."""
    case = live["dev"].post("/v1/validations", {"model": place.model, "version": place.version})
    for step in ("business_validation", "technical_validation"):
        for kind, payload in dockets.EVIDENCE[f"validation.{step}"].items():
            evidence(live["val"], case, step, kind, payload)
        approve(live["val"], case, step)
        verdict = live["val"].post(f"/v1/validations/{case['id']}/steps/{step}:judge")
        assert verdict["passed"], failed(verdict)


def said(verdict: Any, kind: str) -> tuple[list[str], str | None]:
    found = verdict["facts"]["evidence"][kind]
    return found["rehearsed_by"], found["part"]


def failed(verdict: Any) -> list[str]:
    return [one["rule"] for one in verdict["results"] if not one["passed"]]
