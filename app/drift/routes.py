from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app import gates, identity
from app.drift import alert_views, hearing, service
from app.drift.alert_rules import AlertKind, Severity, State
from app.drift.degrading import WATCHED, Watched
from app.drift.fairness import Rate
from app.drift.rules import Against, BusinessAgainst
from app.drift.season_schemas import KpiSeasonOut, SeasonalOut
from app.drift.tables import Monitor, Window
from app.kit.actor import Actor
from app.kit.input import Input
from app.kit.names import MOST, NAME
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.platform.http import Cursor, IfMatchToReplace, Limit, Session, allow, etag, responses
from app.platform.http import router as make_router
from app.platform.http.documented import editing
from app.telemetry import NoSuchSegment

router = make_router("/v1", tag="drift")

Name = Annotated[str, Path(pattern=NAME)]
Number = Annotated[int, Path(ge=1, lt=MOST)]
Reader = Annotated[Actor, allow("telemetry:read")]
_HOURS = 24


class HearerIn(Input):
    who: str = Field(pattern=NAME, description="A person; of a service who answers for it.")
    severity: Severity = Field(Severity.NOTICE, description="From which one on.")
    kinds: list[AlertKind] | None = Field(
        None, min_length=1, max_length=len(AlertKind), description="Of which kinds; null: of all."
    )


class HearerOut(BaseModel):
    who: str | None
    severity: Severity
    kinds: list[AlertKind] | None


class MonitorSettings(Input):
    window_hours: int = Field(_HOURS, ge=1, le=24 * 366)
    step_hours: int = Field(
        _HOURS,
        ge=1,
        le=24 * 366,
        description="From one window to the next: at most a window, as there is nothing between;"
        " 24 if nothing is said, or a window that is shorter.",
    )
    window_events: int | None = Field(
        None,
        ge=100,
        le=10**9,
        description="By count, in place of window_hours and step_hours: a window ends at the"
        " first whole hour after so many events.",
    )
    min_rows: int = Field(500, ge=10, le=10**9, description="Fewer are measured but never alarm.")
    js: float = Field(
        0.1, gt=0, le=1, description="Jensen-Shannon divergence, base 2; at most severe_js."
    )
    psi: float = Field(0.2, gt=0, description="Population stability index, bias taken off.")
    severe_js: float = Field(0.5, gt=0, le=1, description="What policies send back for.")
    q: float = Field(0.01, gt=0, lt=1, description="Benjamini-Hochberg over the variables.")
    hits: int = Field(2, ge=1, le=20, description="Windows that must drift …")
    of: int = Field(3, ge=1, le=20, description="… of so many, before there is an alert.")

    label_delay_hours: int = Field(
        0,
        ge=0,
        le=24 * 366,
        description="So long outcomes take to come, the slowest class of them: what takes labels,"
        " or outcomes, is judged in windows whose end is so long ago, in younger ones not yet.",
    )
    drift_against: Against = Field(
        "reference",
        description="What inputs and scores are held against: the version's baseline, or their own"
        " season, the same weekdays and hours of up to four weeks before.",
    )
    business_against: BusinessAgainst = Field(
        "agreed",
        description="What KPIs are held against: threshold and tolerance as agreed, or the same"
        " weekdays and hours of weeks before; by `either` one of both suffices.",
    )
    metrics: list[Watched] = Field(
        [*WATCHED], max_length=11, description="Promised metrics that raise an alert."
    )

    segments: bool = Field(
        default=False,
        description="Whether each segment is judged too, beside what it was over the week before.",
    )
    fairness: list[Annotated[str, StringConstraints(max_length=128)]] = Field(
        default_factory=list,
        max_length=3,
        description="Features, of the contract's `segments`, whose values are to be treated alike:"
        " their selection rates and true positive rates are watched.",
    )
    fairness_tolerance: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="So far may a rate of one be from that of the rest; beyond is what is certain.",
    )
    tell: list[HearerIn] = Field(
        [],
        max_length=50,
        description="Who hears of alerts besides the model's owner and who validated the version.",
    )


