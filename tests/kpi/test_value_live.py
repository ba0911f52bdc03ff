"""KPIs that are pushed, priced and attributed, over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from app.client import Problem
from app.kpi.routes import KpiOut
from app.kpi.scopes.schemas import ScopeKpiOut
from tests.live import Live, champion, lift_control, make_point, unique, wait_folded
from tests.platform.wire import problem_of, speaker
from tests.routing.plans import Cast, cast

UNITS = 900


@pytest.fixture(scope="module")
def at(live: Live) -> Cast:
    lift_control(live, "kpi")
    return cast(live)


def agree(at: Cast, **terms: Any) -> str:
    key = unique("kpi")
    said = {"name": "A KPI", "threshold": 1.0, "unit": "EUR", **terms}
    at.live["ops"].put(f"{at.path}/kpis/{key}", said)
    return key


def measured(at: Cast, key: str) -> Any:
    place = at.champion
    found = at.live["aud"].get(f"{at.path}/kpis:measure", model=place.model, version=place.version)
    return next(one for one in found["measures"] if one["key"] == key)


def refusal(client: Any, path: str, body: Any) -> Any:
    with pytest.raises(Problem) as problem:
        client.post(path, body)
    return problem.value.document


def test_pushed_values_come_to_their_aggregate_and_the_highest_revision_stands(at: Cast) -> None:
    key = agree(at, formula="pushed", aggregate="sum", currency="EUR", target=50)
    now = datetime.now(UTC).isoformat()
    values = [
        {"kpi": key, "at": now, "value": 10.0, "segment": "nsw"},
        {"kpi": key, "at": now, "value": 5.0, "segment": "vic"},
    ]
    path = f"{at.path}/kpi-values"

    first = at.live["app"].post(path, {"values": values})
    again = at.live["app"].post(path, {"values": values})
    corrected = {**values[0], "value": 30.0, "revision": 1}
    at.live["app"].post(path, {"values": [corrected]})

    assert (first, again) == (
        {"accepted": 2, "duplicates": 0},
        {"accepted": 0, "duplicates": 2},
    )
    found = measured(at, key)
    assert (found["value"], found["outcomes"], found["target"]) == (35.0, 2, 50)
    listed = at.live["aud"].get(path, kpi=key)["items"]
    assert [(one["segment"], one["revision"], one["value"]) for one in listed] == [
        ("nsw", 0, 10.0), ("nsw", 1, 30.0), ("vic", 0, 5.0),
    ]  # fmt: skip


def test_nobody_may_push_what_is_computed_or_unknown_or_to_come(at: Cast) -> None:
    computed, pushed = agree(at), agree(at, formula="pushed")
    now = datetime.now(UTC).isoformat()
    path, app = f"{at.path}/kpi-values", at.live["app"]

    found = [
        refusal(app, path, {"values": [{"kpi": key, "at": when, "value": 1.0}]})["code"]
        for key, when in (
            (computed, now), ("no-such", now), (pushed, "2199-01-01T00:00:00Z"),
        )
    ]  # fmt: skip

    assert found == ["kpi_not_pushed", "not_found", "in_the_future"]


def test_prices_belong_to_the_cost_of_errors_and_to_nothing_else(at: Cast) -> None:
    for terms in ({"formula": "error_cost"}, {"prices": {"true_positive": 1}}):
        with pytest.raises(Problem) as problem:
            agree(at, **terms)
        assert problem.value.document["status"] == 422


def test_what_means_nothing_is_not_agreed_on(at: Cast) -> None:
    found: tuple[tuple[dict[str, Any], str], ...] = (
        ({"formula": "accuracy", "threshold": 85}, "a share, from 0 to 1"),
        ({"threshold": 1.0, "target": 0.5}, "more is hoped for"),
        ({"direction": "at_most", "threshold": 1.0, "target": 2.0}, "less is hoped for"),
        ({"formula": "auc", "threshold": 0.8, "currency": "AUD"}, "no money"),
        ({"formula": "mae", "direction": "at_least"}, "less is better: at_most"),
        ({"formula": "accuracy", "threshold": 0.8, "tolerance": 5}, "never is"),
        ({"formula": "error_cost", "prices": {}}, "no answer has a price"),
        ({"formula": "mean_reward", "aggregate": "sum"}, "aggregate is of pushed values"),
    )
    for terms, said in found:
        with pytest.raises(Problem) as problem:
            agree(at, **terms)
        assert problem.value.document["status"] == 422
        assert said in str(problem.value.document)


def test_errors_and_costs_are_at_most_where_nobody_says_so(at: Cast) -> None:
    found = {
        formula: at.live["aud"].get(f"{at.path}/kpis/{agree(at, formula=formula)}")["direction"]
        for formula in ("rmse", "mean_cost", "mean_reward")
    }

    assert found == {"rmse": "at_most", "mean_cost": "at_most", "mean_reward": "at_least"}


def test_what_is_not_known_is_neither_met_nor_missed_and_says_why(at: Cast) -> None:
    live = at.live
    place = champion(live)
    path = f"/v1/decision-points/{place.point}"
    lacking = {
        "pushed": "nothing was reported of this time",
        "uplift": "the version has no traffic here",
        "mean_reward": "the version has no traffic here",
    }
    for formula in lacking:
        terms = {"name": "k", "threshold": 1.0, "unit": "", "formula": formula}
        live["ops"].put(f"{path}/kpis/{formula}", terms)

    def said() -> dict[str, str]:
        found = live["aud"].get(f"{path}/kpis:measure", model=place.model, version=place.version)
        assert all(
            (one["value"], one["missed"], one["certain"]) == (None, None, False)
            for one in found["measures"]
        )
        return {one["key"]: one["lacking"] for one in found["measures"]}

    assert said() == lacking
    unit = {"unit": "u-1"}
    token = live["app"].post(f"{path}/route", unit)["token"]
    event = {"token": token, "at": long_ago(), "score": 0.5, "features": {"x": 0.1}}
    live["app"].post("/v1/events", {"events": [event]})
    wait_folded(live, place.point)
    assert said() == lacking | {
        "uplift": "there is no holdout",
        "mean_reward": "no outcomes of this time say it",
    }


def test_what_decisions_bring_is_of_one_currency(at: Cast) -> None:
    live = at.live
    path = f"/v1/decision-points/{make_point(live)}/kpis"
    terms = {"name": "k", "threshold": 0, "unit": "", "currency": "EUR"}
    live["ops"].put(f"{path}/net", terms)
    live["ops"].put(f"{path}/mae", {**terms, "formula": "mae", "currency": "JPY"})
    live["ops"].put(f"{path}/told", {**terms, "formula": "pushed", "currency": "USD"})

    cost = {**terms, "formula": "mean_cost", "currency": "USD"}
    answer = speaker(live, "ops").put(f"{path}/cost", json=cost)

    mixed = problem_of(answer, 409, "mixed_currencies")
    assert mixed["currencies"] == {"EUR": ["net"], "USD": ["cost"]}
    # And it does not stand in the way of a sum that nothing reported is in.
    live["ops"].put(f"{path}/across", {**terms, "formula": "uplift_across"})


def test_what_was_agreed_under_other_rules_is_shown() -> None:
    terms: dict[str, Any] = {
        "name": "k",
        "formula": "accuracy",
        "threshold": 85,
        "target": 3,
        "direction": "at_least",
        "unit": "%",
    }

    assert KpiOut(**terms, id=uuid4(), key="k", revision=1).threshold == 85
    free = {**terms, "formula": "error_cost", "prices": {}}
    for shown in (KpiOut, ScopeKpiOut):
        found = shown(**free, id=uuid4(), key="k", revision=1)
        assert found.prices is not None
        assert not any(found.prices.model_dump().values())


def long_ago() -> str:
    """Return when it was, of decisions that are replayed: not when they were asked for."""
    return (datetime.now(UTC) - timedelta(days=40)).isoformat()


def decide(live: Live, path: str, earns: dict[str, float], spread: float) -> dict[str, int]:
    """Decide about all units, long ago; each earns what its arm earns, a half a bit more."""
    asked = {"units": [{"unit": f"u-{number}"} for number in range(UNITS)]}
    decisions = live["app"].post(f"{path}/route:batch", asked)["decisions"]
    then = long_ago()
    events, outcomes, seen = [], [], dict.fromkeys(earns, 0)
    for number, one in enumerate(decisions):
        seen[one["arm"]] = seen.get(one["arm"], 0) + 1
        events.append({"token": one["token"], "at": then, "score": 0.5, "features": {"x": 0.1}})
        more = spread if number % 2 else -spread
        outcomes.append(
            {"decision_id": one["decision_id"], "at": then, "reward": 3 + more,
             "cost": 3 - earns[one["arm"]]}
        )  # fmt: skip
    live["app"].post("/v1/events", {"events": events})
    live["app"].post("/v1/outcomes", {"outcomes": outcomes})
    return seen


def test_what_is_gained_here_and_lost_downstream_is_shown_as_one_sum(at: Cast) -> None:
    live = at.live
    agree(at, formula="net_value", currency="EUR")
    below = champion(live)
    contract = live["aud"].get(f"/v1/decision-points/{below.point}")
    live["ops"].patch(
        f"/v1/decision-points/{below.point}",
        {"contract": {**contract["contract"], "upstream": [at.champion.point]}},
        revision=contract["revision"],
    )
    at.put({"segments": [{"name": "rest"}], "holdout": {"rate": 0.2}})
    here = agree(at, formula="uplift", threshold=0.0)
    across = agree(at, formula="uplift_across", threshold=0.0)

    seen = decide(live, at.path, {"champion": 1.0, "holdout": 0.0}, 0.5)
    treated = {f"u-{n}" for n in range(UNITS)} - held(at)
    path = f"/v1/decision-points/{below.point}"
    decisions = live["app"].post(
        f"{path}/route:batch", {"units": [{"unit": f"u-{n}"} for n in range(UNITS)]}
    )["decisions"]
    then = long_ago()
    live["app"].post(
        "/v1/events",
        {"events": [
            {"token": one["token"], "at": then, "score": 0.5, "features": {"x": 0.1}}
            for one in decisions
        ]},
    )  # fmt: skip
    live["app"].post(
        "/v1/outcomes",
        {"outcomes": [
            {"decision_id": one["decision_id"], "at": then,
             "reward": (-2.0 if f"u-{n}" in treated else 0.0) + (0.5 if n % 3 else -1.0)}
            for n, one in enumerate(decisions)
        ]},
    )  # fmt: skip
    for point in (at.champion.point, below.point):
        wait_folded(live, point)

    place = at.champion
    found = live["aud"].get(f"{at.path}/value", model=place.model, version=place.version)

    assert (found["treated"], found["held_out"]) == (seen["champion"], seen["holdout"])
    assert found["here"]["per_unit"]["difference"] == pytest.approx(1.0, abs=0.15)
    assert found["here"]["per_unit"]["low"] > 0.5
    there = found["elsewhere"][below.point]["per_unit"]
    assert there["difference"] == pytest.approx(-2.0, abs=0.25)
    together = found["together"]
    assert together["per_unit"]["difference"] == pytest.approx(-1.0, abs=0.35)
    assert together["per_unit"]["high"] < 0
    assert together["total"]["difference"] == pytest.approx(
        together["per_unit"]["difference"] * seen["champion"]
    )
    assert (measured(at, here)["missed"], measured(at, across)["missed"]) == (False, True)
    assert found["unseen"] == 0
    # Whoever sees a part of the points sees the same sum, and that others are in it.
    narrow = at_some_points(live, at.champion.point)
    asked = f"{at.path}/value?model={place.model}&version={place.version}"
    parted = {"elsewhere": {}, "unseen": 1, "currency_unknown": []}
    assert speaker(live, "aud").get(asked, headers=narrow).json() == {**found, **parted}

    # What is lost there in another currency is not taken from what is gained here.
    assert found["currency_unknown"] == [below.point]
    terms = {"name": "k", "threshold": 0, "unit": "JPY", "currency": "JPY"}
    live["ops"].put(f"{path}/kpis/net", terms)
    mixed = speaker(live, "aud").get(asked).json()
    assert (mixed["here"], mixed["elsewhere"]) == (found["here"], found["elsewhere"])
    assert (mixed["together"], measured(at, across)["value"]) == (None, None)
    assert f"EUR at {place.point}; JPY at {below.point}" in mixed["lacking"]
    lacking = str(measured(at, across)["lacking"])
    assert lacking.endswith(f"EUR at {place.point}; JPY at a decision point downstream")
    body = {"name": "k", "threshold": 0, "unit": "EUR", "formula": "uplift_across"}
    put = speaker(live, "ops").put(f"{at.path}/kpis/{unique('kpi')}", json=body)
    refused = problem_of(put, 409, "mixed_currencies")
    assert refused["currencies"] == {"EUR": [place.point], "JPY": [below.point]}


def at_some_points(live: Live, *points: str) -> dict[str, str]:
    """Return what an auditor's key for some decision points sends with each call."""
    me = live["aud"].get("/v1/me")["id"]
    key = live["aud"].post(f"/v1/principals/{me}/keys", {"days": 1, "points": list(points)})["key"]
    return {"Authorization": f"Bearer {key}"}


