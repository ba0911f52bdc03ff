"""Inquiries: what is asked of a version's traffic when somebody wants to know, not at every window.

Is it calibrated? Does it treat groups alike, and ever less so? Does it make its own evidence?
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, telemetry
from app.drift.calibration import Calibration, calibration
from app.drift.fairness import Gap, Group, Rate, Ratio, Share, four_fifths, gaps, rates
from app.drift.feedback import Feedback, contrast, entropy_trend, feedback
from app.drift.known import require_variable
from app.drift.multivariate import Together, together
from app.drift.reinforcing import Reinforcement, pooled, reinforcements
from app.drift.scored import Scored
from app.drift.service import thresholds
from app.kit.actor import Actor
from app.kit.refusal import Invalid
from app.platform.db import clock

WINDOWS = 6
_HUNDREDTHS = 100


class NotTheirOrder(Invalid):
    """The time asked about ends before it begins."""

    code = "not_in_order"
    title = "The time is not in order"
    mend = "Name a `since` that is before `until`; without them the newest 30 days are looked at."


@dataclass(frozen=True, slots=True)
class Asked:
    """Of whose events, at which point, of which time; ``routed`` came here themselves."""

    point: catalog.DecisionPoint
    model: str
    version_id: UUID
    series: tuple[UUID, ...]
    routed: tuple[UUID, ...]
    since: datetime
    until: datetime
    matured: datetime | None = None
    """Up to when what takes labels is judged; nothing, where all of it is."""

    @property
    def due(self) -> datetime:
        """Up to when, of the time asked about, what takes labels is judged."""
        return self.until if self.matured is None else min(self.until, self.matured)


class Source(StrEnum):
    """What groups were counted in."""

    PROFILES = "profiles"
    EVENTS = "events"


@dataclass(frozen=True, slots=True)
class Fairness:
    """How groups were treated over a time, and whether ever less alike.

    ``covered`` is the share of the time's events, by whole hours, that the groups are counted of;
    nothing of no events.
    """

    variable: str
    source: Source
    covered: float | None
    groups: dict[str, Group]
    rates: dict[str, dict[Rate, Share]]
    gaps: dict[Rate, list[Gap]]
    four_fifths: list[Ratio]
    reinforcements: list[Reinforcement]


@dataclass(frozen=True, slots=True)
class Multivariate:
    """Whether variables go together as ``reference`` says, by windows of as many hours.

    Of a ``share`` of the units; without a reference, or windows, what is ``lacking``.
    """

    share: float
    reference: telemetry.Reconstruction | None
    lacking: str | None
    windows: list[Together]


async def asked_of(
    session: AsyncSession,
    model: str,
    number: int,
    key: str,
    *,
    since: datetime | None,
    until: datetime | None,
    by: Actor,
) -> Asked:
    """Return what a question is about; by default the newest 30 days of events."""
    point = await catalog.point_by_key(session, key, by=by)
    version = await catalog.find_version(session, model, number, by=by)
    traffic = await telemetry.traffic(session, by.tenant_id, point.id, version.id)
    newest = traffic.through + timedelta(hours=1) if traffic.through else await clock(session)
    until = until or newest
    month = until - timedelta(days=30)
    since = since or max(traffic.first_hour or month, month)
    if since >= until:
        raise NotTheirOrder("since is not before until.")
    limits = await thresholds(session, by.tenant_id, point.id)
    matured = limits.matured(await clock(session))
    if matured is not None:
        # By whole hours, as profiles are; what is younger than asked about is nothing.
        matured = max(telemetry.begins(telemetry.hour_at(matured), 1), since)
    return Asked(point, model, version.id, traffic.series, traffic.routed, since, until, matured)


async def calibrated(session: AsyncSession, asked: Asked) -> Calibration | None:
    """Return whether a version's probabilities mean what they say; nothing without labels."""
    done = await telemetry.outcomes(
        session, asked.point.tenant_id, asked.series, since=asked.since, until=asked.due
    )
    counts, sums = done.by_hundredth()
    return await asyncio.to_thread(calibration, Scored.of_labels(counts, sums))


