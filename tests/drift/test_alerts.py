"""The life of alerts in a database of their own: windows, people, silences, older releases."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app import audit
from app.drift import alerts, handling, silences
from app.drift.alert_rules import (
    AlertKind,
    AlertOver,
    AlreadyAcknowledged,
    Ending,
    Severity,
    State,
)
from app.drift.alert_tables import Episode
from app.drift.rules import Thresholds
from app.drift.tables import Alert
from app.identity import DecisionDenied, Role
from app.kit.actor import Actor, OutOfScope
from app.kit.refusal import NotFound
from app.platform.db import Database
from tests.drift.watched import LIMITS, NOBODY, START, Watched, make_watched

pytestmark = pytest.mark.anyio

AT_ONCE = Thresholds(hits=1, of=1)
RAISED, TAKEN, OVER = (
    "drift.alert.raised", "drift.alert.acknowledged", "drift.alert.resolved",
)  # fmt: skip


async def test_an_alert_fires_is_acknowledged_recovers_and_fires_anew(here: Watched) -> None:
    await here.window("x")
    assert await here.episodes() == []
    await here.window("x")
    (first,) = await here.episodes()
    assert (first.state, first.severity, first.number) == (State.FIRING, Severity.WARNING, 1)
    assert first.since == START + timedelta(days=2)

    shown = await here.acknowledge()
    assert (shown["state"], shown["comment"]) == (State.ACKNOWLEDGED, "looking")
    for _ in range(4):
        await here.window()
    (first,) = await here.episodes()
    assert (first.state, first.ending) == (State.RESOLVED, Ending.RECOVERED)
    assert first.resolved_by is None
    assert first.comment == "looking"

    await here.window("x")
    await here.window("x")
    again = (await here.episodes())[1]
    assert (again.state, again.number, again.comment) == (State.FIRING, 2, None)
    assert [kind for kind, _ in await here.told()] == [RAISED, TAKEN, OVER, RAISED]
    assert [data["episode"] for _, data in await here.told()] == [1, 1, 1, 2]
    assert await here.entries("alert.") == [
        "alert.raised", "alert.acknowledged", "alert.resolved", "alert.raised",
    ]  # fmt: skip
    assert (await audit.verify(here.db, here.tenant)).faults == []


async def test_its_event_says_what_it_said_and_how_severe_it_is(here: Watched) -> None:
    await here.window(severe=("x",), limits=AT_ONCE)

    ((kind, data),) = await here.told()
    assert kind == RAISED
    assert data == {
        "alert_id": str(await here.alert()),
        "episode": 1,
        "point": "p",
        "point_id": str(here.point),
        "version_id": str(here.version),
        "model": "m",
        "number": 1,
        "subject": "x",
        "kind": "data",
        "severity": "critical",
        "worst": "critical",
        "addressees": [str(NOBODY)],
        "until": data["until"],
    }


async def test_a_warning_is_critical_while_it_is_severe(here: Watched) -> None:
    await here.window("x", limits=AT_ONCE)
    await here.window(severe=("x",), limits=AT_ONCE)
    await here.window("x", limits=AT_ONCE)

    (episode,) = await here.episodes()
    assert (episode.severity, episode.worst) == (Severity.WARNING, Severity.CRITICAL)
    assert await here.entries("alert.") == ["alert.raised", "alert.worsened", "alert.eased"]


async def test_degraded_accuracy_is_critical_and_labels_that_fail_to_come_are_no_cure(
    here: Watched,
) -> None:
    await here.window(degraded=True)
    await here.window(degraded=True)
    for _ in range(6):
        await here.window(degraded=None)
    (episode,) = await here.episodes("accuracy")
    assert (episode.state, episode.severity) == (State.FIRING, Severity.CRITICAL)

    for _ in range(4):
        await here.window(degraded=False)
    (episode,) = await here.episodes("accuracy")
    assert episode.ending is Ending.RECOVERED


async def test_what_was_resolved_by_hand_fires_again_while_it_is_still_beyond(
    here: Watched,
) -> None:
    await here.window("x", limits=AT_ONCE)
    shown = await here.resolve()
    assert (shown["state"], shown["ending"]) == (State.RESOLVED, Ending.BY_HAND)
    assert shown["resolved_by"] is not None
    with pytest.raises(AlertOver) as over:
        await here.resolve()
    assert str(await here.alert()) in str(over.value.mend)
    with pytest.raises(AlertOver):
        await here.acknowledge()

    await here.window("x", limits=AT_ONCE)
    assert [row.state for row in await here.episodes()] == [State.RESOLVED, State.FIRING]


async def test_of_two_who_acknowledge_at_once_one_does(here: Watched) -> None:
    await here.window("x", limits=AT_ONCE)

    for _ in range(10):
        found = await asyncio.gather(
            here.acknowledge("one"), here.acknowledge("two"), return_exceptions=True
        )
        refused = [one for one in found if isinstance(one, BaseException)]
        assert [type(one) for one in refused] == [AlreadyAcknowledged]
        await here.resolve()
        await here.window("x", limits=AT_ONCE)


async def test_a_window_and_a_person_who_end_it_at_once_end_it_once(here: Watched) -> None:
    for _ in range(8):
        await here.window("x", limits=AT_ONCE)
        found = await asyncio.gather(
            here.window(limits=AT_ONCE), here.resolve(), return_exceptions=True
        )
        assert [type(one) for one in found if isinstance(one, BaseException)] in ([], [AlertOver])
    rows = await here.episodes()
    assert len(rows) == 8
    assert {row.state for row in rows} == {State.RESOLVED}
    assert [kind for kind, _ in await here.told()].count(OVER) == 8


async def test_the_database_forbids_two_episodes_that_stand(here: Watched) -> None:
    await here.window("x", limits=AT_ONCE)
    async with here.db.session(here.tenant) as session:
        alert = await session.get(Alert, (here.tenant, await here.alert()))
        assert alert is not None
        with pytest.raises(IntegrityError, match="one_standing"):
            await alerts.fire(session, alert, number=2, severity=Severity.WARNING, since=START)


async def test_only_who_may_edit_the_monitor_handles_and_silences(here: Watched) -> None:
    await here.window("x", limits=AT_ONCE)

    for attempt in (here.acknowledge, here.resolve):
        with pytest.raises(DecisionDenied):
            await attempt(role=Role.DEVELOPER)
        with pytest.raises(NotFound):
            await attempt(points=frozenset({"another"}))
    with pytest.raises(OutOfScope):
        await here.silence(subject="x", by=here.actor(points=frozenset({"p"})))


async def test_what_an_older_release_raised_counts_as_firing(here: Watched) -> None:
    """It wrote the alert alone; whoever handles it first, or the worker, gives it its episode."""
    async with here.session() as session:
        for name in ("x", "y"):
            session.add(
                Alert(
                    tenant_id=here.tenant, point_id=here.point, version_id=here.version,
                    kind=AlertKind.DATA, subject=name, until=START,
                )
            )  # fmt: skip
        await session.flush()
        await audit.record(session, Actor.system(here.tenant), "alert.raised", "version")
    async with here.db.session(here.tenant) as session:
        shown = await handling.alert_of(session, await here.alert(), by=here.actor())
    assert (shown["state"], shown["episodes"][0]["episode"]) == (State.FIRING, 1)

    assert (await here.acknowledge())["state"] is State.ACKNOWLEDGED
    await here.tend()
    await here.tend()
    assert [row.state for row in await here.episodes()] == [State.ACKNOWLEDGED]
    assert [row.state for row in await here.episodes("y")] == [State.FIRING]
    assert await here.entries("alert.adopted") == ["alert.adopted"] * 2
    # It was told when it was raised.
    assert [kind for kind, _ in await here.told()] == [TAKEN]
    assert (await audit.verify(here.db, here.tenant)).faults == []


async def test_the_evidence_are_the_windows_that_made_it_last(here: Watched) -> None:
    await here.window()
    await here.window("x", "y")
    await here.window("x")
    await here.window("x")
    async with here.db.session(here.tenant) as session:
        shown = await handling.alert_of(session, await here.alert(), by=here.actor())

    ends = [row["until"] - START for row in shown["evidence"]]
    assert ends == [timedelta(days=day) for day in (3, 2, 1)]
    assert [row["variable"]["js"] for row in shown["evidence"]] == [
        0.3, 0.3, 0.0,
    ]  # fmt: skip
    assert shown["next"][0] == f"POST /v1/alerts/{await here.alert()}:acknowledge"


async def test_an_alert_of_which_nothing_is_said_any_more_says_so_and_stands(here: Watched) -> None:
    """Traffic fell below what a window takes to be judged by."""
    for _ in range(2):
        await here.window("x")
    for _ in range(5):
        await here.window(n=LIMITS.min_rows - 1)
    async with here.db.session(here.tenant) as session:
        shown = await handling.alert_of(session, await here.alert(), by=here.actor())

    assert (shown["state"], shown["silent"]) == (State.FIRING, 5)
    assert shown["said_until"] == START + timedelta(days=2)
    await here.resolve()
    await here.window(n=LIMITS.min_rows - 1)
    assert [one.state for one in await here.episodes()] == [State.RESOLVED]
    await here.window("x")
    assert [one.state for one in await here.episodes()] == [State.RESOLVED, State.FIRING]


async def test_nobody_sees_another_tenants_alerts_or_silences(db: Database) -> None:
    own, other = await make_watched(db), await make_watched(db)
    await other.window("x", limits=AT_ONCE)
    row = await other.silence(subject="y")
    await own.window("y", limits=AT_ONCE)

    assert len(await own.told()) == 1
    async with own.session() as session:
        listed = await handling.list_alerts(
            session, state=None, severity=None, kind=None, point_key=None, model=None,
            silenced=None, cursor=None, limit=10, by=own.actor(),
        )  # fmt: skip
        assert [one["subject"] for one in listed.items] == ["y"]
        with pytest.raises(NotFound):
            await handling.alert_of(session, await other.alert(), by=own.actor())
        with pytest.raises(NotFound):
            await silences.end_silence(session, row.id, by=own.actor())


async def test_lists_are_narrowed_by_what_is_asked_and_paged_newest_first(here: Watched) -> None:
    await here.window(*(f"x{number}" for number in range(5)), limits=AT_ONCE)
    await here.window(degraded=True, limits=AT_ONCE)
    await here.silence(subject="accuracy")

    async def listed(by: Actor | None = None, **what: Any) -> list[str]:
        asked = dict.fromkeys(("state", "severity", "kind", "point_key", "model", "silenced"))
        found, cursor = [], None
        async with here.session() as session:
            while True:
                page = await handling.list_alerts(
                    session, **{**asked, **what}, cursor=cursor, limit=2, by=by or here.actor()
                )
                found += [row["subject"] for row in page.items]
                cursor = page.next_cursor
                if cursor is None:
                    return found

    firsts = [f"x{number}" for number in (4, 3, 2, 1, 0)]
    assert await listed() == ["accuracy", *firsts]
    assert await listed(state=State.FIRING) == ["accuracy"]
    assert await listed(state=State.RESOLVED) == firsts
    assert await listed(severity=Severity.CRITICAL) == ["accuracy"]
    assert await listed(kind=AlertKind.DATA) == firsts
    assert await listed(silenced=True) == ["accuracy"]
    assert await listed(silenced=False) == firsts
    assert await listed(point_key="p", model="m") == ["accuracy", *firsts]
    assert await listed(by=here.actor(points=frozenset({"p"}))) == ["accuracy", *firsts]
    assert await listed(by=here.actor(points=frozenset({"another"}))) == []


async def test_an_episode_is_never_written_without_its_entry(here: Watched) -> None:
    await here.window("x", limits=AT_ONCE)
    async with here.db.session(here.tenant) as session:
        row = await session.scalar(select(Episode).filter_by(tenant_id=here.tenant))
        assert row is not None
        row.reason = "nobody said so"
        with pytest.raises(audit.Unvouched):
            await session.commit()
