"""Measuring: what a window holds, beside what was promised and what was there before."""

from dataclasses import asdict
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import telemetry
from app.drift import degrading, foreseeing, levels, past, rules, seasons
from app.drift.digests import digest, told
from app.drift.rules import Thresholds
from app.drift.segmenting import Segments
from app.drift.tables import Watch, Window
from app.kit.ids import uuid7

MEASURED = (
    "n", "variables", "alerting", "labelled", "accuracy", "metrics", "degraded", "estimated",
    "concept", "basis", "segments", "fairness", "matures_at",
)  # fmt: skip
"""What is measured of a window, again if something comes late."""


class Look(NamedTuple):
    """What windows are measured by, and whose profiles are in them."""

    limits: Thresholds
    baseline: telemetry.Baseline | None
    series: tuple[UUID, ...]
    segments: Segments
    matured: datetime | None
    """Up to when labels are judged; nothing, where all of them are."""


def whose(watch_row: Watch) -> dict[str, UUID]:
    """Return what a version's windows at a point are found by."""
    return {name: getattr(watch_row, name) for name in ("tenant_id", "point_id", "version_id")}


async def measure(
    session: AsyncSession,
    watch_row: Watch,
    look: Look,
    since: datetime,
    until: datetime,
) -> Window:
    """Return a window of a version at a point, not yet stored."""
    limits, baseline, series, _, matured = look
    young = matured is not None and until > matured
    found = await telemetry.inputs(session, watch_row.tenant_id, series, since=since, until=until)
    done = await telemetry.outcomes(session, watch_row.tenant_id, series, since=since, until=until)
    # What has come before the rest does is not the whole: bad news may take longer than good.
    promised = baseline.metrics if baseline and not young else {}
    metrics = degrading.judged(done, promised, limits.min_rows)
    read: dict[str, Any] = {"outcomes": digest([told(done)])}
    variables: list[dict[str, Any]] = []
    estimated: list[dict[str, Any]] = []
    if found is not None and baseline is not None:
        layout = telemetry.Layout.load(baseline.layout)
        profile = telemetry.Tally.decode(baseline.profile)
        weeks = await _weeks(session, watch_row.tenant_id, series, since, until)
        before = await past.earlier(
            session, whose(watch_row), limits, baseline.digest, since, until
        )
        read["season"] = {begun.isoformat(): digest([one.encode()]) for begun, one in weeks.items()}
        read["past"] = past.digests(before, until)
        sways = levels.sways(before)
        variables = rules.with_season(
            rules.compare(layout, profile, found, limits, sways=sways),
            layout, telemetry.total(weeks.values()), found, limits, sways=sways, weeks=len(weeks),
        )  # fmt: skip
        estimated = foreseeing.estimated(
            layout, found, baseline.curve, baseline.metrics, limits.min_rows, reference=profile
        )
    segments, fairness = await look.segments.measured(since, until)
    read["segments"] = look.segments.digest
    return Window(
        **whose(watch_row),
        id=uuid7(),
        since=since,
        until=until,
        n=found.n if found else 0,
        variables=variables,
        alerting=[item["name"] for item in variables if item["drifts"]],
        labelled=done.labelled,
        accuracy=None if young else done.accuracy,
        metrics=metrics,
        degraded=degrading.degraded(metrics),
        estimated=estimated,
        concept=[],
        segments=segments,
        fairness=fairness,
        matures_at=until + timedelta(hours=limits.label_delay_hours) if young else None,
        basis={
            "monitor": asdict(limits),
            "baseline": baseline.digest if baseline else None,
            "inputs": _digest(found.encode()) if found else None,
            "labelled": done.labelled,
            **read,
        },
    )


async def _weeks(
    session: AsyncSession,
    tenant_id: UUID,
    series: tuple[UUID, ...],
    since: datetime,
    until: datetime,
) -> dict[datetime, telemetry.Tally]:
    """Return what the same weekdays and hours of the weeks before held, of those that had any.

    By when they began.
    """
    # Of windows longer than a week the weeks between are the window's own.
    back = [n * seasons.apart(until - since) for n in range(1, seasons.WEEKS + 1)]
    weeks = {
        since - ago: await telemetry.inputs(
            session, tenant_id, series, since=since - ago, until=until - ago
        )
        for ago in back
    }
    return {begun: one for begun, one in weeks.items() if one is not None}


def _digest(profile: bytes) -> str:
    return f"sha256:{sha256(profile).hexdigest()}"
