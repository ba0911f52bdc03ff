"""What runs where: desired by the seats, reported by deployers, an incident where they differ."""

from functools import partial

import httpx
import pytest

from app.client import Problem
from tests.activation.deploying import (
    APPROVED,
    WRONG,
    activation,
    another_person,
    commit,
    deployment,
    desired,
    events,
    incidents,
    open_ones,
    put_target,
    refused,
    report,
    wait_for,
)
from tests.live import Live, Place, champion, ready_to_commit, released, roll_back
from tests.system.together import at_once

CAUSE = "digest_mismatch"


@pytest.fixture(scope="module")
def place(near: Live) -> Place:
    """A champion, deployed to one target that reports seldom."""
    found = champion(near)
    put_target(near, found.point, stale_after_seconds=3600, required=False)
    return found


def test_a_target_is_made_once_and_changed_on_condition(near: Live, place: Place) -> None:
    path = f"/v1/decision-points/{place.point}/targets/edge-9"
    body = {"environment": "edge", "required": False}
    made = near["ops"].put(path, body)
    refused(lambda: near["ops"].put(path, body), "condition_missing")
    refused(lambda: near["ops"].put(path, body, revision=9), "condition_stale")

    changed = near["ops"].put(path, {**body, "stale_after_seconds": 7}, revision=1)

    assert (made["revision"], changed["revision"]) == (1, 2)
    assert near["aud"].get(path)["stale_after_seconds"] == 7
    assert [t["name"] for t in near["aud"].pages(path.rpartition("/")[0])] == ["edge-9", "eu-1"]
    removed = httpx.delete(
        near.url + path,
        headers={"Authorization": f"Bearer {near.keys['ops']}", "If-Match": '"2"'},
    )
    assert removed.status_code == 204
    refused(lambda: near["aud"].get(path), "not_found")


def test_a_health_address_is_one_the_server_calls(near: Live, place: Place) -> None:
    for url in ("ftp://scoring.example/", "https://user:word@scoring.example/", "nothing"):
        refused(lambda url=url: put_target(near, place.point, "us-1", endpoint=url),  # type: ignore[misc]
                "address_refused")  # fmt: skip


def test_who_may_report_and_who_may_not(near: Live, place: Place) -> None:
    assert report(near, place, by="app")["state"] == "serving"
    assert report(near, place, by="ops")["digest"] == APPROVED
    refused(lambda: report(near, place, by="val"), "permission_denied")
    # The developer may speak of it where he is an operator, which the evidence tells.
    refused(lambda: report(near, place, by="dev"), "permission_denied")


def test_a_key_for_other_points_reports_nothing_here(near: Live, place: Place) -> None:
    account = near["app"].get("/v1/me")["id"]
    made = near.admin.post(f"/v1/principals/{account}/keys", {"days": 1, "points": ["elsewhere"]})
    path = f"/v1/decision-points/{place.point}/targets/eu-1/reports"
    body = {"model": place.model, "version": 1, "digest": APPROVED, "state": "serving"}

    answer = httpx.post(
        near.url + path, json=body, headers={"Authorization": f"Bearer {made['key']}"}
    )

    assert (answer.status_code, answer.json()["code"]) == (403, "out_of_scope")


