"""Decision points with outcomes of their own, and scopes over them, without a server."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from app import audit
from app.catalog.rules import PointKind
from app.catalog.tables import DecisionPoint
from app.identity import ROLES, Role
from app.kit.actor import Actor
from app.kpi.rules import Aggregate, Direction
from app.kpi.scopes.rules import ScopeFormula, ScopeKind
from app.kpi.scopes.tables import Scope, ScopeKpi, ScopePoint, ScopeProcess
from app.platform.db import Database
from app.telemetry import HourProfile, ProfileKind, Series
from app.telemetry.outcomes import Labelled
from tests.drift.watched import Watched, make_watched
from tests.live import unique
from tests.telemetry.folds import fold

NAN = float("nan")


class Brought(NamedTuple):
    """What became of one decision; NaN where something is not known."""

    hour: int
    reward: float
    cost: float = NAN
    label: float = NAN
    score: float = NAN


@dataclass
class Ground:
    """A tenant with points, by key, and who agrees on things there."""

    here: Watched
    points: dict[str, UUID] = field(default_factory=dict)

    @property
    def db(self) -> Database:
        return self.here.db

    @property
    def tenant(self) -> UUID:
        return self.here.tenant

    def actor(self, role: Role = Role.BUSINESS) -> Actor:
        roles, who = frozenset({role.value}), uuid4()
        return Actor(who, self.tenant, role.value, who, roles, ROLES[role])

    async def point(self, key: str | None = None) -> str:
        made = key or unique("point")
        async with self.db.transaction(self.tenant) as session:
            row = DecisionPoint(
                tenant_id=self.tenant, key=made, kind=PointKind.PROCESS, owner_id=uuid4(),
                description="", contract={},
            )  # fmt: skip
            session.add(row)
            await session.flush()
            self.points[made] = row.id
            await audit.record(session, Actor.system(self.tenant), "made", f"point:{row.id}")
        return made

    async def bring(self, point: str, rows: Sequence[Brought], *, arm: str = "champion") -> None:
        """Have an arm's outcomes folded, hour by hour, as a new version's."""
        async with self.db.transaction(self.tenant) as session:
            series = Series(
                tenant_id=self.tenant, point_id=self.points[point], version_id=uuid4(), arm=arm
            )
            session.add(series)
            await session.flush()
            for hour in {one.hour for one in rows}:
                folded = fold(
                    [
                        Labelled(one.score, NAN, one.label, one.reward, one.cost)
                        for one in rows
                        if one.hour == hour
                    ]
                )
                session.add(
                    HourProfile(
                        tenant_id=self.tenant, series_id=series.id, kind=ProfileKind.OUTCOMES,
                        hour=hour, n=folded.n, payload=folded.encode(),
                    )
                )  # fmt: skip

    async def scope(self, *points: str, processes: Sequence[Scope] = ()) -> Scope:
        kind = ScopeKind.PORTFOLIO if processes else ScopeKind.PROCESS
        async with self.db.transaction(self.tenant) as session:
            made = Scope(tenant_id=self.tenant, key=unique("scope"), kind=kind, name="S")
            session.add(made)
            await session.flush()
            place = {"tenant_id": self.tenant, "scope_id": made.id}
            session.add_all(ScopePoint(**place, point_id=self.points[one]) for one in points)
            session.add_all(ScopeProcess(**place, process_id=one.id) for one in processes)
            await audit.record(session, Actor.system(self.tenant), "made", f"kpi-scope:{made.id}")
        return made

    async def agree(self, scope: Scope, key: str, **terms: Any) -> None:
        said: dict[str, Any] = {
            "name": key, "formula": ScopeFormula.TOTAL_NET_VALUE, "threshold": 0.0,
            "direction": Direction.AT_LEAST, "tolerance": 0.0, "unit": "", "window_days": 1,
            "wait_days": 0,
            "aggregate": Aggregate.MEAN,
        }  # fmt: skip
        async with self.db.transaction(self.tenant) as session:
            place = {"tenant_id": self.tenant, "scope_id": scope.id, "key": key}
            session.add(ScopeKpi(**place, **{**said, **terms}))
            await session.flush()
            await audit.record(session, Actor.system(self.tenant), "agreed", "kpi-scope")


async def make_ground(database: Database) -> Ground:
    return Ground(await make_watched(database))
