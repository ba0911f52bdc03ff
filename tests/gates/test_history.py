"""Policies over HTTP: what a draft would change, how they stood, packs to begin with."""

import copy
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.client import Problem
from app.kit.canonical import digest
from tests.live import Live

MEDIUM, HIGH = "/v1/policies/medium", "/v1/policies/high"
GATE = "release.parameter_testing"


@pytest.fixture
def policy(ruled: Live) -> Any:
    return ruled.admin.get(MEDIUM)


def edited(policy: Any, **changes: Any) -> Any:
    body = copy.deepcopy(policy["body"])
    body["gates"][GATE]["rules"][0].update(changes)
    return body


def refused(call: Any) -> Any:
    with pytest.raises(Problem) as refusal:
        call()
    return refusal.value


def test_a_draft_is_described_and_not_saved(ruled: Live, policy: Any) -> None:
    body = edited(policy, when="evidence.parameters.events >= 700", owner="mrm")
    gate = body["gates"]["release.integration_testing"]
    gone, kept, *more = gate["rules"]
    gate["rules"] = [kept, *more, {**kept, "name": "p50"}]
    gate["required"] = False

    draft = ruled.admin.put(f"{MEDIUM}?validate_only=true", {"body": body},
                            revision=policy["revision"])  # fmt: skip

    assert draft["validate_only"]
    assert draft["revision"] == policy["revision"] + 1
    assert draft["digest"] == digest(draft["body"]) != policy["digest"]
    assert [(c["gate"], c["rule"], c["change"]) for c in draft["changes"]] == [
        ("release.integration_testing", None, "changed"),
        ("release.integration_testing", gone["name"], "removed"),
        ("release.integration_testing", "p50", "added"),
        (GATE, "volume", "changed"),
    ]
    assert draft["changes"][-1]["before"]["when"] == "evidence.parameters.events >= 500"
    assert draft["changes"][-1]["after"]["owner"] == "mrm"
    assert ruled.admin.get(MEDIUM) == policy


def test_what_was_said_of_a_draft_is_what_is_saved(ruled: Live, policy: Any) -> None:
    body = {"body": edited(policy, reason="At least 500 events were rehearsed.", cites=["MRM 4"])}
    revision = policy["revision"]

    draft = ruled.admin.put(f"{MEDIUM}?validate_only=true", body, revision=revision)
    saved = ruled.admin.put(MEDIUM, body, revision=revision)

    assert {name: saved[name] for name in ("revision", "digest", "body")} == {
        name: draft[name] for name in ("revision", "digest", "body")
    }
    assert "validate_only" not in saved


def test_a_draft_keeps_to_the_same_conditions_and_rights(ruled: Live, policy: Any) -> None:
    path, body = f"{MEDIUM}?validate_only=true", {"body": policy["body"]}
    stale = refused(lambda: ruled.admin.put(path, body, revision=policy["revision"] + 5))
    blind = refused(lambda: ruled.admin.put(path, body))
    weak = refused(lambda: ruled["aud"].put(path, body, revision=policy["revision"]))

    assert [error.status for error in (stale, blind, weak)] == [412, 428, 403]


@pytest.mark.parametrize("query", ["", "?validate_only=true"])
def test_every_faulty_rule_is_named_with_its_place(ruled: Live, policy: Any, query: str) -> None:
    body = edited(policy, when="evidence.parameters.events >=\n  unknown.x")
    body["gates"][GATE]["rules"][1]["when"] = "size(version)"
    body["gates"]["release.model_release"]["rules"][0]["when"] = "version.number.("

    answer = refused(
        lambda: ruled.admin.put(f"{MEDIUM}{query}", {"body": body}, revision=policy["revision"])
    )

    assert (answer.status, answer.code) == (422, "bad_policy")
    found = {(e["gate"], e["rule"]): e for e in answer.document["errors"]}
    assert set(found) == {
        ("release.model_release", "candidate"), (GATE, "volume"), (GATE, "quality"),
    }  # fmt: skip
    assert (found[GATE, "volume"]["line"], found[GATE, "volume"]["column"]) == (2, 10)
    assert "unknown.x" in found[GATE, "volume"]["problem"]
    assert found[GATE, "quality"]["problem"] == "answers INT, not bool"
    assert ruled.admin.get(MEDIUM)["revision"] == policy["revision"]


def test_a_policy_is_read_as_it_stood(ruled: Live, policy: Any) -> None:
    first = policy["revision"]
    for number in range(3):
        body = {"body": edited(policy, reason=f"Because {number}.")}
        policy = ruled.admin.put(MEDIUM, body, revision=policy["revision"])
    listed = list(ruled["aud"].pages(f"{MEDIUM}/revisions", limit=2))

    assert [item["revision"] for item in listed] == list(range(first + 3, 0, -1))
    assert listed[0]["author"] == "administrator"
    assert listed[-1]["author"] is None
    for item in listed:
        by_number = ruled["aud"].get(MEDIUM, revision=item["revision"])
        by_time = ruled["aud"].get(MEDIUM, at=item["at"])
        assert by_number == by_time
        assert by_number["digest"] == item["digest"] == digest(by_number["body"])
    between = datetime.fromisoformat(listed[0]["at"]) - timedelta(microseconds=1)
    assert ruled["aud"].get(MEDIUM, at=between.isoformat())["revision"] == first + 2


def test_there_is_no_policy_before_the_first_nor_after_the_last(ruled: Live) -> None:
    began = min(item["at"] for item in ruled["aud"].pages(f"{HIGH}/revisions"))
    before = datetime.fromisoformat(began) - timedelta(seconds=1)
    now = datetime.now(UTC).isoformat()

    early = refused(lambda: ruled["aud"].get(HIGH, at=before.isoformat()))
    beyond = refused(lambda: ruled["aud"].get(HIGH, revision=999))
    both = refused(lambda: ruled["aud"].get(HIGH, revision=1, at=now))
    unzoned = refused(lambda: ruled["aud"].get(HIGH, at="2026-01-01T00:00:00"))

    assert [error.status for error in (early, beyond, both, unzoned)] == [404, 404, 422, 422]


@pytest.fixture
def high(ruled: Live) -> Iterator[Any]:
    """The high tier's policy, put back afterwards."""
    found = ruled.admin.get(HIGH)
    yield found
    now = ruled.admin.get(HIGH)
    ruled.admin.put(HIGH, {"body": found["body"]}, revision=now["revision"])


def test_every_pack_is_adopted_by_saving_its_body(ruled: Live, high: Any) -> None:
    revision = high["revision"]
    listed = ruled["dev"].get("/v1/policy-packs")

    assert {"tier-low", "tier-medium", "tier-high", "sr-11-7", "eu-ai-act-high-risk"} == {
        item["name"] for item in listed
    }
    for item in listed:
        pack = ruled["dev"].get(f"/v1/policy-packs/{item['name']}")
        saved = ruled.admin.put(HIGH, {"body": pack["body"]}, revision=revision)
        assert saved["digest"] == pack["digest"] == item["digest"]
        revision = saved["revision"]
    assert refused(lambda: ruled["dev"].get("/v1/policy-packs/none")).status == 404
