"""Parameter testing on rehearsals, on samples that were sent, and on what production carried.

Of a sample nothing is kept but the report: what was in the rows is nobody's evidence. Who made the
version may send one, and the report says that he did.
"""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, drift, gates, identity, telemetry
from app.gates import CaseKind, ReleaseStep
from app.identity import Action
from app.kit.actor import Actor
from app.kit.arrays import Floats
from app.kit.refusal import Invalid, Kind, Refusal
from app.platform.http.body import UnsupportedMedia
from app.release import expected, parameters
from app.release.parameters import Pace, Source
from app.release.rehearsed import who_rehearsed

STEP = ReleaseStep.PARAMETER_TESTING
MAX_ROWS = 200_000
MOST_RECORDED = 20_000
_SENT = (Source.SAMPLE.value, Source.RECORDED.value, Source.QUERY.value)


MEDIA = (telemetry.PARQUET, telemetry.CSV, telemetry.JSON_LINES)


class BadSample(Invalid):
    """The rows cannot be looked at."""

    code = "bad_sample"
    title = "Unusable sample"
    mend = f"Send 1 to {MAX_ROWS} rows with a column for each input of the version's signature."


class UnreadMedia(UnsupportedMedia):
    """The rows are in no form that is read here."""

    # A code of its own: two refusals under one would take turns in the document.
    code = "unread_media"
    title = "The rows are in no form that is read"
    mend = f"Send {', '.join(MEDIA)}, and say which in Content-Type."


class NothingRecorded(Refusal):
    """Production has carried nothing here, or its rows are no longer kept."""

    kind = Kind.CONFLICT
    code = "nothing_recorded"
    title = "No recorded traffic"
    mend = "Send a sample, or rehearse: POST /v1/events with model, version and decision_point."


async def take_sample(
    session: AsyncSession,
    case_id: UUID,
    *,
    raw: bytes,
    media: str,
    time_column: str | None,
    by: Actor,
) -> gates.Evidence:
    """Report on rows of production input that somebody has sent; the rows are not kept."""
    case = await open_release_case(session, case_id, by=by)
    if media not in MEDIA:
        raise UnreadMedia(f"This call does not read {media or 'what says not what it is'}.")
    layout, profile = await layout_of(session, case)
    looked, pace_of, span = await asyncio.to_thread(_look, layout, raw, media, time_column)
    return await keep(
        session, case, layout, profile, looked, pace_of, Source.SAMPLE,
        media=media, digest="sha256:" + hashlib.sha256(raw).hexdigest(), **span, by=by,
    )  # fmt: skip


async def take_recorded(
    session: AsyncSession, case_id: UUID, *, days: int, by: Actor
) -> gates.Evidence:
    """Report on what production carried at the decision point, as this version would see it."""
    case = await open_release_case(session, case_id, by=by)
    layout, profile = await layout_of(session, case)
    assert case.point_id is not None  # noqa: S101 - a release has a point
    found = await telemetry.recorded(
        session, case.tenant_id, case.point_id, days=days, most=MOST_RECORDED
    )
    if not found.rows:
        raise NothingRecorded(f"No event of the last {days} days is kept.")
    times = np.array([at.timestamp() for at in found.times])
    looked = await asyncio.to_thread(parameters.look, layout, telemetry.RowTable(found.rows))
    return await keep(
        session, case, layout, profile, looked, times, Source.RECORDED,
        days=days, newest_only=found.more, **span(times), by=by,
    )  # fmt: skip


async def measure_parameters(session: AsyncSession, case: gates.Case, *, by: Actor) -> None:
    """Record what input looks like: what was rehearsed, or the newest report if it saw more."""
    assert case.point_id is not None  # noqa: S101 - a release has a point
    awaited = await _expected(session, case)
    traffic = await telemetry.traffic(
        session, case.tenant_id, case.point_id, case.version_id, rehearsed=True
    )
    baseline = await telemetry.baseline_of(session, case.tenant_id, case.version_id)
    kept = await gates.newest_measured(session, case, STEP, "parameters", sources=_SENT)
    # Without a baseline a rehearsal's inputs are not profiled: a sample of any size says more.
    if kept is not None and (baseline is None or kept["events"] > traffic.events):
        present = parameters.again(kept, awaited) or kept
        if present != await gates.newest_measured(session, case, STEP, "parameters"):
            await _record(session, case, present, by=by)
        return
    found = await telemetry.inputs(session, case.tenant_id, traffic.series)
    hours = 0.0
    if traffic.first_hour and traffic.through:
        hours = (traffic.through - traffic.first_hour).total_seconds() / 3600 + 1
    events = found.n if found else 0
    payload = parameters.report(
        telemetry.Layout.load(baseline.layout) if baseline else None,
        telemetry.Tally.decode(baseline.profile) if baseline else None,
        found,
        pace=Pace(events, events / (hours * 60) if hours else 0.0, awaited),
        limits=await drift.thresholds(session, case.tenant_id, case.point_id),
        source=Source.REHEARSAL,
        since=traffic.first_hour,
        until=traffic.through,
        **await who_rehearsed(session, case),
    )
    await _record(session, case, payload, by=by)


