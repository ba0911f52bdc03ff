from datetime import datetime
from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from app.drift.charting import Chart, chart
from app.drift.drawing import BadChart, TooMuchToChart
from app.drift.known import NoSuchArm, NoSuchVariable
from app.kit.actor import Actor
from app.kit.names import MOST, NAME
from app.kit.refusal import NotFound
from app.platform.http import Snapshot, allow, responses
from app.platform.http import router as make_router
from app.platform.http.moment import Countable
from app.telemetry import NoSuchSegment

router = make_router("/v1/decision-points/{key}", tag="drift")


class PointOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    at: datetime = Field(description="When the bucket begins.")
    value: float
    standard_error: float | None
    n: int = Field(description="How many rows it is of.")


class LineOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    model: str | None = Field(description="Null of what was reported of the whole point.")
    version: int | None
    arm: str = Field(description="Empty of what was reported.")
    segment: str = Field(description="`state=NSW`; empty of the whole traffic.")
    points: list[PointOut]


class ChartOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    metric: str
    since: datetime
    until: datetime
    bucket_hours: int
    judged_until: datetime | None = Field(
        description="Of metrics of outcomes: buckets that end later are of events whose outcomes"
        " have not had the monitor's `label_delay_hours` yet; null where none is set."
    )
    lines: list[LineOut] = Field(
        description="One for each version and arm, and segment, with something."
    )


@router.get(
    "/series",
    response_model=ChartOut,
    responses=responses(
        NotFound, BadChart, TooMuchToChart, NoSuchSegment, NoSuchVariable, NoSuchArm
    ),
)
async def get_series(
    key: Annotated[str, Path(pattern=NAME)],
    actor: Annotated[Actor, allow("telemetry:read")],
    session: Snapshot,
    metric: Annotated[
        str,
        Query(
            max_length=200,
            description="`events`; of outcomes `accuracy`, `auc`, `log_loss`, `ece`, `mae`,"
            " `reward`, `cost` and so on; of a variable or of `score` `mean:`, `null_share:`,"
            " `unseen_share:`, `js:`, `psi:`, `ks:` or `wasserstein:` and its name; `kpi:` and the"
            " key of a KPI that is agreed on here.",
            examples=["psi:demand"],
        ),
    ] = "events",
    model: Annotated[str | None, Query(pattern=NAME)] = None,
    version: Annotated[int | None, Query(ge=1, lt=MOST)] = None,
    arm: Annotated[str | None, Query(max_length=100)] = None,
    segment: Annotated[
        str | None,
        Query(
            max_length=300,
            description="One of the contract's `segments`, as `state`: a line for each of its"
            " values; or one of them, as `state=NSW`.",
        ),
    ] = None,
    since: Countable | None = None,
    until: Countable | None = None,
    bucket_hours: Annotated[
        int | None, Query(ge=1, le=24 * 28, description="Chosen for the time, if not named.")
    ] = None,
) -> Chart:
    """Return any metric of a decision point over time, by version, arm and segment."""
    return await chart(
        session, key, metric, model=model, version=version, arm=arm, segment=segment, since=since,
        until=until, bucket_hours=bucket_hours, by=actor,
    )  # fmt: skip
