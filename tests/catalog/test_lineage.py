"""Lineage both ways, and forks with where they come from."""

import asyncio
from typing import Any
from uuid import UUID

import psycopg
import pytest

from app import catalog
from app.bus import make_bus
from app.kit.actor import Actor
from app.platform.db import Database
from app.platform.settings import Settings
from tests import live as live_made
from tests.catalog.assets import (
    content,
    make_ensemble,
    make_model,
    make_version,
    publish,
    specifics,
)
from tests.live import Live, approve, evidence, unique, validate
from tests.platform.wire import problem_of, speaker
from tests.tenants import database_of


def graph(live: Live, model: str, number: int = 1, **query: Any) -> Any:
    return live["aud"].get(f"/v1/models/{model}/versions/{number}/lineage", **query)


def labels(found: Any, kind: str = "version") -> list[str]:
    return [node["label"] for node in found["nodes"] if node["kind"] == kind]


def edges(found: Any) -> set[tuple[str, str, str]]:
    label = {node["id"]: node["label"] for node in found["nodes"]}
    return {(label[e["source"]], label[e["target"]], e["kind"]) for e in found["edges"]}


def fork(live: Live, model: str, into: str, *, by: str = "dev", **more: Any) -> Any:
    return live[by].post(f"/v1/models/{model}/versions/1:fork", {"into": into, **more})


@pytest.fixture(scope="module")
def family(live: Live) -> dict[str, str]:
    """Two versions of a model, a fork of the first, and an ensemble around the fork."""
    data = {"reference": unique("s3://data"), "digest": "sha256:" + "a" * 64}
    lineage = {"commit": "9f2c1e7", "repository": "https://git.example.com/a"}
    model = make_model(live)
    publish(live, model, training_data=data, lineage=lineage)
    publish(live, model, lineage={"parents": [1]})
    team = make_model(live)
    fork(live, model, team)
    alike = make_version(live, training_data={**data, "reference": "elsewhere"})
    other = make_version(live)
    around = make_ensemble(live, team, other)
    return {
        "model": model, "team": team, "alike": alike, "other": other, "around": around,
        "data": data["reference"],
    }  # fmt: skip


def test_down_are_children_forks_and_the_ensembles_around_them(
    live: Live, family: dict[str, str]
) -> None:
    model, team, around = family["model"], family["team"], family["around"]

    found = graph(live, model, direction="down")

    assert labels(found)[0] == f"{model}@1"
    assert set(labels(found)) == {f"{model}@1", f"{model}@2", f"{team}@1", f"{around}@1"}
    assert edges(found) == {
        (f"{model}@1", f"{model}@2", "parent"),
        (f"{model}@1", f"{team}@1", "fork"),
        (f"{team}@1", f"{around}@1", "member"),
    }
    assert (found["truncated"], labels(found, "commit")) == (False, [])


def test_up_are_members_origins_commits_and_data(live: Live, family: dict[str, str]) -> None:
    model, team, around = family["model"], family["team"], family["around"]

    found = graph(live, around, direction="up")

    assert set(labels(found)) == {
        f"{around}@1", f"{team}@1", f"{family['other']}@1", f"{model}@1",
    }  # fmt: skip
    commit = "https://git.example.com/a@9f2c1e7"
    assert {
        (commit, f"{model}@1", "built_from"),
        (commit, f"{team}@1", "built_from"),
        (family["data"], f"{model}@1", "trained_on"),
        (f"{model}@1", f"{team}@1", "fork"),
    } <= edges(found)
    assert labels(found, "commit") == [commit]


def test_both_ways_are_one_graph(live: Live, family: dict[str, str]) -> None:
    found = graph(live, family["team"])

    assert {f"{family[name]}@1" for name in ("model", "team", "around")} == set(labels(found))


