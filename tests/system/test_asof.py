"""Which version decided on that date, by which plan, and who had let it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.client import Problem
from tests.live import (
    Live,
    Place,
    champion,
    make_point,
    open_activation,
    ready_to_commit,
    released,
    roll_back,
)

TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Reigns:
    """A point whose champion was swapped twice and rolled back once: three seats and a return."""

    live: Live
    point: str
    places: list[Place]
    cases: list[str]
    seats: list[Any]

    def champion(self, at: str | None = None) -> Any:
        path = f"/v1/decision-points/{self.point}/champion"
        return self.live["aud"].get(path, **({"at": at} if at else {}))

    def plan(self, at: str) -> Any:
        return self.live["aud"].get(f"/v1/decision-points/{self.point}/plan", at=at)


@pytest.fixture(scope="module")
def reigns(live: Live) -> Reigns:
    first = champion(live)
    places, cases = [first], []
    for _ in range(2):
        place = released(live, point=first.point)
        case = open_activation(live, place)
        ready_to_commit(live, case)
        live["ops"].post(f"/v1/activations/{case['id']}:commit")
        places.append(place)
        cases.append(case["id"])
    roll_back(live, first.point)
    seats = live["ops"].pages(f"/v1/decision-points/{first.point}/seats")
    ordered = sorted(seats, key=lambda seat: str(seat["since"]))
    return Reigns(live, first.point, places, cases, ordered)


def shifted(at: str, by: timedelta) -> str:
    return (datetime.fromisoformat(at) + by).isoformat().replace("+00:00", "Z")


def test_each_instant_has_the_champion_whose_reign_holds_it(reigns: Reigns) -> None:
    one, two, three = reigns.places
    for seat, place in zip(reigns.seats, [one, two, three, two], strict=True):
        last = shifted(seat["until"] or seat["since"], -TICK if seat["until"] else TICK)
        for at in (seat["since"], shifted(seat["since"], TICK), last):
            found = reigns.champion(at)
            assert (found["model"], found["number"]) == (place.model, place.version)
            assert (found["since"], found["until"]) == (seat["since"], seat["until"])
            assert found["version_id"] == seat["version_id"]


def test_one_reign_ends_at_the_instant_at_which_the_next_begins(reigns: Reigns) -> None:
    ends = [seat["until"] for seat in reigns.seats]

    assert ends == [*(seat["since"] for seat in reigns.seats[1:]), None]


def test_the_answer_names_the_case_and_who_had_signed_it(reigns: Reigns) -> None:
    second = reigns.champion(reigns.seats[1]["since"])
    back = reigns.champion()

    assert (second["cause"], back["cause"]) == ("activated", "rolled_back")
    assert second["case_id"] == back["case_id"] == reigns.cases[0]
    assert second["requested_by"] == "ops"
    assert [(s["person"], s["step"], s["approved"]) for s in second["signatories"]] == [
        ("com", "management_and_governance", True)
    ]
    assert back["version_id"] == second["version_id"]


def test_the_plan_turns_at_the_instant_of_the_swap(reigns: Reigns) -> None:
    newest = reigns.live["ops"].get(f"/v1/decision-points/{reigns.point}/plan")
    plans = [reigns.plan(seat["since"]) for seat in reigns.seats]
    last = [reigns.plan(shifted(seat["until"], -TICK)) for seat in reigns.seats[:-1]]

    assert [plan["revision"] for plan in plans] == [1, 2, 3, 4]
    assert [plan["cause"] for plan in plans] == [*["activated"] * 3, "rolled_back"]
    assert last == plans[:-1]
    assert newest == plans[-1]


@pytest.mark.parametrize("what", ["champion", "plan"])
def test_before_the_first_and_in_the_future_there_is_no_answer(reigns: Reigns, what: str) -> None:
    path = f"/v1/decision-points/{reigns.point}/{what}"
    first = reigns.seats[0]["since"]

    with pytest.raises(Problem) as early:
        reigns.live["aud"].get(path, at=shifted(first, -TICK))
    with pytest.raises(Problem) as late:
        reigns.live["aud"].get(path, at="2999-01-01T00:00:00Z")

    assert (early.value.status, early.value.code) == (404, "nothing_then")
    assert f"the first is of {first}" in early.value.document["detail"]
    assert (late.value.status, late.value.code) == (422, "in_the_future")


@pytest.mark.parametrize("what", ["champion", "plan"])
@pytest.mark.parametrize(
    "at", ["2026-03-01", "2026-03-01T00:00:00", "1767225600", "yesterday", "2026-02-30T00:00:00Z"]
)
def test_a_moment_is_an_rfc_3339_timestamp(reigns: Reigns, what: str, at: str) -> None:
    with pytest.raises(Problem) as refusal:
        reigns.live["aud"].get(f"/v1/decision-points/{reigns.point}/{what}", at=at)

    assert refusal.value.status == 422


@pytest.mark.parametrize("what", ["champion", "plan"])
@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "1999-01-01T00:00:00Z"])
def test_long_ago_and_where_nobody_ever_reigned_the_answer_is_404(
    live: Live, reigns: Reigns, what: str, at: str
) -> None:
    for point in (reigns.point, make_point(live)):
        with pytest.raises(Problem) as refusal:
            live["aud"].get(f"/v1/decision-points/{point}/{what}", at=at)
        assert refusal.value.status == 404, refusal.value.document


def test_a_versions_history_is_all_that_was_done_about_it_in_order(reigns: Reigns) -> None:
    place = reigns.places[1]
    path = f"/v1/models/{place.model}/versions/{place.version}/history"

    told = list(reigns.live["aud"].pages(path))
    first = reigns.live["aud"].get(path, limit=2)
    second = reigns.live["aud"].get(path, limit=2, cursor=first["next_cursor"])

    assert [*first["items"], *second["items"]] == told[:4]
    assert told == sorted(told, key=lambda entry: (str(entry["at"]), entry["stream"], entry["seq"]))
    acts = [entry["action"] for entry in told]
    assert acts[0] == "version.published"
    wanted = ["validation.opened", "approval.given", "release.opened", "activation.opened",
              "champion.changed", "champion.rolled_back"]  # fmt: skip
    assert sorted(wanted, key=acts.index) == wanted
    assert acts.count("champion.changed") == 2
    version = reigns.seats[1]["version_id"]
    assert {entry["stream"].partition(":")[0] for entry in told} >= {"version", "point"}
    assert all(version in (entry["stream"] + str(entry["details"])) for entry in told)


def test_a_history_is_for_who_may_read_the_log_or_has_a_part_in_it(reigns: Reigns) -> None:
    place = reigns.places[0]
    with pytest.raises(Problem) as refusal:
        reigns.live["ops"].get(f"/v1/models/{place.model}/versions/{place.version}/history")
    with pytest.raises(Problem) as missing:
        reigns.live["aud"].get(f"/v1/models/{place.model}/versions/99/history")

    path = f"/v1/models/{place.model}/versions/{place.version}/history"
    own, validators = (reigns.live[who].get(path)["items"] for who in ("dev", "val"))

    assert (refusal.value.status, missing.value.status) == (403, 404)
    assert refusal.value.code == "not_yours_to_read"
    assert own[0]["action"] == validators[0]["action"] == "version.published"


@pytest.mark.parametrize("at", ["2026-03-01", "2026-03-01T00:00:00", "0.5", "1767225600"])
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/audit", "since"), ("/v1/audit", "until"), ("/v1/decision-rights", "at"),
        ("/v1/policies/low", "at"),
    ],
)  # fmt: skip
def test_every_time_in_a_query_is_one(live: Live, path: str, name: str, at: str) -> None:
    with pytest.raises(Problem) as refusal:
        live["aud"].get(path, **{name: at})

    assert refusal.value.status == 422
