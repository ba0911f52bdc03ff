"""Two at the same moment, two hundred times: one champion, one decision a person.

Three versions take turns at one decision point, so that a round costs a dozen calls: who reigns is
challenged by the other two; who lost withdraws, who was dethroned may ask again.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import psycopg
import pytest

from app.client import Client
from tests.live import (
    Live,
    Place,
    approve,
    champion,
    evidence,
    open_activation,
    ready_to_commit,
    released,
)
from tests.system.together import Answer, at_once
from tests.tenants import database_of

pytestmark = pytest.mark.slow

ROUNDS = 200
STEP = "management_and_governance"
_CHAMPIONS = """
SELECT s.version_id::text, s.case_id::text FROM routing_seat s
JOIN catalog_decision_point p ON (p.tenant_id, p.id) = (s.tenant_id, s.point_id)
WHERE p.key = %s AND s.role = 'champion' AND s.until IS NULL
"""
_DECIDED = """
SELECT count(*), count(DISTINCT person_id) FROM gates_approval
WHERE case_id = %(case)s AND step = %(step)s AND digest = (
    SELECT digest FROM gates_approval WHERE case_id = %(case)s AND step = %(step)s
    ORDER BY at DESC LIMIT 1)
"""


@pytest.fixture
def rows(live: Live) -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(database_of(live), autocommit=True, connect_timeout=5) as connection:
        yield connection


def outcome(answers: list[Answer]) -> list[tuple[int, str]]:
    return sorted((answer.status, answer.code) for answer in answers)


def asked(live: Live, place: Place) -> Any:
    """An activation against the present champion that only waits for its commit."""
    case = open_activation(live, place)
    ready_to_commit(live, case)
    return case


def test_of_two_activations_committed_at_once_one_wins_two_hundred_times(
    live: Live, rows: "psycopg.Connection[Any]"
) -> None:
    reigning = champion(live)
    rivals = [released(live, point=reigning.point) for _ in range(2)]

    for _ in range(ROUNDS):
        cases = [asked(live, place) for place in rivals]
        answers = at_once(
            *(partial(live["ops"].post, f"/v1/activations/{case['id']}:commit") for case in cases)
        )

        assert outcome(answers) == [(0, "ok"), (409, "swap_lost")], answers
        winner = next(index for index, answer in enumerate(answers) if not answer.status)
        # The database itself: one open seat, of the case that was told it had won.
        found = rows.execute(_CHAMPIONS, [reigning.point]).fetchall()
        assert found == [(answers[winner].body["version_id"], cases[winner]["id"])]
        live["ops"].post(f"/v1/cases/{cases[1 - winner]['id']}:withdraw")
        reigning, rivals = rivals[winner], [reigning, rivals[1 - winner]]

    seats = live["ops"].pages(f"/v1/decision-points/{reigning.point}/seats")
    reigns = sorted((seat["since"], seat["until"]) for seat in seats)
    assert len(reigns) == ROUNDS + 1
    assert [until for _, until in reigns] == [*(since for since, _ in reigns[1:]), None]
    assert live["aud"].post("/v1/audit:verify")["ok"]


@pytest.fixture
def second(live: Live) -> Iterator[Client]:
    """Another member of the committee."""
    _, key = live.newcomer("committee")
    with Client(live.url, key) as client:
        yield client


def test_decisions_made_at_once_count_once_for_each_person_two_hundred_times(
    live: Live, rows: "psycopg.Connection[Any]", second: Client
) -> None:
    case = open_activation(live, released(live))
    first = live["com"]
    same, two = [(0, "ok"), (409, "already_decided")], [(0, "ok"), (0, "ok")]

    for number in range(ROUNDS):
        for people, told, decided in (
            ([first, first], same, 1), ([first, second], two, 2),
        ):  # fmt: skip
            # What is submitted anew voids what was decided before: the step is open again.
            evidence(live["ops"], case, STEP, "note", {"round": number, "people": decided})
            answers = at_once(*(partial(approve, person, case, STEP) for person in people))

            assert outcome(answers) == told, answers
            counted = rows.execute(_DECIDED, {"case": case["id"], "step": STEP}).fetchone()
            assert counted == (decided, decided)
        verdict = live["ops"].post(f"/v1/activations/{case['id']}/steps/{STEP}:judge")
        assert verdict["passed"]
        assert len({person["person"] for person in verdict["facts"]["approvals"]}) == 2
        assert len(verdict["facts"]["approvals"]) == 2

    assert live["aud"].post("/v1/audit:verify")["ok"]