def test_what_should_run_follows_the_seats_through_a_swap_and_back(near: Live) -> None:
    first = champion(near)
    put_target(near, first.point, required=False)
    (serving,) = desired(near, first.point)["versions"]
    assert (serving["state"], serving["because"], serving["digest"]) == (
        "serving", "champion", APPROVED,
    )  # fmt: skip

    # A version whose activation is open is warmed up.
    second = released(near, point=first.point)
    case = activation(near, second, endpoint="urn:second")
    wanted = {v["model"]: v for v in desired(near, first.point)["versions"]}
    assert (wanted[second.model]["state"], wanted[second.model]["endpoint"]) == (
        "warm", "urn:second",
    )  # fmt: skip
    report(near, second, state="warm")
    ready_to_commit(near, case)
    before = desired(near, first.point)["generation"]
    # What is in no seat yet is no incident, and one as soon as it is.
    report(near, second, digest=WRONG)
    assert open_ones(near, first.point) == []
    commit(near, case)
    (found,) = open_ones(near, first.point)
    assert (found["kind"], found["model"]) == (CAUSE, second.model)

    # The champion before stays warm.
    now = desired(near, first.point)
    wanted = {v["model"]: v for v in now["versions"]}
    assert now["generation"] != before
    assert wanted[second.model]["state"] == "serving"
    assert (wanted[first.model]["state"], wanted[first.model]["because"]) == (
        "warm", "previous_champion",
    )  # fmt: skip
    assert wanted[first.model]["until"] is not None
    terms = {"keep_warm_minutes": 0}
    near["ops"].put(f"/v1/decision-points/{first.point}/deployment-terms", terms)
    assert [v["model"] for v in desired(near, first.point)["versions"]] == [second.model]

    # A rollback works where it is cold as well, and says so.
    report(near, first, state="stopped")
    seat = roll_back(near, first.point)
    report(near, second, state="warm")
    again = roll_back(near, first.point, undo=True)
    assert (seat["cold"], again["cold"]) == ({"eu-1": "stopped"}, {})
    told = [
        entry["details"]["cold"]
        for cause in ("rolled_back", "reinstated")
        for entry in near["aud"].get("/v1/audit", action=f"champion.{cause}", limit=200)["items"]
    ]
    assert {str(cold) for cold in told} >= {"{'eu-1': 'stopped'}", "{}"}


def test_a_deployer_that_polls_is_told_nothing_new(near: Live, place: Place) -> None:
    path = f"{near.url}/v1/decision-points/{place.point}/targets/eu-1/desired"
    key = {"Authorization": f"Bearer {near.keys['app']}"}
    first = httpx.get(path, headers=key)

    again = httpx.get(path, headers={**key, "If-None-Match": first.headers["etag"]})

    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert httpx.get(path, headers={**key, "If-None-Match": '"old"'}).status_code == 200


def test_desired_stands_beside_reported(near: Live, place: Place) -> None:
    put_target(near, place.point, "a", stale_after_seconds=2, required=False)
    put_target(near, place.point, "b", required=False)

    def states() -> tuple[str, str]:
        found = deployment(near, place.point)["targets"]
        here = {target["target"]: target["sync"] for target in found}
        return here["a"], here["b"]

    assert states() == ("missing", "missing")
    report(near, place, "a")
    report(near, place, "b", state="pulling")
    assert states() == ("in_sync", "drifted")
    report(near, place, "b")
    assert wait_for(lambda: states() == ("stale", "in_sync"))
    # The silence is an incident, once, until the target speaks again.
    (silent,) = wait_for(lambda: open_ones(near, place.point, "a"))
    assert (silent["kind"], silent["severity"]) == ("stale_target", "minor")
    report(near, place, "a")
    assert open_ones(near, place.point, "a") == []
    (again,) = wait_for(lambda: open_ones(near, place.point, "a"))
    assert again["id"] != silent["id"]

    other = released(near, point=place.point)
    report(near, other, "b", state="serving")
    (target,) = [t for t in deployment(near, place.point)["targets"] if t["target"] == "b"]
    assert {(v["model"], v["state"], v["sync"]) for v in target["versions"]} == {
        (place.model, "serving", "in_sync"), (other.model, "none", "drifted"),
    }  # fmt: skip


