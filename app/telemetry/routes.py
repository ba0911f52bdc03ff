from functools import partial
from typing import Annotated, Any

from fastapi import Path, Query, Request
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from app.kit.actor import Actor
from app.kit.names import MOST, NAME
from app.kit.refusal import AlreadyExists, NotFound, Overloaded, Refusal
from app.platform.db import Database
from app.platform.http import (
    Authenticator,
    Bulk,
    HotRoute,
    InFlight,
    NamedTwice,
    Session,
    Snapshot,
    allow,
    hot_responses,
    responses,
)
from app.platform.http import router as make_router
from app.platform.settings import Settings
from app.telemetry import baseline, giving, labelling, service
from app.telemetry.arrow import BadColumns
from app.telemetry.baseline import BadBaseline, BaselineTooLate
from app.telemetry.events import BatchRefused, NoEvents, TooManyEvents
from app.telemetry.given import BadProfile, GivenBefore, OtherLayout
from app.telemetry.given_schemas import profile_operation
from app.telemetry.giving import layout_digest
from app.telemetry.ingest import Ingest
from app.telemetry.ipc import Packed
from app.telemetry.layout import Layout
from app.telemetry.reading import PARQUET
from app.telemetry.rows import MEDIA, PARAMETERS
from app.telemetry.schemas import (
    EVENT,
    OUTCOME,
    BaselineIn,
    BaselineOut,
    BinsOut,
    InheritedOut,
    LayoutOut,
    TelemetryOut,
    VariableBins,
    batch_operation,
)
from app.telemetry.segments import NoSuchSegment
from app.telemetry.tables import Baseline
from app.telemetry.tally import Tally

router = make_router("/v1", tag="telemetry")

Name = Annotated[str, Path(pattern=NAME)]
Number = Annotated[int, Path(ge=1, lt=MOST)]


@router.put(
    "/models/{name}/versions/{number}/baseline",
    status_code=201,
    response_model=BaselineOut,
    responses=responses(NotFound, AlreadyExists, BaselineTooLate, BadBaseline),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": BaselineIn.model_json_schema(),
                    "example": BaselineIn.model_config["json_schema_extra"]["examples"][0],  # type: ignore[index]
                },
                PARQUET: {"schema": {"type": "string", "format": "binary"}},
            },
        }
    },
)
async def put_baseline(
    name: Name,
    number: Number,
    request: Request,
    actor: Annotated[Actor, allow("catalog:write")],
    session: Session,
) -> BaselineOut:
    """Freeze what the version's variables look like: its bins are chosen here, once."""
    columns, parquet = None, None
    if request.headers.get("content-type", "").startswith(PARQUET):
        parquet = await request.body()
    else:
        columns = await _columns(request)
    found = await baseline.put(session, name, number, columns=columns, parquet=parquet, by=actor)
    return _shown(found)


@router.get(
    "/models/{name}/versions/{number}/baseline",
    response_model=BaselineOut,
    responses=responses(NotFound),
)
async def get_baseline(
    name: Name,
    number: Number,
    actor: Annotated[Actor, allow("telemetry:read")],
    session: Session,
) -> BaselineOut:
    """Return a version's baseline: bins and counts of every variable."""
    found = await baseline.get(session, name, number, by=actor)
    return _shown(found, await baseline.inherited_from(session, found))


@router.get(
    "/decision-points/{key}/telemetry",
    response_model=TelemetryOut,
    responses=responses(NotFound, NoSuchSegment),
)
async def get_telemetry(
    key: Name,
    actor: Annotated[Actor, allow("telemetry:read")],
    session: Snapshot,
    segment: Annotated[
        str | None,
        Query(
            max_length=300,
            description="One of the contract's `segments`, as `state`, or one of its values, as"
            " `state=NSW`: shown besides.",
        ),
    ] = None,
    figures: Annotated[  # noqa: FBT002 - a query parameter
        bool,
        Query(
            description="Whether accuracy, AUC and rewards over all time are computed. Whoever"
            " waits until everything is folded does without: it reads no profile then.",
        ),
    ] = True,
) -> TelemetryOut:
    """Return what has arrived at a decision point, by version and arm, and how it did."""
    return await service.overview(session, key, segment=segment, figures=figures, by=actor)


