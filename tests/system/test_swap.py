"""Two people swap the champion at the same moment: one wins, the other is told."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from app.client import Problem
from app.gates import ActivationStep
from app.platform.embedded import EmbeddedPostgres
from tests.live import (
    Live,
    Place,
    approve,
    champion,
    enthroned,
    make_point,
    open_activation,
    ready_to_commit,
    released,
    route,
)
from tests.system.together import at_once

ROUNDS = 8
MANY_ROUNDS = 100


def contenders(live: Live, point: str, count: int) -> list[Place]:
    """Released versions, made side by side."""
    with ThreadPoolExecutor(6) as threads:
        return list(threads.map(lambda _: released(live, point=point), range(count)))


def asked(live: Live, place: Place) -> Any:
    """An activation against the present champion that only waits for its commit."""
    case = open_activation(live, place)
    ready_to_commit(live, case)
    return case


def commit(live: Live, case: Any) -> Callable[[], Any]:
    return lambda: live["ops"].post(f"/v1/activations/{case['id']}:commit")


def rollback(live: Live, point: str) -> Callable[[], Any]:
    path = f"/v1/decision-points/{point}:rollback"
    body = {"instead_of": enthroned(live, point), "reason": "a test of two at once"}
    return lambda: live["ops"].post(path, body)


def thrones(live: Live, point: str) -> list[Any]:
    """The champion seats of a point, oldest first."""
    seats = live["ops"].pages(f"/v1/decision-points/{point}/seats")
    return sorted((s for s in seats if s["role"] == "champion"), key=lambda s: s["since"])


def check_succession(seats: list[Any]) -> None:
    """One champion now, and one after the other before."""
    assert [seat["until"] is None for seat in seats] == [False] * (len(seats) - 1) + [True]
    assert all(one["until"] <= two["since"] for one, two in pairwise(seats))


@pytest.mark.parametrize("rounds", [ROUNDS, pytest.param(MANY_ROUNDS, marks=pytest.mark.slow)])
def test_of_two_simultaneous_activations_one_wins_and_one_is_refused(
    live: Live, rounds: int
) -> None:
    dethroned = champion(live)
    reigning, *fresh = contenders(live, dethroned.point, rounds + 1)
    commit(live, asked(live, reigning))()

    for newcomer in fresh:
        rivals = [dethroned, newcomer]
        cases = [asked(live, place) for place in rivals]
        answers = at_once(*(commit(live, case) for case in cases))

        assert sorted(answer.status for answer in answers) == [0, 409], answers
        won = next(answer for answer in answers if not answer.status)
        lost = next(answer for answer in answers if answer.status)
        assert thrones(live, reigning.point)[-1] == won.body
        assert lost.code == "swap_lost"
        assert lost.body["champion"] == won.body["version_id"]
        # Who lost is out; who was replaced may ask again, and does in the next round.
        dethroned, reigning = reigning, rivals[answers.index(won)]

    seats = thrones(live, reigning.point)
    assert len(seats) == rounds + 2
    check_succession(seats)
    assert live["aud"].post("/v1/audit:verify")["faults"] == []


def test_the_same_activation_committed_twice_at_once_takes_the_seat_once(live: Live) -> None:
    first = champion(live)
    case = asked(live, released(live, point=first.point))

    answers = at_once(*[commit(live, case)] * 3)

    assert sorted(answer.status for answer in answers) == [0, 409, 409]
    assert len(thrones(live, first.point)) == 2


@pytest.mark.parametrize("rounds", [4, pytest.param(40, marks=pytest.mark.slow)])
def test_rollbacks_and_a_commit_at_once_leave_one_champion(live: Live, rounds: int) -> None:
    first, *rivals = contenders(live, make_point(live), rounds + 2)
    for place in (first, rivals.pop()):
        commit(live, asked(live, place))()

    for place in rivals:
        case, before = asked(live, place), len(thrones(live, first.point))
        undo = rollback(live, first.point)
        answers = at_once(undo, commit(live, case), undo)

        assert {answer.status for answer in answers} <= {0, 409}, answers
        seats = thrones(live, first.point)
        assert len(seats) == before + sum(not answer.status for answer in answers)
        check_succession(seats)
        assert not answers[1].status or answers[1].code == "swap_lost"


def test_two_who_roll_back_at_once_do_not_undo_each_other(live: Live) -> None:
    first, second = contenders(live, make_point(live), 2)
    for place in (first, second):
        commit(live, asked(live, place))()
    undo = rollback(live, first.point)

    answers = at_once(undo, undo)

    told = sorted((answer.status, answer.code) for answer in answers)
    assert told == [(0, "ok"), (409, "swap_lost")]
    assert route(live, first.point, "u")["model"] is not None
    assert enthroned(live, first.point) == thrones(live, first.point)[0]["version_id"]


@pytest.fixture(scope="module")
def place(live: Live) -> Place:
    """A champion that no test dethrones."""
    return champion(live)


@pytest.fixture(scope="module")
def heir(live: Live, place: Place) -> Place:
    return released(live, point=place.point)


@pytest.fixture(scope="module")
def case(live: Live, heir: Place) -> Any:
    """The heir's activation, which no test commits."""
    return open_activation(live, heir)


