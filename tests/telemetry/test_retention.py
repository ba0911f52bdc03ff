"""What is kept so long and no longer, and that an event stays single whatever was forgotten."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import psycopg
import pytest
from prometheus_client import CollectorRegistry

from app.identity.rules import Role, permissions
from app.kit.actor import Actor
from app.kit.ids import uuid7_int
from app.platform.http import Upload
from app.telemetry import Claim, Part, forgetting, retention
from app.telemetry.erasing import erase_subject, list_erasures
from app.telemetry.events import NoEvents
from app.telemetry.ingest import Ingest
from app.telemetry.tables import TokenKey
from app.telemetry.token import seal, unit_hash
from tests.live import Live, unique
from tests.platform.wire import problem_of, speaker
from tests.telemetry.plays import NOBODY, Bench
from tests.tenants import another

AT = "2025-01-01T00:00:00Z"
DAY_NS = 86_400 * 10**9
NO_GRACE = timedelta(0)


class Kept:
    """A bench with events of decisions of any age, and somebody who says how long they are kept."""

    def __init__(self, bench: Bench, runner: asyncio.Runner) -> None:
        self.bench, self.run, self.revision = bench, runner.run, 0
        tenant = bench.actor.tenant_id
        roles = frozenset({Role.ADMINISTRATOR.value})
        self.admin = Actor(NOBODY, tenant, "adm", NOBODY, roles, permissions(roles))
        self.point = UUID(int=uuid7_int())

    def event(self, days: float, unit: bytes = bytes(8)) -> dict[str, Any]:
        """An event of a decision so many days old."""
        decided = time.time_ns() - int(days * DAY_NS)
        claim = Claim(
            part=Part.ARM, decision_id=UUID(int=uuid7_int(decided)).bytes,
            point_id=self.point.bytes, version_id=self.bench.version.bytes, plan_revision=1,
            generation=1, propensity=1.0, at_ms=decided // 10**6, unit=unit, arm="champion",
        )  # fmt: skip
        token = seal(claim, *self.bench.keys.current)
        return {"token": token, "at": AT, "features": {"x": 1.0}, "score": 0.5}

    def send(self, events: list[dict[str, Any]], ingest: Ingest | None = None) -> dict[str, Any]:
        """Send events to a process, by default to one that has just started."""
        taking = ingest or Ingest(self.bench.database, CollectorRegistry())
        upload = Upload("application/json", orjson.dumps({"events": events}))
        try:
            _, answer = self.run(taking.events(self.bench.actor, upload))
        except NoEvents as refusal:
            return {"accepted": 0, "duplicates": 0, "rejected": refusal.extra["rejected"]}
        return dict(orjson.loads(answer))

    def keep(self, raw_days: int | None, receipt_days: int | None) -> None:
        async def say() -> None:
            async with self.bench.database.transaction(self.admin.tenant_id) as session:
                await retention.set_retention(
                    session, raw_days=raw_days, receipt_days=receipt_days,
                    expected=self.revision, by=self.admin,
                )  # fmt: skip

        self.run(say())
        self.revision += 1

    def forget(self, **more: Any) -> None:
        self.run(forgetting.forget(self.bench.database, **more))

    def rows(self, table: str) -> int:
        found = self.ask(f"SELECT count(*) FROM {table}")
        return int(found[0][0])

    def ask(self, statement: str) -> list[Any]:
        with psycopg.connect(self.bench.url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def kept(empty_database: str) -> Iterator[Kept]:
    with asyncio.Runner() as runner:
        bench = Bench(empty_database)
        runner.run(bench.prepare())
        yield Kept(bench, runner)
        runner.run(bench.database.close())


def codes(answer: dict[str, Any]) -> list[tuple[int, str]]:
    return [(item["index"], item["code"]) for item in answer["rejected"]]


def test_events_of_forgotten_decisions_are_refused_before_their_receipts_go(kept: Kept) -> None:
    events = [kept.event(days) for days in (400, 40, 1)]
    assert kept.send(events)["accepted"] == 3, "late ones are welcome while all is remembered"
    kept.keep(7, 30)

    kept.forget()  # says that it will
    announced = kept.send(events)
    kept.forget()  # not long enough ago

    assert codes(announced) == [(0, "event_too_old"), (1, "event_too_old")]
    assert announced["duplicates"] == 1
    assert kept.rows("telemetry_receipt_stored") == 3
    kept.forget(grace=NO_GRACE)
    assert kept.rows("telemetry_receipt_stored") == 1
    assert codes(kept.send(events)) == [(0, "event_too_old"), (1, "event_too_old")]
    assert codes(kept.send(events[:2])) == [(0, "event_too_old"), (1, "event_too_old")]


def test_what_is_forgotten_stays_forgotten_though_more_is_kept_later(kept: Kept) -> None:
    events = [kept.event(days) for days in (400, 40, 1)]
    kept.send(events)
    kept.keep(7, 30)
    kept.forget(grace=NO_GRACE)
    kept.forget(grace=NO_GRACE)

    kept.keep(None, None)
    kept.forget(grace=NO_GRACE)

    assert codes(kept.send([*events, kept.event(35)])) == [
        (index, "event_too_old") for index in (0, 1, 3)
    ]
    assert kept.send([kept.event(29)])["accepted"] == 1


def test_an_event_is_taken_once_whatever_is_set_forgotten_and_sent_in_which_order(
    kept: Kept,
) -> None:
    rng = random.Random(11)
    events = [kept.event(days) for days in (1, 5, 9, 50, 90, 500, 900, 1500)]
    processes = [Ingest(kept.bench.database, CollectorRegistry()) for _ in range(3)]
    taken: Counter[int] = Counter()

    def send() -> None:
        number = rng.randrange(len(events))
        taken[number] += kept.send([events[number]], rng.choice(processes))["accepted"]

    def forget() -> None:
        kept.forget(batch=2)

    def change() -> None:
        days = rng.choice([None, 7, 70, 700])
        kept.keep(7 if days else None, days)

    def wait() -> None:
        """Let the grace pass: by then each process has asked again."""
        kept.ask("UPDATE telemetry_horizon SET announced_at = announced_at - interval '11 minutes'")
        for process in processes:
            process._bounds.clear()

    for _ in range(220):
        rng.choice([send, send, send, forget, change, wait])()

    assert max(taken.values()) == 1
    assert sum(taken.values()) >= 3
    assert kept.rows("telemetry_receipt_stored") < sum(taken.values()), "nothing was ever forgotten"


def test_raw_events_go_by_the_day_they_came_and_of_that_tenant_alone(kept: Kept) -> None:
    kept.send([kept.event(1) for _ in range(25)])
    kept.ask(
        "UPDATE telemetry_event SET received_at = received_at - interval '9 days' WHERE decision_id"
        " IN (SELECT decision_id FROM telemetry_event LIMIT 20)"
    )
    kept.ask(
        "INSERT INTO telemetry_event (tenant_id, decision_id, received_at, series_id, at,"
        " plan_revision, generation, propensity, unit, decided_at, features) SELECT"
        " gen_random_uuid(), decision_id, received_at, series_id, at, plan_revision, generation,"
        " propensity, unit, decided_at, features FROM telemetry_event"
    )
    hours = kept.run(kept.bench.profiles(kept.point))

    kept.keep(7, None)
    kept.forget(batch=3)

    assert kept.rows("telemetry_event") == 5 + 25
    assert kept.rows("telemetry_receipt_stored") == 25
    assert kept.run(kept.bench.profiles(kept.point)).keys() == hours.keys()


def test_old_outcomes_go_with_their_receipts_once_they_are_joined(kept: Kept) -> None:
    events = [kept.event(days) for days in (40, 1)]
    kept.send(events)
    ids = [
        str(row[0])
        for row in kept.ask("SELECT decision_id FROM telemetry_receipt_stored ORDER BY 1")
    ]
    told = [{"decision_id": one, "label": 1, "at": AT} for one in ids]
    kept.run(kept.bench.outcome(told))
    kept.ask("UPDATE telemetry_outcome SET received_at = received_at - interval '35 days'")
    kept.keep(7, 30)
    kept.forget(grace=NO_GRACE)

    kept.forget(grace=NO_GRACE)
    assert kept.rows("telemetry_outcome") == 2, "they are still to be joined"
    kept.run(kept.bench.digest(later=True))
    kept.ask("UPDATE telemetry_outcome SET due_at = NULL")
    kept.forget(grace=NO_GRACE)

    assert [str(row[0]) for row in kept.ask("SELECT decision_id FROM telemetry_outcome")] == ids[1:]


def test_days_in_which_nothing_is_left_are_dropped(kept: Kept) -> None:
    for day in ("2020-01-01", "2020-01-02"):
        kept.ask(f"SELECT telemetry_make_partition('{day}')")
    kept.send([kept.event(1)])
    kept.ask("UPDATE telemetry_event SET received_at = '2020-01-02T12:00:00Z'")

    kept.forget()

    days = kept.ask("SELECT relname FROM pg_class WHERE relname LIKE 'telemetry_event_p2020%'")
    assert {row[0] for row in days if row[0].count("_") == 2} == {"telemetry_event_p20200102"}
    kept.keep(7, None)
    kept.forget()
    left = kept.ask("SELECT relname FROM pg_class WHERE relname = 'telemetry_event_p20200102'")
    assert left == []


def test_a_subject_is_erased_under_every_key_that_named_it(kept: Kept) -> None:
    unit = unit_hash(kept.bench.keys.current[1], "ann")
    events = [kept.event(1, unit) for _ in range(3)]
    kept.send([*events, kept.event(1, b"somebody")])
    tenant = kept.admin.tenant_id

    async def erase() -> tuple[int, int]:
        async with kept.bench.database.transaction(tenant) as session:
            if await session.get(TokenKey, (tenant, 2)) is None:
                session.add(TokenKey(tenant_id=tenant, id=2, secret=b"2" * 32))
                await session.flush()
            first = await erase_subject(session, "ann", by=kept.admin)
            again = await erase_subject(session, "ann", by=kept.admin)
            return first.raw_events, again.raw_events

    assert kept.run(erase()) == (3, 0)
    assert kept.rows("telemetry_event") == 1
    again = kept.send(events)
    assert codes(again) == [(index, "subject_erased") for index in range(3)]
    assert kept.rows("telemetry_event") == 1
    assert kept.rows("telemetry_receipt_stored") == 4


def test_what_a_call_has_no_time_for_a_worker_erases(kept: Kept) -> None:
    unit = unit_hash(kept.bench.keys.current[1], "ann")
    kept.send([kept.event(1, unit), kept.event(1, b"somebody")])
    later = kept.event(-1 / 1440, unit)
    tenant = kept.admin.tenant_id

    async def erase() -> tuple[int, bool]:
        async with kept.bench.database.transaction(tenant) as session:
            found = await erase_subject(session, "ann", seconds=0.0, by=kept.admin)
            return found.raw_events, found.complete

    async def listed() -> list[tuple[str, bool]]:
        async with kept.bench.database.transaction(tenant) as session:
            found = await list_erasures(session, cursor=None, limit=9, by=kept.admin)
            return [(one.pseudonym.hex(), one.swept) for one in found.items]

    assert kept.run(erase()) == (0, False)
    assert kept.run(listed()) == [(unit.hex(), False)]
    assert kept.rows("telemetry_event") == 2
    kept.send([later])
    kept.forget(grace=NO_GRACE)

    assert kept.rows("telemetry_event") == 2, "somebody, and what was decided later"
    assert kept.run(listed()) == [(unit.hex(), True)]


def test_late_events_of_an_erased_subject_are_not_taken_and_later_decisions_are(
    kept: Kept,
) -> None:
    unit = unit_hash(kept.bench.keys.current[1], "ann")
    unaware = Ingest(kept.bench.database, CollectorRegistry())
    kept.send([kept.event(1, b"somebody")], unaware)  # it knows its bounds for half a minute now
    late = [kept.event(days, unit) for days in (3, 2, 1)]

    async def erase() -> None:
        async with kept.bench.database.transaction(kept.admin.tenant_id) as session:
            await erase_subject(session, "ann", by=kept.admin)

    kept.run(erase())
    assert kept.send(late[:1], unaware)["accepted"] == 1
    assert codes(kept.send(late[1:])) == [(0, "subject_erased"), (1, "subject_erased")]
    assert kept.send([kept.event(-1 / 1440, unit)])["accepted"] == 1, "decided a minute from now"

    kept.forget()  # not long enough ago
    assert kept.rows("telemetry_event") == 3
    kept.forget(grace=NO_GRACE)
    kept.forget(grace=NO_GRACE)

    # The one that slipped in is gone, and what was decided later stays.
    assert kept.rows("telemetry_event") == 2
    assert kept.send([kept.event(-2 / 1440, unit)])["accepted"] == 1
    kept.forget(grace=NO_GRACE)
    assert kept.rows("telemetry_event") == 3


@pytest.fixture(scope="module")
def tenant(live: Live) -> Iterator[Live]:
    with another(live) as found:
        yield found


def test_retention_is_an_administrators_to_set_on_what_he_has_seen(tenant: Live) -> None:
    path, days = "/v1/telemetry-retention", {"raw_days": 90, "receipt_days": 400}
    speaks = speaker(tenant, "admin")

    before = speaks.get(path)

    assert (before.json()["raw_days"], before.headers["etag"]) == (None, '"0"')
    problem_of(speaks.put(path, json=days), 428)
    problem_of(speaks.put(path, json=days, headers={"If-Match": '"3"'}), 412)
    wrong: dict[str, int | None] = {"raw_days": 90, "receipt_days": 30}
    current = {"If-Match": '"0"'}
    problem_of(speaks.put(path, json=wrong, headers=current), 422, "receipts_before_events")
    wrong = {"raw_days": None, "receipt_days": 30}
    problem_of(speaks.put(path, json=wrong, headers=current), 422, "receipts_before_events")
    problem_of(speaker(tenant, "ops").put(path, json=days, headers=current), 403)
    done = speaks.put(path, json=days, headers=current)
    assert (done.status_code, done.headers["etag"]) == (200, '"1"')
    assert done.json() | days == done.json()
    (entry,) = tenant["aud"].get("/v1/audit", action="retention.set")["items"]
    assert entry["details"] | days == entry["details"]


def test_erasing_names_the_subject_to_nobody(tenant: Live) -> None:
    unit = unique("person")

    problem_of(speaker(tenant, "ops").post("/v1/subjects:erase", json={"unit": unit}), 403)
    done = tenant.admin.post("/v1/subjects:erase", {"unit": unit})

    assert (done["raw_events"], done["complete"]) == (0, True)
    other = tenant.admin.post("/v1/subjects:erase", {"unit": unique("person")})
    listed = list(tenant.admin.pages("/v1/subjects", limit=1))
    assert [one["pseudonym"] for one in listed][:2] == [other["pseudonym"], done["pseudonym"]]
    assert not any(one["complete"] for one in listed[:2]), "not every process can have heard"
    problem_of(speaker(tenant, "ops").get("/v1/subjects"), 403)
    told = speaker(tenant, "aud").get("/v1/audit", params={"action": "subject.erased"}).text
    assert done["pseudonym"] in told
    assert unit not in told
