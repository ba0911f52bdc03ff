"""Pushed values: what business systems report of a KPI by themselves, by time and segment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import inspect, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog
from app.kit.actor import Actor
from app.kit.canonical import digest as digest_of
from app.kit.moment import require_past
from app.kit.page import Rows
from app.kit.refusal import Invalid, Kind, NotFound, Refusal
from app.kpi import ended
from app.kpi.noticing import earliest_hours
from app.kpi.rules import Formula
from app.kpi.tables import NOBODY, Definition, Late, Value
from app.platform.db import Base, clock, page


class NotPushed(Invalid):
    """The KPI is computed from outcomes: nobody may say what it is."""

    code = "kpi_not_pushed"
    title = "Not a KPI that is pushed"
    mend = "Agree on one with `formula` pushed by PUT …/kpis/{kpi}, or send outcomes."


class SaidOtherwise(Refusal):
    """The same revision of a value was said to be another one before."""

    kind = Kind.CONFLICT
    code = "said_otherwise"
    title = "The value was another one before"
    mend = "Send the correction with a higher `revision`."


@dataclass(frozen=True, slots=True)
class Pushed:
    """One value as it was sent."""

    kpi: str
    at: datetime
    value: float | None
    segment: str
    model: str | None
    version: int | None
    revision: int


async def push(session: AsyncSession, key: str, values: Sequence[Pushed], *, by: Actor) -> int:
    """Store values of a point's KPIs, all or none; return how many had not been stored before."""
    point = await catalog.point_by_key(session, key, by=by)
    now = await clock(session)
    formulas = {
        row.key: row.formula
        for row in await session.scalars(
            select(Definition).filter_by(tenant_id=by.tenant_id, point_id=point.id)
        )
    }
    versions: dict[tuple[str | None, int | None], UUID] = {(None, None): NOBODY}
    for one in values:
        named = (one.model, one.version)
        if named not in versions and one.model is not None and one.version is not None:
            found = await catalog.find_version(session, one.model, one.version, by=by)
            versions[named] = found.id
        if one.kpi not in formulas:
            raise NotFound("kpi of decision point", one.kpi)
        if formulas[one.kpi] is not Formula.PUSHED:
            raise NotPushed(
                f"{one.kpi} is computed as {formulas[one.kpi].value}.", filled={"kpi": one.kpi}
            )
        require_past(one.at, now)
    lives = await ended.lives(session, by.tenant_id, point.id, {one.kpi for one in values})
    rows = [
        {
            "tenant_id": by.tenant_id, "point_id": point.id, "key": one.kpi, "at": one.at,
            "segment": one.segment, "version_id": versions[one.model, one.version],
            "revision": one.revision, "life": lives[one.kpi], "value": one.value,
            "person_id": by.person_id,
        }
        for one in values
    ]  # fmt: skip
    count = await store(session, Value, rows)
    if count:
        said = [(versions[one.model, one.version], one.at) for one in values]
        session.add_all(
            Late(tenant_id=by.tenant_id, point_id=point.id, version_id=version_id, hour=hour)
            for version_id, hour in earliest_hours(said).items()
        )
        await session.flush()
        await audit.record(
            session, by, "kpi.values.pushed", f"point:{point.id}", values=count,
            digest=digest_of(
                [[one.kpi, one.at.isoformat(), one.segment, one.revision, one.value]
                 for one in values]
            ),
        )  # fmt: skip
    return count


async def reporters_of(
    session: AsyncSession, tenant_id: UUID, point_id: UUID, version_id: UUID
) -> dict[str, set[UUID]]:
    """Return who reported the values of a point's KPIs that stand for a version, by key."""
    # What was said of a KPI before it was withdrawn, a case may go by still.
    place = (Value.key, Value.at, Value.segment, Value.version_id, Value.life)
    standing = (
        select(Value.key, Value.person_id)
        .where(
            Value.tenant_id == tenant_id,
            Value.point_id == point_id,
            Value.version_id.in_((NOBODY, version_id)),
        )
        .ext(distinct_on(*place))
        .order_by(*place, Value.revision.desc())
        .subquery()
    )
    found: dict[str, set[UUID]] = {}
    for row in await session.execute(select(standing).distinct()):
        if row.person_id is not None:
            found.setdefault(row.key, set()).add(row.person_id)
    return found


async def store(session: AsyncSession, table: type[Base], rows: Sequence[dict[str, Any]]) -> int:
    """Store reported values, all or none; return how many had not been stored before.

    One that was stored as another value is refused, and the whole call is undone.
    """
    keys = [getattr(table, column.name) for column in inspect(table).primary_key]
    value: Any = table.value  # type: ignore[attr-defined]
    done = await session.execute(
        insert(table).values(list(rows)).on_conflict_do_nothing().returning(keys[-1])
    )
    count = len(done.all())
    if count == len(rows):
        return count
    asked = {tuple(row[key.key] for key in keys): row for row in rows}
    known = await session.execute(select(*keys, value).where(tuple_(*keys).in_(list(asked))))
    found = {tuple(row[:-1]): row[-1] for row in known}
    for row in rows:
        if found[tuple(row[key.key] for key in keys)] != row["value"]:
            raise SaidOtherwise(f"{row['key']} at {row['at'].isoformat()} was said before.")
    return count


async def list_values(
    session: AsyncSession,
    key: str,
    *,
    kpi: str | None,
    cursor: str | None,
    limit: int,
    by: Actor,
) -> Rows[dict[str, Any]]:
    """List what was pushed at a point, corrected values too, oldest first."""
    point = await catalog.point_by_key(session, key, by=by)
    query = select(Value).filter_by(tenant_id=by.tenant_id, point_id=point.id)
    if kpi is not None:
        query = query.filter_by(key=kpi)
    order: tuple[Any, ...] = (
        Value.at, Value.key, Value.segment, Value.version_id, Value.life, Value.revision,
    )  # fmt: skip
    found = await page(session, query, *order, cursor=cursor, limit=limit)
    shown = await as_listed(session, by.tenant_id, point.id, found.items)
    return Rows(shown, found.next_cursor)


async def as_listed(
    session: AsyncSession, tenant_id: UUID, place_id: UUID, values: Sequence[Any]
) -> list[dict[str, Any]]:
    """Return reported values with whether the KPI that they are of has been withdrawn."""
    lives = await ended.lives(session, tenant_id, place_id, {one.key for one in values})
    columns = [column.key for column in inspect(type(values[0])).columns] if values else []
    return [
        {name: getattr(one, name) for name in columns} | {"withdrawn": one.life < lives[one.key]}
        for one in values
    ]