def test_what_is_farther_than_asked_is_said_to_be_there(live: Live, family: dict[str, str]) -> None:
    found = graph(live, family["model"], direction="down", depth=1)

    assert f"{family['around']}@1" not in labels(found)
    assert found["truncated"] is True
    assert graph(live, family["model"], direction="down", depth=2)["truncated"] is False


def test_what_was_trained_on_the_same_data_is_named_when_asked(
    live: Live, family: dict[str, str]
) -> None:
    plain = graph(live, family["model"], direction="down")
    found = graph(live, family["model"], direction="down", same_data=True)

    alike = f"{family['alike']}@1"
    assert alike not in labels(plain)
    assert (family["data"], alike, "trained_on") in edges(found)
    assert (family["data"], f"{family['model']}@1", "trained_on") in edges(found)


def test_a_long_and_wide_family_ends_where_it_is_said(live: Live) -> None:
    model = make_model(live)
    for number in range(1, 26):
        parents = list(range(max(1, number - 20), number))
        publish(live, model, lineage={"parents": parents})

    found = graph(live, model, 25, direction="up", depth=20)

    assert len(labels(found)) == 25
    assert len([edge for edge in found["edges"] if edge["kind"] == "parent"]) == 290
    down = graph(live, model, 1, direction="down", depth=20)
    assert (len(labels(down)), down["truncated"]) == (25, False)


def test_a_fork_has_the_content_and_says_where_it_comes_from(live: Live) -> None:
    model, team = make_model(live, "rule_set"), make_model(live, "rule_set")
    origin = publish(
        live, model, specifics=specifics("rule_set"), tags={"a": "b"}, lineage={"commit": "c1"}
    )

    made = fork(live, model, team, summary="Ours.")

    same = ("source", "digest", "signature", "training_data", "specifics", "tags")
    assert {name: made[name] for name in same} == {name: origin[name] for name in same}
    assert made["card"] == {**origin["card"], "summary": "Ours."}
    assert (made["number"], made["stage"]) == (1, "published")
    assert made["content_digest"] != origin["content_digest"]
    assert made["lineage"] == {
        **origin["lineage"],
        "parents": [],
        "forked_from": {
            "model": model, "version": 1, "version_id": origin["id"],
            "content_digest": origin["content_digest"],
        },
    }  # fmt: skip
    told = [entry["action"] for entry in live["aud"].pages(f"/v1/models/{team}/versions/1/history")]
    reused = list(live["aud"].pages(f"/v1/models/{model}/versions/1/history"))[-1]
    assert told == ["version.published", "version.forked"]
    assert (reused["action"], reused["details"]["into"]) == ("version.reused", team)


def test_a_fork_brings_its_baseline_and_its_history_along(live: Live) -> None:
    model, team = (live_made.make_model(live) for _ in range(2))
    live_made.make_version(live, model)
    validate(live, model, 1)
    before = live["aud"].get(f"/v1/models/{model}/versions/1/baseline")

    fork(live, model, team)

    path = f"/v1/models/{team}/versions/1"
    baseline = live["aud"].get(f"{path}/baseline")
    same = ("rows", "reference", "digest", "variables")
    assert {name: baseline[name] for name in same} == {name: before[name] for name in same}
    assert baseline["inherited_from"] == {"model": model, "version": 1}
    assert before["inherited_from"] is None
    own = [entry["action"] for entry in live["aud"].pages(f"{path}/history")]
    whole = [entry["action"] for entry in live["aud"].pages(f"{path}/history", origins="true")]
    assert own == ["version.published", "version.forked", "version.baseline.inherited"]
    assert whole[0] == "version.published"
    assert "version.validated" in whole
    assert whole[-4:] == [own[0], own[1], "version.reused", own[2]]


def test_nobody_says_himself_what_a_version_was_forked_from(live: Live) -> None:
    path = f"/v1/models/{make_model(live)}/versions"
    sent = content(lineage={"forked_from": {"model": "m", "version": 1}})

    problem_of(speaker(live, "dev").post(path, json=sent), 422, "invalid")