async def open_release_case(session: AsyncSession, case_id: UUID, *, by: Actor) -> gates.Case:
    """Return a release that is still open, if the caller may submit evidence for it."""
    case = await gates.case_of(session, case_id, by=by, kind=CaseKind.RELEASE)
    await identity.require_right(session, by, Action.SUBMIT_EVIDENCE, **gates.place(case))
    if case.closed_at is not None:
        raise gates.closed(case)
    return case


async def part_of(session: AsyncSession, case: gates.Case, person_id: UUID) -> str | None:
    """Return what part somebody had in making a case's version, if any."""
    made = await gates.makers_of(session, case.tenant_id, {case.version_id})
    return made.get(person_id)


async def layout_of(
    session: AsyncSession, case: gates.Case
) -> tuple[telemetry.Layout, telemetry.Tally | None]:
    """Return how a case's input is looked at: as its baseline was, or as its signature says."""
    found = await telemetry.baseline_of(session, case.tenant_id, case.version_id)
    if found is not None:
        return telemetry.Layout.load(found.layout), telemetry.Tally.decode(found.profile)
    version = await catalog.version_by_id(session, case.tenant_id, case.version_id)
    return expected.layout_of(catalog.Signature.model_validate(version.signature)), None


def _look(
    layout: telemetry.Layout, raw: bytes, media: str, time_column: str | None
) -> tuple[parameters.Looked, Floats, dict[str, Any]]:
    """Profile a file, and read its times; a thread's work."""
    with telemetry.opened(raw, media, BadSample, rows=MAX_ROWS) as table:
        if not table.rows:
            raise BadSample("There is no row in it.")
        looked, times = looked_at(layout, table, BadSample, time_column)
    return looked, times, span(times)


def looked_at(
    layout: telemetry.Layout,
    table: telemetry.Table,
    refuse: Callable[[str], Invalid],
    time_column: str | None,
) -> tuple[parameters.Looked, Floats]:
    """Profile a table, and read its times from the column that tells them."""
    if time_column is not None and time_column not in table.columns:
        raise refuse(f"There is no column {time_column!r} to tell the time.")
    wanted = [bins.name for bins in layout.variables if bins.name in table.columns]
    table.require([name for name in wanted if name != telemetry.SCORE])
    looked = parameters.look(layout, table, aside=[time_column] if time_column else [])
    return looked, table.times(time_column) if time_column else np.full(0, np.nan)


def span(times: Floats) -> dict[str, Any]:
    """Return the first and the last of times in seconds."""
    known = times[np.isfinite(times)]
    if not len(known):
        return {"since": None, "until": None}
    ends = (float(known.min()), float(known.max()))
    since, until = (datetime.fromtimestamp(end, UTC) for end in ends)
    return {"since": since, "until": until}


async def keep(
    session: AsyncSession,
    case: gates.Case,
    layout: telemetry.Layout,
    profile: telemetry.Tally | None,
    looked: parameters.Looked,
    times: Floats,
    source: Source,
    *,
    by: Actor,
    **more: Any,
) -> gates.Evidence:
    """Keep the report on a table, with who brought it and what part he has in the version."""
    assert case.point_id is not None  # noqa: S101 - a release has a point
    payload = parameters.report(
        layout,
        profile,
        looked.profile,
        pace=Pace.of(times, looked.profile.n, await _expected(session, case)),
        limits=await drift.thresholds(session, case.tenant_id, case.point_id),
        source=source,
        notes=looked.notes,
        missing=looked.missing,
        unexpected=looked.unexpected[:100],
        sampled_by=by.person_id,
        part=await part_of(session, case, by.person_id),
        **more,
    )
    return await _record(session, case, payload, by=by)


async def _expected(session: AsyncSession, case: gates.Case) -> float:
    assert case.point_id is not None  # noqa: S101 - a release has a point
    point = await catalog.point_by_id(session, case.tenant_id, case.point_id)
    return float(point.contract["events_per_minute"])


async def _record(
    session: AsyncSession, case: gates.Case, payload: dict[str, Any], *, by: Actor
) -> gates.Evidence:
    return await gates.add_evidence(
        session, case.id, STEP, kind="parameters", payload=payload, by=by, measured=True
    )
