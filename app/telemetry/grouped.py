"""Grouped: how groups of events were answered and what became of them, from raw events.

Profiles know the groups of a contract's segments only: others are counted when somebody asks,
while raw events are kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.telemetry.outcomes import THRESHOLD
from app.telemetry.returning import happened, part_of
from app.telemetry.segments import REST
from app.telemetry.tables import Outcome, RawEvent, Receipt

MOST_GROUPS = 20


@dataclass(frozen=True, slots=True)
class Answered:
    """One group's events in one part of a time."""

    part: int
    group: str
    n: int
    """That were answered."""
    predicted: int
    labelled: int
    positives: int
    true_positives: int
    false_positives: int

    def plus(self, other: "Answered") -> "Answered":
        """Return the events of both, in this one's part and group."""
        return Answered(
            self.part,
            self.group,
            self.n + other.n,
            self.predicted + other.predicted,
            self.labelled + other.labelled,
            self.positives + other.positives,
            self.true_positives + other.true_positives,
            self.false_positives + other.false_positives,
        )


@dataclass(frozen=True, slots=True)
class Bin:
    """Labelled scores of one hundredth, by whether chance or the model chose who answered."""

    explored: bool
    place: int
    rows: int
    positives: int
    scores: float


async def answered_by(
    session: AsyncSession,
    tenant_id: UUID,
    series: Sequence[UUID],
    variable: str | None,
    *,
    since: datetime,
    until: datetime,
    parts: int,
) -> list[Answered]:
    """Count a variable's groups in each of equal parts of ``[since, until)``, by events' time.

    Without a variable all are one group. An answer is the prediction, or a score of a half.
    """
    answer = func.coalesce(Receipt.prediction, Receipt.score)
    positive, known = answer >= THRESHOLD, Outcome.label.in_((0.0, 1.0))
    truth = Outcome.label == 1.0
    part = part_of(since, until, parts).label("part")
    group: ColumnElement[str] = (
        literal("") if variable is None else func.coalesce(RawEvent.features[variable].astext, "")
    ).label("grp")
    query = _joined(
        select(
            part,
            group,
            func.count(),
            func.count().filter(positive),
            func.count().filter(known),
            func.count().filter(truth),
            func.count().filter(truth, positive),
            func.count().filter(Outcome.label == 0.0, positive),
        ),
        tenant_id, series, since, until,
    ).where(answer.is_not(None))  # fmt: skip
    rows = (await session.execute(query.group_by(part, group))).all()
    return _folded([Answered(int(row[0]), str(row[1]), *map(int, row[2:])) for row in rows])


async def scores_by_chance(
    session: AsyncSession,
    tenant_id: UUID,
    series: Sequence[UUID],
    *,
    since: datetime,
    until: datetime,
) -> list[Bin]:
    """Count labelled scores by hundredth: of events whose arm was unlikely, and of the others."""
    explored = (RawEvent.propensity < THRESHOLD).label("explored")
    place = func.least(func.floor(Receipt.score * 100), 99).label("place")
    positives = func.sum(case((Outcome.label == 1.0, 1), else_=0))
    query = _joined(
        select(explored, place, func.count(), positives, func.sum(Receipt.score)),
        tenant_id, series, since, until,
    ).where(Outcome.label.in_((0.0, 1.0)), Receipt.score.between(0.0, 1.0))  # fmt: skip
    rows = await session.execute(query.group_by(explored, place))
    return [Bin(row[0], int(row[1]), int(row[2]), int(row[3]), float(row[4])) for row in rows]


def _joined(
    query: Select[Any],
    tenant_id: UUID,
    series: Sequence[UUID],
    since: datetime,
    until: datetime,
) -> Select[Any]:
    return (
        query.select_from(RawEvent)
        .join(
            Receipt,
            (Receipt.tenant_id == RawEvent.tenant_id)
            & (Receipt.decision_id == RawEvent.decision_id)
            & (Receipt.series_id == RawEvent.series_id),
        )
        .outerjoin(
            Outcome,
            (Outcome.tenant_id == RawEvent.tenant_id)
            & (Outcome.decision_id == RawEvent.decision_id),
        )
        .where(
            RawEvent.tenant_id == tenant_id,
            RawEvent.series_id.in_(series),
            *happened(since, until),
        )
    )


def _folded(rows: Sequence[Answered]) -> list[Answered]:
    """Keep the most frequent groups, and put the others together."""
    frequent: dict[str, int] = {}
    for row in rows:
        frequent[row.group] = frequent.get(row.group, 0) + row.n
    kept = sorted(frequent, key=lambda name: (-frequent[name], name))[:MOST_GROUPS]
    found: dict[tuple[int, str], Answered] = {}
    for row in rows:
        key = (row.part, row.group if row.group in kept else REST)
        found[key] = found.get(key, Answered(*key, 0, 0, 0, 0, 0, 0)).plus(row)
    return [found[key] for key in sorted(found)]
