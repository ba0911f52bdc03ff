import asyncio
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, telemetry
from app.drift import inquiries
from app.drift.inquiries import Asked, NotTheirOrder
from app.drift.inquiry_routes import PointKey, Windows
from app.drift.multivariate import Together, together
from app.drift.service import thresholds
from app.kit.actor import Actor
from app.kit.names import MOST, NAME
from app.kit.refusal import NotFound
from app.platform.http import Snapshot, allow, responses
from app.platform.http import router as make_router
from app.platform.http.moment import Countable

router = make_router("/v1/models/{name}/versions/{number}", tag="drift")


class ReferenceOut(BaseModel):
    variables: int
    components: int = Field(description="That carry 65 % of how the baseline's variables vary.")
    error: float = Field(description="Mean over the baseline's rows.")
    sigma: float
    rows: int


class TogetherOut(BaseModel):
    since: datetime
    until: datetime
    n: int
    error: float | None = Field(description="Mean of what a row loses, put together again.")
    low: float | None
    high: float | None
    effect: float | None = Field(description="How far off, in deviations of the baseline's rows.")
    beyond: bool | None = Field(description="Certain and large; of too few rows nothing.")


class MultivariateOut(BaseModel):
    since: datetime
    until: datetime
    share: float = Field(description="Of the units, if not all of them were looked at.")
    reference: ReferenceOut | None = Field(description="Nothing, where nothing was learnt.")
    lacking: str | None = Field(description="Why nothing can be said, and what mends it.")
    windows: list[TogetherOut]


@router.get(
    "/multivariate",
    response_model=MultivariateOut,
    responses=responses(NotFound, NotTheirOrder),
)
async def get_multivariate(
    name: Annotated[str, Path(pattern=NAME)],
    number: Annotated[int, Path(ge=1, lt=MOST)],
    actor: Annotated[Actor, allow("telemetry:read")],
    session: Snapshot,
    decision_point: PointKey,
    since: Countable | None = None,
    until: Countable | None = None,
    windows: Windows = inquiries.WINDOWS,
) -> dict[str, Any]:
    """Say whether a version's variables go together as in its baseline; by raw events.

    Each may look as it did while what they have to do with each other changes: rows are put
    together again from the baseline's principal components, and what is lost is compared.
    """
    asked = await inquiries.asked_of(
        session, name, number, decision_point, since=since, until=until, by=actor
    )
    version = await catalog.find_version(session, name, number, by=actor)
    baseline = await telemetry.baseline_of(session, actor.tenant_id, version.id)
    promised = baseline.reconstruction if baseline else None
    span = {"since": asked.since, "until": asked.until}
    if promised is None:
        why = "Its baseline's variables" if baseline else "It has no baseline, whose variables"
        mend = f"PUT /v1/models/{name}/versions/{{number}}/baseline of the next version."
        lacking = f"{why} would have to be two to {telemetry.MOST_VARIABLES} that vary: {mend}"
        return {**span, "share": 1.0, "reference": None, "lacking": lacking, "windows": []}
    limits = await thresholds(session, actor.tenant_id, asked.point.id)
    share, found = await _judged(session, asked, promised, windows, limits.min_rows)
    step = (asked.until - asked.since) / windows
    return {
        **span,
        "share": share,
        "lacking": None,
        "reference": {
            "variables": len(promised.names), "components": len(promised.components),
            "error": promised.error, "sigma": promised.sigma, "rows": promised.rows,
        },
        "windows": [
            {
                "since": asked.since + step * place, "until": asked.since + step * (place + 1),
                **asdict(one),
            }
            for place, one in enumerate(found)
        ],
    }  # fmt: skip


async def _judged(
    session: AsyncSession,
    asked: Asked,
    promised: telemetry.Reconstruction,
    windows: int,
    min_rows: int,
) -> tuple[float, list[Together]]:
    rows = await telemetry.rows_between(
        session, asked.point.tenant_id, asked.series,
        since=asked.since, until=asked.until, parts=windows,
    )  # fmt: skip
    found = await asyncio.to_thread(
        lambda: [together(promised, promised.errors(part), min_rows) for part in rows.parts]
    )
    return rows.share, found
