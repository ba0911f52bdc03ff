"""A swap in two phases: nothing is committed that could not answer at once."""

from functools import partial
from typing import Any

import psycopg
import pytest

from tests.activation.deploying import (
    APPROVED,
    WRONG,
    activation,
    cleared,
    commit,
    judge,
    open_ones,
    prepare,
    put_target,
    refused,
    report,
    wait_for,
)
from tests.activation.health import Health
from tests.live import Live, Place, evidence, released, wait_routed
from tests.system.together import at_once
from tests.tenants import database_of


@pytest.fixture(scope="module")
def place(near: Live) -> Place:
    """A released version, at a point with one target that must be ready before a swap."""
    found = released(near)
    put_target(near, found.point, stale_after_seconds=3600)
    return found


@pytest.fixture(scope="module")
def case(near: Live, place: Place) -> Any:
    """Its activation, for which somebody has said that it is deployed."""
    found = activation(near, place)
    report(near, place)
    cleared(near, found)
    return found


@pytest.fixture(autouse=True)
def there(near: Live, place: Place) -> None:
    """Every test begins with a target that runs what was approved."""
    report(near, place)


def test_what_the_targets_report_outranks_what_was_submitted(
    near: Live, place: Place, case: Any
) -> None:
    put_target(near, place.point, "spare", required=False)
    report(near, place, digest=WRONG)
    verdict = judge(near, case, "model_deployment")
    assert not verdict["passed"]
    facts = verdict["facts"]["evidence"]["deployment"]
    assert (facts["digest"], facts["mismatched"], facts["unready"]["eu-1"]) == (
        WRONG, 1, "mismatched",
    )  # fmt: skip

    report(near, place, state="warm")
    verdict = judge(near, case, "model_deployment")

    facts = verdict["facts"]["evidence"]["deployment"]
    assert verdict["passed"]
    assert (facts["digest"], facts["targets"], facts["ready"], facts["missing"]) == (
        APPROVED, 2, 1, 1,
    )  # fmt: skip
    assert facts["independent"] is True


def test_without_a_preparation_no_swap(near: Live, case: Any) -> None:
    found = refused(lambda: commit(near, case), "not_prepared")

    assert found["missing"] == ["preparation: none was made"]
    assert found["prepare"].endswith(":prepare")
    assert ":prepare" in found["mend"]


def test_a_target_that_is_not_warm_is_named(near: Live, place: Place, case: Any) -> None:
    report(near, place, state="pulling")

    found = prepare(near, case)

    assert (found["ready"], found["missing"]) == (False, ["target eu-1: pulling"])
    assert refused(lambda: commit(near, case), "not_prepared")["missing"] == found["missing"]


def test_what_happens_after_the_preparation_counts_as_well(
    near: Live, place: Place, case: Any
) -> None:
    assert prepare(near, case)["ready"] is True
    report(near, place, state="failed")

    found = refused(lambda: commit(near, case), "not_prepared")

    assert found["missing"] == ["target eu-1: failed"]


def test_a_new_target_is_prepared_anew(near: Live, place: Place, case: Any) -> None:
    assert prepare(near, case)["ready"] is True
    put_target(near, place.point, "late", required=False)

    found = refused(lambda: commit(near, case), "not_prepared")

    assert found["missing"] == ["preparation: what was checked has changed"]


def health_of(near: Live, place: Place, health: Health, **state: Any) -> None:
    """Have the target asked for its health, by a server in this state."""
    path = f"/v1/decision-points/{place.point}/targets/eu-1"
    known = near["aud"].get(path)
    body = {
        "environment": "cloud", "stale_after_seconds": 3600, "endpoint": health.url + "/healthz",
    }  # fmt: skip
    near["ops"].put(path, body, revision=known["revision"])
    for name, value in state.items():
        setattr(health, name, value)


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ({"status": 503}, "It answered 503."),
        ({"status": 302, "location": "http://127.0.0.1:1/"}, "It answered 302."),
    ],
)
def test_a_target_that_is_ill_is_not_ready(
    near: Live, place: Place, case: Any, health: Health, state: dict[str, Any], why: str
) -> None:
    health_of(near, place, health, **state)

    found = prepare(near, case)

    assert (found["ready"], found["missing"]) == (False, [f"health of eu-1: {why}"])
    assert health.asked == ["/healthz"]


