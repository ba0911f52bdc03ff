"""KPI validation: the same measurements and rules before production and in it.

Evidence is measured here, judged by the policy's gate, and the first failed rule names the way out.
"""

from dataclasses import asdict
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app import drift, gates, kpi
from app.gates import WayOut
from app.kit.actor import Actor
from app.release.lifecycle import RETURN

STEP = "kpi_validation"


async def measure_kpis(
    session: AsyncSession, case: gates.Case, *, rehearsed: bool, by: Actor
) -> drift.Standing:
    """Record drift, performance and KPIs of a case's version as evidence of the step."""
    assert case.point_id is not None  # noqa: S101 - releases and activations have a point
    key = (session, case.tenant_id, case.point_id, case.version_id)
    stand = await (drift.compare_rehearsal(*key) if rehearsed else drift.standing(*key))
    measured = await kpi.measure(
        *key,
        rehearsed=rehearsed,
        since=None if rehearsed else stand.since,
        until=None if rehearsed else stand.until,
    )
    found: dict[str, dict[str, Any]] = {
        "drift": {
            "windows": stand.windows,
            "since": stand.since,
            "until": stand.until,
            "variables": stand.variables,
            "drifting": stand.drifting,
            "severe": stand.severe,
            "share": stand.share,
            "severe_share": stand.severe_share,
        },
        "performance": {
            "accuracy": stand.accuracy,
            "labelled": stand.labelled,
            "reference": stand.reference,
            "degraded": stand.degraded,
        },
        "kpi": {
            "measured": [asdict(item) for item in measured],
            "missed": [item.key for item in measured if item.missed],
            "unmeasured": [item.key for item in measured if item.value is None],
        },
    }
    for kind, payload in found.items():
        await gates.add_evidence(
            session, case.id, STEP, kind=kind, payload=payload, by=by, measured=True
        )
    return stand


def conclude(verdict: gates.Verdict) -> tuple[WayOut | None, Any]:
    """Return a verdict's way out and the development step it leads to, if any."""
    path = verdict.path
    return path, RETURN.get(path) if path else None
