from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from app import catalog
from app.kit.actor import Actor
from app.kit.input import Input
from app.kit.moment import InTheFuture
from app.kit.names import MOST, NAME
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.kpi import pushed
from app.kpi.attribution import Attributed, NotInOrder, attributed
from app.kpi.pushed import NotPushed, Pushed, SaidOtherwise
from app.kpi.tables import NOBODY
from app.platform.http import Cursor, Limit, Session, Snapshot, allow, responses
from app.platform.http import router as make_router
from app.platform.http.moment import Countable
from app.telemetry import GREATEST

router = make_router("/v1/decision-points/{key}", tag="kpi")

Name = Annotated[str, Path(pattern=NAME)]


class ReportedIn(Input):
    """A value of a KPI, of a decision point or of several together."""

    kpi: str = Field(pattern=NAME)
    at: Countable
    value: float | None = Field(
        ge=-GREATEST,
        le=GREATEST,
        description="With null what was said is taken back, under a higher `revision`.",
    )
    segment: str = Field("", max_length=128, description="A region, a product; of all: nothing.")
    revision: int = Field(0, ge=0, le=1_000_000, description="Of a correction: the highest stands.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.value is None and not self.revision:
            raise ValueError("value is null: what was said is taken back by a revision above 0")
        return self


class ValueIn(ReportedIn):
    model: str | None = Field(None, pattern=NAME, description="Whose, if it is one version's.")
    version: int | None = Field(None, ge=1, lt=MOST)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.model is None) is not (self.version is None):
            raise ValueError("model and version belong together")
        return self


class ValuesIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"values": [{"kpi": "margin", "at": "2026-03-01T00:00:00Z", "value": 1250.5}]}
            ]
        },
    )

    values: list[ValueIn] = Field(min_length=1, max_length=1000)


class TakenOut(BaseModel):
    accepted: int = Field(description="Committed by this call.")
    duplicates: int = Field(description="Committed before; not doubled.")


class ValueOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    kpi: str = Field(validation_alias="key")
    at: datetime
    segment: str
    value: float | None = Field(description="Null where what was said is taken back.")
    version_id: UUID | None = Field(description="Whose; nobody's where it is the whole point's.")
    revision: int
    received_at: datetime
    withdrawn: bool = Field(
        description="Whether the KPI that it was reported of has been withdrawn: it counts no more,"
        " nor for another one that was agreed on under the key since."
    )

    @field_validator("version_id", mode="before")
    @classmethod
    def _somebodys(cls, found: Any) -> Any:
        return None if found == NOBODY else found


class IntervalOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    difference: float
    low: float
    high: float


class WorthOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    per_unit: IntervalOut = Field(
        description="An asymptotic confidence sequence at 95 %: of many units, at every look."
    )
    total: IntervalOut = Field(description="Of all units that the version had.")


class AttributedOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    since: datetime | None = Field(
        description="Since when the shares of version and holdout stood still: only that is looked"
        " at. Where nothing of them lies in the time asked about, as it was asked."
    )
    until: datetime | None
    treated: int = Field(description="Units that the version decided about, about.")
    held_out: int = Field(description="Units that the holdout kept from it, about.")
    share: float = Field(description="The share of the units that was looked at.")
    here: WorthOut | None = Field(description="Reward less cost, against the holdout.")
    elsewhere: Mapping[str, WorthOut | None] = Field(
        description="The same units at the decision points downstream that your key sees."
    )
    together: WorthOut | None = Field(
        description="Here and at all decision points downstream as one sum a unit, whichever of"
        " them your key sees."
    )
    unseen: int = Field(
        description="How many decision points downstream are in the sum and not among `elsewhere`:"
        " your key does not see them."
    )
    currency_unknown: list[str] = Field(
        description="Decision points that are in the sum and at which no currency is agreed, of"
        " those that your key sees: what they bring is taken to be of the same."
    )
    lacking: str | None = Field(
        description="What keeps anything from being said; or only `together`, of money of different"
        " currencies."
    )


@router.post(
    "/kpi-values",
    response_model=TakenOut,
    responses=responses(NotFound, NotPushed, InTheFuture, SaidOtherwise),
)
async def push_values(
    key: Name, body: ValuesIn, actor: Annotated[Actor, allow("telemetry:outcome")], session: Session
) -> TakenOut:
    """Report what KPIs came to, all of them or none; the same again is not doubled."""
    values = [Pushed(**one.model_dump()) for one in body.values]
    fresh = await pushed.push(session, key, values, by=actor)
    return TakenOut(accepted=fresh, duplicates=len(values) - fresh)


@router.get("/kpi-values", response_model=Page[ValueOut], responses=responses(NotFound, BadCursor))
async def list_values(
    key: Name,
    actor: Annotated[Actor, allow("telemetry:read")],
    session: Session,
    kpi: Annotated[str | None, Query(pattern=NAME)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[dict[str, Any]]:
    """List what KPIs were reported to be, corrected values and what they were before."""
    return await pushed.list_values(session, key, kpi=kpi, cursor=cursor, limit=limit, by=actor)


@router.get("/value", response_model=AttributedOut, responses=responses(NotFound, NotInOrder))
async def get_value(
    key: Name,
    model: Annotated[str, Query(pattern=NAME)],
    version: Annotated[int, Query(ge=1, lt=MOST)],
    actor: Annotated[Actor, allow("telemetry:read")],
    session: Snapshot,
    since: Countable | None = None,
    until: Countable | None = None,
) -> Attributed:
    """Say what a version is worth: its units beside the holdout's, here and downstream.

    Of the time asked about only the newest is looked at in which their shares stood still.
    """
    point = await catalog.point_by_key(session, key, by=actor)
    found = await catalog.find_version(session, model, version, by=actor)
    return await attributed(
        session, point, found.id, since=since, until=until, keys=actor.points
    )  # fmt: skip
