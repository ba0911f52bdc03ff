"""The emergency stop: obeyed everywhere within seconds, answered by what was declared."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from app.client import Client, Problem
from tests.conftest import home
from tests.live import (
    Live,
    Place,
    champion,
    end,
    lift_control,
    open_activation,
    ready_to_commit,
    released,
    roll_back,
    route,
    spawn,
    start,
    wait_folded,
    wait_ready,
)
from tests.platform.wire import problem_of
from tests.system.processes import nothing_left, pg_ctl
from tests.system.traffic import wait_for
from tests.tenants import database_of

OBEYED_SECONDS = 5
CONSTANT = {"decision": "refer to a person", "limit": 0}
REASON = {"reason": "a test"}


@pytest.fixture(scope="module")
def lone() -> Iterator[Live]:
    """A server of this module's own: its database is taken away from it."""
    with home() as directory, nothing_left(directory), start(directory) as found:
        yield found


@pytest.fixture(scope="module")
def succession(live: Live) -> tuple[Place, Place]:
    """Two versions, the second of which took the seat from the first."""
    first = champion(live)
    return first, champion(live, point=first.point)


@pytest.fixture
def other_process(lone: Live) -> Iterator[str]:
    """A second API process on the same database."""
    with home() as directory:
        process, log, announced = spawn(directory, database_url=database_of(lone))
        try:
            yield wait_ready(process, log, announced, directory).url
        finally:
            end(process)


def asked(url: str, key: str, point: str, unit: str = "somebody") -> httpx.Response:
    return httpx.post(
        f"{url}/v1/decision-points/{point}/route",
        json={"unit": unit},
        headers={"Authorization": f"Bearer {key}"},
    )


def routed(url: str, key: str, point: str, arm: str) -> bool:
    return bool(asked(url, key, point).json().get("arm") == arm)


def stop(client: Client, point: str, **more: Any) -> Any:
    return client.post(f"/v1/decision-points/{point}:stop", {**REASON, **more})


def resume(client: Client, point: str, **more: Any) -> Any:
    return client.post(f"/v1/decision-points/{point}:resume", {**REASON, **more})


def settle(live: Live, point: str, wanted: Callable[[Any], object]) -> Any:
    """Wait until the route answers so; five seconds are promised."""
    found: list[Any] = []

    def there() -> object:
        found.append(asked(live.url, live.keys["app"], point).json())
        return wanted(found[-1])

    wait_for(there, "the table", OBEYED_SECONDS)
    return found[-1]


def by_fallback(answer: Any) -> bool:
    return bool(answer.get("arm") == "fallback")


def by_champion(answer: Any) -> bool:
    return bool(answer.get("arm") == "champion")


def declare(live: Live, point: str, **terms: Any) -> Any:
    path = f"/v1/decision-points/{point}/fallback"
    return live["ops"].put(path, terms, revision=live["ops"].get(path)["revision"])


def refused(call: Callable[[], Any]) -> Any:
    with pytest.raises(Problem) as problem:
        call()
    return problem.value.document


def test_two_processes_obey_a_stop_within_five_seconds_and_while_the_database_is_away(
    lone: Live, other_process: str
) -> None:
    first = champion(lone)
    second = champion(lone, point=first.point)
    urls, key = (lone.url, other_process), lone.keys["app"]
    pressed = time.monotonic()
    stop(lone["com"], second.point)
    for url in urls:
        wait_for(
            partial(routed, url, key, second.point, "fallback"),
            "the stop",
            OBEYED_SECONDS,
        )
    print(f"obeyed in {time.monotonic() - pressed:.2f} s")
    pg_ctl(lone.data_dir, "stop")
    try:
        for url in urls:
            answer = asked(url, key, second.point)
            assert answer.status_code == 200
            assert (answer.json()["arm"], answer.json()["model"]) == ("fallback", first.model)
    finally:
        pg_ctl(lone.data_dir, "start")
    wait_for(
        lambda: httpx.get(f"{lone.url}/readyz").status_code == 200, "readiness", OBEYED_SECONDS * 2
    )
    resume(lone["ops"], second.point)
    for url in urls:
        wait_for(
            partial(routed, url, key, second.point, "champion"),
            "the way back",
            OBEYED_SECONDS,
        )


