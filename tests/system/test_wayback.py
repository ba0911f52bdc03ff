"""The way back: rollbacks walk through the champions before like an undo stack, and say its end."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.client import Problem
from tests.activation.deploying import put_target, report
from tests.live import (
    Live,
    Place,
    crown,
    enthroned,
    make_point,
    released,
    roll_back,
    validate,
)
from tests.system.test_guardrails import behave, breached, guarded

REASON = {"reason": "a test"}


def succession(live: Live, count: int) -> list[Place]:
    """So many versions, released for one decision point side by side; none is champion yet."""
    point = make_point(live)
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(lambda _: released(live, point=point), range(count)))


def refused(call: Callable[[], Any]) -> Any:
    with pytest.raises(Problem) as problem:
        call()
    return problem.value.document


def id_of(live: Live, place: Place) -> str:
    return str(live["aud"].get(f"/v1/models/{place.model}/versions/{place.version}")["id"])


def here(place: Place) -> str:
    return f"/v1/decision-points/{place.point}"


def answers(live: Live, place: Place) -> str | None:
    """Whose model would stand in, were the point stopped now."""
    standing = live["aud"].get(f"{here(place)}/fallback")["answers"]
    return str(standing["model"]) if standing else None


def warm(live: Live, place: Place) -> list[str]:
    """Whose model is kept warm for a rollback."""
    found = live["ops"].get(f"{here(place)}/targets/eu-1/desired")["versions"]
    return [one["model"] for one in found if one["because"] == "previous_champion"]


def send_back(live: Live, place: Place) -> None:
    """A validator finds that a version is not what it was."""
    case = live["dev"].post("/v1/validations", {"model": place.model, "version": place.version})
    body = {"path": "data_drift", "reason": "its inputs moved"}
    live["val"].post(f"/v1/validations/{case['id']}:fail", body)


def test_rollbacks_walk_back_to_the_first_and_all_who_ask_know_the_next(live: Live) -> None:
    a, b, c, d = succession(live, 4)
    put_target(live, a.point, required=False)
    for place in (a, b, c, d):
        report(live, place, state="warm")
    for place in (a, b, c):
        crown(live, place)
    assert (answers(live, a), warm(live, a)) == (b.model, [b.model])

    assert roll_back(live, a.point)["version_id"] == id_of(live, b)
    assert (answers(live, a), warm(live, a)) == (a.model, [a.model])
    crown(live, d)
    assert (answers(live, a), warm(live, a)) == (b.model, [b.model])
    assert roll_back(live, a.point)["version_id"] == id_of(live, b)
    assert roll_back(live, a.point)["version_id"] == id_of(live, a)

    assert (answers(live, a), warm(live, a)) == (None, [])
    denied = refused(lambda: roll_back(live, a.point))
    assert (denied["status"], denied["code"]) == (409, "nothing_to_roll_back_to")
    passed = {one["model"]: one["why"] for one in denied["passed_over"]}
    assert passed.keys() == {b.model, c.model, d.model}
    assert set(passed.values()) == {"was rolled back from"}
    assert f"POST {here(a)}:stop" in denied["mend"]
    assert "POST /v1/activations" in denied["mend"]
    assert enthroned(live, a.point) == id_of(live, a)


def test_who_was_activated_again_is_gone_back_from_to_whom_he_replaced(live: Live) -> None:
    a, b = succession(live, 2)
    for place in (a, b, a):
        crown(live, place)

    assert roll_back(live, a.point)["version_id"] == id_of(live, b)

    assert answers(live, a) is None
    assert refused(lambda: roll_back(live, a.point))["code"] == "nothing_to_roll_back_to"


def test_who_was_sent_back_is_passed_over_unless_he_is_asked_for(live: Live) -> None:
    a, b, c = succession(live, 3)
    for place in (a, b, c):
        crown(live, place)
    send_back(live, b)
    assert answers(live, a) == a.model

    back = roll_back(live, a.point)

    assert back["version_id"] == id_of(live, a)
    told = live["aud"].get("/v1/audit", action="champion.rolled_back", limit=50)["items"]
    entry = next(e for e in told if e["details"]["version_id"] == back["version_id"])
    assert entry["details"]["passed_over"] == [id_of(live, b)]


def test_where_only_who_was_sent_back_is_left_it_is_said_aloud(live: Live) -> None:
    a, b, c = succession(live, 3)
    for place in (a, b):
        crown(live, place)
    send_back(live, a)
    denied = refused(lambda: roll_back(live, a.point))
    assert (denied["code"], denied["version_id"]) == ("returned_version", id_of(live, a))

    # Validated again, he is still not released again.
    validate(live, a.model, a.version)
    assert refused(lambda: roll_back(live, a.point))["code"] == "returned_version"
    crown(live, c)
    back = roll_back(live, a.point)
    assert back["version_id"] == id_of(live, b)
    back = roll_back(live, a.point, accept_returned=True, accept_unapproved=True)
    assert back["version_id"] == id_of(live, a)


def test_a_rollback_is_undone_by_name_and_as_it_stood_before(live: Live) -> None:
    a, b, c = succession(live, 3)
    for place in (a, b, c):
        crown(live, place)
    assert refused(lambda: roll_back(live, a.point, undo=True))["code"] == "nothing_to_undo"
    roll_back(live, a.point)
    roll_back(live, a.point)

    undone = [roll_back(live, a.point, undo=True) for _ in range(2)]

    assert [one["version_id"] for one in undone] == [id_of(live, b), id_of(live, c)]
    assert undone[-1]["cause"] == "reinstated"
    assert refused(lambda: roll_back(live, a.point, undo=True))["code"] == "nothing_to_undo"
    assert answers(live, a) == b.model
    assert roll_back(live, a.point)["version_id"] == id_of(live, b)


def test_a_guardrail_goes_on_to_whom_two_bad_ones_replaced(live: Live) -> None:
    a, b, c = succession(live, 3)
    for place in (a, b, c):
        crown(live, place)
    guarded(live, a.point)

    for number, (bad, restored) in enumerate(((c, b), (b, a)), 1):
        behave(live, bad, id_of(live, bad), well=False)
        newest = breached(live, a.point, number)[0]
        assert (newest["taken"], newest["restored_id"]) == ("rolled_back", id_of(live, restored))

    assert enthroned(live, a.point) == id_of(live, a)
