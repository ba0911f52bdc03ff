"""What the worker has left undone is what /metrics counts."""

from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from app import audit, identity
from app.drift.alert_rules import AlertKind
from app.drift.gauges import AlertGauges
from app.drift.rules import Thresholds
from app.kit.actor import Actor
from app.notifications.webhooks import create_webhook
from app.platform.db import ALL_TENANTS, Database
from app.platform.settings import Settings
from app.revalidation.backlogs import Backlogs
from tests.drift.watched import Watched, make_watched, seated_bus

pytestmark = pytest.mark.anyio

AT_ONCE = Thresholds(hits=1, of=1)


@pytest.fixture
async def here(empty_database: str) -> AsyncIterator[Watched]:
    database = Database(empty_database, Settings(), seated_bus())
    yield await make_watched(database)
    await database.close()


async def counted(here: Watched) -> dict[str, float]:
    """Return the gauges of one tenant, each by its name."""
    registry = CollectorRegistry()
    await Backlogs(here.db, registry).count()
    tenant = await name(here)
    return {
        sample.name.removeprefix("modelward_"): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.labels == {"tenant": tenant}
    }


async def name(here: Watched) -> str:
    async with here.db.session(ALL_TENANTS) as session:
        return await identity.tenant_name(session, here.tenant)


async def test_what_nobody_folded_is_counted(here: Watched) -> None:
    assert (await counted(here))["telemetry_deltas_waiting"] == 0
    with psycopg.connect(here.db.url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO telemetry_delta (tenant_id, series_id, kind, hour, n, payload)"
            " SELECT %s, gen_random_uuid(), 'inputs', 0, 1, '' FROM generate_series(1, 3)",
            (here.tenant,),
        )
    assert (await counted(here))["telemetry_deltas_waiting"] == 3


async def test_what_no_receiver_was_sent_is_counted_and_how_long_it_waits(here: Watched) -> None:
    before = await counted(here)
    await here.window("x", limits=AT_ONCE)
    nobody = await counted(here)
    async with here.session() as session:
        await create_webhook(
            session, url="https://hooks.example.com/", types=["*"], description="",
            by=Actor.system(here.tenant),
        )  # fmt: skip
    await here.window("y", "z", limits=AT_ONCE)
    with psycopg.connect(here.db.url, autocommit=True) as connection:
        connection.execute(
            "UPDATE notifications_outbox SET at = at - interval '1 hour' WHERE data->>'subject'"
            " = 'y'"
        )
    waiting = await counted(here)

    assert before["outbox_events_waiting"] == nobody["outbox_events_waiting"] == 0
    assert waiting["outbox_events_waiting"] == 3  # y and z are raised, x was resolved
    assert 3600 <= waiting["outbox_oldest_seconds"] < 3660
    assert waiting["webhook_deliveries_overdue"] == 0


async def test_what_nobody_signed_is_counted_until_somebody_does(
    here: Watched, tmp_path: Path
) -> None:
    signer = audit.Signer.load(Settings(data_dir=tmp_path))
    await audit.sequence(here.db, signer)
    signed = await counted(here)
    await here.window("x", limits=AT_ONCE)
    with psycopg.connect(here.db.url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE audit_entry SET at = at - interval '10 minutes' WHERE action = 'alert.raised'"
        )
    waiting = await counted(here)
    await audit.sequence(here.db, None)
    numbered = await counted(here)

    assert (signed["audit_unsigned_entries"], signed["audit_unsigned_seconds"]) == (0, 0)
    assert 0 <= signed["audit_checkpoint_age_seconds"] < 60
    for found in (waiting, numbered):
        assert found["audit_unsigned_entries"] == 1
        assert 600 <= found["audit_unsigned_seconds"] < 660


async def test_alerts_are_counted_by_what_they_are_and_whether_they_are_told(
    here: Watched,
) -> None:
    registry = CollectorRegistry()
    gauges = AlertGauges(here.db, registry)
    await here.window("x", "y", severe=("z",), degraded=True, limits=AT_ONCE)
    await here.silence(subject="y")
    await gauges.count()
    tenant = await name(here)

    def value(kind: str, severity: str, silenced: str = "false") -> float | None:
        labels = {"tenant": tenant, "kind": kind, "severity": severity, "state": "firing"}
        return registry.get_sample_value("modelward_alerts", {**labels, "silenced": silenced})

    assert (value("data", "warning"), value("data", "warning", "true")) == (1, 1)
    assert (value("data", "critical"), value("mathematical", "critical")) == (1, 1)
    assert value("data", "notice") == value("prediction", "warning") == 0
    windows = registry.get_sample_value(
        "modelward_drift_windows_examined_total", {"tenant": tenant}
    )
    assert windows == 1
    series = [s for f in registry.collect() for s in f.samples if s.name == "modelward_alerts"]
    # Every kind, three severities, two states that stand, silenced or not.
    assert len(series) == len(AlertKind) * 12 * len({s.labels["tenant"] for s in series})
