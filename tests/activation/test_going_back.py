"""A rollback, and undoing one, look at the same things as a swap does."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.activation.deploying import commit, judge, refused
from tests.live import (
    Live,
    Place,
    champion,
    crown,
    enthroned,
    open_activation,
    ready_to_commit,
    released,
    roll_back,
)
from tests.revalidation.aging import edited
from tests.system.test_guardrails import WRONG, behave, breached, committed, guarded, looked_at

STEP = "management_and_governance"


def said(live: Live, point: str) -> Any:
    """What the audit says of the last rollback at a point, or the undoing of one."""
    key = live["aud"].get(f"/v1/decision-points/{point}")["id"]
    rows = live["aud"].get("/v1/audit", stream=f"point:{key}", limit=200)["items"]
    acts = {"champion.rolled_back", "champion.reinstated"}
    return next(one["details"] for one in rows if one["action"] in acts)


def expire(live: Live, place: Place) -> None:
    """Make a version one of scores that were valid until yesterday."""
    edited(
        live,
        "UPDATE catalog_version SET specifics = jsonb_build_object("
        "'kind', 'precalculated_scores', 'valid_until', %s::text) WHERE id = %s",
        (datetime.now(UTC) - timedelta(days=1)).isoformat(),
        live["aud"].get(f"/v1/models/{place.model}/versions/{place.version}")["id"],
    )


def test_nobody_goes_back_to_expired_scores_unsaid(live: Live) -> None:
    first = champion(live)
    second = crown(live, released(live, point=first.point))
    expire(live, first)

    problem = refused(lambda: roll_back(live, first.point), "scores_expired")
    back = roll_back(live, first.point, accept_expired=True)
    expire(live, second)
    undone = refused(lambda: roll_back(live, first.point, undo=True), "scores_expired")

    assert "accept_expired=true" in problem["mend"]
    assert f"/v1/models/{first.model}/versions" in problem["mend"]
    assert back["cause"] == "rolled_back"
    assert f"/v1/models/{second.model}/versions" in undone["mend"]


def test_who_sat_by_a_waiver_comes_back_without_it_only_aloud(live: Live) -> None:
    first = champion(live)
    place = released(live, point=first.point)
    case = open_activation(live, place)
    body = {"case_id": case["id"], "step": STEP, "rule": "production_committee", "days": 5}
    asked = live["ops"].post("/v1/waivers", {**body, "reason": "The committee meets in May."})
    live["com"].post(f"/v1/changes/{asked['id']}:approve", {"reason": "until then"})
    for step in (STEP, "model_deployment"):
        assert judge(live, case, step)["passed"]
    commit(live, case)
    roll_back(live, first.point)
    # While the waiver holds he comes and goes.
    roll_back(live, first.point, undo=True)
    third = released(live, point=first.point)
    ready_to_commit(live, other := open_activation(live, third))
    commit(live, other)

    live["com"].post(f"/v1/waivers/{asked['id']}:end")
    problem = refused(lambda: roll_back(live, first.point), "unapproved_version")
    back = roll_back(live, first.point, accept_unapproved=True)

    assert problem["invalid"] == [f"{STEP}: a waiver that it was passed under has ended"]
    assert back["version_id"] == case["version_id"]


def test_what_a_guardrail_rolled_back_comes_back_only_with_its_cause_accepted(live: Live) -> None:
    first = champion(live)
    rail = guarded(live, first.point, within_minutes=60)
    seated = committed(live, second := released(live, point=first.point))
    behave(live, second, seated["version_id"], well=False)
    breached(live, first.point)
    guarded(live, first.point, f"alerts.critical > 3 || ({WRONG})")

    problem = refused(lambda: roll_back(live, first.point, undo=True), "cause_stands")
    undone = roll_back(live, first.point, undo=True, accept_cause=True)

    assert problem["causes"] == [f"guardrail:{rail}"]
    assert "accept_cause=true" in problem["mend"]
    assert undone["cause"] == "reinstated"
    assert enthroned(live, first.point) == seated["version_id"]
    assert said(live, first.point)["accepted"] == [f"guardrail:{rail}"]
    # Nor does any throw him out for what was accepted: he is judged by the hours after that.
    looked_at(live, seated["version_id"])
    judged = live["aud"].get(f"/v1/decision-points/{first.point}/guardrails/{rail}")["judges_from"]
    assert datetime.fromisoformat(judged) > datetime.fromisoformat(undone["since"])

    # What a person rolls back and another thinks better of is of no guardrail.
    roll_back(live, first.point)
    assert roll_back(live, first.point, undo=True)["cause"] == "reinstated"
    looked_at(live, seated["version_id"])
