from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app import catalog, gates, identity
from app.kit.actor import Actor
from app.kit.input import Input
from app.kit.names import MOST, NAME
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.kpi import measuring, service
from app.kpi.attribution import NotInOrder
from app.kpi.money import MixedCurrencies
from app.kpi.rules import Aggregate, Direction, Formula, KpiWatched, better, fault
from app.platform.http import (
    Cursor,
    IfMatch,
    IfMatchToReplace,
    Limit,
    Session,
    Snapshot,
    allow,
    etag,
    responses,
)
from app.platform.http import router as make_router
from app.platform.http.documented import editing
from app.platform.http.moment import Countable
from app.telemetry import GREATEST, NoSuchSegment

router = make_router("/v1/decision-points/{key}/kpis", tag="kpi")

Name = Annotated[str, Path(pattern=NAME)]


class PricesIn(Input):
    true_positive: float = Field(0.0, ge=-GREATEST, le=GREATEST)
    false_positive: float = Field(0.0, ge=-GREATEST, le=GREATEST)
    false_negative: float = Field(0.0, ge=-GREATEST, le=GREATEST)
    true_negative: float = Field(0.0, ge=-GREATEST, le=GREATEST)


class AgreedTerms(Input):
    """What is agreed on about any KPI, of a decision point or of several together."""

    name: str = Field(min_length=1, max_length=200)
    direction: Direction | None = Field(
        None,
        description="Which side of the threshold is good. Left out: `at_most` of `log_loss`,"
        " `brier`, `ece`, `mae`, `rmse`, `mean_cost` and `total_cost`, else `at_least`.",
    )
    tolerance: float = Field(0.0, ge=0, allow_inf_nan=False)
    unit: str = Field(max_length=64)
    currency: str | None = Field(None, pattern=r"^[A-Z]{3}$", description="Of money: ISO 4217.")
    target: float | None = Field(
        None,
        allow_inf_nan=False,
        description="What is hoped for beyond the threshold; only the threshold decides.",
    )
    prices: PricesIn | None = Field(
        None, description="Of `error_cost`: what an answer of each kind brings; costs are negative."
    )
    aggregate: Aggregate = Field(Aggregate.MEAN, description="What pushed values come to.")

    def require_sense(self, formula: str) -> None:
        """Refuse prices and an aggregate that its ``formula`` makes nothing of."""
        if (formula == Formula.ERROR_COST) is not (self.prices is not None):
            raise ValueError("prices belong to the formula error_cost, which needs them")
        if self.prices is not None and not any(self.prices.model_dump().values()):
            raise ValueError("no answer has a price: what they cost would always be 0")
        if self.aggregate is not Aggregate.MEAN and formula != Formula.PUSHED:
            raise ValueError(f"aggregate is of pushed values, and {formula} is of none")


class KpiTerms(AgreedTerms):
    formula: Formula = Formula.MEAN_REWARD
    threshold: float = Field(
        allow_inf_nan=False, description="Of a share, such as accuracy, from 0 to 1."
    )


class KpiIn(KpiTerms):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Value of a call",
                    "formula": "mean_reward",
                    "direction": "at_least",
                    "threshold": 0.2,
                    "unit": "AUD a decision",
                }
            ]
        },
    )

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        self.require_sense(self.formula)
        self.direction = self.direction or better(self.formula)
        wrong = fault(
            self.formula, self.direction, self.threshold, self.tolerance, self.target,
            self.currency,
        )  # fmt: skip
        if wrong is not None:
            raise ValueError(wrong)
        return self


class KpiOut(KpiTerms):
    """As it stands: what was agreed under other rules is shown as well."""

    model_config = ConfigDict(from_attributes=True, extra="ignore")

    direction: Direction

    id: UUID
    key: str
    revision: int


class MeasuredOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    key: str
    name: str
    unit: str
    value: float | None
    direction: Direction
    threshold: float
    tolerance: float
    missed: bool | None = Field(
        description="Beyond threshold and tolerance; of an uplift, surely. Null: without a value"
        " nothing is said."
    )
    certain: bool = Field(
        description="Whether more than chance keeps it from where a miss begins: threshold and"
        " tolerance together lie outside of `low` to `high`. Alerts are made of what is missed for"
        " certain."
    )
    outcomes: int = Field(
        description="Decisions whose outcome is known; values pushed; units compared."
    )
    low: float | None = Field(
        description="Where it surely lies: of an uplift its confidence sequence, of what outcomes"
        " bring three standard errors; of reported values nothing."
    )
    high: float | None
    target: float | None
    formula: Formula
    gravely: bool = Field(
        description="Missed by more than twice the tolerance, or as an uplift. Of a tolerance of 0:"
        " by more than twice what chance explains, and more than a tenth of the threshold."
    )
    digest: str = Field(description="Of the definition that it was held against.")
    lacking: str | None = Field(
        description="Why there is no value; or why no miss is certain, though there is one: fewer"
        " than 30 outcomes, or fewer than 5 that brought anything."
    )
    segment: str = Field("", description="Which part it is of, as `state=NSW`; none: the whole.")


