"""Decision points: where insight is delivered."""

from collections.abc import Collection
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, identity
from app.catalog.neighbours import require_neighbours
from app.catalog.rules import PointKind
from app.catalog.tables import DecisionPoint
from app.kit.actor import Actor
from app.kit.page import Rows
from app.kit.refusal import AlreadyExists, NotFound
from app.kit.revision import require_current
from app.platform.db import page


async def create_point(
    session: AsyncSession,
    *,
    key: str,
    kind: PointKind,
    owner: str,
    description: str,
    contract: dict[str, Any],
    by: Actor,
) -> DecisionPoint:
    """Identify a decision point with its contract."""
    by.require_point(key)
    await identity.require_right(session, by, identity.Action.EDIT_POINT, point=key)
    if await session.scalar(select(DecisionPoint.id).filter_by(tenant_id=by.tenant_id, key=key)):
        raise AlreadyExists("decision point", key)
    contract = _written(contract)
    await require_neighbours(session, key, contract, by=by)
    point = DecisionPoint(
        tenant_id=by.tenant_id,
        key=key,
        kind=kind,
        owner_id=await identity.owner_of(session, by.tenant_id, owner),
        description=description,
        contract=contract,
    )
    session.add(point)
    await session.flush()
    await audit.record(
        session, by, "decision_point.created", f"point:{point.id}",
        key=key, kind=kind, contract=contract, owner_id=point.owner_id,
    )  # fmt: skip
    return point


def ids_of(tenant_id: UUID, keys: Collection[str]) -> Select[UUID]:
    """Return a query for the ids of points by their keys, for lists that a narrow key reads."""
    return select(DecisionPoint.id).where(
        DecisionPoint.tenant_id == tenant_id, DecisionPoint.key.in_(keys)
    )


async def point_by_key(
    session: AsyncSession, key: str, *, by: Actor, lock: bool = False
) -> DecisionPoint:
    """Return a decision point of the caller's tenant by its key, if his own key is for it."""
    by.require_point(key)
    query = select(DecisionPoint).filter_by(tenant_id=by.tenant_id, key=key)
    point = await session.scalar(query.with_for_update() if lock else query)
    if point is None:
        raise NotFound("decision point", key)
    return point


async def point_by_id(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> DecisionPoint:
    """Return a decision point by its id."""
    point = await session.get(DecisionPoint, (tenant_id, point_id))
    if point is None:
        raise NotFound("decision point", point_id)
    return point


async def points_by_id(
    session: AsyncSession, tenant_id: UUID, ids: Collection[UUID]
) -> dict[UUID, DecisionPoint]:
    """Return decision points by id."""
    query = select(DecisionPoint).where(
        DecisionPoint.tenant_id == tenant_id, DecisionPoint.id.in_(ids)
    )
    return {point.id: point for point in await session.scalars(query)}


class Naming(Protocol):
    """Whoever asks for keys: which of these there are, or without any the first few."""

    @property
    def tenant_id(self) -> UUID:
        """Whose they are."""

    @property
    def keys(self) -> frozenset[str] | None:
        """The keys that are asked about."""

    @property
    def most(self) -> int:
        """How many are returned at most."""


async def keys_of(session: AsyncSession, asked: Naming) -> list[str]:
    """Return the keys of decision points that there are, in their order."""
    query = select(DecisionPoint.key).filter_by(tenant_id=asked.tenant_id)
    if asked.keys is not None:
        query = query.where(DecisionPoint.key.in_(asked.keys))
    return list(await session.scalars(query.order_by(DecisionPoint.key).limit(asked.most)))


async def segments_of(session: AsyncSession, tenant_id: UUID, point_id: UUID) -> tuple[str, ...]:
    """Return the features by which a point tells its traffic apart; none, if there is no such."""
    found = await session.scalar(
        select(DecisionPoint.contract["segments"]).filter_by(tenant_id=tenant_id, id=point_id)
    )
    return tuple(found or ())


def _written(contract: dict[str, Any]) -> dict[str, Any]:
    """Return a contract as it is kept: the release before knows of no segments."""
    if contract.get("segments"):
        return contract
    return {name: part for name, part in contract.items() if name != "segments"}


async def edit_point(
    session: AsyncSession, key: str, *, expected: int, changes: dict[str, Any], by: Actor
) -> DecisionPoint:
    """Change description or contract, if the point is still at ``expected``."""
    point = await point_by_key(session, key, by=by, lock=True)
    require_current(expected, point.revision)
    await identity.require_right(session, by, identity.Action.EDIT_POINT, point=key)
    if "contract" in changes:
        changes = {**changes, "contract": _written(changes["contract"])}
        await require_neighbours(session, key, changes["contract"], by=by)
    for field, value in changes.items():
        setattr(point, field, value)
    point.revision += 1
    await session.flush()
    await audit.record(session, by, "decision_point.edited", f"point:{point.id}", **changes)
    return point


async def list_points(
    session: AsyncSession, *, cursor: str | None, limit: int, by: Actor
) -> Rows[DecisionPoint]:
    """List decision points by key, of a narrow key those it is for."""
    query = select(DecisionPoint).filter_by(tenant_id=by.tenant_id)
    if by.points is not None:
        query = query.where(DecisionPoint.key.in_(by.points))
    return await page(session, query, DecisionPoint.key, cursor=cursor, limit=limit)
