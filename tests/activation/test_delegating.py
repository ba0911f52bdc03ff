"""Swaps that an experiment has earned, where policy lets the server ask for them."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from app import activation
from app.bus import make_bus
from app.client import Problem
from app.platform.db import Database
from app.platform.settings import Settings
from tests.live import Live, approve, evidence, open_activation
from tests.routing.plans import Cast, cast, split
from tests.routing.trials import older, scored
from tests.tenants import another, database_of

GATE = "activation.management_and_governance"
DEPLOYED = {"digest": "sha256:" + "0" * 64}


@pytest.fixture
def at(live: Live) -> Iterator[Cast]:
    """A point of a tenant of its own, where a challenger earns twice as much as the champion."""
    with another(live) as own:
        found = cast(own)
        found.put({"segments": [{"strategy": split(found, champion=1)}]})
        scored(found, {"old": 3, "new": 6})
        yield found


def policy(live: Live, edit: Callable[[dict[str, Any]], None], tier: str = "low") -> None:
    found = live.admin.get(f"/v1/policies/{tier}")
    edit(found["body"])
    body = {"body": found["body"]}
    change = live.admin.put(f"/v1/policies/{tier}", body, revision=found["revision"])
    live["com"].post(f"/v1/changes/{change['id']}:approve", {"reason": "agreed"})


def delegated(body: dict[str, Any]) -> None:
    body["delegates_promotion"] = True


def by_evidence(body: dict[str, Any]) -> None:
    """Delegate, and let the evidence stand in for the committee's word."""
    delegated(body)
    rule = next(r for r in body["gates"][GATE]["rules"] if r["name"] == "production_committee")
    rule["when"] = f"({rule['when']}) || evidence.experiment.advice == 'promote'"


def look(live: Live) -> None:
    """Let the worker's job run once."""

    async def once() -> None:
        database = Database(database_of(live), Settings(), make_bus())
        try:
            await activation.promote(database)
        finally:
            await database.close()

    asyncio.run(once())


def asked(at: Cast) -> list[Any]:
    """The activations that the server has asked for."""
    place = at.challenger
    cases = at.live["aud"].pages("/v1/cases", model=place.model, version=place.version)
    return [one for one in cases if one["kind"] == "activation" and "experiment" in one["details"]]


def answering(at: Cast) -> str:
    return str(at.live["aud"].get(f"{at.path}/champion")["model"])


def test_what_an_experiment_has_earned_is_made_champion_by_the_server(at: Cast) -> None:
    older(at, 21)
    look(at.live)
    undelegated = asked(at)
    policy(at.live, by_evidence)
    (experiment,) = at.live["aud"].get(f"{at.path}/experiments")["experiments"]
    look(at.live)
    (case,) = asked(at)
    before = answering(at)
    evidence(at.live["ops"], case, "model_deployment", "deployment", DEPLOYED)
    look(at.live)
    look(at.live)

    assert experiment["advice"] == "promote"
    assert undelegated == []
    assert case["details"]["experiment"] == experiment["id"]
    assert before == at.champion.model, "nothing says that it is deployed"
    assert answering(at) == at.challenger.model
    (known,) = [
        one
        for one in at.live["aud"].get(f"/v1/cases/{case['id']}")["evidence"]
        if one["kind"] == "experiment"
    ]
    assert known["measured"]
    assert known["payload"]["id"] == experiment["id"]
    assert known["payload"]["everybody"] is True
    assert known["payload"]["gain"]["low"] > 0
    acts = [entry["action"] for entry in at.live["aud"].pages("/v1/audit")]
    assert acts.count("promotion.asked") == acts.count("promotion.delegated") == 1


def test_what_gates_ask_of_people_they_still_ask(at: Cast) -> None:
    older(at, 21)
    policy(at.live, delegated)
    look(at.live)
    (case,) = asked(at)
    evidence(at.live["ops"], case, "model_deployment", "deployment", DEPLOYED)
    look(at.live)
    waiting = answering(at)
    approve(at.live["com"], case, "management_and_governance")
    look(at.live)

    assert waiting == at.champion.model
    assert answering(at) == at.challenger.model


def test_what_is_not_proven_or_not_the_servers_is_left_to_people(at: Cast) -> None:
    policy(at.live, by_evidence)
    look(at.live)
    assert asked(at) == [], "too soon"

    north = {"name": "north", "when": {"==": [{"var": "region"}, "qld"]}}
    at.put({"segments": [north, {"strategy": split(at, champion=1)}]})
    scored(at, {"old": 3, "new": 6})
    older(at, 21)
    look(at.live)
    assert asked(at) == [], "not of everybody"

    at.put({"segments": [{"strategy": split(at, champion=1)}]})
    scored(at, {"old": 3, "new": 6})
    older(at, 21)
    open_activation(at.live, at.challenger)
    look(at.live)
    assert asked(at) == [], "people are at it"
    assert answering(at) == at.champion.model


def test_in_the_highest_tier_people_ask(live: Live) -> None:
    with another(live) as own, pytest.raises(Problem) as found:
        policy(own, delegated, "high")

    assert found.value.code == "bad_policy"


def test_what_does_not_hold_any_more_is_not_made(at: Cast) -> None:
    older(at, 21)
    policy(at.live, by_evidence)
    look(at.live)
    (case,) = asked(at)

    named = {"model": at.challenger.model, "version": at.challenger.version, "reason": "harms"}
    halted = at.live["ops"].post(f"{at.path}:stop", named)
    evidence(at.live["ops"], case, "model_deployment", "deployment", DEPLOYED)
    assert result(at, case) is None, "he is stopped"
    graver(at, "high")
    at.live["ops"].post(f"{at.path}:resume", {"stop_id": halted["id"], "reason": "a test"})
    assert result(at, case) is None, "the champion's tier is not delegated"
    for _ in range(3):
        scored(at, {"old": 9, "new": 0})
    graver(at, "low")
    assert result(at, case) is None, "the evidence has turned"
    at.put({})
    assert result(at, case) == "overtaken", "the experiment is over"


def result(at: Cast, case: Any) -> Any:
    """What a case has come to after two more looks, none of which has made a swap."""
    look(at.live)
    look(at.live)
    assert answering(at) == at.champion.model
    return at.live["aud"].get(f"/v1/cases/{case['id']}")["result"]


def graver(at: Cast, tier: str) -> None:
    """Put the champion's model into a tier, past who would have to agree."""
    with psycopg.connect(database_of(at.live)) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE catalog_model SET risk_tier = %s WHERE name = %s", (tier, at.champion.model)
        )
