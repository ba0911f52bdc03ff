from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from app.kit.actor import Actor, OutOfScope
from app.kit.names import NAME
from app.kit.refusal import NotFound
from app.kpi.attribution import NotInOrder
from app.kpi.rules import Direction
from app.kpi.scopes import measuring, service
from app.kpi.scopes.measuring import ScopeMeasured
from app.kpi.scopes.reading import TooMuchToMeasure
from app.kpi.scopes.routes import Name
from app.kpi.scopes.rules import ScopeFormula
from app.kpi.scopes.schemas import ScopeKpiOut
from app.kpi.scopes.series import ScopeSeries, series
from app.platform.http import Snapshot, allow, responses
from app.platform.http import router as make_router
from app.platform.http.moment import Countable

router = make_router("/v1/kpi-scopes/{scope}", tag="kpi-scopes")


class ChampionOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    model: str
    version: int


class PartOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    decision_point: str
    value: float | None = Field(description="The same formula over this point's outcomes alone.")
    before: float | None = Field(description="The same over the time before, if it is `compared`.")
    outcomes: int
    champion: ChampionOut | None = Field(
        description="Which version answers there now; the value is of all that answered."
    )


class ScopeMeasuredOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    key: str
    name: str
    formula: ScopeFormula
    unit: str
    currency: str | None = Field(
        description="Of money: the KPI's own, or else the one that is agreed at its points."
    )
    currency_unknown: list[str] = Field(
        description="Points that are in it and at which no currency is agreed: what they bring is"
        " taken to be of the same."
    )
    value: float | None
    low: float | None = Field(
        description="Where it surely lies: three standard errors around what outcomes say; of a"
        " total, what days of so much business bring, whichever decisions come; of reported values"
        " nothing."
    )
    high: float | None
    before: float | None = Field(description="Over the time before, if it is `compared`.")
    outcomes: int = Field(description="Decisions whose outcome is known, or values reported.")
    direction: Direction
    threshold: float
    tolerance: float
    target: float | None
    missed: bool | None = Field(
        description="Beyond threshold and tolerance; not said of what has no value, nor of what"
        " adds up with time over another time than its `window_days`."
    )
    certain: bool = Field(
        description="Whether more than chance keeps it from where a miss begins, at the threshold"
        " and the tolerance beyond it: that lies outside of `low` to `high`. A total happened: of"
        " it the claim is that days of so much business bring that little, or that much; that there"
        " was less business than on others is no chance here."
    )
    since: datetime
    until: datetime
    lacking: str | None = Field(description="What keeps something from being said.")
    revision: int = Field(description="Of the definition that it was held against.")
    parts: list[PartOut] = Field(
        description="What each point has of it: of totals, their sum is the value. None of what is"
        " reported, nor of an expression."
    )


class ScopeMeasuresOut(BaseModel):
    measures: list[ScopeMeasuredOut]


class FigureOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    at: datetime = Field(description="When the bucket begins; weeks do on Mondays (UTC).")
    covered_hours: int = Field(
        description="How many of its hours lie from `since` to `until`: of the first and the last"
        " bucket perhaps not all `bucket_hours`."
    )
    value: float | None
    low: float | None
    high: float | None
    outcomes: int
    lacking: str | None


class PartLineOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    decision_point: str
    figures: list[FigureOut]


class ScopeSeriesOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    kpi: ScopeKpiOut
    since: datetime
    until: datetime
    bucket_hours: int
    figures: list[FigureOut] = Field(description="Of every bucket, with something or without.")
    parts: list[PartLineOut] = Field(description="Of each point the buckets with something.")


@router.get(
    "/measured",
    response_model=ScopeMeasuresOut,
    responses=responses(NotFound, NotInOrder, OutOfScope),
)
async def measure_scope(
    scope: Name,
    actor: Annotated[Actor, allow("telemetry:read")],
    session: Snapshot,
    since: Countable | None = None,
    until: Countable | None = None,
    compared: Annotated[bool, Query(description="With the time before, as long.")] = False,  # noqa: FBT002 - a query parameter
    kpi: Annotated[str | None, Query(pattern=NAME, description="Only this one.")] = None,
) -> dict[str, list[ScopeMeasured]]:
    """Measure every KPI of a process or a portfolio, with what each point has of it.

    By whole hours of UTC, to which both ends are taken back; without `since` over `window_days`.
    Without either each over its own last `window_days` whole days,
    less those that it waits for (`wait_days`). One that would have too much read is not measured
    and says so (`lacking`); the others are.
    """
    found = await service.scope_by_key(session, scope, by=actor)
    measured = await measuring.measure(
        session, found, since=since, until=until, compared=compared, kpi=kpi
    )
    return {"measures": measured}


@router.get(
    "/series",
    response_model=ScopeSeriesOut,
    responses=responses(NotFound, NotInOrder, TooMuchToMeasure, OutOfScope),
)
async def get_scope_series(
    scope: Name,
    kpi: Annotated[str, Query(pattern=NAME)],
    actor: Annotated[Actor, allow("telemetry:read")],
    session: Snapshot,
    since: Countable | None = None,
    until: Countable | None = None,
    bucket_hours: Annotated[
        int | None,
        Query(ge=1, le=24 * 28, description="Days, or wider for a long time, if not named."),
    ] = None,
) -> ScopeSeries:
    """Return a KPI of a scope over time, in all and at each point.

    By default of 30 days and today, or of as many as can be read at once.
    """
    return await series(
        session, scope, kpi, since=since, until=until, bucket_hours=bucket_hours, by=actor
    )