def test_a_stop_is_traced_to_who_pressed_it(live: Live, succession: tuple[Place, Place]) -> None:
    first, second = succession
    pressed = stop(live["com"], second.point)
    answer = settle(live, second.point, by_fallback)

    assert (pressed["by_itself"], pressed["stopped_by"], pressed["answered"]) == (
        False,
        "com",
        True,
    )
    assert (answer["model"], answer["version"]) == (first.model, first.version)
    assert (answer["stopped"], answer["stop_id"], answer["propensity"]) == (
        True, pressed["id"], 1.0,
    )  # fmt: skip
    assert answer["shadows"] == []

    # Twice pressed is once stopped.
    assert stop(live["ops"], second.point)["id"] == pressed["id"]
    plan = live["ops"].get(f"/v1/decision-points/{second.point}/plan")
    seats = list(live["ops"].pages(f"/v1/decision-points/{second.point}/seats"))
    assert plan["stopped"] is True
    assert {seat["stopped"] for seat in seats if seat["until"] is None} == {True}
    assert {seat["stopped"] for seat in seats if seat["until"]} == {False}

    at = "2026-02-01T00:00:00Z"
    sent = {"token": answer["token"], "at": at, "features": {"x": 0.1}, "score": 0.5}
    assert live["app"].post("/v1/events", {"events": [sent]})["accepted"] == 1
    wait_folded(live, second.point)

    denied = refused(lambda: resume(live["dev"], second.point))
    assert (denied["status"], denied["code"]) == (403, "own_version")
    lifted = resume(live["ops"], second.point)
    assert [one["id"] for one in lifted["resumed"]] == [pressed["id"]]
    assert lifted["still_stopped"] == []
    back = settle(live, second.point, by_champion)
    assert back["model"] == second.model
    assert "stopped" not in back
    assert refused(lambda: resume(live["ops"], second.point))["code"] == "not_stopped"

    trace = live["aud"].get(f"/v1/decisions/{answer['decision_id']}")
    assert trace["stop"]["id"] == pressed["id"]
    assert trace["stop"]["stopped_by"] == "com"
    told = list(live["aud"].pages(f"/v1/decision-points/{second.point}/stops"))
    assert [(one["stopped_by"], one["resumed_by"]) for one in told] == [("com", "ops")]
    then = live["aud"].get(f"/v1/decision-points/{second.point}/stops", at=told[0]["since"])[
        "items"
    ]
    assert [one["id"] for one in then] == [pressed["id"]]
    after = live["aud"].get(f"/v1/decision-points/{second.point}/stops", at=told[0]["until"])[
        "items"
    ]
    assert after == []


def test_a_constant_answers_without_a_token_and_nobody_says_so_until_it_is_declared(
    live: Live,
) -> None:
    place = champion(live)
    path = f"/v1/decision-points/{place.point}/fallback"
    undeclared = live["aud"].get(path)
    assert (undeclared["kind"], undeclared["revision"], undeclared["answers"]) == (
        "previous_champion", 0, None,
    )  # fmt: skip
    assert stop(live["ops"], place.point)["answered"] is False
    wait_for(
        lambda: asked(live.url, live.keys["app"], place.point).status_code == 409,
        "the stop",
        OBEYED_SECONDS,
    )
    problem = problem_of(asked(live.url, live.keys["app"], place.point), 409, "stopped")
    assert "/fallback" in problem["mend"]

    declared = declare(live, place.point, kind="constant", constant=CONSTANT)
    answer = settle(live, place.point, by_fallback)

    assert (declared["constant"], declared["answers"]["constant"]) == (CONSTANT, True)
    assert answer["constant"] == CONSTANT
    named = ("model", "version", "version_id", "token", "endpoint")
    assert [answer[name] for name in named] == [None] * len(named)
    assert answer["stopped"] is True
    resume(live["ops"], place.point)
    settle(live, place.point, by_champion)


