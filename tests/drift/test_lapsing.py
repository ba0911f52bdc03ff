"""What nothing looks at any more: its alert ends with the change that made it so, which it says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.drift import lapsed, service, tending
from app.drift.alert_rules import AlertKind, State
from app.drift.rules import Thresholds
from app.platform.db import Database
from app.platform.settings import Settings
from tests.drift.watched import Watched, fire, seated_bus
from tests.live import Live, champion, lift_control, unique
from tests.platform.wire import speaker

RESOLVED = "drift.alert.resolved"
ACCURACY = [{"name": "accuracy", "beyond": True}]
KPI = {"name": "Margin", "formula": "mean_reward", "direction": "at_least", "threshold": 2.0,
       "unit": "EUR"}  # fmt: skip


async def set_monitor(here: Watched, **settings: Any) -> Thresholds:
    """Have the point watched otherwise, by an operator."""
    async with here.session() as session:
        _, revision = await service.monitor_of(session, here.key, by=here.actor())
        await service.set_monitor(
            session, here.key, expected=revision or None, settings=settings, hearers=[],
            by=here.actor(),
        )  # fmt: skip
    return Thresholds(**settings)


async def tend(here: Watched) -> None:
    """Do what is due between windows, knowing what is agreed, as though all had seats."""
    database = Database(here.db.url, Settings(), seated_bus())
    try:
        await tending.tend(database)
    finally:
        await database.close()


@pytest.mark.anyio
async def test_a_metric_that_is_watched_no_more_is_not_back_but_lapsed(here: Watched) -> None:
    for _ in range(2):
        await here.window("x", degraded=True, metrics=ACCURACY)
    await set_monitor(here, metrics=["auc"])
    (episode,) = await here.episodes("accuracy")
    (other,) = await here.episodes("x")

    assert (episode.state, other.state) == (State.RESOLVED, State.FIRING)
    assert episode.reason == "The monitor does not watch accuracy any more."
    ended = [data for kind, data in await here.told() if kind == RESOLVED]
    assert [(one["subject"], one["ending"]) for one in ended] == [("accuracy", "lapsed")]
    async with here.session() as session:
        listed = await service.list_alerts(
            session, here.model, 1, cursor=None, limit=9, by=here.actor()
        )
    assert {row.subject for row in listed.items} == {"accuracy", "x"}


@pytest.mark.anyio
async def test_what_is_looked_at_again_fires_by_what_is_seen_from_then_on(here: Watched) -> None:
    for _ in range(3):
        await here.window(degraded=True, metrics=ACCURACY)
    without = await set_monitor(here, metrics=["auc"])
    await here.window(degraded=True, metrics=ACCURACY, limits=without)
    assert len(await here.episodes("accuracy")) == 1
    again = await set_monitor(here, metrics=["accuracy"])
    fine = [{"name": "accuracy", "beyond": False}]
    await here.window(degraded=False, metrics=fine, limits=again)
    assert len(await here.episodes("accuracy")) == 1
    await here.window(degraded=True, metrics=ACCURACY, limits=again)

    assert [one.state for one in await here.episodes("accuracy")] == ["resolved", "firing"]


@pytest.mark.anyio
async def test_what_was_resolved_by_hand_before_a_change_does_not_fire_after_it(
    here: Watched,
) -> None:
    """Windows of the time before say so still: nobody asked for it any more."""
    fair = await set_monitor(here, fairness=["sex"])
    row = {"name": "sex", "certain": 0.2, "beyond": True}
    for _ in range(2):
        await here.window(limits=fair, fairness=[row])
        await here.window(limits=fair, kpis={"margin": "missed"})
    await here.resolve(subject="sex")
    await here.resolve(subject="margin")
    plain = await set_monitor(here)
    for _ in range(2):
        await here.window(limits=plain)

    for subject in ("sex", "margin"):
        assert len(await here.episodes(subject)) == 1, subject


@pytest.mark.anyio
async def test_tending_ends_what_slipped_through_and_nothing_else(here: Watched) -> None:
    """A contract that names a feature no more; a KPI that an earlier release withdrew."""
    limits = await set_monitor(here, fairness=["sex"])
    row = {"name": "sex", "certain": 0.2, "beyond": True}
    for _ in range(2):
        await here.window("x", limits=limits, fairness=[row], kpis={"margin": "missed"})
    await tend(here)
    await tend(here)

    assert [one.state for one in await here.episodes("x")] == ["firing"]
    for subject, why in (
        ("sex", "The contract tells the point's traffic apart by sex no more."),
        ("margin", "The KPI margin is not agreed on any more."),
    ):
        (episode,) = await here.episodes(subject)
        assert (episode.state, episode.reason) == (State.RESOLVED, why)
    assert (await here.entries("alert.")).count("alert.resolved") == 2


def test_who_withdraws_a_kpi_ends_the_alerts_about_it(live: Live) -> None:
    lift_control(live, "kpi")
    place = champion(live)
    key, other = unique("margin"), unique("margin")
    path = f"/v1/decision-points/{place.point}/kpis"
    for one in (key, other):
        live["com"].put(f"{path}/{one}", KPI)
    gone = fire(live, place, key, AlertKind.BUSINESS)
    stays = fire(live, place, other, AlertKind.BUSINESS)
    same_name = fire(live, place, key)
    answer = speaker(live, "com").delete(f"{path}/{key}", headers={"If-Match": '"1"'})
    assert answer.status_code == 204

    found = live["aud"].get(f"/v1/alerts/{gone}")
    assert (found["state"], found["ending"]) == ("resolved", "lapsed")
    assert found["reason"] == f"The KPI {key} is not agreed on any more."
    for one in (stays, same_name):
        assert live["aud"].get(f"/v1/alerts/{one}")["state"] == "firing"
    told = live["aud"].pages("/v1/events-feed", limit=200)
    assert key in [one["data"]["key"] for one in told if one["type"] == "kpi.withdrawn"]


Names = st.sampled_from(["accuracy", "auc", "sex", "margin", "x"])


@given(
    st.sampled_from(list(AlertKind)), Names, st.sampled_from(["", "sex=f", "state=NSW"]),
    st.booleans(), st.lists(Names), st.lists(Names), st.sets(Names), st.sets(Names),
)  # fmt: skip
def test_what_is_said_to_have_lapsed_is_what_no_window_speaks_of(
    kind: AlertKind,
    name: str,
    segment: str,
    segments: bool,  # noqa: FBT001 - drawn
    metrics: list[str],
    fairness: list[str],
    declared: set[str],
    agreed: set[str],
) -> None:
    limits = Thresholds(segments=segments, metrics=metrics, fairness=fairness)
    why = lapsed.why(kind, name, segment, limits, declared=declared, agreed=agreed)

    watched = {
        AlertKind.MATHEMATICAL: name in metrics,
        AlertKind.ESTIMATED: name in metrics,
        AlertKind.FAIRNESS: name in fairness and name in declared,
        AlertKind.BUSINESS: name in agreed,
    }.get(kind, True)
    told_apart = not segment or segment.partition("=")[0] in declared
    of_segment = told_apart or kind is AlertKind.FAIRNESS
    assert (why is None) == (watched and of_segment and (segments or not segment))
    assert why is None or why.endswith(".")
