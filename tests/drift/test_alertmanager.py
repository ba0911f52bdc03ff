"""What Alertmanager is told, by a receiver that knows its API's schema."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jsonschema import Draft7Validator

from app import identity
from app.drift.alert_rules import AlertKind
from app.drift.alertmanager import ALERT_NAMES, Alertmanager
from app.drift.rules import Thresholds
from app.platform.db import ALL_TENANTS, Database
from app.platform.outbound import Outbound, OutboundRefused
from app.platform.settings import Settings
from app.worker import alert_pusher
from tests.drift.watched import Watched, seated_bus
from tests.notifications.sinks import HANG, Sink, sink

pytestmark = pytest.mark.anyio

AT_ONCE = Thresholds(hits=1, of=1)
SETTINGS = Settings(outbound_loopback=True, pool_size=1, pool_wait_seconds=1)
STANDS = timedelta(minutes=30)
LABELS = {"type": "object", "additionalProperties": {"type": "string"}}
POSTABLE = {
    # postableAlerts of Alertmanager's api/v2/openapi.yaml; endsAt is what we promise besides.
    "type": "array",
    "items": {
        "type": "object",
        "required": ["labels", "startsAt", "endsAt", "annotations"],
        "additionalProperties": False,
        "properties": {
            "labels": {**LABELS, "required": ["alertname"]},
            "annotations": LABELS,
            "startsAt": {"type": "string"},
            "endsAt": {"type": "string"},
            "generatorURL": {"type": "string"},
        },
    },
}


@pytest.fixture
async def db(empty_database: str) -> AsyncIterator[Database]:
    found = Database(empty_database, SETTINGS, seated_bus())
    yield found
    await found.close()


def manager(url: str) -> Alertmanager:
    return Alertmanager(url, Outbound(SETTINGS), STANDS)


def posted(receiver: Sink) -> list[dict[str, Any]]:
    """Return the last message, which must be as the schema has it."""
    found = json.loads(receiver.got[-1].body)
    Draft7Validator(POSTABLE).validate(found)
    for alert in found:
        begin, end = (datetime.fromisoformat(alert[name]) for name in ("startsAt", "endsAt"))
        assert begin.tzinfo is not None
        assert begin <= end
        assert all(value.isprintable() and value for value in alert["labels"].values())
    return list(found)


async def test_what_fires_is_sent_with_its_labels_again_and_again(
    here: Watched, db: Database
) -> None:
    await here.window(severe=("x",), limits=AT_ONCE)
    async with db.session(ALL_TENANTS) as session:
        tenant = await identity.tenant_name(session, here.tenant)
    with sink() as receiver:
        there = manager(receiver.url.removesuffix("/in") + "/prefix/")
        await there.push(db)
        (first,) = posted(receiver)
        await there.push(db)
        (second,) = posted(receiver)

    assert first["labels"] == second["labels"] == {
        "alertname": "ModelwardDataDrift", "tenant": tenant, "decision_point": "p", "model": "m",
        "version": "1", "kind": "data", "subject": "x", "severity": "critical",
    }  # fmt: skip
    assert first["startsAt"] == second["startsAt"]
    assert first["endsAt"] < second["endsAt"]
    assert datetime.fromisoformat(second["endsAt"]) > datetime.now(UTC) + timedelta(minutes=29)
    assert first["annotations"]["next"] == f"GET /v1/alerts/{await here.alert()}"
    assert "x of m@1 at p" in first["annotations"]["summary"]
    assert receiver.got[0].headers["content-type"] == "application/json"


async def test_what_is_over_is_sent_with_its_end_and_what_fires_anew_without(
    here: Watched, db: Database
) -> None:
    await here.window("x", limits=AT_ONCE)
    with sink() as receiver:
        there = manager(receiver.url)
        await here.resolve()
        await there.push(db)
        (over,) = posted(receiver)
        await here.window("x", limits=AT_ONCE)
        await there.push(db)
        (again,) = posted(receiver)

    (first, second) = await here.episodes()
    assert datetime.fromisoformat(over["endsAt"]) == first.resolved_at
    assert datetime.fromisoformat(again["startsAt"]) == second.at
    assert datetime.fromisoformat(again["endsAt"]) > datetime.now(UTC)


async def test_what_was_told_before_it_was_silenced_goes_on_to_be_sent_and_nothing_else_does(
    here: Watched, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Also to one that knows of no silences: it is told again, and never said to be over."""
    await here.window("x", limits=AT_ONCE)
    rows = [await here.silence(subject=subject) for subject in ("x", "y")]
    await here.window("x", "y", limits=AT_ONCE)
    with sink() as receiver:
        there = manager(receiver.url)
        await there.push(db)
        (told,) = posted(receiver)
        assert told["labels"]["subject"] == "x"
        assert datetime.fromisoformat(told["endsAt"]) > datetime.now(UTC) + timedelta(minutes=29)
        assert told["annotations"]["silenced_until"] == rows[0].until.isoformat()
        assert [one.message for one in caplog.records] == ["Alertmanager took no silences"]
        for row in rows:
            await here.end_silence(row)
        await here.tend()
        await there.push(db)
        found = {one["labels"]["subject"]: one["annotations"] for one in posted(receiver)}
        assert found.keys() == {"x", "y"}
        assert all("silenced_until" not in said for said in found.values())


