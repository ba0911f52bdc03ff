from typing import Annotated, Any

from fastapi import Path

from app.catalog import neighbours, points
from app.catalog.schemas import NeighboursOut
from app.kit.actor import Actor
from app.kit.names import NAME
from app.kit.refusal import NotFound
from app.platform.http import Session, allow, responses
from app.platform.http import router as make_router

neighbouring = make_router("/v1/decision-points", tag="catalog")


@neighbouring.get("/{key}/neighbours", response_model=NeighboursOut, responses=responses(NotFound))
async def get_neighbours(
    key: Annotated[str, Path(pattern=NAME)],
    actor: Annotated[Actor, allow("catalog:read")],
    session: Session,
) -> dict[str, Any]:
    """Return what a decision point receives decisions from and hands its own to, both ways."""
    point = await points.point_by_key(session, key, by=actor)
    return await neighbours.neighbours_of(session, point)
