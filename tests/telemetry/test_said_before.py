"""An outcome's revision says one thing: nothing that another system says of it is lost unseen."""

from typing import Any
from uuid import uuid4

import pytest

from app.client import Problem
from tests.live import Live, Place, champion, unique

AT = "2026-04-01T00:00:00Z"


@pytest.fixture(scope="module")
def place(live: Live) -> Place:
    return champion(live)


def decide(live: Live, place: Place) -> str:
    path = f"/v1/decision-points/{place.point}/route"
    return str(live["app"].post(path, {"unit": unique("u")})["decision_id"])


def tell(live: Live, *outcomes: dict[str, Any], **asked: Any) -> Any:
    rows = [{"at": AT, **one} for one in outcomes]
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    return live["app"].post(
        f"/v1/outcomes?{query}" if query else "/v1/outcomes", {"outcomes": rows}
    )


def test_what_another_system_says_of_a_decision_is_refused_and_told_what_stands(
    live: Live, place: Place
) -> None:
    one, other = decide(live, place), decide(live, place)
    tell(live, {"decision_id": one, "label": 1})

    found = tell(live, {"decision_id": other, "label": 0}, {"decision_id": one, "reward": 5})

    assert (found["accepted"], found["duplicates"]) == (1, 0)
    (refused,) = found["rejected"]
    assert (refused["index"], refused["code"]) == (1, "outcome_said_before")
    assert "label 1" in refused["detail"]
    assert "higher revision" in refused["detail"]
    whole = {"decision_id": one, "label": 1, "reward": 5, "revision": 1}
    assert tell(live, whole)["accepted"] == 1
    assert tell(live, whole, {"decision_id": one, "label": 1})["duplicates"] == 2
    late = tell(live, {"decision_id": one, "label": 0})
    assert (late["accepted"], late["rejected"][0]["code"]) == (0, "outcome_said_before")


def test_of_two_in_one_batch_the_first_is_taken(live: Live, place: Place) -> None:
    one = decide(live, place)

    found = tell(live, {"decision_id": one, "label": 1}, {"decision_id": one, "reward": 5})

    assert (found["accepted"], found["duplicates"]) == (1, 0)
    assert [row["index"] for row in found["rejected"]] == [1]


def test_all_or_nothing_is_nothing_then(live: Live, place: Place) -> None:
    one, other = decide(live, place), decide(live, place)
    tell(live, {"decision_id": one, "label": 1})
    rows = {"decision_id": other, "label": 0}, {"decision_id": one, "label": 0}

    with pytest.raises(Problem) as refusal:
        tell(live, *rows, atomic="true")

    assert refusal.value.code == "batch_refused"
    assert tell(live, rows[0])["accepted"] == 1, "it was not stored before"


def test_who_sends_outcomes_hears_of_how_many_decisions_no_event_has_come(
    live: Live, place: Place
) -> None:
    path = f"/v1/decision-points/{place.point}/route"
    decided = live["app"].post(path, {"unit": unique("u")})
    live["app"].post(
        "/v1/events", {"events": [{"token": decided["token"], "at": AT, "score": 0.5}]}
    )
    known, other = decided["decision_id"], decide(live, place)
    stranger = str(uuid4())

    found = tell(live, *({"decision_id": one, "label": 1} for one in (known, other, stranger)))
    again = tell(live, {"decision_id": known, "label": 1}, {"decision_id": other, "label": 1})

    assert (found["accepted"], found["awaiting"]) == (3, 2)
    assert (again["duplicates"], again["awaiting"]) == (2, 1)