def test_a_target_that_never_spoke_is_silent_as_well(near: Live, place: Place) -> None:
    put_target(near, place.point, "mute", stale_after_seconds=1, required=False)

    (found,) = wait_for(lambda: open_ones(near, place.point, "mute"))

    assert (found["kind"], found["severity"]) == ("stale_target", "minor")
    assert found["facts"]["last_report"] == "never"
    assert found["facts"]["desired_since"]
    (shown,) = [t for t in deployment(near, place.point)["targets"] if t["target"] == "mute"]
    assert shown["sync"] == "stale"
    assert shown["versions"][0]["reported"] is None
    # A person's word on it holds; the first report ends it by itself.
    near["ops"].post(f"/v1/incidents/{found['id']}:resolve", {"reason": "it is being built"})
    put_target(near, place.point, "late", stale_after_seconds=1, required=False)
    wait_for(lambda: open_ones(near, place.point, "late"))
    assert open_ones(near, place.point, "mute") == []
    near["ops"].put(
        f"/v1/decision-points/{place.point}/targets/late",
        {"environment": "cloud", "stale_after_seconds": 3600, "required": False},
        revision=1,
    )
    report(near, place, "late")
    assert open_ones(near, place.point, "late") == []


def test_a_digest_nobody_approved_is_an_incident_until_the_right_one_runs(
    near: Live, place: Place
) -> None:

    report(near, place, digest=WRONG)
    report(near, place, digest=WRONG)

    (found,) = open_ones(near, place.point)
    assert (found["kind"], found["severity"], found["blocks"]) == (CAUSE, "critical", False)
    assert found["facts"] == {
        "approved": APPROVED, "running": WRONG, "running_is": "unknown to the catalog",
        "state": "serving",
    }  # fmt: skip
    report(near, place, state="pulling")
    assert open_ones(near, place.point)
    report(near, place)
    over = {one["id"]: one for one in incidents(near, place.point, open="false")}
    ended = over[found["id"]]
    assert (ended["id"], ended["resolved_by"], ended["resolution"]) == (found["id"], None, None)
    told = [e["data"]["incident_id"] for e in events(near, "activation.incident.opened")]
    assert told.count(found["id"]) == 1


def test_a_target_that_failed_is_an_incident(near: Live, place: Place) -> None:
    report(near, place, state="failed")
    (found,) = open_ones(near, place.point)
    assert (found["kind"], found["severity"]) == ("target_failed", "major")

    report(near, place, state="serving")

    assert open_ones(near, place.point) == []


def test_of_many_reports_at_once_one_opens_the_incident(near: Live, place: Place) -> None:
    put_target(near, place.point, "many", required=False)
    wrong = partial(report, near, place, "many", digest=WRONG)

    answers = at_once(*[wrong] * 6)

    assert [answer.status for answer in answers] == [0] * 6
    assert len(open_ones(near, place.point, "many")) == 1


def test_people_acknowledge_and_resolve_by_name(near: Live, place: Place) -> None:
    put_target(near, place.point, "c", required=False)
    report(near, place, "c", digest=WRONG)
    (found,) = open_ones(near, place.point, "c")
    path = f"/v1/incidents/{found['id']}"
    refused(lambda: near["val"].post(f"{path}:resolve", {"reason": "x"}), "permission_denied")

    seen = near["ops"].post(f"{path}:acknowledge", {"note": "looking at it"})
    aloud = {"reason": "the node is gone", "accept_cause": True}
    over = near["ops"].post(f"{path}:resolve", aloud)

    me = near["ops"].get("/v1/me")["id"]
    assert (seen["acknowledged_by"], seen["note"]) == (me, "looking at it")
    assert (over["resolved_by"], over["resolution"]) == (me, "the node is gone")
    refused(lambda: near["ops"].post(f"{path}:resolve", {"reason": "x"}), "incident_closed")
    # His word was on that report; a newer one of the same is another incident.
    report(near, place, "c", digest=WRONG)
    assert [one["id"] != found["id"] for one in open_ones(near, place.point, "c")] == [True]


