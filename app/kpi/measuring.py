"""Measuring: what agreed KPIs came to over a time, beside what was agreed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, telemetry
from app.kpi import attribution, computed, rules, standing_values
from app.kpi.agreement import Agreed, agreements
from app.kpi.attribution import Attributed, attributed


@dataclass(frozen=True, slots=True)
class Measured:
    """A KPI's value over a window, against what was agreed."""

    key: str
    name: str
    unit: str
    value: float | None
    direction: str
    threshold: float
    tolerance: float
    missed: bool | None
    """Nothing, where there is no value."""
    certain: bool
    """Whether more than chance keeps it from where a miss begins: threshold and tolerance."""
    outcomes: int
    low: float | None
    high: float | None
    target: float | None
    formula: rules.Formula
    gravely: bool
    """Whether it is missed by far, or is an uplift that is missed."""
    digest: str
    """Of the definition that it was held against."""
    lacking: str | None = None
    """Why there is no value, or no miss is certain: too few outcomes say it."""


async def measure(
    session: AsyncSession,
    tenant_id: UUID,
    point_id: UUID,
    version_id: UUID,
    *,
    rehearsed: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
    judged: tuple[datetime | None, datetime | None] | None = None,
    agreed: Sequence[Agreed] | None = None,
) -> list[Measured]:
    """Measure every KPI of a point on one version's decisions in ``[since, until)``.

    They are held against what is agreed now, or against what was ``agreed`` for the occasion. What
    is computed from outcomes is of another time, if only that is to be ``judged``.
    """
    if agreed is None:
        agreed = await agreements(session, tenant_id, point_id)
    if not agreed:
        return []
    traffic = await telemetry.traffic(session, tenant_id, point_id, version_id, rehearsed=rehearsed)
    first, last = judged or (since, until)
    nothing = first is not None and last is not None and first >= last
    done = await telemetry.outcomes(session, tenant_id, traffic.series, since=first, until=last)
    worth: Attributed | None = None
    measured = []
    for item in agreed:
        if item.formula is rules.Formula.PUSHED:
            found = await standing_values.measured(
                session, tenant_id, point_id, item, version_id,
                since=since or traffic.first_hour, until=until,
            )  # fmt: skip
        elif nothing:
            found = rules.NONE._replace(lacking="the outcomes of this time are waited for")
        elif item.formula in rules.ATTRIBUTED:
            if worth is None:
                point = await catalog.point_by_id(session, tenant_id, point_id)
                # Whoever reads what it lacks may see this point only.
                worth = await attributed(
                    session, point, version_id, since=first, until=last, keys={point.key}
                )
            found = attribution.found(item.formula, worth)
        else:
            found = computed.value(item.formula, done, item.prices)
            if traffic.first_hour is None:
                found = found._replace(lacking="the version has no traffic here")
        measured.append(_held(item, found))
    return measured


async def measure_segments(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    version_id: UUID,
    segment: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[tuple[str, Measured]]:
    """Measure the KPIs of a point on each part of a version's traffic that ``segment`` names.

    Of each KPI the parts of which it is known. What is known of units, which are of no part, is
    left out. A name is refused that neither the contract nor what was reported knows.
    """
    place = (session, point.tenant_id, point.id)
    traffic = await telemetry.traffic(*place, version_id)
    unknown, parts = None, dict[str, list[UUID]]()
    try:
        for one in await telemetry.named_segments(session, point, traffic.series, segment):
            parts.setdefault(f"{one.variable}={one.value}", []).append(one.id)
    except telemetry.NoSuchSegment as error:
        unknown = error  # unless somebody has reported of it
    done = {
        name: await telemetry.outcomes(session, point.tenant_id, ids, since=since, until=until)
        for name, ids in parts.items()
    }
    measured = []
    for item in await agreements(*place):
        if item.formula is rules.Formula.PUSHED:
            found = await standing_values.measured_apart(
                *place, item, version_id,
                segment=segment, since=since or traffic.first_hour, until=until,
            )  # fmt: skip
        elif item.formula in rules.ATTRIBUTED:
            found = {}
        else:
            found = {
                name: computed.value(item.formula, of, item.prices) for name, of in done.items()
            }
        known = {name: one for name, one in found.items() if one.value is not None}
        measured += [(name, _held(item, known[name])) for name in sorted(known)]
    if unknown is not None and not measured:
        raise unknown
    return measured


def _held(item: Agreed, found: rules.Found) -> Measured:
    """Hold what was found against what was agreed."""
    limits = (item.direction, item.threshold, item.tolerance)
    return Measured(
        key=item.key,
        name=item.name,
        unit=item.unit,
        value=found.value,
        direction=item.direction,
        threshold=item.threshold,
        tolerance=item.tolerance,
        missed=rules.missed(found, *limits),
        certain=rules.certain(found, *limits),
        outcomes=found.outcomes,
        low=found.interval[0],
        high=found.interval[1],
        target=item.target,
        formula=item.formula,
        gravely=rules.gravely(item.formula, found, *limits),
        digest=item.digest,
        lacking=_lacking(item, found),
    )


def _lacking(item: Agreed, found: rules.Found) -> str | None:
    if found.value is not None:
        return found.few
    if found.lacking is not None:
        return found.lacking
    if item.formula is rules.Formula.PUSHED:
        return "nothing was reported of this time"
    return "no outcomes of this time say it"
