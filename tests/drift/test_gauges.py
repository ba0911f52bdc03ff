"""What Prometheus is shown of alerts and windows."""

import pytest
from prometheus_client import CollectorRegistry

from app import identity
from app.drift.gauges import AlertGauges
from app.drift.rules import Thresholds
from app.platform.db import ALL_TENANTS
from tests.drift.watched import Watched

pytestmark = pytest.mark.anyio

AT_ONCE = Thresholds(hits=1, of=1)


async def tenant_of(here: Watched) -> str:
    async with here.db.session(ALL_TENANTS) as session:
        return await identity.tenant_name(session, here.tenant)


async def counted(here: Watched) -> CollectorRegistry:
    registry = CollectorRegistry()
    await AlertGauges(here.db, registry).count()
    return registry


async def test_a_silence_does_not_look_like_the_end_of_what_was_told_before_it(
    here: Watched,
) -> None:
    await here.window("before", limits=AT_ONCE)
    row = await here.silence(point_key=here.key)
    await here.window("before", "during", limits=AT_ONCE)
    words = {
        "tenant": await tenant_of(here), "kind": "data", "severity": "warning", "state": "firing",
    }  # fmt: skip

    async def said() -> tuple[float | None, ...]:
        registry = await counted(here)
        return (
            registry.get_sample_value("modelward_alerts_told", words),
            registry.get_sample_value("modelward_alerts", {**words, "silenced": "true"}),
            registry.get_sample_value("modelward_alerts", {**words, "silenced": "false"}),
        )

    assert await said() == (1, 2, 0)
    await here.end_silence(row)
    await here.tend()
    assert await said() == (2, 0, 2)
