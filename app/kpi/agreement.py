"""Agreements: a KPI with all that was agreed about it, as it stands or as a case keeps it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import gates
from app.kit.canonical import digest as digest_of
from app.kit.canonical import plain
from app.kpi.rules import FREE, Aggregate, Direction, Formula, Prices
from app.kpi.service import NO_TERMS, terms_of
from app.kpi.tables import Definition


@dataclass(frozen=True, slots=True)
class Agreed:
    """One KPI of a decision point, and all that it is judged by."""

    key: str
    name: str
    formula: Formula
    direction: Direction
    threshold: float
    tolerance: float
    unit: str
    revision: int
    terms: Mapping[str, Any] | None

    @property
    def digest(self) -> str:
        """Of what it is judged by."""
        return digest_of(self.judged_by())

    def judged_by(self) -> list[Any]:
        """Return what it is judged by; what came later counts where it was agreed on."""
        said: list[Any] = [
            self.formula, self.direction, self.threshold, self.tolerance, self.unit,
        ]  # fmt: skip
        return said if self.terms is None else [*said, self.terms]

    @property
    def priced(self) -> bool:
        """Whether right and wrong answers have prices."""
        return self.formula is Formula.ERROR_COST

    @property
    def prices(self) -> Prices:
        """What an answer of a kind brings."""
        return Prices(**(self._term("prices") or FREE._asdict()))

    @property
    def aggregate(self) -> Aggregate:
        """What pushed values come to."""
        return Aggregate(self._term("aggregate"))

    @property
    def target(self) -> float | None:
        """What one hopes for beyond the threshold."""
        target: float | None = self._term("target")
        return target

    def _term(self, name: str) -> Any:
        return (self.terms or NO_TERMS)[name]

    def kept(self) -> dict[str, Any]:
        """Return it as plain JSON, for a case to keep; ``as_kept`` reads it."""
        kept: dict[str, Any] = plain(asdict(self))
        return kept


async def agreements(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> list[Agreed]:
    """Return what is agreed at a decision point now, by key."""
    return (await agreements_by_point(session, tenant_id, {point_id})).get(point_id, [])


async def kpis_in_force(session: AsyncSession, asked: gates.KpisInForce) -> dict[UUID, str]:
    """Return a digest over what each point agreed on, for what approvals cover."""
    found = await agreements_by_point(session, asked.tenant_id, asked.ids)
    return {
        point_id: digest_of({one.key: one.judged_by() for one in some})
        for point_id, some in found.items()
    }


async def agreements_by_point(
    session: AsyncSession, tenant_id: UUID, point_ids: Collection[UUID]
) -> dict[UUID, list[Agreed]]:
    """Return what is agreed at decision points now, by key, of those where something is."""
    query = select(Definition).where(
        Definition.tenant_id == tenant_id, Definition.point_id.in_(point_ids)
    )
    rows = list(await session.scalars(query.order_by(Definition.key)))
    more = await terms_of(session, tenant_id, rows)
    found: dict[UUID, list[Agreed]] = defaultdict(list)
    for row in rows:
        found[row.point_id].append(
            Agreed(
                row.key, row.name, row.formula, row.direction, row.threshold, row.tolerance,
                row.unit, row.revision, more.get(row.id),
            )
        )  # fmt: skip
    return found


def as_kept(now: Iterable[Agreed], kept: Iterable[Mapping[str, Any]]) -> list[Agreed]:
    """Return the KPIs that a case goes by: each as the case keeps it, and what came since as it is.

    What was withdrawn since is among them. Of a case from before everything was kept, what it does
    not say is as it is now.
    """
    then = {one["key"]: dict(one) for one in kept}
    found = {
        one.key: replace(one, **_read(then[one.key])) if one.key in then else one for one in now
    }
    for key, one in then.items():
        if key not in found and one.keys() >= _WHOLE:
            found[key] = Agreed(**_read(one))
    return [found[key] for key in sorted(found)]


_WHOLE = {field.name for field in fields(Agreed)}


def _read(kept: dict[str, Any]) -> dict[str, Any]:
    said = dict(kept, direction=Direction(kept["direction"]))
    return said | ({"formula": Formula(kept["formula"])} if "formula" in kept else {})