@pytest.fixture
def superuser(live: Live) -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(EmbeddedPostgres(live.data_dir).url, connect_timeout=5) as connection:
        yield connection
        connection.rollback()


def test_the_same_person_approves_once_however_often_he_clicks(live: Live, case: Any) -> None:
    for step in ActivationStep:
        answers = at_once(*[partial(approve, live["com"], case, step)] * 2)

        assert sorted(answer.status for answer in answers) == [0, 409], (step, answers)
        assert {answer.code for answer in answers} == {"ok", "already_decided"}


def test_the_database_itself_forbids_two_champions(
    superuser: "psycopg.Connection[Any]", place: Place, heir: Place
) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation) as refusal:
        superuser.execute(
            "INSERT INTO routing_seat (tenant_id, id, point_id, version_id, role, parameters,"
            " case_id, cause)"
            " SELECT s.tenant_id, gen_random_uuid(), s.point_id, v.id, 'champion', '{}',"
            " s.case_id, 'by hand' FROM routing_seat s"
            " JOIN catalog_decision_point p ON p.id = s.point_id"
            " JOIN catalog_version v ON v.tenant_id = s.tenant_id"
            " JOIN catalog_model m ON m.id = v.model_id"
            " WHERE p.key = %s AND s.until IS NULL AND m.name = %s AND v.number = %s",
            (place.point, heir.model, heir.version),
        )

    assert refusal.value.diag.constraint_name == "uq_routing_seat_one_champion"


@pytest.mark.parametrize("part", ["developer", "requester"])
def test_the_database_itself_forbids_the_approval_of_ones_own_work(
    superuser: "psycopg.Connection[Any]", case: Any, part: str
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation) as refusal:
        superuser.execute(
            "INSERT INTO gates_approval (tenant_id, id, case_id, step, approved, reason,"
            " principal_id, person_id, roles, requester_id, developer_id, digest)"
            f" SELECT tenant_id, gen_random_uuid(), id, %s, true, 'by hand', {part}_id, {part}_id,"
            " '[]', requester_id, developer_id, 'none' FROM gates_case WHERE id = %s",
            (ActivationStep.GOVERNANCE.value, case["id"]),
        )

    assert refusal.value.diag.constraint_name == f"ck_gates_approval_not_the_{part}"


def test_a_seat_asked_for_twice_is_refused_the_second_time(
    live: Live, heir: Place, case: Any
) -> None:
    with pytest.raises(Problem) as refusal:
        open_activation(live, heir)

    assert case
    assert refusal.value.status == 409


def test_who_lost_a_swap_may_ask_again(live: Live) -> None:
    first = champion(live)
    one, two = contenders(live, first.point, 2)
    won, lost = asked(live, one), asked(live, two)
    commit(live, won)()
    assert at_once(commit(live, lost))[0].code == "swap_lost"

    live["ops"].post(f"/v1/cases/{lost['id']}:withdraw")
    commit(live, asked(live, two))()

    assert len(thrones(live, first.point)) == 3


def test_a_rollback_is_not_stopped_by_a_request_to_bring_the_earlier_champion_back(
    live: Live,
) -> None:
    first = champion(live)
    commit(live, asked(live, released(live, point=first.point)))()
    open_activation(live, first)

    seat = rollback(live, first.point)()

    assert seat["version_id"] == thrones(live, first.point)[0]["version_id"]
