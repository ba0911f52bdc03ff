"""Segments at every window: each beside its own time before, and beside the rest.

A segment is another mix than the whole by its nature, so the baseline says nothing of how it should
be, nor do the promises: what it was over the week before does (before the day, of windows shorter
than days; over seven windows, of longer ones). So it is told that a segment changed; that it is
treated otherwise is parity's.

Windows in which a segment was found to be beyond are no part of what it was: else it would be far
from itself for a week once it is back. Where too few rows are left without them it has been so for
long, and what it has become is what it is compared with.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import cast, func, select
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH
from sqlalchemy.ext.asyncio import AsyncSession

from app import telemetry
from app.drift import degrading, rules
from app.drift.digests import digest, told
from app.drift.fairness import Group
from app.drift.parity import unequal
from app.drift.rules import Thresholds
from app.drift.tables import Window

_BEFORE_WINDOWS, _BEFORE = 7, timedelta(days=7)
_DAY = timedelta(days=1)

Place = tuple[str, str]
"""A feature and one of its values."""
Known = tuple[telemetry.Tally | None, telemetry.Performance]
Span = tuple[datetime, datetime]
Before = tuple[Known, int]
"""What a segment was, and how many windows are left out of that."""
_BEYOND = "$[*] ? (exists(@.variables[*]) || exists(@.metrics[*] ? (@.beyond == true))).segment"
"""The segments of a window that drift, shift, or are worse than they were."""


class Segments:
    """The segments of a version's traffic at a point, as its windows are examined one by one."""

    def __init__(
        self,
        session: AsyncSession,
        tenant_id: UUID,
        place: tuple[UUID, UUID],
        baseline: telemetry.Baseline | None,
        limits: Thresholds,
        series: Sequence[UUID],
        matured: datetime | None = None,
    ) -> None:
        self._about = session, tenant_id
        self._place = place
        self._baseline, self._limits, self._series = baseline, limits, series
        self._matured = matured
        self._places: dict[Place, list[telemetry.Segment]] | None = None
        self._before: dict[Place, tuple[datetime, Before]] = {}
        self.digest: str | None = None
        """Of all that the newest window's segments were measured by."""
        self._beyond: tuple[datetime, datetime, dict[str, list[Span]]] | None = None

    @property
    def asked(self) -> bool:
        """Whether the monitor wants to know of any."""
        return bool(self._limits.segments or self._limits.fairness)

    async def measured(
        self, since: datetime, until: datetime
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return what a window says of each segment, and of how alike they are treated."""
        if not self.asked:
            return [], []
        limits, segments = self._limits, []
        young = self._matured is not None and until > self._matured
        groups: dict[str, dict[str, Group]] = defaultdict(dict)
        read: list[bytes] = []
        for place, some in (await self._known()).items():
            ids = [one.id for one in some if one.through is not None and one.through >= since]
            inputs, done = await self._between(ids, since, until)
            if inputs is None:
                continue
            variable, value = place
            read += [repr(place).encode(), told(done), inputs.encode()]
            judged = telemetry.performance(None) if young else done
            groups[variable][value] = Group(*telemetry.answers(inputs, judged))
            if limits.segments:
                (earlier, before), left_out = await self._earlier(place, since, until)
                read += [told(before), earlier.encode() if earlier else b"", b"%d" % left_out]
                segments.append(
                    {
                        "segment": f"{variable}={value}",
                        "n": inputs.n,
                        "labelled": done.labelled,
                        "accuracy": judged.accuracy,
                        "before": earlier.n if earlier else 0,
                        "left_out": left_out,
                        "variables": moved(self._baseline, earlier, inputs, limits),
                        "metrics": worse(self._baseline, before, judged, limits),
                    }
                )
        self.digest = digest(read)
        return segments, [
            row
            for variable in limits.fairness
            for row in unequal(
                variable, groups[variable], limits.fairness_tolerance, limits.min_rows
            )
        ]

    async def _known(self) -> dict[Place, list[telemetry.Segment]]:
        if self._places is None:
            found: dict[Place, list[telemetry.Segment]] = defaultdict(list)
            for one in await telemetry.segments_of(*self._about, self._series):
                if self._limits.segments or one.variable in self._limits.fairness:
                    found[one.variable, one.value].append(one)
            self._places = dict(sorted(found.items()))
        return self._places

    async def _between(
        self,
        ids: Sequence[UUID],
        since: datetime,
        until: datetime,
        without: Sequence[Span] = (),
    ) -> Known:
        if not ids:
            return None, telemetry.performance(None)
        session, tenant_id = self._about
        return (
            await telemetry.inputs(
                session, tenant_id, ids, since=since, until=until, without=without
            ),
            await telemetry.outcomes(
                session, tenant_id, ids, since=since, until=until, without=without
            ),
        )

    async def _earlier(self, place: Place, since: datetime, until: datetime) -> Before:
        """Return what a segment was before a window: of those within a day read once."""
        width = until - since
        end = since
        if width < _DAY:
            end = since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        kept = self._before.get(place)
        if kept is None or kept[0] != end:
            ids = [one.id for one in (await self._known())[place]]
            begin = end - max(_BEFORE, _BEFORE_WINDOWS * width)
            apart = (await self._beyond_in(begin, end)).get("=".join(place), [])
            known = await self._between(ids, begin, end, apart)
            if apart and (known[0] is None or known[0].n < self._limits.min_rows):
                known, apart = await self._between(ids, begin, end), []
            kept = self._before[place] = end, (known, len(apart))
        return kept[1]

    async def _beyond_in(self, begin: datetime, end: datetime) -> dict[str, list[Span]]:
        """Return of each segment the windows in which it was found to be beyond; read once."""
        if self._beyond is None or self._beyond[:2] != (begin, end):
            session, tenant_id = self._about
            point_id, version_id = self._place
            said = func.jsonb_path_query(Window.segments, cast(_BEYOND, JSONPATH), type_=JSONB)
            rows = await session.execute(
                select(Window.since, Window.until, said)
                .where(
                    Window.tenant_id == tenant_id,
                    Window.point_id == point_id,
                    Window.version_id == version_id,
                    Window.until > begin,
                    Window.since < end,
                )
                .order_by(Window.until)
            )
            found: dict[str, list[Span]] = defaultdict(list)
            for first, last, segment in rows:
                found[segment].append((first, last))
            self._beyond = begin, end, found
        return self._beyond[2]


def moved(
    baseline: telemetry.Baseline | None,
    before: telemetry.Tally | None,
    found: telemetry.Tally,
    limits: Thresholds,
) -> list[dict[str, Any]]:
    """Return the variables of a segment that drift or shift from what it was before.

    Of the others nothing is kept: there are many segments.
    """
    if baseline is None or before is None or before.n < limits.min_rows:
        return []
    rows = rules.compare(telemetry.Layout.load(baseline.layout), before, found, limits)
    return [row for row in rows if row["drifts"] or row["shifts"]]


def worse(
    baseline: telemetry.Baseline | None,
    before: telemetry.Performance,
    found: telemetry.Performance,
    limits: Thresholds,
) -> list[dict[str, Any]]:
    """Return each promised metric of a segment beside what it was before, and whether it is beyond.

    By how much it wanders by itself, the baseline's whole says.
    """
    was = {}
    for name, promised in (baseline.metrics if baseline else {}).items():
        known = before.measure(name)
        if known is not None and known.rows >= limits.min_rows:
            was[name] = {
                "value": known.value,
                "standard_error": known.standard_error,
                "sigma": promised["sigma"],
            }
            if name == "ece" and before.ece_by_chance is not None:
                was[name]["by_chance"] = before.ece_by_chance
    return degrading.judged(found, was, limits.min_rows)