def test_one_stopped_version_gives_its_units_to_the_fallback_and_no_others(
    live: Live, succession: tuple[Place, Place]
) -> None:
    _, second = succession
    third = released(live, point=second.point)
    case = open_activation(live, third, role="challenger")
    ready_to_commit(live, case)
    live["ops"].post(f"/v1/activations/{case['id']}:commit")
    declare(live, second.point, kind="constant", constant="no")
    arms = [
        {"name": "old", "model": second.model, "version": second.version, "weight": 1},
        {"name": "new", "model": third.model, "version": third.version, "weight": 1},
    ]
    path = f"/v1/decision-points/{second.point}/plan"
    plan = {"segments": [{"strategy": {"kind": "split", "arms": arms}}]}
    change = live["ops"].put(path, plan, revision=live["ops"].get(path)["revision"])
    assert change["stopped"] is False
    settle(live, second.point, lambda answer: answer["arm"] in {"old", "new"})
    units = [f"unit-{number}" for number in range(60)]
    before = {unit: route(live, second.point, unit)["arm"] for unit in units}
    stop(live["ops"], second.point, model=third.model, version=third.version)
    moved = next(unit for unit, arm in before.items() if arm == "new")
    wait_for(
        lambda: route(live, second.point, moved)["arm"] == "fallback", "the stop", OBEYED_SECONDS
    )
    after = {unit: route(live, second.point, unit) for unit in units}

    assert Counter(before.values()).keys() == {"old", "new"}
    for unit in units:
        assert after[unit]["arm"] == {"old": "old", "new": "fallback"}[before[unit]]
        assert after[unit]["propensity"] == 0.5
    seats = live["ops"].pages(f"/v1/decision-points/{second.point}/seats")
    stopped = {s["role"]: s["stopped"] for s in seats if s["until"] is None}
    assert stopped == {"champion": False, "challenger": True}
    resume(live["ops"], second.point)


def test_swaps_and_rollbacks_go_on_under_a_stop_that_stays(live: Live) -> None:
    first = champion(live)
    declare(live, first.point, kind="constant", constant=0)
    stop(live["ops"], first.point)
    settle(live, first.point, by_fallback)
    second = released(live, point=first.point)
    case = open_activation(live, second)
    ready_to_commit(live, case)
    seat = live["ops"].post(f"/v1/activations/{case['id']}:commit")
    assert seat["stopped"] is True
    assert roll_back(live, first.point)["stopped"] is True
    time.sleep(1)
    assert by_fallback(asked(live.url, live.keys["app"], first.point).json())

    resume(live["ops"], first.point)
    assert settle(live, first.point, by_champion)["model"] == first.model
    # Who was rolled back from is nobody's fallback.
    declare(live, first.point, kind="previous_champion")
    assert live["aud"].get(f"/v1/decision-points/{first.point}/fallback")["answers"] is None


def test_a_rollback_that_would_leave_nobody_to_answer_names_the_stop_to_lift(
    live: Live,
) -> None:
    first = champion(live)
    second = champion(live, point=first.point)
    by_first = partial(answered_by, first)
    held = stop(live["ops"], first.point)
    settle(live, first.point, by_first)  # by default the champion before stands in

    denied = refused(lambda: roll_back(live, first.point))

    assert (denied["status"], denied["code"]) == (409, "would_strand")
    (named,) = denied["stops"]
    path = f"/v1/decision-points/{first.point}:resume"
    assert (named["id"], named["cause"]) == (held["id"], "operator")
    assert named["mend"] == f'POST {path} {{"stop_id": "{held["id"]}"}}'
    # As `mend` has it, without an instant in which the present champion answers.
    stop(live["ops"], first.point, model=second.model, version=second.version)
    resume(live["ops"], first.point, stop_id=held["id"])
    assert roll_back(live, first.point)["stopped"] is False
    settle(live, first.point, lambda answer: by_first(answer) and answer["arm"] != "fallback")


def answered_by(place: Place, answer: Any) -> bool:
    return bool(answer["model"] == place.model)


