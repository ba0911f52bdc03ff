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
def place(works: Live) -> Place:
    """A champion, deployed to one target that reports seldom."""
    found = champion(works)
    put_target(works, found.point, stale_after_seconds=3600, required=False)
    return found


def test_a_target_is_made_once_and_changed_on_condition(works: Live, place: Place) -> None:
    path = f"/v1/decision-points/{place.point}/targets/edge-9"
    body = {"environment": "edge", "required": False}
    made = works["ops"].put(path, body)
    refused(lambda: works["ops"].put(path, body), "condition_missing")
    refused(lambda: works["ops"].put(path, body, revision=9), "condition_stale")

    changed = works["ops"].put(path, {**body, "stale_after_seconds": 7}, revision=1)

    assert (made["revision"], changed["revision"]) == (1, 2)
    assert works["aud"].get(path)["stale_after_seconds"] == 7
    assert [t["name"] for t in works["aud"].pages(path.rpartition("/")[0])] == ["edge-9", "eu-1"]
    removed = httpx.delete(
        works.url + path,
        headers={"Authorization": f"Bearer {works.keys['ops']}", "If-Match": '"2"'},
    )
    assert removed.status_code == 204
    refused(lambda: works["aud"].get(path), "not_found")


def test_a_health_address_is_one_the_server_calls(works: Live, place: Place) -> None:
    for url in ("ftp://scoring.example/", "https://user:word@scoring.example/", "nothing"):
        refused(lambda url=url: put_target(works, place.point, "us-1", endpoint=url),  # type: ignore[misc]
                "address_refused")  # fmt: skip


def test_who_may_report_and_who_may_not(works: Live, place: Place) -> None:
    assert report(works, place, by="app")["state"] == "serving"
    assert report(works, place, by="ops")["digest"] == APPROVED
    refused(lambda: report(works, place, by="val"), "permission_denied")
    # The developer may speak of it where he is an operator, which the evidence tells.
    refused(lambda: report(works, place, by="dev"), "permission_denied")


def test_a_key_for_other_points_reports_nothing_here(works: Live, place: Place) -> None:
    account = works["app"].get("/v1/me")["id"]
    made = works.admin.post(f"/v1/principals/{account}/keys", {"days": 1, "points": ["elsewhere"]})
    path = f"/v1/decision-points/{place.point}/targets/eu-1/reports"
    body = {"model": place.model, "version": 1, "digest": APPROVED, "state": "serving"}

    answer = httpx.post(
        works.url + path, json=body, headers={"Authorization": f"Bearer {made['key']}"}
    )

    assert (answer.status_code, answer.json()["code"]) == (403, "out_of_scope")


def test_what_should_run_follows_the_seats_through_a_swap_and_back(works: Live) -> None:
    first = champion(works)
    put_target(works, first.point, required=False)
    (serving,) = desired(works, first.point)["versions"]
    assert (serving["state"], serving["because"], serving["digest"]) == (
        "serving", "champion", APPROVED,
    )  # fmt: skip

    # A version whose activation is open is warmed up.
    second = released(works, point=first.point)
    case = activation(works, second, endpoint="urn:second")
    wanted = {v["model"]: v for v in desired(works, first.point)["versions"]}
    assert (wanted[second.model]["state"], wanted[second.model]["endpoint"]) == (
        "warm", "urn:second",
    )  # fmt: skip
    report(works, second, state="warm")
    ready_to_commit(works, case)
    before = desired(works, first.point)["generation"]
    # What is in no seat yet is no incident, and one as soon as it is.
    report(works, second, digest=WRONG)
    assert open_ones(works, first.point) == []
    commit(works, case)
    (found,) = open_ones(works, first.point)
    assert (found["kind"], found["model"]) == (CAUSE, second.model)

    # The champion before stays warm.
    now = desired(works, first.point)
    wanted = {v["model"]: v for v in now["versions"]}
    assert now["generation"] != before
    assert wanted[second.model]["state"] == "serving"
    assert (wanted[first.model]["state"], wanted[first.model]["because"]) == (
        "warm", "previous_champion",
    )  # fmt: skip
    assert wanted[first.model]["until"] is not None
    terms = {"keep_warm_minutes": 0}
    works["ops"].put(f"/v1/decision-points/{first.point}/deployment-terms", terms)
    assert [v["model"] for v in desired(works, first.point)["versions"]] == [second.model]

    # A rollback works where it is cold as well, and says so.
    report(works, first, state="stopped")
    seat = roll_back(works, first.point)
    report(works, second, state="warm")
    again = roll_back(works, first.point)
    assert (seat["cold"], again["cold"]) == ({"eu-1": "stopped"}, {})
    told = works["aud"].get("/v1/audit", action="champion.rolled_back", limit=200)["items"]
    assert {str(entry["details"]["cold"]) for entry in told} >= {"{'eu-1': 'stopped'}", "{}"}


