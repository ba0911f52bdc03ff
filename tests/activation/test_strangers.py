"""What a target serves though nobody approved it for the decision point."""

import pytest

from tests.activation.deploying import (
    APPROVED,
    WRONG,
    activation,
    commit,
    events,
    incidents,
    open_ones,
    put_target,
    refused,
    report,
)
from tests.live import Live, Place, champion, make_model, make_version, ready_to_commit, released

KIND = "unapproved_version"


@pytest.fixture(scope="module")
def place(near: Live) -> Place:
    """A champion, deployed to one target."""
    found = champion(near)
    put_target(near, found.point, stale_after_seconds=3600, required=False)
    report(near, found)
    return found


def stranger_at(live: Live, place: Place, digest: str) -> Place:
    model = make_model(live)
    return Place(model, place.point, make_version(live, model, digest=digest))


def test_a_version_served_where_it_was_never_approved_is_an_incident(
    near: Live, place: Place
) -> None:
    other = stranger_at(near, place, "sha256:" + "a" * 64)

    report(near, other, state="warm", digest="sha256:" + "a" * 64)
    assert open_ones(near, place.point) == []
    report(near, other, digest="sha256:" + "a" * 64)
    report(near, other, digest="sha256:" + "a" * 64)

    (found,) = open_ones(near, place.point)
    assert (found["kind"], found["severity"], found["blocks"]) == (KIND, "critical", False)
    assert (found["model"], found["version"]) == (other.model, 1)
    assert found["facts"] == {
        "approved": f"{place.model}@1 ({APPROVED})",
        "serving": f"{other.model}@1 (sha256:{'a' * 64})",
        "running": "sha256:" + "a" * 64,
        "running_is": f"{other.model}@1",
        "state": "serving",
    }
    told = [e["data"]["incident_id"] for e in events(near, "activation.incident.opened")]
    assert told.count(found["id"]) == 1
    report(near, other, state="stopped", digest="sha256:" + "a" * 64)
    over = {one["id"]: one for one in incidents(near, place.point, open="false")}
    assert over[found["id"]]["resolved_by"] is None


def test_the_facts_say_where_a_digest_is_unknown(near: Live, place: Place) -> None:
    other = stranger_at(near, place, "sha256:" + "b" * 64)
    report(near, other, digest=WRONG)
    report(near, place, digest=WRONG)

    found = {one["kind"]: one["facts"] for one in open_ones(near, place.point)}

    assert {kind: facts["running_is"] for kind, facts in found.items()} == {
        KIND: "unknown to the catalog", "digest_mismatch": "unknown to the catalog",
    }  # fmt: skip
    report(near, other, state="stopped")
    report(near, place)
    assert open_ones(near, place.point) == []


def test_where_the_point_says_so_it_stops_everything_until_it_is_gone(near: Live) -> None:
    first = champion(near)
    put_target(near, first.point, required=False)
    other = stranger_at(near, first, "sha256:" + "c" * 64)
    report(near, other)
    terms = f"/v1/decision-points/{first.point}/deployment-terms"

    near["ops"].put(terms, {"on_digest_mismatch": "block"})

    (found,) = open_ones(near, first.point)
    assert found["blocks"] is True
    path = f"/v1/decision-points/{first.point}"
    (stop,) = near["aud"].pages(f"{path}/stops")
    assert (stop["cause"], stop["model"], stop["until"]) == (KIND, None, None)
    resume = {"reason": "a test"}
    denied = refused(lambda: near["ops"].post(f"{path}:resume", resume), "cause_stands")
    assert denied["causes"] == [KIND]
    report(near, other, state="stopped")
    assert open_ones(near, first.point) == []
    (stop,) = near["aud"].pages(f"{path}/stops")
    assert stop["until"]


def test_a_version_whose_seat_is_given_or_was_is_no_stranger(near: Live) -> None:
    first = champion(near)
    put_target(near, first.point, required=False)
    second = released(near, point=first.point)
    report(near, second)
    (found,) = open_ones(near, first.point)
    case = activation(near, second)
    report(near, second)
    ready_to_commit(near, case)
    # It is asked for, not approved; what was reported before stays wrong until it is.
    assert [one["id"] for one in open_ones(near, first.point)] == [found["id"]]

    commit(near, case)

    assert open_ones(near, first.point) == []
    report(near, first)
    assert open_ones(near, first.point) == []