def test_nobody_resolves_what_is_wrong_with_his_own_version(near: Live, place: Place) -> None:
    put_target(near, place.point, "d", required=False)
    report(near, place, "d", digest=WRONG)
    (found,) = open_ones(near, place.point, "d")
    version = near["aud"].get(f"/v1/models/{place.model}/versions/1")
    developer = near["dev"].get("/v1/me")["id"]
    assert version["developer_id"] == developer
    assign = f"/v1/principals/{developer}:assign"
    near.agree(near.admin.post(assign, {"roles": ["developer", "operator"]}))
    try:
        assert wait_for(lambda: "operator" in near["dev"].get("/v1/me")["roles"])
        path = f"/v1/incidents/{found['id']}:resolve"
        refused(lambda: near["dev"].post(path, {"reason": "it is fine"}), "own_version")
    finally:
        near.agree(near.admin.post(assign, {"roles": ["developer", "committee"]}))
        assert wait_for(lambda: "committee" in near["dev"].get("/v1/me")["roles"])


def test_an_incident_blocks_where_the_point_says_so(near: Live) -> None:
    place = champion(near)
    put_target(near, place.point, required=False)
    terms = f"/v1/decision-points/{place.point}/deployment-terms"
    assert near["aud"].get(terms)["revision"] == 0
    report(near, place, digest=WRONG)
    assert [one["blocks"] for one in open_ones(near, place.point)] == [False]
    near["ops"].put(terms, {"on_digest_mismatch": "block"})

    # What is open already blocks from its next report on.
    report(near, place, digest=WRONG)

    (found,) = open_ones(near, place.point)
    assert found["blocks"] is True
    wanted = [e["data"] for e in events(near, "routing.point.stopped")]
    assert [(e["version_id"], e["cause"]) for e in wanted if e["point"] == place.point] == [
        (found["version_id"], CAUSE)
    ]
    # A version that leaves its seat blocks nothing any more, and does again once it is back.
    rival = released(near, point=place.point)
    case = activation(near, rival)
    report(near, rival)
    ready_to_commit(near, case)
    commit(near, case)
    (left,) = open_ones(near, place.point)
    assert (left["id"], left["blocks"]) == (found["id"], False)
    roll_back(near, place.point)
    assert [one["blocks"] for one in open_ones(near, place.point)] == [True]
    report(near, place)
    lifted = [e["data"]["point"] for e in events(near, "routing.point.resumed")]
    assert lifted.count(place.point) == 2
    # Reports, swaps and words of people meet at the point, and none of them in a circle.
    for _ in range(3):
        answers = at_once(
            partial(report, near, place, digest=WRONG),
            partial(roll_back, near, place.point),
            partial(report, near, rival, digest=WRONG),
            partial(report, near, place),
            partial(report, near, rival),
            partial(roll_back, near, place.point),
        )
        assert {answer.status for answer in answers} <= {0, 409}, answers


def test_the_log_vouches_for_all_of_it(near: Live, place: Place) -> None:
    report(near, place)

    assert near["aud"].post("/v1/audit:verify")["faults"] == []


def test_a_stranger_sees_no_incident_of_a_narrowed_keys_other_points(
    near: Live, place: Place
) -> None:
    with another_person(near, "operator") as one:
        path = f"/v1/principals/{one.get('/v1/me')['id']}/keys"
        key = one.post(path, {"days": 1, "points": [place.point]})["key"]
    report(near, place, digest=WRONG)
    answer = httpx.get(
        f"{near.url}/v1/incidents",
        params={"open": "true"},
        headers={"Authorization": f"Bearer {key}"},
    )
    report(near, place)

    assert {item["decision_point"] for item in answer.json()["items"]} == {place.point}


def test_an_unknown_incident_is_not_found(near: Live) -> None:
    unknown = "/v1/incidents/0197c0de-0000-7000-8000-000000000001:acknowledge"
    with pytest.raises(Problem) as refusal:
        near["ops"].post(unknown, {"note": "x"})
    assert refusal.value.status == 404
