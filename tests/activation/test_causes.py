"""What a target still runs is not over by one person's word, unless he says that he accepts it."""

from typing import Any

import httpx

from tests.activation.deploying import (
    APPROVED,
    WRONG,
    incidents,
    open_ones,
    put_target,
    refused,
    report,
    wait_for,
)
from tests.live import Live, Place, champion, make_model, make_version

REASON = {"reason": "I say so"}
ALOUD = {**REASON, "accept_cause": True}


def blocking(live: Live) -> Place:
    """A champion at a point that is stopped for what was not approved."""
    place = champion(live)
    path = f"/v1/decision-points/{place.point}"
    put_target(live, place.point, stale_after_seconds=3600, required=False)
    live["ops"].put(f"{path}/deployment-terms", {"on_digest_mismatch": "block"})
    report(live, place)
    return place


def answers(live: Live, point: str) -> bool:
    found = httpx.post(
        f"{live.url}/v1/decision-points/{point}/route",
        json={"unit": "somebody"},
        headers={"Authorization": f"Bearer {live.keys['app']}"},
    )
    return found.status_code == 200


def accepted(live: Live, point: str) -> list[str]:
    """What adherence says is answered with though a target runs what nobody approved."""
    found = live["aud"].get("/v1/adherence")["findings"]
    return [
        one["detail"] for one in found if (one["kind"], one["subject"]) == ("cause_accepted", point)
    ]


def audited(live: Live, incident: Any) -> Any:
    entries = live["aud"].get("/v1/audit", action="incident.resolved", limit=200)["items"]
    (found,) = [e["details"] for e in entries if e["details"]["incident"] == incident["id"]]
    return found["accepted"]


def test_an_incident_whose_cause_stands_is_ended_by_a_report_or_aloud(near: Live) -> None:
    place = blocking(near)
    report(near, place, digest=WRONG)
    (found,) = open_ones(near, place.point)
    assert found["blocks"] is True
    wait_for(lambda: not answers(near, place.point))
    path = f"/v1/incidents/{found['id']}:resolve"

    denied = refused(lambda: near["ops"].post(path, REASON), "cause_stands")

    assert (denied["status"], denied["causes"]) == (409, ["digest_mismatch"])
    target = f"/v1/decision-points/{place.point}/targets/eu-1"
    assert f"POST {target}/reports" in denied["mend"]
    assert f"GET {target}/desired" in denied["mend"]
    assert "accept_cause=true" in denied["mend"]
    assert [one["id"] for one in open_ones(near, place.point)] == [found["id"]]
    assert accepted(near, place.point) == []

    over = near["ops"].post(path, ALOUD)
    assert over["resolution"] == REASON["reason"]
    assert audited(near, found) is True
    wait_for(lambda: answers(near, place.point))
    (detail,) = accepted(near, place.point)
    assert "eu-1" in detail
    assert f"{place.model}@1" in detail
    report(near, place, digest=APPROVED)
    assert accepted(near, place.point) == []


def test_once_it_is_reported_as_gone_a_word_is_enough(near: Live) -> None:
    place = blocking(near)
    report(near, place, digest=WRONG)
    report(near, place, digest=WRONG, state="stopped")
    (found,) = open_ones(near, place.point)

    near["ops"].post(f"/v1/incidents/{found['id']}:resolve", REASON)

    assert audited(near, found) is False
    assert accepted(near, place.point) == []


def test_a_stranger_that_is_served_still_is_accepted_aloud_as_well(near: Live) -> None:
    place = blocking(near)
    model = make_model(near)
    other = Place(model, place.point, make_version(near, model))
    report(near, other)
    (found,) = open_ones(near, place.point)
    assert (found["kind"], found["blocks"]) == ("unapproved_version", True)
    path = f"/v1/incidents/{found['id']}:resolve"

    denied = refused(lambda: near["ops"].post(path, REASON), "cause_stands")

    assert denied["causes"] == ["unapproved_version"]
    near["ops"].post(path, ALOUD)
    (detail,) = accepted(near, place.point)
    assert f"{model}@1" in detail
    report(near, other, state="stopped")
    assert accepted(near, place.point) == []


def test_a_point_that_was_resumed_over_its_incident_is_named_too(near: Live) -> None:
    place = blocking(near)
    report(near, place, digest=WRONG)
    assert accepted(near, place.point) == []

    near["ops"].post(f"/v1/decision-points/{place.point}:resume", ALOUD)

    assert [one["blocks"] for one in open_ones(near, place.point)] == [True]
    assert len(accepted(near, place.point)) == 1
    report(near, place)
    assert accepted(near, place.point) == []
    assert incidents(near, place.point, open="true") == []


def test_what_would_block_once_the_terms_say_so_is_not_resolved_in_silence_before(
    near: Live,
) -> None:
    place = blocking(near)
    terms = f"/v1/decision-points/{place.point}/deployment-terms"
    near["ops"].put(terms, {"on_digest_mismatch": "report"}, revision=1)
    report(near, place, digest=WRONG)
    (found,) = open_ones(near, place.point)
    assert found["blocks"] is False

    path = f"/v1/incidents/{found['id']}:resolve"
    refused(lambda: near["ops"].post(path, REASON), "cause_stands")
    near["ops"].post(path, ALOUD)

    near["ops"].put(terms, {"on_digest_mismatch": "block"}, revision=2)
    assert len(accepted(near, place.point)) == 1
