"""A parameter that a call does not know is refused, wherever it stands."""

from itertools import count
from typing import Any

import httpx
import pytest

from app.identity import ROLES, Role
from app.platform.http.query import UnknownParameter, require_known
from tests.live import Live
from tests.platform.wire import problem_of, speaker
from tests.system.callers import Call, call, each_role
from tests.system.holdings import nothing
from tests.ways import KNOCKED, WAYS, Way, operation_of

MISSPELT = "at_the_time_of"


def parameters(way: Way) -> list[str]:
    """Return the names of a way's query, as the document has them."""
    found = operation_of(way).get("parameters", ())
    return sorted(one["name"] for one in found if one["in"] == "query")


def entitled(way: Way) -> Role:
    return next(role for role in Role if way.permission in ROLES[role])


def test_every_call_refuses_what_it_does_not_know_and_says_what_it_knows(live: Live) -> None:
    keys = each_role(live)
    calls = [
        Call(way, f"{way.url(nothing)}?{MISSPELT}=2020-01-01", role, keys[role])
        for way in WAYS
        for role in [entitled(way)]
    ]

    for asked, answer in call(live, calls):
        refused = problem_of(answer, 422, "unknown_parameter")
        assert refused["unknown"] == [MISSPELT], asked.way
        assert refused["known"] == parameters(asked.way), asked.way


def test_what_needs_no_key_refuses_it_as_well(live: Live) -> None:
    for path in KNOCKED:
        url = live.url + path.format(rule_id=nothing("rule_id"))
        problem_of(httpx.post(url, params={"days": 1}, json={}), 422, "unknown_parameter")


def test_nobody_is_told_how_it_stands_who_asks_how_it_stood(live: Live) -> None:
    answer = speaker(live, "aud").get("/v1/adherence", params={"at": "2020-01-01"})

    assert problem_of(answer, 422, "unknown_parameter")["unknown"] == ["at"]


def test_who_may_not_call_does_not_learn_what_the_call_knows(live: Live) -> None:
    answer = speaker(live, "app").get("/v1/audit", params={MISSPELT: 1})

    problem_of(answer, 403, "permission_denied")


@pytest.mark.parametrize("query", [b"", b"&", b"a=1", b"a=1&a=2&b", b"%61=1"])
def test_what_is_known_may_come_as_often_and_as_strangely_written_as_it_likes(query: bytes) -> None:
    require_known(query, {"a", "b"})


@pytest.mark.parametrize("query", [b"c", b"a=1&c=", b"A=1", b"%63", b"\xff=1", b"a;b=1", b"a%00=1"])
def test_anything_else_is_refused(query: bytes) -> None:
    with pytest.raises(UnknownParameter):
        require_known(query, {"a", "b"})


def test_a_refusal_names_no_more_than_can_be_read() -> None:
    numbers = count()
    query = b"&".join(b"x" * 900 + str(next(numbers)).encode() for _ in range(50))

    with pytest.raises(UnknownParameter) as refusal:
        require_known(query, frozenset[Any]())

    assert len(refusal.value.detail) < 1500
    assert len(refusal.value.extra["unknown"]) <= 10
