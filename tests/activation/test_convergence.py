"""Desired beside reported, as pure functions."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.activation.convergence import (
    UP,
    Duty,
    Place,
    Running,
    Sync,
    Told,
    Wanted,
    deployment,
    lacking,
    left_over,
    sync_of,
    worst,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
STALE = timedelta(minutes=5)
ONE, TWO = UUID(int=1), UUID(int=2)
GOOD = "sha256:good"
AGES = st.integers(0, 600).map(lambda seconds: timedelta(seconds=seconds))
TOLD = st.builds(
    Told,
    version_id=st.just(ONE),
    digest=st.sampled_from([GOOD, "sha256:other"]),
    state=st.sampled_from(Running),
    at=AGES.map(lambda age: NOW - age),
    independent=st.booleans(),
)
PLACES = st.lists(
    st.builds(
        Place,
        name=st.uuids().map(str),
        required=st.booleans(),
        stale_after=st.just(STALE),
        since=st.just(NOW),
        told=(st.none() | TOLD).map(lambda t: {ONE: t} if t else {}),
    ),
    max_size=6,
)


def told(**changes: Any) -> Told:
    fields: dict[str, Any] = {
        "version_id": ONE, "digest": GOOD, "state": Running.SERVING, "at": NOW,
        "independent": True, **changes,
    }  # fmt: skip
    return Told(**fields)


def place(*reports: Told, required: bool = True) -> Place:
    return Place("eu-1", required, STALE, NOW, {one.version_id: one for one in reports})


def wanted(state: Duty = Duty.SERVING, since: datetime = NOW) -> Wanted:
    return Wanted(ONE, "m", 1, GOOD, None, state, "champion", since)


def test_what_is_not_reported_is_missing_and_what_is_old_is_stale() -> None:
    assert sync_of(wanted(), place(), NOW) is Sync.MISSING
    assert sync_of(wanted(), place(told(at=NOW - STALE)), NOW) is Sync.STALE
    assert sync_of(wanted(), place(told(at=NOW - STALE / 2)), NOW) is Sync.IN_SYNC


def test_what_was_never_reported_is_stale_once_it_was_desired_for_so_long() -> None:
    assert sync_of(wanted(since=NOW - STALE), place(), NOW) is Sync.MISSING
    assert sync_of(wanted(), place(), NOW + STALE / 2) is Sync.MISSING
    assert sync_of(wanted(), place(), NOW + STALE) is Sync.STALE


def test_another_digest_or_state_has_drifted() -> None:
    assert sync_of(wanted(), place(told(digest="x")), NOW) is Sync.DRIFTED
    for state in set(Running) - {Running.SERVING}:
        assert sync_of(wanted(), place(told(state=state)), NOW) is Sync.DRIFTED, state


def test_what_serves_is_warm_as_well() -> None:
    for state in Running:
        found = sync_of(wanted(Duty.WARM), place(told(state=state)), NOW)
        assert (found is Sync.IN_SYNC) is (state in UP), state


def test_what_runs_and_should_not_is_left_over() -> None:
    other = told(version_id=TWO)
    assert left_over([wanted()], place(told(), other), NOW) == [other]
    assert left_over([wanted()], place(told(version_id=TWO, state=Running.STOPPED)), NOW) == []
    assert left_over([], place(told(at=NOW - STALE)), NOW) == []


def test_the_worst_counts() -> None:
    assert worst([]) is Sync.IN_SYNC
    assert worst([Sync.STALE, Sync.DRIFTED, Sync.IN_SYNC]) is Sync.DRIFTED


@given(PLACES)
def test_a_deployment_has_one_digest_only_where_every_judged_target_is_up(
    places: list[Place],
) -> None:
    facts = deployment(GOOD, ONE, places, NOW)
    asked = [one for one in places if one.required] or places
    ready = [one for one in places if lacking(GOOD, ONE, one, NOW) is None]

    assert facts["targets"] == len(places)
    assert facts["ready"] == len(ready) == len(places) - len(facts["unready"])
    if facts["digest"] == GOOD:
        assert asked
        assert all(one in ready for one in asked)
    if asked and all(one in ready for one in asked):
        assert facts["digest"] == GOOD


@given(PLACES, AGES)
def test_time_alone_never_makes_a_target_ready(places: list[Place], later: timedelta) -> None:
    for one in places:
        if lacking(GOOD, ONE, one, NOW) is not None:
            assert lacking(GOOD, ONE, one, NOW + later) is not None


@given(PLACES)
def test_a_version_without_a_digest_is_ready_nowhere(places: list[Place]) -> None:
    facts = deployment(None, ONE, places, NOW)

    assert facts["ready"] == 0
    assert set(facts["unready"].values()) <= {"no_digest"}


def test_what_the_developer_says_himself_is_not_independent() -> None:
    mine = place(told(independent=False))

    assert deployment(GOOD, ONE, [mine], NOW)["independent"] is False
    assert deployment(GOOD, ONE, [place(told())], NOW)["independent"] is True
    assert deployment(GOOD, ONE, [place()], NOW)["independent"] is False