def held(at: Cast) -> set[str]:
    asked = {"units": [{"unit": f"u-{number}"} for number in range(UNITS)]}
    decisions = at.live["app"].post(f"{at.path}/route:batch", asked)["decisions"]
    return {f"u-{n}" for n, one in enumerate(decisions) if one["arm"] == "holdout"}


def test_without_a_holdout_nothing_is_attributed_and_the_reason_is_said(live: Live) -> None:
    place = champion(live)

    found = live["aud"].get(
        f"/v1/decision-points/{place.point}/value", model=place.model, version=place.version
    )

    assert found["together"] is None
    assert found["lacking"] == "the version has no traffic here"


def brings(at: Cast, name: str, number: int, days: int, reward: float) -> dict[str, int]:
    """Decide about new units some days ago, with a bit more or less for each second one."""
    asked = {"units": [{"unit": f"{name}-{one}"} for one in range(number)]}
    decisions = at.live["app"].post(f"{at.path}/route:batch", asked)["decisions"]
    then = (datetime.now(UTC) - timedelta(days=days)).isoformat()
    events = [
        {"token": one["token"], "at": then, "score": 0.5, "features": {"x": 0.1}}
        for one in decisions
    ]
    at.live["app"].post("/v1/events", {"events": events})
    outcomes = [
        {"decision_id": one["decision_id"], "at": then, "reward": reward + count % 2 / 4,
         "cost": -reward}
        for count, one in enumerate(decisions)
    ]  # fmt: skip
    at.live["app"].post("/v1/outcomes", {"outcomes": outcomes})
    held = sum(one["arm"] == "holdout" for one in decisions)
    return {"treated": number - held, "held_out": held}


