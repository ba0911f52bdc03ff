"""A version at a decision point, with windows that say what a test has them say."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, identity
from app.audit.tables import AuditEntry
from app.bus import make_bus
from app.catalog.rules import AssetKind, PointKind, RiskTier
from app.catalog.tables import DecisionPoint, Model, Version
from app.drift import Serving, alerts, handling, lapsing, silences, tending
from app.drift.alert_rules import AlertKind, Severity
from app.drift.alert_tables import Episode, Silence
from app.drift.rules import Thresholds
from app.drift.tables import Alert, Watch, Window
from app.identity import ROLES, Role
from app.kit.actor import Actor
from app.notifications.tables import Outgoing
from app.platform.db import ALL_TENANTS, Database
from app.platform.events import Bus
from app.platform.settings import Settings
from app.routing import Seat, SeatRole
from app.telemetry import SCORE
from tests.live import Live, Place, unique
from tests.tenants import database_of

START = datetime(2026, 3, 1, tzinfo=UTC)
LIMITS = Thresholds()
NOBODY = UUID(int=7)
KPI = {"met": False, "missed": True, "gravely": True, "unknown": None}
"""How a window says what became of a KPI."""


@dataclass
class Watched:
    """What is watched, and how much of it was seen."""

    db: Database
    tenant: UUID
    point: UUID
    version: UUID
    model: str
    key: str
    seen: list[UUID] = field(default_factory=list)
    start: datetime = START
    variables: set[str] = field(default_factory=lambda: {"x", "y", SCORE})
    """What windows have: all that there is, whether it drifts or not."""

    def actor(self, role: Role = Role.OPERATOR, *, points: frozenset[str] | None = None) -> Actor:
        roles = frozenset({role.value})
        who = uuid4()
        return Actor(who, self.tenant, role.value, who, roles, ROLES[role], points)

    async def window(
        self,
        *drifting: str,
        severe: tuple[str, ...] = (),
        degraded: bool | None = None,
        n: int = 600,
        kpis: dict[str, str] | None = None,
        limits: Thresholds = LIMITS,
        **more: Any,
    ) -> None:
        """Have the next day's window examined; ``more`` is said in it besides."""
        until = self.start + timedelta(days=len(self.seen) + 1)
        names = sorted({*drifting, *severe})
        self.variables |= {*names}
        async with self.db.transaction(self.tenant) as session:
            made = Window(
                tenant_id=self.tenant, point_id=self.point, version_id=self.version,
                since=until - timedelta(days=1), until=until, n=n, labelled=n if degraded else 0,
                accuracy=None, degraded=degraded, alerting=names,
                variables=[
                    {
                        "name": name, "js": 0.3 if name in names else 0.0,
                        "drifts": name in names, "severe": name in severe,
                    }
                    for name in sorted(self.variables)
                ],
                kpis=[
                    {"key": key, "missed": KPI[word], "gravely": word == "gravely"}
                    for key, word in (kpis or {}).items()
                ],
                **more,
            )  # fmt: skip
            session.add(made)
            await session.flush()
            self.seen.append(made.id)
            rows = await session.scalars(
                select(Window)
                .filter_by(tenant_id=self.tenant, version_id=self.version)
                .order_by(Window.until)
            )
            await alerts.settle(session, list(rows), limits)

    async def acknowledge(
        self, comment: str = "looking", *, subject: str = "x", **who: Any
    ) -> dict[str, Any]:
        async with self.session() as session:
            return await handling.acknowledge(
                session, await self.alert(subject), comment=comment, by=self.actor(**who)
            )

    async def resolve(self, *, subject: str = "x", **who: Any) -> dict[str, Any]:
        async with self.session() as session:
            return await handling.resolve(
                session, await self.alert(subject), reason="a mistake", by=self.actor(**who)
            )

    async def silence(self, *, by: Actor | None = None, **what: Any) -> Silence:
        asked = dict.fromkeys(("point_key", "model", "number", "kind", "subject"))
        async with self.session() as session:
            return await silences.silence(
                session, **{**asked, **what}, reason="known", hours=1, by=by or self.actor()
            )

    async def end_silence(self, row: Silence) -> None:
        async with self.session() as session:
            await silences.end_silence(session, row.id, by=self.actor())

    async def seat(self, point: UUID | None = None, **more: Any) -> None:
        """Have the version answer at its point, or at another."""
        async with self.session() as session:
            session.add(
                Seat(
                    tenant_id=self.tenant, point_id=point or self.point, version_id=self.version,
                    role=SeatRole.CHAMPION, parameters={}, case_id=uuid4(), cause="test", **more,
                )
            )  # fmt: skip
            await session.flush()
            await audit.record(session, Actor.system(self.tenant), "test.seated", "test")

    async def leave(self) -> None:
        """Have the version answer nowhere any more."""
        open_ones = update(Seat).where(Seat.tenant_id == self.tenant, Seat.until.is_(None))
        async with self.session() as session:
            await session.execute(open_ones.values(until=func.clock_timestamp()))
            await audit.record(session, Actor.system(self.tenant), "test.left", "test")

    async def change_seats(self) -> None:
        """Have it go from its seat to another at once."""
        await self.leave()
        async with self.db.session(self.tenant) as session:
            left = await session.scalar(select(Seat.until).filter_by(tenant_id=self.tenant))
        await self.seat(since=left)

    async def tend(self) -> None:
        """Do what is due between windows, as though whoever serves had a seat."""
        bus = seated_bus()
        bus.answers.pop(lapsing.KpisAgreed)
        database = Database(self.db.url, Settings(), bus)
        try:
            await tending.tend(database)
        finally:
            await database.close()

    async def entries(self, prefix: str) -> list[str]:
        """What the log tells, in its order."""
        async with self.db.session(self.tenant) as session:
            rows = await session.scalars(
                select(AuditEntry.action)
                .where(AuditEntry.tenant_id == self.tenant, AuditEntry.action.startswith(prefix))
                .order_by(AuditEntry.at)
            )
            return list(rows)

    async def episodes(self, subject: str = "x") -> list[Episode]:
        async with self.db.session(self.tenant) as session:
            rows = await session.scalars(
                select(Episode)
                .join(Alert, Alert.id == Episode.alert_id)
                .where(Alert.tenant_id == self.tenant, Alert.subject == subject)
                .order_by(Episode.number)
            )
            return list(rows)

    async def alert(self, subject: str = "x") -> UUID:
        async with self.db.session(self.tenant) as session:
            found = await session.scalar(
                select(Alert.id).filter_by(tenant_id=self.tenant, subject=subject)
            )
        assert found is not None
        return found

    async def told(self) -> list[tuple[str, dict[str, Any]]]:
        """What was sent out, in its order."""
        async with self.db.session(self.tenant) as session:
            rows = await session.scalars(
                select(Outgoing).filter_by(tenant_id=self.tenant).order_by(Outgoing.told)
            )
            return [(row.type, row.data) for row in rows if row.type.startswith("drift.")]

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        async with self.db.transaction(self.tenant) as found:
            yield found


