"""What an experiment has shown, over HTTP: from decisions, events and outcomes to advice."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import psycopg
import pytest

from tests.live import Live
from tests.routing.plans import Cast, cast, split
from tests.routing.trials import UNITS, older, scored
from tests.system.traffic import wait_for
from tests.tenants import another, database_of


@pytest.fixture(scope="module")
def at(live: Live) -> Iterator[Cast]:
    """A point of a tenant of its own: what is changed by hand here, its log does not vouch for."""
    with another(live) as own:
        found = cast(own)
        found.put({"segments": [{"strategy": split(found, champion=1)}]})
        yield found


def experiments(at: Cast) -> Any:
    return at.live["aud"].get(f"{at.path}/experiments")["experiments"]


def test_an_experiment_is_read_from_what_came_back_and_promotes_nobody(at: Cast) -> None:
    (before,) = experiments(at)
    seen = scored(at, {"old": 3, "new": 6})

    (found,) = experiments(at)

    assert [arm["rewarded"] for arm in before["arms"]] == [0, 0]
    assert before["regret"] is None
    old, new = found["arms"]
    for arm, mean in ((old, 0.3), (new, 0.6)):
        assert arm["exposures"] == arm["units"] == arm["rewarded"] == seen[arm["arm"]]
        assert arm["mean"] == pytest.approx(mean, abs=0.02)
        assert arm["standard_error"] == pytest.approx((mean * (1 - mean) / 350) ** 0.5, rel=0.1)
    assert old["gain"] is None
    gain = new["gain"]
    assert 0 < gain["low"] < gain["difference"] == pytest.approx(0.3, abs=0.02)
    assert gain["high"] < 0.6
    assert found["over_time"] == [{"arm": "new", "until": found["over_time"][0]["until"], **gain}]
    assert found["mismatch_p"] > 0.0005
    assert found["regret"] == pytest.approx(seen["old"] * 0.3, rel=0.1)
    assert (found["control"], found["best"], found["advice"]) == ("old", "new", "wait")
    (lacks,) = found["lacking"]
    assert lacks.startswith("It has run for 0.0 of 14 days")
    assert found["next"] is None


def test_what_has_run_for_long_enough_is_advised_and_left_to_people(at: Cast) -> None:
    older(at, 21)

    (found,) = experiments(at)

    assert (found["advice"], found["lacking"]) == ("promote", [])
    assert found["next"] == (
        f'POST /v1/activations {{"model":"{at.challenger.model}","version":'
        f'{at.challenger.version},"decision_point":"{at.champion.point}"}}'
    )
    champion = at.live["aud"].get(f"{at.path}/champion")
    assert champion["model"] == at.champion.model


def test_a_stop_or_units_that_were_lost_forbid_to_promote(at: Cast) -> None:
    named = {"model": at.challenger.model, "version": at.challenger.version, "reason": "a test"}
    halted = at.live["ops"].post(f"{at.path}:stop", named)
    (stopped,) = experiments(at)
    at.live["ops"].post(f"{at.path}:resume", {"stop_id": halted["id"], "reason": "a test"})
    with psycopg.connect(database_of(at.live)) as connection:
        connection.execute(
            "DELETE FROM telemetry_event WHERE series_id IN (SELECT s.id FROM telemetry_series s"
            " JOIN catalog_decision_point p ON p.id = s.point_id"
            " WHERE p.key = %s AND s.arm = 'new') AND get_byte(unit, 0) < 128",
            (at.champion.point,),
        )
    (lost,) = experiments(at)

    assert (stopped["advice"], stopped["lacking"]) == ("wait", ["Stopped: new."])
    assert lost["mismatch_p"] < 0.0005
    assert lost["advice"] == "wait"
    assert "shares are not the plan's" in lost["lacking"][0]


def test_what_sends_other_units_to_a_segment_begins_it_anew(at: Cast) -> None:
    (before,) = experiments(at)
    plan = at.live["ops"].get(f"{at.path}/plan")["spec"]
    shadow = {"name": "watcher", "model": at.former.model, "version": at.former.version}
    at.put({**plan, "shadows": [shadow]})
    (kept,) = experiments(at)
    north = {"name": "north", "when": {"==": [{"var": "region"}, "qld"]}}
    at.put({**plan, "segments": [north, *plan["segments"]]})
    (others,) = experiments(at)
    at.put({**plan, "segments": [north, {**plan["segments"][0], "salt": "anew"}]})
    (anew,) = experiments(at)

    assert (kept["id"], kept["since"]) == (before["id"], before["since"])
    assert before["since"] < others["since"] < anew["since"]
    assert len({before["id"], others["id"], anew["id"]}) == 3
    assert anew["lacking"]


def by_hand(at: Cast, statement: str, *values: object) -> None:
    with psycopg.connect(database_of(at.live)) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(statement, values)


def test_what_has_ended_is_read_under_its_id_and_written_down_once(at: Cast) -> None:
    aud, point = at.live["aud"], at.champion.point
    (running,) = experiments(at)
    scored(at, {"old": 2, "new": 4})
    before = aud.get(f"/v1/experiments/{running['id']}")
    at.put({})
    ended = aud.get(f"/v1/experiments/{running['id']}")
    listed = aud.get("/v1/experiments", decision_point=point, running=False)["items"]
    none = aud.get("/v1/experiments", decision_point=point, running=True)["items"]

    assert before["until"] is None
    assert ended["until"] is not None
    assert ended["arms"] == before["arms"]
    assert (ended["last_revision"], ended["concluded"]) == (at.revision - 1, False)
    assert listed[0]["id"] == running["id"]
    assert none == [] == experiments(at)

    by_hand(
        at,
        "UPDATE routing_experiment SET until = until - interval '3 hours',"
        " since = since - interval '3 hours' WHERE id = %s",
        running["id"],
    )
    read = partial(aud.get, f"/v1/experiments/{running['id']}")
    wait_for(lambda: read()["concluded"], "the conclusion", 30)
    concluded = read()
    (told,) = [
        entry
        for entry in aud.pages("/v1/audit", action="experiment.concluded")
        if entry["details"]["experiment"] == running["id"]
    ]
    assert told["details"]["segment"] == "everyone"
    by_hand(
        at,
        "DELETE FROM telemetry_hour WHERE series_id IN (SELECT s.id FROM telemetry_series s"
        " JOIN catalog_decision_point p ON p.id = s.point_id WHERE p.key = %s)",
        point,
    )
    assert read() == concluded


def test_what_ran_before_there_were_ids_is_given_one(at: Cast) -> None:
    at.put({"segments": [{"strategy": split(at, champion=1)}]})
    (known,) = experiments(at)
    by_hand(at, "DELETE FROM routing_experiment WHERE id = %s", known["id"])

    wait_for(lambda: experiments(at), "the entry", 30)

    (entered,) = experiments(at)
    assert entered["began"] == known["began"]
    assert entered["id"] != known["id"]


def test_what_a_bandit_has_learnt_goes_on_where_its_units_do(at: Cast) -> None:
    arms = [at.arm("champion", "left"), at.arm("challenger", "right")]
    learning = {"kind": "bandit", "arms": arms, "update_seconds": 1, "floor": 0.05}
    plan = {"segments": [{"strategy": {**learning, "burn_in_conversions": 10}}]}
    at.put(plan)
    scored(at, {"left": 1, "right": 6})
    wait_for(lambda: newest(at)["weights"].get("right", 0) > 9_000, "a round", 20)
    before = newest(at)
    shadow = {"name": "watcher", "model": at.former.model, "version": at.former.version}
    at.put({**plan, "shadows": [shadow]})
    kept = newest(at)
    at.put({"segments": [{"strategy": {**learning, "burn_in_conversions": 11}}]})
    anew = newest(at)

    learnt = before["segments"]["everyone"]
    assert sum(arm["units"] for arm in learnt["evidence"]) == UNITS
    assert kept["plan_revision"] == before["plan_revision"] + 1
    assert (kept["round"], kept["weights"]) == (1, before["weights"])
    assert kept["segments"]["everyone"] == learnt
    assert anew["weights"] == {"left": 5_000, "right": 5_000}
    evidence = anew["segments"]["everyone"].get("evidence", [])
    assert sum(arm["units"] for arm in evidence) == 0


def newest(at: Cast) -> Any:
    return at.live["aud"].get(f"{at.path}/rounds", limit=1)["items"][0]
