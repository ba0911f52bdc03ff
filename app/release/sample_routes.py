from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from pydantic import ConfigDict, Field, StringConstraints

from app import gates, telemetry
from app.identity import DecisionDenied
from app.kit.actor import Actor
from app.kit.input import Input
from app.kit.names import NAME
from app.kit.refusal import NotFound, RateLimited
from app.platform.http import Session, allow, responses
from app.platform.http import router as make_router
from app.platform.http.body import media_of
from app.release import instances, querying, sampling
from app.release.composition import NotItsMembers, Sent
from app.release.instances import BadScores
from app.release.instantiation import Combiner
from app.release.querying import BadQuery, NoSources
from app.release.sampling import BadSample, NothingRecorded, UnreadMedia

samples = make_router("/v1/releases", tag="release")

Submitter = Annotated[Actor, allow("gates:evidence")]
Scores = Annotated[list[float], Field(min_length=2, max_length=100_000)]
Key = Annotated[str, StringConstraints(pattern=NAME)]
_MEMBER = r"^[A-Za-z0-9._@-]{1,140}$"


class RecordedIn(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"days": 7}]})

    days: int = Field(7, ge=1, le=366, description="How far back; at most 20,000 rows are read.")


class QueryIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "sql": "SELECT at, demand FROM scoring WHERE state = 'NSW' USING SAMPLE 50000",
                    "time_column": "at",
                }
            ]
        }
    )

    sql: str = Field(
        min_length=1,
        max_length=10_000,
        description="One SELECT over the sources that MODELWARD_LAKE_SOURCES names, with a column"
        " for each input.",
    )
    time_column: str | None = Field(
        None, max_length=128, description="The column that tells when; without it no velocity."
    )


class InstanceIn(Input):
    segment: dict[
        Annotated[str, StringConstraints(min_length=1, max_length=64)],
        Annotated[str, StringConstraints(min_length=1, max_length=128)],
    ] = Field(min_length=1, max_length=10, description="What it is for: state, region, product.")
    scores: Scores


class MemberIn(Input):
    weight: float | None = Field(
        None, gt=0, le=1e9, description="Of an ensemble in the catalogue its own counts; else 1."
    )
    scores: Scores


class EnsembleIn(Input):
    members: dict[Annotated[str, StringConstraints(pattern=_MEMBER)], MemberIn] = Field(
        min_length=2,
        max_length=100,
        description="Of an ensemble in the catalogue its members as `model@number`, all of them.",
    )
    combiner: Combiner | None = Field(
        None, description="Of an ensemble in the catalogue its own counts; else the mean."
    )

    def sent(self) -> Sent:
        """Return it as the measurement takes it."""
        members = {name: (one.weight, one.scores) for name, one in self.members.items()}
        return Sent(members, self.combiner)


class InstancesIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "rows": 3,
                    "tolerance": 0.05,
                    "instances": {
                        "nsw": {"segment": {"state": "NSW"}, "scores": [0.2, 0.7, 0.4]},
                        "vic": {"segment": {"state": "VIC"}, "scores": [0.21, 0.68, 0.41]},
                    },
                    "ensemble": {
                        "members": {
                            "linear": {"weight": 2, "scores": [0.2, 0.7, 0.4]},
                            "tree": {"weight": 1, "scores": [0.1, 0.9, 0.6]},
                        },
                        "combiner": "weighted_mean",
                    },
                }
            ]
        },
    )

    rows: int = Field(ge=2, le=100_000, description="Of the common sample.")
    instances: dict[Key, InstanceIn] = Field(
        min_length=2, max_length=200, description="Each by its key, all on the same rows in order."
    )
    labels: Annotated[list[float], Field(max_length=100_000)] | None = Field(
        None, description="What became of the rows, 0 or 1, for the accuracy of each instance."
    )
    ensemble: EnsembleIn | None = None
    tolerance: float = Field(
        gt=0,
        le=1e9,
        description="In units of the score. The contract's `instance_tolerance` takes its place"
        " where that is stricter.",
    )


@samples.post(
    "/{case_id}/steps/parameter_testing:sample",
    status_code=201,
    response_model=gates.EvidenceOut,
    responses=responses(NotFound, gates.CaseClosed, BadSample, DecisionDenied, UnreadMedia),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                telemetry.PARQUET: {"schema": {"type": "string", "format": "binary"}},
                telemetry.CSV: {
                    "schema": {"type": "string", "format": "binary"},
                    "example": "at,demand\n2026-02-01T00:00:00Z,0.43\n",
                },
                telemetry.JSON_LINES: {
                    "schema": {"type": "string", "format": "binary"},
                    "example": '{"at": "2026-02-01T00:00:00Z", "demand": 0.43}\n',
                },
            },
        }
    },
)
async def take_sample(
    case_id: UUID,
    request: Request,
    actor: Submitter,
    session: Session,
    time_column: Annotated[
        str | None,
        Query(max_length=128, description="The column that tells when; without it no velocity."),
    ] = None,
) -> gates.Evidence:
    """Report on a sample of production input: Parquet, CSV with a header, or JSON lines.

    The report is kept as the step's evidence, the rows are not. What can be read in two ways is
    refused, with the line that it stands in.
    """
    media = media_of(request.headers.get("content-type"))
    return await sampling.take_sample(
        session, case_id, raw=await request.body(), media=media, time_column=time_column, by=actor
    )


@samples.post(
    "/{case_id}/steps/parameter_testing:recorded",
    status_code=201,
    response_model=gates.EvidenceOut,
    responses=responses(NotFound, gates.CaseClosed, NothingRecorded, DecisionDenied),
)
async def take_recorded(
    case_id: UUID, body: RecordedIn, actor: Submitter, session: Session
) -> gates.Evidence:
    """Report on what production carried at the decision point, as this version would see it."""
    return await sampling.take_recorded(session, case_id, days=body.days, by=actor)


@samples.post(
    "/{case_id}/steps/parameter_testing:query",
    status_code=201,
    response_model=gates.EvidenceOut,
    responses=responses(
        NotFound, gates.CaseClosed, NoSources, BadQuery, DecisionDenied, RateLimited
    ),
)
async def take_query(
    case_id: UUID, body: QueryIn, request: Request, actor: Submitter, session: Session
) -> gates.Evidence:
    """Report on production input asked for where it lies, in files that the operator named.

    The report and the query are kept as the step's evidence, the rows are not.
    """
    return await querying.take_query(
        session,
        case_id,
        sources=request.app.state.lake_sources,
        sql=body.sql,
        time_column=body.time_column,
        by=actor,
    )


@samples.post(
    "/{case_id}/steps/instantiation_validation:sample",
    status_code=201,
    response_model=gates.EvidenceOut,
    responses=responses(NotFound, gates.CaseClosed, BadScores, NotItsMembers, DecisionDenied),
)
async def take_scores(
    case_id: UUID, body: InstancesIn, actor: Submitter, session: Session
) -> gates.Evidence:
    """Measure how far a version's instances agree, and what each member of an ensemble weighs."""
    ensemble = body.ensemble.sent() if body.ensemble else None
    return await instances.take_scores(
        session,
        case_id,
        rows=body.rows,
        instances={key: (one.segment, one.scores) for key, one in body.instances.items()},
        labels=body.labels,
        ensemble=ensemble,
        tolerance=body.tolerance,
        by=actor,
    )