async def test_what_is_more_severe_now_is_over_as_what_it_was(here: Watched, db: Database) -> None:
    """Labels are what Alertmanager knows it by: it would believe in both."""
    await here.window("x", limits=AT_ONCE)
    with sink(200, 500, 200, 200) as receiver:
        there = manager(receiver.url)
        await there.push(db)
        await here.window(severe=("x",), limits=AT_ONCE)
        await there.push(db)
        await there.push(db)
        was, now = posted(receiver)
        await there.push(db)
        (alone,) = posted(receiver)

    severities = [one["labels"].pop("severity") for one in (was, now)]
    assert severities == ["warning", "critical"]
    assert was["labels"] == now["labels"]
    assert datetime.fromisoformat(was["endsAt"]) <= datetime.now(UTC)
    assert datetime.fromisoformat(now["endsAt"]) > datetime.now(UTC)
    assert alone["labels"]["severity"] == "critical"


async def test_where_nothing_fires_nothing_is_sent(here: Watched, db: Database) -> None:
    await here.window("x")
    with sink() as receiver:
        await manager(receiver.url).push(db)
        assert receiver.got == []


async def test_the_database_is_free_while_alertmanager_does_not_answer(
    here: Watched, db: Database
) -> None:
    """The process has one connection here: whoever held it would leave none."""
    await here.window("x", limits=AT_ONCE)
    with sink(HANG) as receiver:
        pushing = asyncio.create_task(manager(receiver.url).push(db))
        await asyncio.to_thread(receiver.wait, bool)
        assert len(await here.episodes()) == 1
        assert not pushing.done()
        receiver.released.set()
        await pushing


async def test_one_that_refuses_or_is_away_is_told_again_at_the_next_turn(
    here: Watched, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await here.window("x", limits=AT_ONCE)
    with sink(500, 200) as receiver:
        there = manager(receiver.url)
        await there.push(db)
        await there.push(db)
    await there.push(db)

    assert len(receiver.got) == 2
    assert [record.message for record in caplog.records] == [
        "Alertmanager refused alerts", "Alertmanager was not reached",
    ]  # fmt: skip


def test_an_address_that_is_not_called_is_said_and_stops_no_worker(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert alert_pusher(Settings()) is None
    assert caplog.records == []
    for url in ("http://127.0.0.1:9093", "not a url", "https://user:word@alerts.example.com"):
        assert alert_pusher(Settings(alertmanager_url=url)) is None
        with pytest.raises(OutboundRefused):
            Alertmanager(url, Outbound(Settings()), STANDS)
    assert {record.levelname for record in caplog.records} == {"CRITICAL"}
    assert alert_pusher(Settings(alertmanager_url="https://alerts.example.com")) is not None


def test_every_kind_has_its_name() -> None:
    assert set(ALERT_NAMES) == set(AlertKind)
