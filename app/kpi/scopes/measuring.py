"""Measuring: what a scope's KPIs came to, in all and at each of its points."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import telemetry
from app.kit.refusal import NotFound
from app.kpi import rules
from app.kpi.attribution import NotInOrder
from app.kpi.reported import Reported
from app.kpi.scopes import reporting
from app.kpi.scopes.reading import MOST_HOURS, Read, Span, affordable, read
from app.kpi.scopes.reckoning import Ground, counts_outcomes, found_in, ground_of, prices_of
from app.kpi.scopes.rules import (
    REPORTED,
    ScopeFormula,
    adds_with_time,
    judged,
    value,
)
from app.kpi.scopes.tables import Scope, ScopeKpi
from app.platform.db import clock
from app.platform.events import Question, ask
from app.telemetry import Performance

A_DAY = 24


@dataclass(frozen=True, slots=True)
class Champion:
    """Which version answers at a point."""

    model: str
    version: int


@dataclass(frozen=True, slots=True)
class Champions(Question[dict[str, Champion]]):
    """Who is champion now, by the points' keys."""

    tenant_id: UUID
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """What one point contributes, and what it did in the time before if that was asked for."""

    decision_point: str
    value: float | None
    before: float | None
    outcomes: int
    champion: Champion | None


@dataclass(frozen=True, slots=True)
class ScopeMeasured:
    """A KPI of a scope over a time, against what was agreed, with what each point has of it."""

    key: str
    name: str
    formula: ScopeFormula
    unit: str
    currency: str | None
    currency_unknown: list[str]
    """Points of which nobody said in what currency they are."""
    value: float | None
    low: float | None
    high: float | None
    outcomes: int
    direction: rules.Direction
    threshold: float
    tolerance: float
    target: float | None
    missed: bool | None
    certain: bool
    since: datetime
    until: datetime
    lacking: str | None
    revision: int
    before: float | None = None
    parts: list[Part] = field(default_factory=list)


async def measure(
    session: AsyncSession,
    scope: Scope,
    *,
    since: datetime | None,
    until: datetime | None,
    compared: bool = False,
    kpi: str | None = None,
    most: int = MOST_HOURS,
) -> list[ScopeMeasured]:
    """Measure every KPI of a scope, or one, in ``[since, until)``, by whole hours.

    One of which too many hours would have to be read says so, and the others are measured. Without
    either each is measured over its own last whole days, as it stands by. What is ``compared`` is
    also measured over the time before, of the same length.
    """
    ground = await ground_of(session, scope)
    wanted = [one for one in ground.kpis if kpi in {None, one.key}]
    if kpi is not None and not wanted:
        raise NotFound("KPI of this scope", kpi)
    spans = await _spans(session, wanted, since, until)
    asked = {key: (one, one.before) if compared else (one,) for key, one in spans.items()}
    counted = {asked[one.key] for one in wanted if counts_outcomes(one)}
    groups, refused = await affordable(session, scope.tenant_id, ground.points, counted, most=most)
    every = {one for several in asked.values() for one in several}
    found = dict.fromkeys(every, Read(Performance(), {}))
    for some in groups:
        days = all(bound % A_DAY == 0 for one in some for bound in one)
        width = A_DAY if days else 1
        found |= await read(session, scope.tenant_id, ground.points, some, width=width, most=most)
    said = {
        span: await reporting.reported(session, scope.tenant_id, scope.id, ground.pushed, *span)
        for span in every
    }
    champions = await ask(session, Champions(scope.tenant_id, tuple(ground.points))) or {}

    def reckoned() -> list[ScopeMeasured]:
        measured = []
        for item in wanted:
            span = spans[item.key]
            one = _measured(ground, item, span, found[span], _of_one(said[span]), champions)
            if counts_outcomes(item) and asked[item.key] in refused:
                hours = refused[asked[item.key]]
                one = _too_much(one, hours, most)
            elif compared:
                earlier, sums = found[span.before], _of_one(said[span.before])
                one = _beside(one, _measured(ground, item, span.before, earlier, sums, champions))
            measured.append(one)
        return measured

    return await asyncio.to_thread(reckoned)