def days_ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


def test_only_the_newest_time_is_compared_in_which_shares_stood_still(live: Live) -> None:
    at = cast(live)
    place = at.champion
    asked = {"model": place.model, "version": place.version}

    def value(**between: str) -> Any:
        wait_folded(live, place.point)
        return live["aud"].get(f"{at.path}/value", **asked, **between)

    at.put({"segments": [{"name": "rest"}], "holdout": {"rate": 0.2}})
    first = brings(at, "first", 700, 20, reward=1.0)
    at.put({"segments": [{"name": "rest"}], "holdout": {"rate": 0.05}})
    calls = [brings(at, f"second-{call}", 900, 10, reward=9.0) for call in range(3)]
    second = {name: sum(one[name] for one in calls) for name in first}

    found = value()
    assert {name: found[name] for name in second} == second
    assert days_ago(20) < found["since"] < days_ago(10) < found["until"]
    assert found["here"]["per_unit"]["low"] < 0 < found["here"]["per_unit"]["high"]
    assert found["lacking"] is None
    before = value(until=days_ago(15))
    assert {name: before[name] for name in first} == first
    assert before["until"] < days_ago(14)
    assert before["here"] is not None

    at.put({"segments": [{"name": "rest"}], "holdout": {"rate": 0.2}})
    third = brings(at, "third", 300, 5, reward=9.0)
    found = value()
    assert {name: found[name] for name in third} == third
    assert found["here"] is None
    assert found["lacking"].startswith(
        f"the shares of version and holdout stand still since {found['since']} only; since then"
    )
    assert "100 of each are needed: leave them as they are for longer" in found["lacking"]

    later = value(since=days_ago(3))
    assert (later["since"] > days_ago(4), later["until"], later["here"]) == (True, None, None)
    assert later["lacking"].startswith("version and holdout were there from ")
    assert later["lacking"].endswith("nothing of that is in the time asked about")
    earlier = value(since=days_ago(60), until=days_ago(50))
    assert earlier["since"] < earlier["until"] < days_ago(49)
    with pytest.raises(Problem) as problem:
        value(since=days_ago(3), until=days_ago(4))
    assert problem.value.document["code"] == "not_in_order"


def test_the_greatest_and_the_least_amounts_are_an_answer_too(live: Live) -> None:
    at = cast(live)
    at.put({"segments": [{"name": "rest"}], "holdout": {"rate": 0.2}})
    for number, reward in enumerate((9e14, -9e14, 5e-324, 1e-200)):
        brings(at, f"great-{number}", 110, 2, reward=reward)
    wait_folded(live, at.champion.point)

    place = at.champion
    found = live["aud"].get(f"{at.path}/value", model=place.model, version=place.version)

    assert found["treated"] + found["held_out"] == 440
