from typing import Annotated

from fastapi import Path, Query

from app.catalog import instances as service
from app.catalog.asset_schemas import InstanceIn, InstanceOut
from app.catalog.rules import BadEndpoint, InstancePinned, NotYourModel, VersionRetired
from app.catalog.tables import Instance
from app.kit.actor import Actor
from app.kit.names import MOST, NAME
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import AlreadyExists, NotFound
from app.platform.http import Cursor, Limit, Session, allow, responses
from app.platform.http import router as make_router

instances = make_router("/v1/models", tag="catalog")

Name = Annotated[str, Path(pattern=NAME)]
Number = Annotated[int, Path(ge=1, lt=MOST)]
Reader = Annotated[Actor, allow("catalog:read")]
Writer = Annotated[Actor, allow("catalog:write")]


@instances.post(
    "/{name}/versions/{number}/instances",
    status_code=201,
    response_model=InstanceOut,
    responses=responses(
        NotFound, AlreadyExists, VersionRetired, BadEndpoint, InstancePinned, NotYourModel
    ),
)
async def make_instance(
    name: Name, number: Number, body: InstanceIn, actor: Writer, session: Session
) -> Instance:
    """Set a version up for one segment, such as a state or a product.

    For who has a part in the model. It voids what was approved of an activation that is open. Where
    a plan pins the key, a champion, present or past, gets no such instance until that is taken out.
    """
    return await service.make_instance(session, name, number, **dict(body), by=actor)


@instances.get(
    "/{name}/versions/{number}/instances",
    response_model=Page[InstanceOut],
    responses=responses(NotFound, BadCursor),
)
async def list_instances(
    name: Name,
    number: Number,
    actor: Reader,
    session: Session,
    ended: Annotated[  # noqa: FBT002 - FastAPI passes it by name
        bool, Query(description="With those that have ended.")
    ] = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[Instance]:
    """List a version's instances by key."""
    return await service.list_instances(
        session, name, number, ended=ended, cursor=cursor, limit=limit, by=actor
    )


@instances.get(
    "/{name}/versions/{number}/instances/{instance}",
    response_model=InstanceOut,
    responses=responses(NotFound),
)
async def get_instance(
    name: Name, number: Number, instance: Name, actor: Reader, session: Session
) -> Instance:
    """Return an instance that stands; the list also shows those that have ended."""
    return await service.find_instance(session, name, number, instance, by=actor)


@instances.delete(
    "/{name}/versions/{number}/instances/{instance}",
    status_code=204,
    responses=responses(NotFound, InstancePinned, NotYourModel),
)
async def end_instance(
    name: Name, number: Number, instance: Name, actor: Writer, session: Session
) -> None:
    """End an instance; it stays in the list of all, with the date.

    Not where a plan pins its key and the version sits there, or was champion there.
    """
    await service.end_instance(session, name, number, instance, by=actor)