def test_a_target_that_hangs_holds_up_nobody(
    near: Live, place: Place, case: Any, health: Health
) -> None:
    health_of(near, place, health)
    health.silent.set()

    made = near["ops"].post(f"/v1/activations/{case['id']}:prepare", {})
    assert made["ready"] is None
    wait_for(lambda: health.asked)
    # While the other side keeps the worker waiting, nobody waits for a row.
    report(near, place)
    assert refused(lambda: commit(near, case), "not_prepared")
    found = prepare(near, case)

    assert found["missing"] == ["health of eu-1: 127.0.0.1 did not answer (TimeoutError)."]


@pytest.mark.slow
def test_a_worker_that_wakes_late_writes_nothing(
    near: Live, place: Place, case: Any, health: Health
) -> None:
    health_of(near, place, health)
    health.silent.set()
    near["ops"].post(f"/v1/activations/{case['id']}:prepare", {})
    wait_for(lambda: health.asked)
    with psycopg.connect(database_of(near), autocommit=True) as superuser:
        superuser.execute(
            "UPDATE activation_preparation SET claim = gen_random_uuid(),"
            " claimed_until = now() + interval '9 seconds' WHERE finished_at IS NULL"
        )
    health.over.set()
    health.silent.clear()

    found = wait_for(lambda: newest(near, case)["finished_at"] and newest(near, case))

    # The first answer came under a claim that was no longer its own: the second call counts.
    assert (found["ready"], health.asked) == (True, ["/healthz"] * 2)


def newest(near: Live, case: Any) -> Any:
    path = f"/v1/activations/{case['id']}/preparations"
    return near["aud"].get(path, limit=1)["items"][0]


def test_prepared_and_well_the_swap_goes_through(
    near: Live, place: Place, case: Any, health: Health
) -> None:
    health_of(near, place, health)

    found = prepare(near, case)
    seat = commit(near, case)

    assert (found["ready"], found["missing"]) == (True, [])
    assert [(item["what"], item["ok"]) for item in found["results"]] == [
        ("target eu-1", True), ("health of eu-1", True),
    ]  # fmt: skip
    assert seat["role"] == "champion"
    wait_routed(near, place)
    refused(lambda: near["ops"].post(f"/v1/activations/{case['id']}:prepare", {}), "case_closed")


def test_the_versions_own_endpoint_is_asked(near: Live, health: Health) -> None:
    place = released(near)
    put_target(near, place.point)
    report(near, place, state="warm")
    case = activation(near, place, endpoint=f"{health.url}/score?v=1")
    evidence(near["ops"], case, "model_deployment", "deployment", {"digest": APPROVED})
    cleared(near, case)
    health.status = 500

    ill = prepare(near, case, health_path="/ready")
    assert ill["missing"] == ["endpoint: It answered 500."]
    health.status = 204
    assert prepare(near, case)["ready"] is True
    assert health.asked == ["/ready", "/score?v=1"]
    near["ops"].put(f"/v1/decision-points/{place.point}/deployment-terms", {"prepared_minutes": 1})
    assert commit(near, case)["endpoint"] == f"{health.url}/score?v=1"


def test_a_preparation_that_failed_refuses_the_swap_without_targets_too(
    near: Live, health: Health
) -> None:
    case = activation(near, released(near), endpoint=f"{health.url}/score")
    evidence(near["ops"], case, "model_deployment", "deployment", {"digest": APPROVED})
    cleared(near, case)
    health.status = 500
    prepare(near, case, health_path="/ready")

    denied = refused(lambda: commit(near, case), "not_prepared")
    health.status = 204
    prepare(near, case, health_path="/ready")

    assert denied["missing"] == ["endpoint: It answered 500."]
    assert commit(near, case)["endpoint"] == f"{health.url}/score"


def test_a_swap_and_a_wrong_report_at_once_never_pass_each_other_by(
    near: Live, place: Place, health: Health
) -> None:
    health_of(near, place, health)
    heir = released(near, point=place.point)
    case = activation(near, heir)
    report(near, heir)
    cleared(near, case)
    assert prepare(near, case)["ready"] is True

    swap, _ = at_once(partial(commit, near, case), partial(report, near, heir, digest=WRONG))

    # Either the report came first, and nothing was swapped; or after it, and it shows.
    known = [one["model"] for one in open_ones(near, place.point)]
    assert (swap.status, swap.code, heir.model in known) in {
        (0, "ok", True), (409, "not_prepared", False),
    }  # fmt: skip


def test_who_may_not_commit_does_not_prepare(near: Live, case: Any) -> None:
    path = f"/v1/activations/{case['id']}:prepare"
    refused(lambda: near["dev"].post(path, {}), "permission_denied")
    refused(lambda: near["app"].post(path, {}), "permission_denied")


def test_the_log_vouches_for_all_of_it(near: Live) -> None:
    assert near["aud"].post("/v1/audit:verify")["faults"] == []