async def _columns(request: Request) -> dict[str, list[Any]]:
    """Validate the JSON form here: one route takes two media types."""
    try:
        sent = BaselineIn.model_validate(await request.json() if await request.body() else {})
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise BadBaseline(
            f'The body must be {{"columns": {{name: [values]}}}}; {where or "it"} is not.'
        ) from error
    return dict(sent.columns)


def _shown(found: Baseline, origin: tuple[str, int] | None = None) -> BaselineOut:
    layout, profile = Layout.load(found.layout), Tally.decode(found.profile)
    return BaselineOut(
        version_id=found.version_id,
        rows=found.rows,
        reference=found.accuracy,
        metrics=found.metrics,
        digest=found.digest,
        inherited_from=InheritedOut(model=origin[0], version=origin[1]) if origin else None,
        created_at=found.created_at,
        variables=[
            VariableBins(
                name=bins.name,
                binning=bins.binning,
                bins=[bins.label(index) for index in range(bins.slots)],
                counts=profile.counts[span].tolist(),
            )
            for bins, span in layout.spans()
        ],
        layout=LayoutOut(
            digest=layout_digest(found.layout),
            variables=[BinsOut(**item) for item in layout.dump()["variables"]],
        ),
    )


def hot_routes(
    database: Database,
    settings: Settings,
    authenticate: Authenticator,
    registry: CollectorRegistry,
) -> list[HotRoute]:
    """Return the raw endpoints of ingest."""
    ingest = Ingest(database, registry, most_waiting=settings.ingest_events_waiting)
    flight = InFlight(settings.ingest_bytes_in_flight)
    bulk = {"media": MEDIA, "parameters": PARAMETERS, "flight": flight}
    shared = {
        "suffix": "",
        "permission": "telemetry:write",
        "authenticate": authenticate,
        "body_limit": settings.max_upload_bytes,
        "body_seconds": settings.body_seconds,
        "deadline": settings.ingest_seconds,
    }
    events = batch_operation(
        "events",
        EVENT,
        {
            "token": "AQEA…",
            "at": "2026-11-23T10:00:00Z",
            "features": {"demand": 0.43},
            "score": 0.7,
        },
        "Take scored events; a 2xx means they are committed, each once. Tokens make repeating safe:"
        " no Idempotency-Key is needed.",
    )
    outcomes = batch_operation(
        "outcomes",
        OUTCOME,
        {
            "decision_id": "0198c0de-0000-7000-8000-000000000001",
            "label": 1,
            "reward": 1.0,
            "at": "2026-11-23T10:30:00Z",
        },
        "Take what became of decisions; joined to their events in any order.",
    )
    take_profile = partial(giving.take, database)
    return [
        HotRoute(
            name="telemetry:ingest_events",
            prefix="/v1/events",
            bulk=Bulk(ingest.events, **bulk),  # type: ignore[arg-type]
            operation=_with_problems(events),
            **shared,  # type: ignore[arg-type]
        ),
        HotRoute(
            name="telemetry:ingest_outcomes",
            prefix="/v1/outcomes",
            bulk=Bulk(partial(labelling.take, database), **bulk),  # type: ignore[arg-type]
            operation=_with_problems(outcomes),
            **shared,  # type: ignore[arg-type]
        ),
        HotRoute(
            name="telemetry:ingest_profile",
            prefix="/v1/profiles",
            # No token says that its rows were decided on: whoever only develops gives none.
            endpoint=lambda actor, _, body: take_profile(actor, body),
            operation=_with_problems(
                profile_operation(), BadProfile, OtherLayout, GivenBefore, NotFound
            ),
            **{**shared, "permission": "telemetry:give"},  # type: ignore[arg-type]
        ),
    ]


_OF_BATCHES = (
    NoEvents, TooManyEvents, BatchRefused, BadColumns, Packed, NamedTwice, Overloaded, NotFound,
)  # fmt: skip


def _with_problems(
    operation: dict[str, object],
    *refusals: type[Refusal],
) -> dict[str, object]:
    problems = hot_responses(*(refusals or _OF_BATCHES))
    return {
        **operation,
        "tags": ["telemetry"],
        "security": [{"HTTPBearer": []}],
        "responses": {**operation["responses"], **problems},  # type: ignore[dict-item]
    }
