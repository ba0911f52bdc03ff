from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from app.drift import inquiries
from app.drift.inquiries import NotTheirOrder
from app.drift.inquiry_routes import Question, Reader, Windows
from app.kit.refusal import NotFound
from app.platform.http import Snapshot, responses
from app.platform.http import router as make_router

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
    actor: Reader,  # noqa: ARG001 - the guard
    asked: Question,
    session: Snapshot,
    windows: Windows = inquiries.WINDOWS,
) -> dict[str, Any]:
    """Say whether a version's variables go together as in its baseline; by raw events.

    Each may look as it did while what they have to do with each other changes: rows are put
    together again from the baseline's principal components, and what is lost is compared.
    """
    found = await inquiries.multivariate_of(session, asked, windows=windows)
    promised = found.reference
    step = (asked.until - asked.since) / windows
    return {
        "since": asked.since,
        "until": asked.until,
        "share": found.share,
        "lacking": found.lacking,
        "reference": promised and {
            "variables": len(promised.names), "components": len(promised.components),
            "error": promised.error, "sigma": promised.sigma, "rows": promised.rows,
        },
        "windows": [
            {
                "since": asked.since + step * place, "until": asked.since + step * (place + 1),
                **asdict(one),
            }
            for place, one in enumerate(found.windows)
        ],
    }  # fmt: skip