async def fairness_of(
    session: AsyncSession, asked: Asked, variable: str, *, windows: int = WINDOWS
) -> Fairness:
    """Return how the groups of a variable are treated, of the events whose labels are due.

    By the profiles of its segments if the contract names it, else by events that are still kept.
    Refused is one that no event has a value of and that nothing knows.
    """
    tenant_id, since, until = asked.point.tenant_id, asked.since, asked.due
    segments = await _counted_by(session, asked, variable)
    rows: list[telemetry.Answered] = []
    if since >= until:
        pass  # all of it is too young
    elif segments:
        rows = await telemetry.answered_in_parts(
            session, tenant_id, segments, since=since, until=until, parts=windows
        )
    else:
        rows = await telemetry.answered_by(
            session, tenant_id, asked.series, variable, since=since, until=until, parts=windows
        )
    covered = await _covered(session, asked, sum(row.n for row in rows))
    # Where raw events are gone nobody can say what they had: that much is said by `covered`.
    if not any(row.group for row in rows) and (rows or covered is None):
        await require_variable(session, asked.point, variable, {asked.version_id}, score=False)
    parts: list[dict[str, Group]] = [{} for _ in range(windows)]
    for row in rows:
        parts[min(row.part, windows - 1)][row.group] = Group(
            row.n, row.predicted, row.labelled, row.positives, row.true_positives,
            row.false_positives,
        )  # fmt: skip
    groups = pooled(parts)
    shares = {rate: rates(groups, rate) for rate in Rate}
    return Fairness(
        variable=variable,
        source=Source.PROFILES if segments else Source.EVENTS,
        covered=covered,
        groups=groups,
        rates={
            name: {rate: found[name] for rate, found in shares.items() if name in found}
            for name in sorted(groups)
        },
        gaps={rate: gaps(groups, rate) for rate in Rate},
        four_fifths=four_fifths(groups),
        reinforcements=reinforcements(parts),
    )


async def _counted_by(
    session: AsyncSession, asked: Asked, variable: str
) -> list[telemetry.Segment]:
    """Return the segments whose profiles say how groups were treated; none, if events say more.

    What came before a feature was declared is counted in no segment. While raw events are kept
    from further back, they are asked.
    """
    if variable not in asked.point.contract.get("segments", ()):
        return []
    tenant_id, since = asked.point.tenant_id, asked.since
    segments = await telemetry.segments_of(session, tenant_id, asked.routed, variable)
    ids = [one.id for one in segments]
    counted = await telemetry.next_hour(session, tenant_id, ids, since)
    if counted is None:
        return []
    first = await telemetry.next_hour(session, tenant_id, asked.routed, since)
    if first is not None and first < counted:
        kept = await telemetry.events_kept_from(session, tenant_id)
        if kept is None or kept < counted:
            return []
    return segments


async def _covered(session: AsyncSession, asked: Asked, counted: int) -> float | None:
    first = telemetry.hour_at(asked.since)
    last = telemetry.hour_at(asked.due - timedelta(microseconds=1)) + 1
    events = await telemetry.events_over(session, asked.point.tenant_id, asked.routed, first, last)
    return min(counted / events, 1.0) if events else None


async def feedback_of(session: AsyncSession, asked: Asked, *, windows: int = WINDOWS) -> Feedback:
    """Return which signs there are that a version makes its own evidence."""
    bins = await telemetry.scores_by_chance(
        session, asked.point.tenant_id, asked.series, since=asked.since, until=asked.due
    )
    sides = []
    for explored in (True, False):
        table = np.zeros((_HUNDREDTHS, 3))
        for one in bins:
            if one.explored is explored:
                table[one.place] = one.rows, one.positives, one.scores
        sides.append(Scored.of_curve(table.tolist()))
    rows = await telemetry.answered_by(
        session, asked.point.tenant_id, asked.series, None,
        since=asked.since, until=asked.until, parts=windows,
    )  # fmt: skip
    actions = [np.zeros(2, np.int64) for _ in range(windows)]
    for row in rows:
        actions[min(row.part, windows - 1)] += (row.n - row.predicted, row.predicted)
    return feedback(contrast=contrast(*sides), entropy=entropy_trend(actions))


async def multivariate_of(
    session: AsyncSession, asked: Asked, *, windows: int = WINDOWS
) -> Multivariate:
    """Return whether a version's variables go together as in its baseline, by raw events."""
    tenant_id = asked.point.tenant_id
    baseline = await telemetry.baseline_of(session, tenant_id, asked.version_id)
    promised = baseline.reconstruction if baseline else None
    if promised is None:
        why = "Its baseline's variables" if baseline else "It has no baseline, whose variables"
        mend = f"PUT /v1/models/{asked.model}/versions/{{number}}/baseline of the next version."
        lacking = f"{why} would have to be two to {telemetry.MOST_VARIABLES} that vary: {mend}"
        return Multivariate(1.0, None, lacking, [])
    limits = await thresholds(session, tenant_id, asked.point.id)
    rows = await telemetry.rows_between(
        session, tenant_id, asked.series,
        since=asked.since, until=asked.until, parts=windows,
    )  # fmt: skip
    found = await asyncio.to_thread(
        lambda: [together(promised, promised.errors(part), limits.min_rows) for part in rows.parts]
    )
    return Multivariate(rows.share, promised, None, found)
