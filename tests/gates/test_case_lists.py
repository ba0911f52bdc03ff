"""Cases in lists: what is open, for which steps it waits, and for whose word."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

from app.bus import make_bus
from app.client import Client, Problem
from app.gates import listing
from app.gates.listing import list_cases
from app.kit.actor import Actor
from app.platform.db import Database
from app.platform.embedded import EmbeddedPostgres
from app.platform.settings import Settings
from tests.live import Live, Place, approve, make_point, open_activation, released, unique

CASES = "/v1/cases"
DECIDED = "management_and_governance"


@pytest.fixture(scope="module")
def place(ruled: Live) -> Place:
    return released(ruled)


@pytest.fixture(scope="module")
def case(ruled: Live, place: Place) -> Any:
    return open_activation(ruled, place)


def listed(ruled: Live, **asked: Any) -> list[Any]:
    return list(ruled["aud"].pages(CASES, **asked))


def row(ruled: Live, case: Any) -> Any:
    (found,) = (one for one in listed(ruled, state="open") if one["id"] == case["id"])
    return found


def waits(row: Any) -> dict[str, Any]:
    return {one["step"]: one for one in row["waits_for"]}


def test_a_row_says_what_the_case_itself_says(ruled: Live, case: Any) -> None:
    found = row(ruled, case)
    docket = ruled["aud"].get(f"{CASES}/{case['id']}")

    open_steps = [one for one in docket["steps"] if one["required"] and not one["passed"]]
    assert [one["step"] for one in found["waits_for"]] == [one["step"] for one in open_steps]
    assert {name: docket[name] for name in found if name != "waits_for"} == {
        name: value for name, value in found.items() if name != "waits_for"
    }


def test_a_row_says_whose_approval_it_waits_for(ruled: Live, place: Place) -> None:
    asked = open_activation(ruled, place, role="challenger")
    path = f"/v1/activations/{asked['id']}/steps/{DECIDED}:judge"
    unjudged = waits(row(ruled, asked))[DECIDED]
    ruled["ops"].post(path)
    refused = waits(row(ruled, asked))[DECIDED]
    approve(ruled["com"], asked, DECIDED)
    approved = waits(row(ruled, asked))[DECIDED]
    assert ruled["ops"].post(path)["passed"]
    passed = waits(row(ruled, asked))
    ruled["ops"].post(f"{CASES}/{asked['id']}:withdraw")

    assert (unjudged["judged"], unjudged["rules"]) == (False, [])
    assert unjudged["roles"] == ["committee"]
    assert (refused["judged"], refused["roles"]) == (True, ["committee"])
    assert "production_committee" in refused["rules"]
    # It is approved, and has to be judged anew.
    assert (approved["judged"], approved["roles"]) == (False, [])
    assert DECIDED not in passed
    closed = next(one for one in listed(ruled, state="closed") if one["id"] == asked["id"])
    assert closed["waits_for"] == []


def test_one_s_own_cases_are_found(ruled: Live, place: Place) -> None:
    before = [one["id"] for one in listed(ruled, waits_for="committee")]
    asked = open_activation(ruled, place, role="challenger")
    given = approve(ruled["com"], asked, DECIDED)
    approved = [one["id"] for one in listed(ruled, waits_for="committee")]
    assert given["asked"] == ["committee"]
    ruled["com"].post(f"/v1/approvals/{given['id']}:withdraw", {"reason": "not yet"})
    waiting = listed(ruled, waits_for="committee")
    paged = listed(ruled, waits_for="committee", limit=1)
    ruled["ops"].post(f"{CASES}/{asked['id']}:withdraw")

    assert asked["id"] not in approved
    assert [one["id"] for one in waiting] == [asked["id"], *before]
    assert paged == waiting
    assert all(any("committee" in step["roles"] for step in one["waits_for"]) for one in waiting)
    with pytest.raises(Problem) as refusal:
        ruled["aud"].get(CASES, waits_for="nobody")
    assert refusal.value.status == 422


def test_cases_are_told_apart(ruled: Live, place: Place, case: Any) -> None:
    other = released(ruled)
    named = {"model": place.model}

    assert {one["kind"] for one in listed(ruled, **named)} == {
        "validation",
        "release",
        "activation",
    }
    assert [one["id"] for one in listed(ruled, kind="activation", state="open", **named)] == [
        case["id"]
    ]
    assert {one["kind"] for one in listed(ruled, state="closed", **named)} >= {
        "validation", "release",
    }  # fmt: skip
    there = listed(ruled, decision_point=other.point)
    assert {(one["kind"], one["point_id"] is None) for one in there} == {("release", False)}
    assert listed(ruled, tier="high", **named) == []
    assert {one["tier"] for one in listed(ruled, tier="low")} == {"low"}


def test_the_newest_comes_first_unless_a_version_is_named(ruled: Live, place: Place) -> None:
    released(ruled)

    every = [one["opened_at"] for one in listed(ruled, limit=2)]
    one_version = listed(ruled, model=place.model, version=place.version, limit=1)

    assert every == sorted(every, reverse=True)
    assert len(every) > len(one_version) > 2
    opened = [one["opened_at"] for one in one_version]
    assert opened == sorted(opened)


def test_a_narrow_key_lists_what_is_about_its_points(ruled: Live, place: Place, case: Any) -> None:
    me = ruled["ops"].get("/v1/me")["id"]

    def keyed(point: str) -> Client:
        made = ruled["ops"].post(f"/v1/principals/{me}/keys", {"days": 1, "points": [point]})
        return Client(ruled.url, made["key"])

    with keyed(place.point) as mine, keyed(make_point(ruled)) as strange:
        seen = {one["id"] for one in mine.pages(CASES)}
        hidden = list(strange.pages(CASES))
        with pytest.raises(Problem) as beyond:
            strange.get(CASES, decision_point=place.point)

    assert case["id"] in seen
    assert {one["kind"] for one in hidden} == {"validation"}
    assert beyond.value.code == "out_of_scope"


@pytest.mark.parametrize(
    ("query", "code", "said"),
    [
        ({"status": "open"}, "unknown_parameter", "state"),
        ({"state": "waiting"}, "invalid", "open"),
        ({"version": 1}, "version_of_no_model", "model"),
        ({"decision_point": unique("nowhere")}, "not_found", "decision point"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_why(
    ruled: Live, query: dict[str, Any], code: str, said: str
) -> None:
    with pytest.raises(Problem) as refusal:
        ruled["aud"].get(CASES, **query)

    assert refusal.value.code == code
    assert said in str(refusal.value.document)


async def awaiting(bank: Live, tenant: UUID, limit: int) -> list[Any]:
    """Pages of cases that wait for the committee, as ids; the last page's cursor is none."""
    database = Database(EmbeddedPostgres(bank.data_dir).url, Settings(), make_bus())
    asked: Any = dict.fromkeys(("model", "number", "kind", "state", "point_key", "tier"))
    pages, cursor = [], None
    try:
        async with database.snapshot(tenant) as session:
            while True:
                found = await list_cases(
                    session, **asked, role="committee", cursor=cursor, limit=limit,
                    by=Actor.system(tenant),
                )  # fmt: skip
                pages.append([str(row.case.id) for row in found.items])
                if (cursor := found.next_cursor) is None:
                    return pages
    finally:
        await database.close()


