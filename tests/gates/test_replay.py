"""Verdicts judged again: by a draft, by an earlier revision, by what they themselves store."""

import copy
import json
import uuid
from typing import Any

import psycopg
import pytest

from app.client import Problem
from app.platform.embedded import EmbeddedPostgres
from tests.live import Live, released

LOW = "/v1/policies/low"
REPLAY = f"{LOW}:replay"


@pytest.fixture(scope="module")
def judged(ruled: Live) -> list[Any]:
    """The verdicts of a version that was validated and released, newest first."""
    place = released(ruled)
    cases = ruled["aud"].get("/v1/cases", model=place.model, version=place.version)["items"]
    found = [v for case in cases for v in ruled["aud"].get(f"/v1/cases/{case['id']}")["verdicts"]]
    return sorted(found, key=lambda verdict: verdict["at"], reverse=True)


def draft(ruled: Live, gate: str, rule: str, **changes: Any) -> Any:
    body = copy.deepcopy(ruled["aud"].get(LOW)["body"])
    (found,) = (item for item in body["gates"][gate]["rules"] if item["name"] == rule)
    found.update(changes)
    return body


def test_the_policy_that_judged_changes_nothing(ruled: Live, judged: list[Any]) -> None:
    found = ruled["aud"].post(REPLAY, {"revision": 1, "last": 1000})

    assert found["complete"]
    assert found["examined"] >= len(judged) >= 5
    assert found["changes"] == []
    assert found["counts"]["unchanged"] == found["examined"]


def test_a_draft_names_exactly_the_verdicts_it_would_change(ruled: Live, judged: list[Any]) -> None:
    body = draft(ruled, "release.parameter_testing", "volume",
                 when="evidence.parameters.events >= 1000000")  # fmt: skip

    found = ruled["aud"].post(REPLAY, {"body": body, "last": len(judged)})

    expected = [v["id"] for v in judged if v["step"] == "parameter_testing"]
    assert [item["verdict_id"] for item in found["changes"]] == expected
    (change,) = found["changes"]
    assert change["passed"] == {"before": True, "after": False}
    assert change["path"] == {"before": None, "after": None}
    assert change["rules"] == [{"rule": "volume", "before": True, "after": False, "error": None}]
    assert found["counts"] == {
        "changed": 1, "unchanged": len(judged) - 1, "would_open": 0, "would_close": 1,
        "other_path": 0,
    }  # fmt: skip


def test_a_draft_shows_another_way_out(ruled: Live, judged: list[Any]) -> None:
    body = draft(ruled, "release.kpi_validation", "data_drift", when="1 > 2")

    found = ruled["aud"].post(REPLAY, {"body": body, "last": len(judged)})

    (change,) = found["changes"]
    assert change["path"] == {"before": "delivers_as_promised", "after": "data_drift"}
    assert found["counts"]["other_path"] == 1


def test_a_rule_that_only_warns_differs_without_closing(ruled: Live, judged: list[Any]) -> None:
    body = draft(ruled, "release.model_release", "baseline", when="false", severity="warn")

    (change,) = ruled["aud"].post(REPLAY, {"body": body, "last": len(judged)})["changes"]

    assert change["passed"] == {"before": True, "after": True}
    assert [item["rule"] for item in change["rules"]] == ["baseline"]


def test_a_replay_saves_nothing_and_looks_at_the_newest_only(
    ruled: Live, judged: list[Any]
) -> None:
    before = ruled["aud"].get(LOW)
    body = draft(ruled, "validation.technical_validation", "reproducible", when="false")

    newest = ruled["aud"].post(REPLAY, {"body": body, "last": 1})
    all_of_them = ruled["aud"].post(REPLAY, {"body": body, "last": 1000})

    assert newest["examined"] == 1
    assert newest["changes"] == []
    oldest = judged[-1]["id"]
    assert oldest in [item["verdict_id"] for item in all_of_them["changes"]]
    assert ruled["aud"].get(LOW) == before
    assert ruled["aud"].get(f"/v1/verdicts/{oldest}") == judged[-1]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"body": {"gates": {}}, "revision": 1},
        {"revision": 0},
        {"revision": 1, "last": 1001},
        {"body": {"gates": {}}},
    ],
)
def test_a_replay_asks_for_one_usable_policy(ruled: Live, body: Any) -> None:
    with pytest.raises(Problem) as refusal:
        ruled["aud"].post(REPLAY, body)

    assert refusal.value.status == 422


def test_every_stored_verdict_recomputes_to_itself(ruled: Live, judged: list[Any]) -> None:
    for verdict in judged:
        found = ruled["aud"].post(f"/v1/verdicts/{verdict['id']}:recompute")

        assert found["same"]
        assert found["differs"] == []
        assert found["verdict"] == verdict
        assert found["ruling"]["results"] == verdict["results"]
        assert found["facts_digest"] == verdict["facts_digest"]
        assert found["policy_digest"] == verdict["policy_digest"]


EDITS = [
    ("passed = NOT passed", {"passed"}),
    ("path = 'business_drift'", {"path"}),
    ("results = jsonb_set(results, '{0,passed}', 'false')", {"results"}),
    ("results = jsonb_set(results, '{0,reason}', '\"otherwise\"')", {"results"}),
    ("facts = jsonb_set(facts, '{version,number}', '99')", {"facts_digest"}),
    ("facts = jsonb_set(facts, '{evidence}', '{}')",
     {"facts_digest", "passed", "path", "results"}),
    ("policy_digest = 'sha256:0'", {"policy_digest"}),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "differs"), EDITS, ids=[edit for edit, _ in EDITS])
def test_a_verdict_that_somebody_changed_in_the_database_is_found_out(
    ruled: Live, judged: list[Any], edit: str, differs: set[str]
) -> None:
    verdict = next(item for item in judged if item["step"] == "kpi_validation")
    with psycopg.connect(EmbeddedPostgres(ruled.data_dir).url) as superuser:
        superuser.execute("SET session_replication_role = replica")
        columns = "passed, path, results, facts, policy_digest"
        where = f"WHERE id = '{verdict['id']}'"
        kept = superuser.execute(f"SELECT {columns} FROM gates_verdict {where}").fetchone()
        assert kept is not None
        superuser.execute(f"UPDATE gates_verdict SET {edit} {where}")
        superuser.commit()

        found = ruled["aud"].post(f"/v1/verdicts/{verdict['id']}:recompute")

        superuser.execute("SET session_replication_role = replica")
        values = [json.dumps(value) if isinstance(value, dict | list) else value for value in kept]
        superuser.execute(
            f"UPDATE gates_verdict SET ({columns}) = (%s, %s, %s, %s, %s) {where}", values
        )

    assert not found["same"]
    assert set(found["differs"]) == differs


def test_nobody_reads_a_verdict_that_does_not_exist(ruled: Live) -> None:
    path = f"/v1/verdicts/{uuid.uuid4()}"

    with pytest.raises(Problem) as unread:
        ruled["aud"].get(path)
    with pytest.raises(Problem) as uncomputed:
        ruled["aud"].post(f"{path}:recompute")

    assert (unread.value.status, uncomputed.value.status) == (404, 404)