def seated_bus() -> Bus:
    """Return a bus on which nobody says that a version has no seat."""
    bus = make_bus()
    bus.answers.pop(Serving)
    return bus


async def make_watched(db: Database, *, model: str = "m", key: str = "p") -> Watched:
    """Make a tenant with a model, a version of it, and a point; nothing sits there."""
    async with db.transaction(ALL_TENANTS) as session:
        name = unique("tenant")
        await identity.create_tenant(session, name)
        tenant = (await identity.tenants(session))[name]
    system = Actor.system(tenant)
    async with db.transaction(tenant) as session:
        point = DecisionPoint(
            tenant_id=tenant, key=key, kind=PointKind.PROCESS, owner_id=NOBODY,
            description="", contract={},
        )  # fmt: skip
        made = Model(
            tenant_id=tenant, name=model, kind=AssetKind.RULE_SET, risk_tier=RiskTier.LOW,
            owner_id=NOBODY, purpose="", tags={},
        )  # fmt: skip
        session.add_all([point, made])
        await session.flush()
        version = Version(
            tenant_id=tenant, model_id=made.id, number=1, source="urn:m", signature={},
            training_data={}, lineage={}, card={}, content_digest="none", tags={},
            developer_id=NOBODY,
        )  # fmt: skip
        session.add(version)
        await session.flush()
        session.add(
            Watch(tenant_id=tenant, point_id=point.id, version_id=version.id, next_until=START)
        )
        await audit.record(session, system, "test.made", "test")
    return Watched(db, tenant, point.id, version.id, model, key)


def fire(
    live: Live, place: Place, subject: str | None = None, kind: AlertKind = AlertKind.DATA
) -> str:
    """Have an alert fire about a version that serves in a running server; return its id."""
    return asyncio.run(_fire(live, place, subject, kind))


@asynccontextmanager
async def _there(live: Live, place: Place) -> AsyncIterator[tuple[AsyncSession, dict[str, UUID]]]:
    """A transaction in a running server's database, and what a version at a point is found by."""
    path = f"/v1/models/{place.model}/versions/{place.version}"
    version = UUID(live["aud"].get(path)["id"])
    tenant = UUID(live.admin.get("/v1/me")["tenant_id"])
    db = Database(database_of(live), Settings(), make_bus())
    try:
        async with db.transaction(tenant) as session:
            point = await session.scalar(
                select(DecisionPoint.id).filter_by(tenant_id=tenant, key=place.point)
            )
            assert point is not None
            yield session, {"tenant_id": tenant, "point_id": point, "version_id": version}
    finally:
        await db.close()


async def _fire(live: Live, place: Place, subject: str | None, kind: AlertKind) -> str:
    async with _there(live, place) as (session, there):
        alert = Alert(**there, kind=kind, subject=subject or unique("x"), until=START)
        session.add(alert)
        await session.flush()
        await alerts.fire(session, alert, number=1, severity=Severity.WARNING, since=START)
        return str(alert.id)


def examined(live: Live, place: Place) -> str:
    """Have a window of a version examined, in which nothing was; return its id."""
    return asyncio.run(_examined(live, place))


async def _examined(live: Live, place: Place) -> str:
    async with _there(live, place) as (session, there):
        made = Window(
            **there, n=0, labelled=0, since=START, until=START + timedelta(days=1), variables=[],
            alerting=[], accuracy=None, degraded=None,
        )  # fmt: skip
        session.add(made)
        await session.flush()
        return str(made.id)