def test_a_deployer_that_polls_is_told_nothing_new(works: Live, place: Place) -> None:
    path = f"{works.url}/v1/decision-points/{place.point}/targets/eu-1/desired"
    key = {"Authorization": f"Bearer {works.keys['app']}"}
    first = httpx.get(path, headers=key)

    again = httpx.get(path, headers={**key, "If-None-Match": first.headers["etag"]})

    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert httpx.get(path, headers={**key, "If-None-Match": '"old"'}).status_code == 200


def test_desired_stands_beside_reported(works: Live, place: Place) -> None:
    put_target(works, place.point, "a", stale_after_seconds=2, required=False)
    put_target(works, place.point, "b", required=False)

    def states() -> tuple[str, str]:
        found = deployment(works, place.point)["targets"]
        here = {target["target"]: target["sync"] for target in found}
        return here["a"], here["b"]

    assert states() == ("missing", "missing")
    report(works, place, "a")
    report(works, place, "b", state="pulling")
    assert states() == ("in_sync", "drifted")
    report(works, place, "b")
    assert wait_for(lambda: states() == ("stale", "in_sync"))
    # The silence is an incident, once, until the target speaks again.
    (silent,) = wait_for(lambda: open_ones(works, place.point, "a"))
    assert (silent["kind"], silent["severity"]) == ("stale_target", "minor")
    report(works, place, "a")
    assert open_ones(works, place.point, "a") == []
    (again,) = wait_for(lambda: open_ones(works, place.point, "a"))
    assert again["id"] != silent["id"]

    other = released(works, point=place.point)
    report(works, other, "b", state="serving")
    (target,) = [t for t in deployment(works, place.point)["targets"] if t["target"] == "b"]
    assert {(v["model"], v["state"], v["sync"]) for v in target["versions"]} == {
        (place.model, "serving", "in_sync"), (other.model, "none", "drifted"),
    }  # fmt: skip


def test_a_digest_nobody_approved_is_an_incident_until_the_right_one_runs(
    works: Live, place: Place
) -> None:

    report(works, place, digest=WRONG)
    report(works, place, digest=WRONG)

    (found,) = open_ones(works, place.point)
    assert (found["kind"], found["severity"], found["blocks"]) == (CAUSE, "critical", False)
    assert found["facts"] == {"approved": APPROVED, "running": WRONG, "state": "serving"}
    report(works, place, state="pulling")
    assert open_ones(works, place.point)
    report(works, place)
    over = {one["id"]: one for one in incidents(works, place.point, open="false")}
    ended = over[found["id"]]
    assert (ended["id"], ended["resolved_by"], ended["resolution"]) == (found["id"], None, None)
    told = [e["data"]["incident_id"] for e in events(works, "activation.incident.opened")]
    assert told.count(found["id"]) == 1


def test_a_target_that_failed_is_an_incident(works: Live, place: Place) -> None:
    report(works, place, state="failed")
    (found,) = open_ones(works, place.point)
    assert (found["kind"], found["severity"]) == ("target_failed", "major")

    report(works, place, state="serving")

    assert open_ones(works, place.point) == []


def test_of_many_reports_at_once_one_opens_the_incident(works: Live, place: Place) -> None:
    put_target(works, place.point, "many", required=False)
    wrong = partial(report, works, place, "many", digest=WRONG)

    answers = at_once(*[wrong] * 6)

    assert [answer.status for answer in answers] == [0] * 6
    assert len(open_ones(works, place.point, "many")) == 1


def test_people_acknowledge_and_resolve_by_name(works: Live, place: Place) -> None:
    put_target(works, place.point, "c", required=False)
    report(works, place, "c", digest=WRONG)
    (found,) = open_ones(works, place.point, "c")
    path = f"/v1/incidents/{found['id']}"
    refused(lambda: works["val"].post(f"{path}:resolve", {"reason": "x"}), "permission_denied")

    seen = works["ops"].post(f"{path}:acknowledge", {"note": "looking at it"})
    over = works["ops"].post(f"{path}:resolve", {"reason": "the node is gone"})

    me = works["ops"].get("/v1/me")["id"]
    assert (seen["acknowledged_by"], seen["note"]) == (me, "looking at it")
    assert (over["resolved_by"], over["resolution"]) == (me, "the node is gone")
    refused(lambda: works["ops"].post(f"{path}:resolve", {"reason": "x"}), "incident_closed")
    # His word was on that report; a newer one of the same is another incident.
    report(works, place, "c", digest=WRONG)
    assert [one["id"] != found["id"] for one in open_ones(works, place.point, "c")] == [True]


