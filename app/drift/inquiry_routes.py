from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from app.drift import inquiries
from app.drift.calibration import Calibration, Verdict
from app.drift.fairness import Parity, Rate
from app.drift.inquiries import Asked, NotTheirOrder, Source
from app.drift.known import NoSuchVariable
from app.kit.actor import Actor
from app.kit.names import MOST, NAME
from app.kit.refusal import NotFound
from app.platform.http import Snapshot, allow, responses
from app.platform.http import router as make_router
from app.platform.http.moment import Countable
from app.telemetry import TooManyHours

router = make_router("/v1/models/{name}/versions/{number}", tag="drift")

Reader = Annotated[Actor, allow("telemetry:read")]
Windows = Annotated[int, Query(ge=1, le=60, description="Trends take six and more.")]


async def _asked(
    name: Annotated[str, Path(pattern=NAME)],
    number: Annotated[int, Path(ge=1, lt=MOST)],
    actor: Reader,
    session: Snapshot,
    decision_point: Annotated[str, Query(pattern=NAME, description="Where its events came from.")],
    since: Countable | None = None,
    until: Countable | None = None,
) -> Asked:
    return await inquiries.asked_of(
        session, name, number, decision_point, since=since, until=until, by=actor
    )


Question = Annotated[Asked, Depends(_asked)]


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class AskedOut(_Out):
    since: datetime
    until: datetime


class JudgedOut(AskedOut):
    judged_until: datetime = Field(
        description="Up to when labels are judged: those of younger events have not had the"
        " monitor's `label_delay_hours` yet."
    )


class PlaceOut(_Out):
    bin: int = Field(description="Hundredth of the score.")
    n: int
    score: float
    rate: float
    z: float = Field(description="The gap in standard errors of a true score.")


class RecalibrationOut(_Out):
    intercept: float
    slope: float
    intercept_error: float
    slope_error: float


class CalibrationOut(JudgedOut):
    rows: int
    verdict: Verdict
    ece: float | None = Field(description="Expected calibration error.")
    ece_by_chance: float | None = Field(description="What true probabilities would show.")
    ece_error: float | None
    mce: float | None
    residual: float | None = Field(description="Mean of label less score.")
    residual_error: float | None
    brier: float | None
    reliability: float | None
    resolution: float | None
    uncertainty: float | None
    recalibration: RecalibrationOut | None
    hosmer_lemeshow_p: float | None = Field(
        description="Of neighbouring bins together; nothing, where too few of a class are expected."
    )
    exact_p: float | None = Field(description="Of the worst bin by exact tests, for being it.")
    places: list[PlaceOut]


class ShareOut(_Out):
    hits: int
    rows: int
    value: float
    low: float
    high: float


class GapOut(_Out):
    group: str
    best: str
    value: float
    low: float
    high: float


class RatioOut(GapOut):
    parity: Parity


class TrendOut(_Out):
    slope: float = Field(description="A window.")
    low: float
    high: float
    windows: int


class ReinforcementOut(_Out):
    rate: Rate
    group: str
    best: str
    trend: TrendOut
    reinforcing: bool


class FairnessOut(JudgedOut):
    variable: str
    source: Source = Field(
        description="`profiles` of the variable's segments, by whole hours, if the contract names"
        " it; else `events` that are still kept."
    )
    covered: float | None = Field(
        description="Of the events of these hours, the share that the groups are counted of:"
        " answered, and counted by segment or still kept. Nothing of no events."
    )
    rates: dict[str, dict[Rate, ShareOut]] = Field(description="By group; at most 20, then `…`.")
    gaps: dict[Rate, list[GapOut]] = Field(description="How much worse off than the best.")
    four_fifths: list[RatioOut] = Field(description="Selection rates over the highest.")
    reinforcements: list[ReinforcementOut] = Field(description="How the gaps develop.")


class ContrastOut(_Out):
    explored: float
    exploited: float
    difference: float
    z: float
    p_value: float


class FeedbackOut(JudgedOut):
    suspected: bool
    reasons: list[str]
    contrast: ContrastOut | None = Field(
        description="Label less score where chance chose the arm (a propensity below a half), and"
        " where the model did; nothing of too few."
    )
    entropy: TrendOut | None = Field(description="Bits of its answers' variety, by window.")


@router.get(
    "/calibration", response_model=CalibrationOut, responses=responses(NotFound, NotTheirOrder)
)
async def get_calibration(
    actor: Reader,  # noqa: ARG001 - the guard
    asked: Question,
    session: Snapshot,
) -> dict[str, Any]:
    """Say whether a version's probabilities mean what they say, bin by bin."""
    found = await inquiries.calibrated(session, asked)
    nothing = dict.fromkeys(Calibration.__dataclass_fields__)
    said = (
        {name: getattr(found, name) for name in nothing}
        if found
        else {**nothing, "rows": 0, "places": (), "verdict": Verdict.UNKNOWN}
    )
    return {**said, **_of(asked)}


@router.get(
    "/fairness",
    response_model=FairnessOut,
    responses=responses(NotFound, NotTheirOrder, TooManyHours, NoSuchVariable),
)
async def get_fairness(
    actor: Reader,  # noqa: ARG001 - the guard
    asked: Question,
    session: Snapshot,
    variable: Annotated[str, Query(max_length=128, description="A feature that tells groups.")],
    windows: Windows = inquiries.WINDOWS,
) -> dict[str, Any]:
    """Say whether a version treats groups alike, and whether ever less so."""
    found = await inquiries.fairness_of(session, asked, variable, windows=windows)
    said = {name: getattr(found, name) for name in found.__dataclass_fields__}
    return {**said, **_of(asked)}


@router.get("/feedback", response_model=FeedbackOut, responses=responses(NotFound, NotTheirOrder))
async def get_feedback(
    actor: Reader,  # noqa: ARG001 - the guard
    asked: Question,
    session: Snapshot,
    windows: Windows = inquiries.WINDOWS,
) -> dict[str, Any]:
    """Say which signs there are that a version makes the evidence it is judged by."""
    found = await inquiries.feedback_of(session, asked, windows=windows)
    said = ("suspected", "reasons", "contrast", "entropy")
    return {**{name: getattr(found, name) for name in said}, **_of(asked)}


def _of(asked: Asked) -> dict[str, datetime]:
    return {"since": asked.since, "until": asked.until, "judged_until": asked.due}