class MonitorIn(MonitorSettings):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "window_hours": 336,
                    "step_hours": 168,
                    "tell": [{"who": "ops", "severity": "warning", "kinds": ["business"]}],
                }
            ]
        },
    )

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.hits > self.of:
            raise ValueError("hits cannot be more than of")
        if self.js > self.severe_js:
            raise ValueError(
                f"js is {self.js:g} and severe_js {self.severe_js:g}: what is severe is an alert"
                " as well, so js is at most severe_js"
            )
        if "step_hours" not in self.model_fields_set:
            self.step_hours = min(self.step_hours, self.window_hours)
        hours = (self.window_hours, self.step_hours)
        if self.window_events is not None and hours != (_HOURS, _HOURS):
            raise ValueError(
                "windows are of hours or of events: leave out window_hours and step_hours, or"
                " window_events"
            )
        if self.window_events is None and self.step_hours > self.window_hours:
            raise ValueError(
                f"step_hours is {self.step_hours} and window_hours {self.window_hours}: what lies"
                " between two windows would be watched by none, so a step is at most a window"
            )
        return self


class MonitorOut(MonitorSettings):
    """As it stands: what was set under other rules is shown as well."""

    model_config = ConfigDict(extra="ignore")

    decision_point: str
    revision: int
    tell: list[HearerOut]  # type: ignore[assignment]


class VariableOut(BaseModel):
    name: str
    js: float
    psi: float
    ks: float | None = Field(description="Of values: nothing where there are none.")
    wasserstein: float | None = Field(description="Likewise, in units of the variable.")
    p_value: float
    q_value: float
    null_share: float
    unseen_share: float
    js_values: float | None = Field(
        None, description="JS of the values alone, nulls left out; nothing where there are none."
    )
    drifts: bool
    severe: bool
    shift_effect: float | None = Field(
        None,
        description="By how much: in standard deviations, or Cohen's w of categories.",
    )
    shift_q: float | None = None
    shifts: bool | None = Field(None, description="Certainly, however little.")
    seasonal: SeasonalOut | None = Field(
        None, description="From the same weekdays and hours of up to four weeks before."
    )


class MetricOut(BaseModel):
    name: str
    value: float
    standard_error: float
    rows: int
    promised: float
    room: float = Field(description="It may be this much worse than promised.")
    beyond: bool | None = Field(description="Nothing where too little is known to say so.")
    extrapolated: float | None = Field(
        None,
        description="Of an estimate: the share of scores beyond all that the baseline has labels"
        " of. From 0.05 on nobody knows, and `beyond` is nothing.",
    )


class ChangeOut(BaseModel):
    subject: str
    since: datetime
    found: datetime = Field(description="The hour whose outcomes showed it.")
    before: float
    after: float
    epsilon: float = Field(description="The means had to differ by more than this.")
    stands: bool = Field(description="Whether it is worse than before the first change.")


class SegmentOut(BaseModel):
    segment: str
    n: int
    labelled: int
    accuracy: float | None
    before: int = Field(description="Rows that it is compared with: its own, of the time before.")
    left_out: int = Field(
        0, description="Windows of that time which are left out, as it was beyond in them."
    )
    variables: list[VariableOut] = Field(description="Those that drift or shift.")
    metrics: list[MetricOut] = Field(description="`promised` is what it was before.")


class UnequalOut(BaseModel):
    name: str = Field(description="The feature.")
    rate: Rate
    group: str = Field(description="Its value that is farthest from the rest.")
    rows: int
    value: float
    rest: float
    gap: float
    low: float
    high: float
    certain: float = Field(description="So far from the rest at least; below 0 if it is not.")
    beyond: bool


class WindowKpiOut(BaseModel):
    key: str
    formula: str
    value: float | None
    low: float | None = Field(description="Of an uplift: where it surely lies.")
    high: float | None
    n: int = Field(description="Outcomes known, values pushed, units compared.")
    direction: str
    threshold: float
    tolerance: float
    digest: str = Field(description="Of the definition that it was held against.")
    enough: bool | None = Field(None, description="Whether enough is known to say anything of it.")
    seasonal: KpiSeasonOut | None = Field(
        None, description="Beside other weeks' same weekday and hour; nothing where there are none."
    )
    missed: bool | None = Field(
        description="By the monitor's `business_against`; nothing where too little is known."
    )
    gravely: bool = Field(
        description="Missed by more than twice the tolerance, or as an uplift. Of a tolerance of 0:"
        " by more than twice what chance explains, and more than a tenth of the threshold."
    )


class WindowOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    point_id: UUID
    since: datetime
    until: datetime
    n: int
    compared_with: str | None = Field(
        description="What drifts does so from: `reference`, `season`; nothing where there is none."
    )
    variables: list[VariableOut]
    share: float | None = Field(description="Of the inputs, how many drift.")
    alerting: list[str]
    labelled: int
    accuracy: float | None
    metrics: list[MetricOut] = Field(description="All that the baseline promised.")
    degraded: bool | None
    estimated: list[MetricOut] = Field(
        description="The same as scores alone let them be expected; no label has confirmed it."
    )
    concept: list[ChangeOut] = Field(description="Changes of loss and calibration known by then.")
    segments: list[SegmentOut] = Field(description="If the monitor says so.")
    fairness: list[UnequalOut] = Field(description="Of the features that the monitor names.")
    kpis: list[WindowKpiOut] = Field(
        description="Of a version with a seat: what was agreed on, and what it came to."
    )
    matures_at: datetime | None = Field(
        description="What takes labels (metrics, accuracy, KPIs of outcomes) is not judged before"
        " then, by the monitor's `label_delay_hours`; null where it is."
    )
    basis: dict[str, Any] = Field(
        description="What it was judged by: the monitor's settings, and digests of the baseline, of"
        " inputs and outcomes, of the season's weeks by when they began, of the windows before by"
        " when they ended, of segments, of the hours that changes of error were looked for in, and"
        " of the KPIs of weeks before. Of an earlier release's windows some are missing."
    )
    examined_at: datetime


class AlertOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    point_id: UUID
    kind: AlertKind
    subject: str = Field(
        description="The variable, the metric (of a segment with it, as `x [state=NSW]`), the KPI."
    )
    until: datetime = Field(description="End of the first window that made it last.")
    raised_at: datetime
    state: State = Field(description="Of its newest episode; GET /v1/alerts/{id} has them all.")
    severity: Severity


@router.put(
    "/decision-points/{key}/monitor",
    response_model=MonitorOut,
    responses=editing(NotFound, identity.DecisionDenied, identity.Disabled, NoSuchSegment)
    | gates.ACCEPTED,
)
async def set_monitor(
    key: Name,
    body: MonitorIn,
    expected: IfMatchToReplace,
    actor: Annotated[Actor, allow("monitor:write")],
    session: Session,
    response: Response,
    reason: Annotated[str, Query(max_length=2000)] = "",
) -> Any:
    """Say how a decision point's traffic is watched from its next window on."""
    asked = body.model_dump()
    tell = asked.pop("tell")
    monitor = await service.edit_monitor(
        session, key, expected=expected, settings=asked, tell=tell, reason=reason, by=actor
    )
    if not isinstance(monitor, Monitor):
        return gates.accepted(monitor)
    etag(response, monitor.revision)
    heard = await hearing.shown(session, actor.tenant_id, monitor.point_id)
    shown = {"decision_point": key, "revision": monitor.revision, "tell": heard}
    return {**shown, **monitor.settings}


@router.get(
    "/decision-points/{key}/monitor",
    response_model=MonitorOut,
    responses=responses(NotFound),
)
async def get_monitor(
    key: Name, actor: Reader, session: Session, response: Response
) -> dict[str, Any]:
    """Return how a decision point's traffic is watched; revision 0 are the defaults."""
    settings, revision = await service.monitor_of(session, key, by=actor)
    etag(response, revision)
    return {"decision_point": key, "revision": revision, **settings}


@router.get(
    "/models/{name}/versions/{number}/drift",
    response_model=Page[WindowOut],
    responses=responses(NotFound, BadCursor),
)
async def list_windows(
    name: Name,
    number: Number,
    actor: Reader,
    session: Session,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[Window]:
    """List a version's examined windows: every variable's distances, and the accuracy."""
    return await service.list_windows(session, name, number, cursor=cursor, limit=limit, by=actor)


@router.get(
    "/models/{name}/versions/{number}/alerts",
    response_model=Page[AlertOut],
    responses=responses(NotFound, BadCursor),
)
async def list_alerts(
    name: Name,
    number: Number,
    actor: Reader,
    session: Session,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[dict[str, Any]]:
    """List what has left its bounds for good, in order of event time."""
    found = await service.list_alerts(session, name, number, cursor=cursor, limit=limit, by=actor)
    return await alert_views.lives(session, actor.tenant_id, found)