def test_a_fork_of_an_ensemble_has_its_members(live: Live) -> None:
    one, two = make_version(live), make_version(live)
    model, team = make_ensemble(live, one, two), make_model(live, "ensemble")

    fork(live, model, team)

    found = live["aud"].pages(f"/v1/models/{team}/versions/1/members")
    assert [member["model"] for member in found] == [one, two]


def test_a_fork_goes_into_another_model_of_the_same_kind(live: Live) -> None:
    model, rules = make_version(live), make_model(live, "rule_set")
    path = f"/v1/models/{model}/versions/1:fork"

    for into, status, code in (
        (model, 409, "own_model"),
        (rules, 409, "another_kind"),
        (unique("none"), 404, "not_found"),
    ):
        problem_of(speaker(live, "dev").post(path, json={"into": into}), status, code)
    problem_of(speaker(live, "val").post(path, json={"into": model}), 403, "permission_denied")


def test_a_change_procedure_links_what_it_made_and_the_original_bars_its_developer(
    live: Live,
) -> None:
    model, team = make_version(live), make_model(live)
    publish(live, model)
    _, key = live.newcomer("developer")
    with type(live.admin)(live.url, key) as other:
        other.post(f"/v1/models/{model}/versions/1:fork", {"into": team})
    first, second = (live["dev"].get(f"/v1/models/{model}/versions/{n}") for n in (1, 2))

    developers = asyncio.run(linked(live, team, child=second["id"], parent=first["id"]))

    assert UUID(live["dev"].get("/v1/me")["id"]) in developers
    assert len(developers) == 2
    assert (f"{model}@1", f"{model}@2", "retrain") in edges(graph(live, model))


async def linked(live: Live, team: str, *, child: str, parent: str) -> set[UUID]:
    """Link twice; return who registered versions of ``team``, or what they were forked from."""
    tenant = UUID(live.admin.get("/v1/me")["tenant_id"])
    database = Database(database_of(live), Settings(), make_bus())
    try:
        async with database.transaction(tenant) as session:
            for _ in range(2):
                await catalog.link_retrained(
                    session, tenant, child=UUID(child), parent=UUID(parent)
                )
            model = await catalog.model_of(session, team, by=Actor.system(tenant))
            return await catalog.developers_of(session, model)
    finally:
        await database.close()


def test_who_developed_the_original_does_not_decide_on_a_fork_of_its_fork(live: Live) -> None:
    """Nor through the database: ``dev`` has the committee's role as well."""
    model, team, third = make_version(live), make_model(live), make_model(live)
    _, key = live.newcomer("developer")
    fork(live, model, team)
    path = f"/v1/models/{team}/versions/1:fork"
    with type(live.admin)(live.url, key) as other:
        other.post(path, {"into": third})
        case = other.post("/v1/validations", {"model": third, "version": 1})
    step = "technical_validation"
    evidence(live["val"], case, step, "technical", {"holdout_rows": 200, "reproducible": True})
    approvals = f"/v1/cases/{case['id']}/steps/{step}/approvals"

    answer = speaker(live, "dev").post(approvals, json={"approved": True, "reason": "mine"})

    refused = problem_of(answer, 403, "self_approval")
    assert "forked from" in refused["detail"]
    approve(live["val"], case, step)
    forged = (
        "INSERT INTO gates_approval (tenant_id, id, case_id, step, approved, reason, principal_id,"
        " person_id, roles, requester_id, developer_id, digest) SELECT a.tenant_id,"
        " gen_random_uuid(), a.case_id, a.step, true, '', p.id, p.id, a.roles, a.requester_id,"
        " a.developer_id, 'x' FROM gates_approval a JOIN identity_principal p"
        " ON p.tenant_id = a.tenant_id AND p.name = 'dev' WHERE a.case_id = %s"
    )
    with (
        psycopg.connect(database_of(live)) as connection,
        pytest.raises(psycopg.errors.IntegrityError, match="forked from"),
    ):
        connection.execute(forged, (case["id"],))