class MeasuresOut(BaseModel):
    measures: list[MeasuredOut]


@router.put(
    "/{kpi}",
    response_model=KpiOut,
    responses=editing(NotFound, identity.DecisionDenied, MixedCurrencies) | gates.ACCEPTED,
)
async def define_kpi(
    key: Name,
    kpi: Name,
    body: KpiIn,
    expected: IfMatchToReplace,
    actor: Annotated[Actor, allow("kpi:write")],
    session: Session,
    response: Response,
    reason: Annotated[str, Query(max_length=2000)] = "",
) -> Any:
    """Agree on a business KPI for the decision point, or change one as it stands."""
    agreed = await service.edit(
        session, key, kpi, expected=expected, fields=body.model_dump(), reason=reason,
        by=actor,
    )  # fmt: skip
    if isinstance(agreed, gates.Change):
        return gates.accepted(agreed)
    assert agreed is not None  # noqa: S101 - with fields, there is one
    etag(response, agreed.revision)
    return (await service.shown(session, actor.tenant_id, [agreed]))[0]


@router.delete(
    "/{kpi}",
    status_code=204,
    response_model=None,
    responses=editing(NotFound, identity.DecisionDenied, KpiWatched) | gates.ACCEPTED,
)
async def withdraw_kpi(
    key: Name,
    kpi: Name,
    expected: IfMatch,
    actor: Annotated[Actor, allow("kpi:write")],
    session: Session,
    reason: Annotated[str, Query(max_length=2000)] = "",
) -> Any:
    """Withdraw a KPI: it is neither listed nor measured any more.

    Cases go on by what was agreed when they began, what it came to stays on record, and so do its
    pushed values. What is agreed on anew under the key is another KPI, and begins without them: it
    may mean something else. An alert about it lapses at once.
    """
    change = await service.edit(
        session, key, kpi, expected=expected, fields=None, reason=reason, by=actor
    )
    return gates.accepted(change) if isinstance(change, gates.Change) else Response(status_code=204)


@router.get("", response_model=Page[KpiOut], responses=responses(NotFound, BadCursor))
async def list_kpis(
    key: Name,
    actor: Annotated[Actor, allow("telemetry:read")],
    session: Session,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[dict[str, Any]]:
    """List the KPIs agreed for the decision point."""
    point = await catalog.point_by_key(session, key, by=actor)
    found = await service.list_definitions(
        session, actor.tenant_id, point.id, cursor=cursor, limit=limit
    )
    return Rows(await service.shown(session, actor.tenant_id, found.items), found.next_cursor)


@router.get("/{kpi}", response_model=KpiOut, responses=responses(NotFound))
async def get_kpi(
    key: Name,
    kpi: Name,
    actor: Annotated[Actor, allow("telemetry:read")],
    session: Session,
    response: Response,
) -> dict[str, Any]:
    """Return a KPI as it is agreed; its ETag guards edits."""
    found = await service.definition_of(session, key, kpi, by=actor)
    etag(response, found.revision)
    return (await service.shown(session, actor.tenant_id, [found]))[0]


@router.get(
    ":measure", response_model=MeasuresOut, responses=responses(NotFound, NotInOrder, NoSuchSegment)
)
async def measure_kpis(
    key: Name,
    model: Annotated[str, Query(pattern=NAME)],
    version: Annotated[int, Query(ge=1, lt=MOST)],
    actor: Annotated[Actor, allow("telemetry:read")],
    session: Snapshot,
    since: Countable | None = None,
    until: Countable | None = None,
    segment: Annotated[
        str | None,
        Query(
            max_length=300,
            description="One of the contract's `segments`, as `state`: each of its values; or one"
            " of them, as `state=NSW`. Reported values count by the `segment` that they name.",
        ),
    ] = None,
) -> dict[str, list[MeasuredOut]]:
    """Measure every KPI on the production decisions of one version.

    Of outcomes by whole hours. Without `since` and `until` over all of the version's time. Of a
    `segment` uplifts are left out, which are known of units only, and so is what has no value.
    """
    point = await catalog.point_by_key(session, key, by=actor)
    found = await catalog.find_version(session, model, version, by=actor)
    if since and until and since >= until:
        raise NotInOrder("since is not before until.")
    if segment is None:
        whole = await measuring.measure(
            session, actor.tenant_id, point.id, found.id, since=since, until=until
        )
        return {"measures": [MeasuredOut.model_validate(one) for one in whole]}
    parts = await measuring.measure_segments(
        session, point, found.id, segment, since=since, until=until
    )
    return {
        "measures": [
            MeasuredOut.model_validate(one).model_copy(update={"segment": name})
            for name, one in parts
        ]
    }
