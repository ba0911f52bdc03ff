from typing import Annotated, Any

from fastapi import Path, Query, Response

from app.catalog import ensembles, forks, lineage, overview, versions
from app.catalog.asset_schemas import CompletenessOut, ForkIn, LineageOut, MemberOut
from app.catalog.lineage import Direction
from app.catalog.rules import AnotherKind, EnsembleInItself, MemberRetired, OwnModel
from app.catalog.schemas import VersionOut
from app.catalog.tables import Version
from app.kit.actor import Actor
from app.kit.names import MOST, NAME
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.platform.http import Cursor, Limit, Session, allow, etag, responses
from app.platform.http import router as make_router

assets = make_router("/v1/models", tag="catalog")

MARKDOWN = "text/markdown"
Name = Annotated[str, Path(pattern=NAME)]
Number = Annotated[int, Path(ge=1, lt=MOST)]
Reader = Annotated[Actor, allow("catalog:read")]
Writer = Annotated[Actor, allow("catalog:write")]


@assets.get(
    "/{name}/versions/{number}/members",
    response_model=Page[MemberOut],
    responses=responses(NotFound, BadCursor),
)
async def list_members(
    name: Name,
    number: Number,
    actor: Reader,
    session: Session,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[dict[str, Any]]:
    """List what an ensemble's version is made of, in its order; other kinds have no members."""
    version = await versions.find_version(session, name, number, by=actor)
    return await ensembles.members_of(session, version, cursor=cursor, limit=limit, by=actor)


@assets.get(
    "/{name}/versions/{number}/lineage",
    response_model=LineageOut,
    responses=responses(NotFound),
)
async def get_lineage(
    name: Name,
    number: Number,
    actor: Reader,
    session: Session,
    direction: Direction = Direction.BOTH,
    depth: Annotated[int, Query(ge=1, le=20, description="Steps from the version.")] = 5,
    same_data: Annotated[  # noqa: FBT002 - FastAPI passes it by name
        bool, Query(description="With what was trained on the same data as the version.")
    ] = False,
) -> dict[str, Any]:
    """Return what a version came out of and what came out of it, as nodes and edges."""
    return await lineage.lineage_of(
        session, name, number, direction=direction, depth=depth, same_data=same_data, by=actor
    )


@assets.post(
    "/{name}/versions/{number}:fork",
    status_code=201,
    response_model=VersionOut,
    responses=responses(NotFound, OwnModel, AnotherKind, MemberRetired, EnsembleInItself),
)
async def fork_version(
    name: Name, number: Number, body: ForkIn, actor: Writer, session: Session, response: Response
) -> Version:
    """Take a version over into another model, as its next version, with where it comes from."""
    made = await forks.fork(session, name, number, **dict(body), by=actor)
    etag(response, made.revision)
    return made


@assets.get(
    "/{name}/versions/{number}/card",
    response_class=Response,
    responses=responses(NotFound) | {200: {"content": {MARKDOWN: {"schema": {"type": "string"}}}}},
)
async def get_card(name: Name, number: Number, actor: Reader, session: Session) -> Response:
    """Return a version's model card as Markdown (RFC 7763): what the catalog knows of it."""
    text = await overview.card_of(session, name, number, by=actor)
    return Response(text, media_type=f"{MARKDOWN}; charset=utf-8")


@assets.get(
    "/{name}/versions/{number}/completeness",
    response_model=CompletenessOut,
    responses=responses(NotFound),
)
async def get_completeness(
    name: Name, number: Number, actor: Reader, session: Session
) -> dict[str, Any]:
    """Say what is missing of a version's documentation, and which call supplies it."""
    gaps = await overview.gaps_of(session, name, number, by=actor)
    return {"complete": not gaps, "gaps": gaps}
