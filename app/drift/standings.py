"""Standings: where a version is, from its last windows or after a rehearsal."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import distinct, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import telemetry
from app.drift import degrading, rules
from app.drift.alert_rules import ACCURACY
from app.drift.service import thresholds
from app.drift.tables import Window
from app.platform.db import clock

Span = tuple[datetime | None, datetime | None]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a version stands at a point after its newest window, or after a rehearsal."""

    windows: int
    since: datetime | None
    until: datetime | None
    variables: int
    """How many were compared with the baseline, or with their season where the monitor goes by that
    and there is one; without any, nothing is known of drift."""
    drifting: list[str]
    severe: list[str]
    accuracy: float | None
    labelled: int
    degraded: bool | None
    reference: dict[str, float] | None
    metrics: Sequence[dict[str, Any]] = ()
    """Each promised metric in the newest window."""
    events: int | None = None
    """Of the one window that it was taken as; unknown of several."""
    judged: Span | None = None
    """Of which time what takes labels is judged, where that is not all of it."""

    @property
    def share(self) -> float | None:
        """Share of the variables that drift; nothing where none was compared."""
        return len(self.drifting) / self.variables if self.variables else None

    @property
    def severe_share(self) -> float | None:
        """Share of the variables that drift severely, likewise."""
        return len(self.severe) / self.variables if self.variables else None


async def standing(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, version_id: UUID
) -> Standing:
    """Return where a version stands in production, from its last examined windows.

    What takes labels is of the last ones that these have had their time in.
    """
    limits = await thresholds(session, tenant_id, point_id)
    key = {"tenant_id": tenant_id, "point_id": point_id, "version_id": version_id}
    count = await session.scalar(select(func.count(distinct(Window.id))).filter_by(**key))
    rows = await session.scalars(
        select(Window).filter_by(**key).order_by(Window.until.desc()).limit(limits.of)
    )
    history = list(rows)[::-1]
    known, span = history, None
    if (matured := limits.matured(await clock(session))) is not None:
        rows = await session.scalars(
            select(Window)
            .filter_by(**key, matures_at=None)
            .order_by(Window.until.desc())
            .limit(limits.of)
        )
        known = list(rows)[::-1]
        span = (known[0].since, known[-1].until) if known else (None, matured)
    baseline = await telemetry.baseline_of(session, tenant_id, version_id)
    reference = baseline.accuracy if baseline else None
    if not history:
        return Standing(
            0, None, None, 0, [], [], None, 0, degraded=None, reference=reference, judged=span
        )
    drifting = rules.persistent([set(item.alerting) for item in history], limits)
    low = rules.persistent([{ACCURACY} if item.degraded else set() for item in known], limits)
    last = history[-1]
    return Standing(
        windows=count or 0,
        since=history[0].since,
        until=last.until,
        variables=len(rules.inputs_of(last.variables)) if last.compared_with else 0,
        drifting=sorted(drifting - {telemetry.SCORE}),
        severe=sorted(
            rules.persistent([_severe(item.variables) for item in history], limits)
            - {telemetry.SCORE}
        ),
        accuracy=known[-1].accuracy if known else None,
        labelled=known[-1].labelled if known else 0,
        degraded=bool(low) if any(item.degraded is not None for item in known) else None,
        reference=reference,
        metrics=known[-1].metrics if known else (),
        judged=span,
    )


async def compare_rehearsal(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, version_id: UUID
) -> Standing:
    """Return where a version stands after its rehearsal, taken as one window."""
    return await _as_one_window(session, tenant_id, point_id, version_id, rehearsed=True)


async def compare_since(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, version_id: UUID, since: datetime
) -> Standing:
    """Return where a version stands in production by its events since an hour, as one window.

    Profiles are by the hour of the event: the whole hour that ``since`` falls into counts.
    """
    return await _as_one_window(session, tenant_id, point_id, version_id, since=since)


async def _as_one_window(
    session: AsyncSession,
    tenant_id: UUID,
    point_id: UUID,
    version_id: UUID,
    *,
    rehearsed: bool = False,
    since: datetime | None = None,
) -> Standing:
    limits = await thresholds(session, tenant_id, point_id)
    traffic = await telemetry.traffic(session, tenant_id, point_id, version_id, rehearsed=rehearsed)
    baseline = await telemetry.baseline_of(session, tenant_id, version_id)
    found = await telemetry.inputs(session, tenant_id, traffic.series, since=since)
    # A rehearsal's labels are those of cases that were over before it.
    matured = None if rehearsed else limits.matured(await clock(session))
    done = await telemetry.outcomes(session, tenant_id, traffic.series, since=since, until=matured)
    variables: list[dict[str, Any]] = []
    # A rehearsal is looked at once: of too few rows nothing is concluded, and so nothing said.
    enough = found is not None and (not rehearsed or found.n >= limits.min_rows)
    if found is not None and baseline is not None and enough:
        layout = telemetry.Layout.load(baseline.layout)
        profile = telemetry.Tally.decode(baseline.profile)
        variables = rules.inputs_of(rules.compare(layout, profile, found, limits))
    metrics = degrading.judged(done, baseline.metrics if baseline else {}, limits.min_rows)
    return Standing(
        windows=1 if found else 0,
        since=traffic.first_hour if since is None else since,
        until=traffic.through,
        variables=len(variables),
        drifting=sorted(item["name"] for item in variables if item["drifts"]),
        severe=sorted(_severe(variables)),
        accuracy=done.accuracy,
        labelled=done.labelled,
        degraded=degrading.degraded(metrics),
        reference=baseline.accuracy if baseline else None,
        metrics=metrics,
        events=found.n if found else 0,
        judged=None if matured is None else (since, matured),
    )


def _severe(variables: list[dict[str, Any]]) -> set[str]:
    return {item["name"] for item in variables if item["severe"]}
