"""What Prometheus is shown of versions where they answer: true, bounded, gone with them."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from app import audit, identity
from app.catalog.tables import DecisionPoint
from app.drift import Window
from app.drift.alert_rules import AlertKind, Severity
from app.drift.rules import Thresholds
from app.kit.actor import Actor
from app.kpi import service as kpis
from app.kpi.rules import Direction, Formula
from app.platform.db import ALL_TENANTS, Database
from app.platform.settings import Settings
from app.revalidation import place_gauges
from app.revalidation.place_gauges import PlaceGauges
from tests.drift.watched import NOBODY, Watched, make_watched, seated_bus

pytestmark = pytest.mark.anyio

AT_ONCE = Thresholds(hits=1, of=1)


@pytest.fixture
async def here(empty_database: str) -> AsyncIterator[Watched]:
    database = Database(empty_database, Settings(), seated_bus())
    yield await make_watched(database)
    await database.close()


async def agree(here: Watched, *keys: str, **terms: Any) -> None:
    async with here.session() as session:
        for key in keys:
            await kpis.define(
                session, here.key, key, expected=None, by=here.actor(),
                fields={
                    "name": key, "formula": Formula.MEAN_REWARD, "direction": Direction.AT_LEAST,
                    "threshold": 2.0, "tolerance": 0.5, "unit": "EUR", **terms,
                },
            )  # fmt: skip


Series = dict[tuple[str, ...], float]


async def shown(here: Watched, gauges: PlaceGauges | None = None) -> dict[str, Series]:
    """Return every gauge's series of the tenant, by what is said beside the place."""
    gauges = gauges or PlaceGauges(here.db, CollectorRegistry())
    await gauges.count()
    async with here.db.session(ALL_TENANTS) as session:
        tenant = await identity.tenant_name(session, here.tenant)
    found: dict[str, Series] = {}
    for family in gauges.collect():
        series = found.setdefault(family.name.removeprefix("modelward_"), {})
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("tenant") == tenant
            series[tuple(labels.values())] = sample.value
    return found


PLACE = ("p", "m", "1")


async def test_drift_alerts_and_kpis_of_who_answers_are_shown_and_gone_with_him(
    here: Watched,
) -> None:
    await agree(here, "margin", target=3.0, currency="EUR")
    await agree(here, "sales")
    kpi = {"missed": True, "gravely": False}
    await here.window(
        kpis={}, limits=AT_ONCE, metrics=[{"name": "accuracy", "beyond": True}], degraded=True,
    )  # fmt: skip
    async with here.session() as session:
        window = await session.get(Window, (here.tenant, here.seen[-1]))
        assert window is not None
        window.kpis = [{"key": "margin", "value": 1.5, **kpi}]
    await here.window(severe=("x",), limits=AT_ONCE)
    gauges = PlaceGauges(here.db, CollectorRegistry())

    assert (await shown(here, gauges))["drift_beyond"] == {}
    await here.seat()
    found = await shown(here, gauges)

    assert found["drift_beyond"] == {
        (*PLACE, "data"): 1,
        (*PLACE, "prediction"): 0,
        (*PLACE, "concept"): 0,
    }
    assert found["drift_js"] == {(*PLACE, "data"): 0.3, (*PLACE, "prediction"): 0.0}
    assert found["kpi_value"] == {(*PLACE, "margin"): 1.5}
    assert found["kpi_threshold"] == {("p", "margin"): 2.0, ("p", "sales"): 2.0}
    assert found["kpi_target"] == {("p", "margin"): 3.0}
    assert found["place_alerts"] == {
        (*PLACE, severity, state): float((severity, state) == ("critical", "firing")) * 2
        for severity in Severity
        for state in ("firing", "acknowledged")
    }
    assert found["drift_window_end_seconds"].keys() == {PLACE}
    await here.leave()
    gone = await shown(here, gauges)
    assert {name for name, series in gone.items() if series} == {
        "places_left_out", "kpis_left_out",
    }  # fmt: skip


async def test_what_waits_for_outcomes_is_shown_as_the_newest_windows_have_it_that_had_them(
    here: Watched,
) -> None:
    """However many are younger; what needs none is shown as the newest of all has it."""
    await agree(here, "margin")
    await agree(here, "sales")
    await here.seat()

    def said(margin: float | None, sales: float | None) -> list[dict[str, Any]]:
        return [
            {"key": key, "value": value, "missed": None if value is None else value < 2,
             "gravely": False, "digest": "sha256:0"}
            for key, value in (("margin", margin), ("sales", sales))
        ]  # fmt: skip

    bad = {"metrics": [{"name": "accuracy", "beyond": True}, {"name": "auc", "beyond": True}]}
    by_answers, by_labels = (
        {"name": "sex", "rate": f"{rate}_rate", "beyond": rate == "true_positive"}
        for rate in ("selection", "true_positive")
    )
    async with here.session() as session:
        session.add_all(
            Window(
                tenant_id=here.tenant, point_id=here.point, version_id=here.version, n=600,
                since=here.start + timedelta(days=day), until=here.start + timedelta(days=day + 1),
                accuracy=None, degraded=None, alerting=[], variables=[],
                **(
                    {"labelled": 600, **bad, "kpis": said(1.5, 3.0),
                     "fairness": [by_answers, by_labels]}
                    if day < 10
                    else {"labelled": 0, "kpis": said(None, 1.0 if day == 50 else None),
                          "fairness": [by_answers],
                          "matures_at": here.start + timedelta(days=day + 91)}
                ),
            )
            for day in range(100)
        )  # fmt: skip
        newest = here.start + timedelta(days=100)
    found = await shown(here)

    assert found["kpi_value"] == {(*PLACE, "margin"): 1.5, (*PLACE, "sales"): 1.0}
    assert found["drift_beyond"] == {
        (*PLACE, "mathematical"): 2, (*PLACE, "business"): 1, (*PLACE, "fairness"): 1,
        (*PLACE, "concept"): 0,
    }  # fmt: skip
    assert found["drift_window_end_seconds"] == {PLACE: newest.timestamp()}


async def test_what_is_beyond_the_bounds_of_this_is_counted_and_has_no_series(
    here: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place_gauges, "MOST_PLACES", 2)
    monkeypatch.setattr(place_gauges, "MOST_KPIS", 3)
    await agree(here, "a", "b", "c", "d", "e")
    await here.seat()
    async with here.session() as session:
        others = [
            DecisionPoint(
                tenant_id=here.tenant, key=f"other-{number}", kind="process", owner_id=NOBODY,
                description="", contract={},
            )
            for number in range(3)
        ]  # fmt: skip
        session.add_all(others)
        await session.flush()
        await audit.record(session, Actor.system(here.tenant), "test.made", "test")
        points = [one.id for one in others]
    for point in points:
        await here.seat(point)
    found = await shown(here)

    assert found["places_left_out"] == {(): 2}
    assert found["kpis_left_out"] == {(): 2}
    assert {labels[0] for labels in found["place_alerts"]} == {"p", "other-0"}
    assert {labels[1] for labels in found["kpi_threshold"]} == {"a", "b", "c"}


def test_no_more_series_than_is_promised() -> None:
    a_place = len(AlertKind) + 2 + 1 + len(Severity) * 2 + place_gauges.MOST_KPIS
    a_point = 2 * place_gauges.MOST_KPIS
    assert place_gauges.MOST_PLACES * (a_place + a_point) + 2 < 5000