def test_what_the_server_stopped_is_resumed_when_that_is_over_or_accepted(live: Live) -> None:
    place = champion(live)
    declare(live, place.point, kind="constant", constant=False)
    stopped_by_itself(live, place)
    settle(live, place.point, by_fallback)
    by_hand = stop(live["ops"], place.point)

    denied = refused(lambda: resume(live["com"], place.point))
    assert (denied["code"], denied["causes"]) == ("cause_stands", ["digest_mismatch"])
    lifted = resume(live["ops"], place.point, stop_id=by_hand["id"])
    assert [one["cause"] for one in lifted["still_stopped"]] == ["digest_mismatch"]
    assert by_fallback(asked(live.url, live.keys["app"], place.point).json())
    resume(live["ops"], place.point, accept_cause=True)
    settle(live, place.point, by_champion)
    entry = live["aud"].get("/v1/audit", action="point.resumed", limit=200)["items"]
    told = [e["details"] for e in entry if e["details"]["cause"] == "digest_mismatch"]
    assert [one["accepted"] for one in told] == [True]


def stopped_by_itself(live: Live, place: Place) -> None:
    """Have a target run what nobody approved, where that stops the version."""
    point = f"/v1/decision-points/{place.point}"
    live["ops"].put(f"{point}/targets/edge", {"environment": "edge", "required": False})
    live["ops"].put(f"{point}/deployment-terms", {"on_digest_mismatch": "block"})
    said = {
        "model": place.model, "version": place.version, "digest": "sha256:unknown",
        "state": "serving",
    }  # fmt: skip
    for _ in range(2):
        live["app"].post(f"{point}/targets/edge/reports", said)


def test_who_may_declare_stop_and_resume(live: Live, succession: tuple[Place, Place]) -> None:
    first, second = succession
    path = f"/v1/decision-points/{second.point}"
    for who in ("val", "aud", "app"):
        for verb in ("stop", "resume"):
            denied = refused(partial(live[who].post, f"{path}:{verb}", REASON))
            assert denied["code"] == "permission_denied"
    unfit = champion(live)
    terms = {"kind": "version", "model": unfit.model, "version": unfit.version}
    assert refused(lambda: declare(live, second.point, **terms))["code"] == "not_a_fallback"
    found = declare(live, second.point, kind="version", model=first.model, version=first.version)
    assert found["answers"] == {
        "model": first.model, "version": first.version, "endpoint": None, "parameters": {},
        "constant": False,
    }  # fmt: skip
    stale = refused(lambda: live["ops"].put(f"{path}/fallback", {"kind": "previous_champion"}))
    assert stale["code"] == "condition_missing"
    for wrong in (
        {"kind": "version"},
        {"kind": "constant"},
        {"kind": "previous_champion", "constant": 1},
        {"kind": "constant", "constant": "x" * 10_000},
    ):
        with pytest.raises(Problem) as problem:
            declare(live, second.point, **wrong)
        assert problem.value.document["status"] == 422


def test_a_fallback_is_changed_as_plans_are(live: Live) -> None:
    place = champion(live)
    rights = live.admin.get("/v1/decision-rights")
    control = {**rights["body"]["change_control"], "plan": {"approvals": 1, "roles": ["validator"]}}
    body = {"body": {**rights["body"], "change_control": control}}
    asked_for = live.admin.put("/v1/decision-rights", body, revision=rights["revision"])
    live["com"].post(f"/v1/changes/{asked_for['id']}:approve", {"reason": "agreed"})
    try:
        change = declare(live, place.point, kind="constant", constant=1)
        assert change["target"] == f"fallback of {place.point}"
        assert live["aud"].get(f"/v1/decision-points/{place.point}/fallback")["revision"] == 0
        live["val"].post(f"/v1/changes/{change['id']}:approve", {"reason": "agreed"})
        found = live["aud"].get(f"/v1/decision-points/{place.point}/fallback")
        assert (found["revision"], found["constant"]) == (1, 1)
    finally:
        lift_control(live, "plan")
