"""Hearing: who is told of an alert by name.

Who answers for the model and who validated the version hear of every alert; beside them whoever a
monitor names, from a severity on and of some kinds.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, gates, identity
from app.drift.alert_rules import AlertKind, Severity
from app.drift.alert_tables import Hearing
from app.drift.tables import Alert
from app.kit.actor import Actor


async def resolved(
    session: AsyncSession, asked: Sequence[Mapping[str, Any]], *, by: Actor
) -> list[dict[str, Any]]:
    """Return whom a monitor names by id; refuse who is not here. Of a service its owner hears."""
    return [
        {
            "person_id": str(await identity.owner_of(session, by.tenant_id, one["who"])),
            "severity": Severity(one["severity"]).value,
            "kinds": None if one["kinds"] is None else sorted(one["kinds"]),
        }
        for one in asked
    ]


async def hearers_of(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> list[Any]:
    """Return whom a point's monitor names, as it is stored."""
    found = await session.get(Hearing, (tenant_id, point_id))
    return found.hearers if found else []


async def shown(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> list[dict[str, Any]]:
    """Return whom a point's monitor names, by name; who can be forgotten has none."""
    found = await hearers_of(session, tenant_id, point_id)
    names = await identity.names_of(session, tenant_id, {UUID(one["person_id"]) for one in found})
    return [
        {
            "who": names.get(UUID(one["person_id"])),
            "severity": one["severity"],
            "kinds": one["kinds"],
        }
        for one in found
    ]


async def set_hearers(
    session: AsyncSession, point: catalog.DecisionPoint, hearers: list[dict[str, Any]], *, by: Actor
) -> None:
    """Name who hears of a point's alerts from now on."""
    known = await session.get(Hearing, (point.tenant_id, point.id), with_for_update=True)
    if hearers == (known.hearers if known else []):
        return
    if known is None:
        session.add(Hearing(tenant_id=point.tenant_id, point_id=point.id, hearers=hearers))
    else:
        known.hearers, known.at = hearers, func.clock_timestamp()
    await session.flush()
    await audit.record(session, by, "monitor.hearers_set", f"point:{point.id}", hearers=hearers)


class Where(NamedTuple):
    """What an alert is about, as people call it."""

    point: str
    model: str
    number: int


async def addressees(
    session: AsyncSession, alert: Alert, severity: Severity
) -> tuple[Where, tuple[UUID, ...]]:
    """Return what an alert is about, and the people who are told of it by name."""
    tenant_id = alert.tenant_id
    found = await catalog.versions_by_id(session, tenant_id, {alert.version_id})
    model, version = found[alert.version_id]
    point = await catalog.point_by_id(session, tenant_id, alert.point_id)
    validators = await gates.validators_of(session, tenant_id, alert.version_id)
    named = [
        UUID(one["person_id"])
        for one in await hearers_of(session, tenant_id, alert.point_id)
        if _hears(one, alert.kind, severity)
    ]
    everybody = dict.fromkeys((model.owner_id, *sorted(validators), *named))
    gone = await identity.disabled(session, tenant_id, among=everybody)
    where = Where(point.key, model.name, version.number)
    return where, tuple(one for one in everybody if one not in gone)


def _hears(hearer: Mapping[str, Any], kind: AlertKind, severity: Severity) -> bool:
    kinds = hearer["kinds"]
    return severity.rank >= Severity(hearer["severity"]).rank and (kinds is None or kind in kinds)