@pytest.mark.usefixtures("case")
def test_no_page_ends_short_before_the_last(
    ruled: Live, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_LOOKED_THROUGH", 1)
    waiting = open_activation(ruled, place, role="challenger")
    other = open_activation(ruled, released(ruled), role="challenger")
    approve(ruled["com"], other, DECIDED)
    tenant = UUID(ruled["aud"].get("/v1/me")["tenant_id"])

    pages = asyncio.run(awaiting(ruled, tenant, 1))
    for case in (waiting, other):
        ruled["ops"].post(f"{CASES}/{case['id']}:withdraw")

    assert [waiting["id"]] in pages
    assert all(len(page) == 1 for page in pages[:-1])


async def statements(bank: Live, tenant: UUID) -> tuple[int, int]:
    """How many open cases a list shows, and how many statements it takes."""
    database = Database(EmbeddedPostgres(bank.data_dir).url, Settings(), make_bus())
    asked: list[str] = []
    unasked: Any = dict.fromkeys(
        ("model", "number", "kind", "state", "point_key", "tier", "cursor")
    )
    try:
        async with database.snapshot(tenant) as session:
            event.listen(
                database.engine.sync_engine, "before_cursor_execute",
                lambda _c, _u, statement, *_: asked.append(statement),
            )  # fmt: skip
            found = await list_cases(session, **unasked, limit=200, by=Actor.system(tenant))
    finally:
        await database.close()
    return sum(bool(row.waits_for) for row in found.items), len(asked)


@pytest.mark.usefixtures("case")
def test_a_list_of_many_cases_asks_as_often_as_one_of_few(ruled: Live, place: Place) -> None:
    tenant = UUID(ruled.admin.get("/v1/me")["tenant_id"])
    before = asyncio.run(statements(ruled, tenant))
    more = open_activation(ruled, place, role="challenger")
    after = asyncio.run(statements(ruled, tenant))
    ruled["ops"].post(f"{CASES}/{more['id']}:withdraw")

    assert after[0] == before[0] + 1 > 1
    assert after[1] == before[1]