def _too_much(one: ScopeMeasured, hours: int, most: int) -> ScopeMeasured:
    """Return a KPI that is not measured, as that would keep the others from being."""
    lacking = (
        f"{hours} hours of its time hold outcomes, and {most} are read for one answer: narrow"
        " `since` and `until`, or ask for this KPI alone"
    )
    return replace(one, value=None, low=None, high=None, outcomes=0, missed=None, certain=False,
                   lacking=lacking, parts=[])  # fmt: skip


def _of_one(said: Mapping[str, Mapping[int, Reported]]) -> dict[str, Reported]:
    return {key: buckets[0] for key, buckets in said.items()}


def _beside(one: ScopeMeasured, before: ScopeMeasured) -> ScopeMeasured:
    """Return what was measured with what it was before."""
    parts = [
        replace(part, before=then.value) for part, then in zip(one.parts, before.parts, strict=True)
    ]
    return replace(one, before=before.value, parts=parts)


async def _spans(
    session: AsyncSession, kpis: Sequence[ScopeKpi], since: datetime | None, until: datetime | None
) -> dict[str, Span]:
    """Return over which hours each KPI is measured."""
    now = await clock(session)
    if since is None and until is None:
        return {one.key: last_days(one.window_days, one.wait_days, now) for one in kpis}
    if since is not None:
        span = span_of(since, until or now, ended=until is not None)
        return {one.key: span for one in kpis}
    last = telemetry.hour_at(until or now)
    return {one.key: Span(max(last - one.window_days * A_DAY, 0), last) for one in kpis}


def last_days(days: int, waiting: int, now: datetime) -> Span:
    """Return the last whole days, by UTC, but for those whose outcomes are waited for."""
    last = (telemetry.hour_at(now) // A_DAY - waiting) * A_DAY
    return Span(last - days * A_DAY, last)


def span_of(since: datetime, until: datetime, *, ended: bool = True) -> Span:
    """Return the whole hours of UTC of a time: both of its ends are taken back to one.

    So that times that follow each other share no hour. A time that has not ``ended`` is of the hour
    that it began in, if of no other.
    """
    if since >= until:
        raise NotInOrder("since is not before until.")
    first, last = telemetry.hour_at(since), telemetry.hour_at(until)
    if first == last and ended:
        raise NotInOrder(
            "since and until lie in one hour of UTC, and it is whole hours that are measured."
        )
    return Span(first, max(last, first + 1))


def _measured(
    ground: Ground,
    kpi: ScopeKpi,
    span: Span,
    done: Read,
    sums: Mapping[str, Reported],
    champions: Mapping[str, Champion],
) -> ScopeMeasured:
    found, lacking = found_in(ground, kpi, done, sums)
    limits = (kpi.direction, kpi.threshold, kpi.tolerance)
    missed = judged(kpi.formula, found, missed=rules.missed(found, *limits))
    days = (span.last - span.first) / A_DAY
    if (
        found.value is not None
        and days != kpi.window_days
        and adds_with_time(kpi.formula, kpi.aggregate)
    ):
        missed = None
        lacking = f"its threshold is of {kpi.window_days} days, and this time is of {days:g}"
    parts = []
    if kpi.formula not in REPORTED:
        own = {key: value(kpi.formula, one, prices_of(kpi)) for key, one in done.points.items()}
        parts = [
            Part(key, one.value, None, one.outcomes, champions.get(key)) for key, one in own.items()
        ]
    return ScopeMeasured(
        key=kpi.key,
        name=kpi.name,
        formula=kpi.formula,
        unit=kpi.unit,
        currency=ground.money.currency_of(kpi),
        currency_unknown=ground.money.unknown_to(kpi),
        value=found.value,
        low=found.interval[0],
        high=found.interval[1],
        outcomes=found.outcomes,
        direction=kpi.direction,
        threshold=kpi.threshold,
        tolerance=kpi.tolerance,
        target=kpi.target,
        missed=missed,
        certain=missed is not None and rules.certain(found, *limits),
        since=telemetry.begins(span.first, 1),
        until=telemetry.begins(span.last, 1),
        lacking=lacking,
        revision=kpi.revision,
        parts=parts,
    )