def test_nobody_resolves_what_is_wrong_with_his_own_version(works: Live, place: Place) -> None:
    put_target(works, place.point, "d", required=False)
    report(works, place, "d", digest=WRONG)
    (found,) = open_ones(works, place.point, "d")
    version = works["aud"].get(f"/v1/models/{place.model}/versions/1")
    developer = works["dev"].get("/v1/me")["id"]
    assert version["developer_id"] == developer
    assign = f"/v1/principals/{developer}:assign"
    works.agree(works.admin.post(assign, {"roles": ["developer", "operator"]}))
    try:
        assert wait_for(lambda: "operator" in works["dev"].get("/v1/me")["roles"])
        path = f"/v1/incidents/{found['id']}:resolve"
        refused(lambda: works["dev"].post(path, {"reason": "it is fine"}), "own_version")
    finally:
        works.agree(works.admin.post(assign, {"roles": ["developer", "committee"]}))
        assert wait_for(lambda: "committee" in works["dev"].get("/v1/me")["roles"])


def test_an_incident_blocks_where_the_point_says_so(works: Live) -> None:
    place = champion(works)
    put_target(works, place.point, required=False)
    terms = f"/v1/decision-points/{place.point}/deployment-terms"
    assert works["aud"].get(terms)["revision"] == 0
    report(works, place, digest=WRONG)
    assert [one["blocks"] for one in open_ones(works, place.point)] == [False]
    works["ops"].put(terms, {"on_digest_mismatch": "block"})

    # What is open already blocks from its next report on.
    report(works, place, digest=WRONG)

    (found,) = open_ones(works, place.point)
    assert found["blocks"] is True
    wanted = [e["data"] for e in events(works, "routing.point.stopped")]
    assert [(e["version_id"], e["cause"]) for e in wanted if e["point"] == place.point] == [
        (found["version_id"], CAUSE)
    ]
    # A version that leaves its seat blocks nothing any more, and does again once it is back.
    rival = released(works, point=place.point)
    case = activation(works, rival)
    report(works, rival)
    ready_to_commit(works, case)
    commit(works, case)
    (left,) = open_ones(works, place.point)
    assert (left["id"], left["blocks"]) == (found["id"], False)
    roll_back(works, place.point)
    assert [one["blocks"] for one in open_ones(works, place.point)] == [True]
    report(works, place)
    lifted = [e["data"]["point"] for e in events(works, "routing.point.resumed")]
    assert lifted.count(place.point) == 2
    # Reports, swaps and words of people meet at the point, and none of them in a circle.
    for _ in range(3):
        answers = at_once(
            partial(report, works, place, digest=WRONG),
            partial(roll_back, works, place.point),
            partial(report, works, rival, digest=WRONG),
            partial(report, works, place),
            partial(report, works, rival),
            partial(roll_back, works, place.point),
        )
        assert {answer.status for answer in answers} <= {0, 409}, answers


def test_the_log_vouches_for_all_of_it(works: Live, place: Place) -> None:
    report(works, place)

    assert works["aud"].post("/v1/audit:verify")["faults"] == []


def test_a_stranger_sees_no_incident_of_a_narrowed_keys_other_points(
    works: Live, place: Place
) -> None:
    with another_person(works, "operator") as one:
        path = f"/v1/principals/{one.get('/v1/me')['id']}/keys"
        key = one.post(path, {"days": 1, "points": [place.point]})["key"]
    report(works, place, digest=WRONG)
    answer = httpx.get(
        f"{works.url}/v1/incidents",
        params={"open": "true"},
        headers={"Authorization": f"Bearer {key}"},
    )
    report(works, place)

    assert {item["decision_point"] for item in answer.json()["items"]} == {place.point}


def test_an_unknown_incident_is_not_found(works: Live) -> None:
    unknown = "/v1/incidents/0197c0de-0000-7000-8000-000000000001:acknowledge"
    with pytest.raises(Problem) as refusal:
        works["ops"].post(unknown, {"note": "x"})
    assert refusal.value.status == 404
