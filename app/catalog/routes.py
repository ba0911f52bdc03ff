from typing import Annotated, Any

from fastapi import Path, Query, Request, Response

from app.catalog import aliases, points, registering, service, versions
from app.catalog.registering import Registrar, Registration
from app.catalog.rules import (
    AssetKind,
    BadSource,
    EnsembleInItself,
    MemberRetired,
    OwnNeighbour,
    ReservedName,
    RiskTier,
    Stage,
    VersionRetired,
)
from app.catalog.schemas import (
    AliasIn,
    AliasOut,
    ModelIn,
    ModelOut,
    ModelPatch,
    PointIn,
    PointOut,
    PointPatch,
    VersionIn,
    VersionOut,
    VersionPatch,
)
from app.catalog.specifics import WrongSpecifics
from app.catalog.tables import DecisionPoint, Model, Version
from app.kit.actor import Actor
from app.kit.names import MOST, NAME
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import AlreadyExists, NotFound
from app.platform.http import (
    Cursor,
    IfMatch,
    Limit,
    Session,
    allow,
    etag,
    responses,
)
from app.platform.http import router as make_router
from app.platform.http.documented import editing

models = make_router("/v1/models", tag="catalog")
decision_points = make_router("/v1/decision-points", tag="catalog")

Name = Annotated[str, Path(pattern=NAME)]
Number = Annotated[int, Path(ge=1, lt=MOST)]
Reader = Annotated[Actor, allow("catalog:read")]
Writer = Annotated[Actor, allow("catalog:write")]
Operator = Annotated[Actor, allow("catalog:points")]


@models.post(
    "", status_code=201, response_model=ModelOut, responses=responses(AlreadyExists, NotFound)
)
async def create_model(body: ModelIn, actor: Writer, session: Session, response: Response) -> Model:
    """Catalogue a new model, rule set, optimiser or other analytical asset."""
    model = await service.create_model(session, **dict(body), by=actor)
    etag(response, model.revision)
    return model


@models.get("", response_model=Page[ModelOut], responses=responses(BadCursor))
async def search_models(
    actor: Reader,
    session: Session,
    q: Annotated[str | None, Query(max_length=200, description="In name or purpose.")] = None,
    kind: AssetKind | None = None,
    risk_tier: RiskTier | None = None,
    tag: Annotated[str | None, Query(description="`key` or `key:value`.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[Model]:
    """Search the catalog, ordered by name."""
    return await service.search_models(
        session,
        text=q,
        kind=kind,
        risk_tier=risk_tier,
        tag=tag,
        cursor=cursor,
        limit=limit,
        by=actor,
    )


@models.get("/{name}", response_model=ModelOut, responses=responses(NotFound))
async def get_model(name: Name, actor: Reader, session: Session, response: Response) -> Model:
    """Return a model; its ETag guards edits."""
    model = await service.model_of(session, name, by=actor)
    etag(response, model.revision)
    return model


@models.patch("/{name}", response_model=ModelOut, responses=editing(NotFound))
async def edit_model(
    name: Name,
    body: ModelPatch,
    expected: IfMatch,
    actor: Writer,
    session: Session,
    response: Response,
) -> Model:
    """Change purpose, owner or tags."""
    changes = body.model_dump(exclude_unset=True)
    model = await service.edit_model(session, name, expected=expected, changes=changes, by=actor)
    etag(response, model.revision)
    return model


@models.post(
    "/{name}/versions",
    status_code=201,
    response_model=VersionOut,
    responses=responses(NotFound, BadSource, WrongSpecifics, MemberRetired, EnsembleInItself),
)
async def register_version(
    name: Name,
    body: VersionIn,
    actor: Writer,
    session: Session,
    request: Request,
    response: Response,
) -> Version:
    """Publish the next version: its content never changes after this."""
    asked = registration(actor, name, body)
    if "idempotency-key" in request.headers:
        # The answer is kept in the transaction of the act, which is therefore the request's own.
        version = await registering.register_version(session, asked)
    else:
        registrar: Registrar = request.app.state.registrar
        version = await registrar.register(asked)
    etag(response, version.revision)
    return version


def registration(actor: Actor, name: str, body: VersionIn) -> Registration:
    """Return what a body asks for."""
    content = body.model_dump(mode="json")
    return Registration(name, content, content.pop("tags"), actor)


@models.get(
    "/{name}/versions",
    response_model=Page[VersionOut],
    responses=responses(NotFound, BadCursor),
)
async def list_versions(
    name: Name,
    actor: Reader,
    session: Session,
    stage: Stage | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[Version]:
    """List a model's versions, newest first."""
    return await versions.list_versions(
        session, name, stage=stage, cursor=cursor, limit=limit, by=actor
    )


@models.get("/{name}/versions/{number}", response_model=VersionOut, responses=responses(NotFound))
async def get_version(
    name: Name, number: Number, actor: Reader, session: Session, response: Response
) -> Version:
    """Return a version with its signature, lineage, card and stage."""
    version = await versions.find_version(session, name, number, by=actor)
    etag(response, version.revision)
    return version


@models.patch("/{name}/versions/{number}", response_model=VersionOut, responses=editing(NotFound))
async def edit_version(
    name: Name,
    number: Number,
    body: VersionPatch,
    expected: IfMatch,
    actor: Writer,
    session: Session,
    response: Response,
) -> Version:
    """Replace a version's tags; nothing else of it can change."""
    version = await versions.edit_version(
        session, name, number, expected=expected, tags=body.tags, by=actor
    )
    etag(response, version.revision)
    return version


@models.put(
    "/{name}/aliases/{alias}",
    response_model=AliasOut,
    responses=responses(NotFound, ReservedName, VersionRetired),
)
async def set_alias(
    name: Name, alias: Name, body: AliasIn, actor: Writer, session: Session
) -> dict[str, Any]:
    """Point an alias at a version."""
    return await aliases.set_alias(session, name, alias, body.number, by=actor)


@models.get("/{name}/aliases/{alias}", response_model=AliasOut, responses=responses(NotFound))
async def get_alias(name: Name, alias: Name, actor: Reader, session: Session) -> dict[str, Any]:
    """Return what an alias points at; `latest` is the newest version."""
    return await aliases.get_alias(session, name, alias, by=actor)


@models.delete("/{name}/aliases/{alias}", status_code=204, responses=responses(NotFound))
async def delete_alias(name: Name, alias: Name, actor: Writer, session: Session) -> None:
    """Remove an alias."""
    await aliases.delete_alias(session, name, alias, by=actor)


@decision_points.post(
    "",
    status_code=201,
    response_model=PointOut,
    responses=responses(AlreadyExists, NotFound, OwnNeighbour),
)
async def create_point(
    body: PointIn, actor: Operator, session: Session, response: Response
) -> DecisionPoint:
    """Identify a decision point: where a model's insight will be delivered."""
    point = await points.create_point(
        session,
        key=body.key,
        kind=body.kind,
        owner=body.owner,
        description=body.description,
        contract=body.contract.model_dump(mode="json"),
        by=actor,
    )
    etag(response, point.revision)
    return point


@decision_points.get("", response_model=Page[PointOut], responses=responses(BadCursor))
async def list_points(
    actor: Reader, session: Session, cursor: Cursor = None, limit: Limit = 50
) -> Rows[DecisionPoint]:
    """List decision points by key."""
    return await points.list_points(session, cursor=cursor, limit=limit, by=actor)


@decision_points.get("/{key}", response_model=PointOut, responses=responses(NotFound))
async def get_point(
    key: Name, actor: Reader, session: Session, response: Response
) -> DecisionPoint:
    """Return a decision point with its contract."""
    point = await points.point_by_key(session, key, by=actor)
    etag(response, point.revision)
    return point


@decision_points.patch("/{key}", response_model=PointOut, responses=editing(NotFound, OwnNeighbour))
async def edit_point(
    key: Name,
    body: PointPatch,
    expected: IfMatch,
    actor: Operator,
    session: Session,
    response: Response,
) -> DecisionPoint:
    """Change a decision point's description or contract."""
    changes = body.model_dump(mode="json", exclude_unset=True)
    point = await points.edit_point(session, key, expected=expected, changes=changes, by=actor)
    etag(response, point.revision)
    return point
