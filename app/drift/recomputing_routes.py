from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from app.drift import recomputing
from app.drift.routes import Name, Number, Reader, WindowOut
from app.kit.refusal import NotFound
from app.platform.http import Session, responses
from app.platform.http import router as make_router

router = make_router("/v1/models/{name}/versions/{number}", tag="drift")


class RecomputedOut(BaseModel):
    same: bool = Field(description="Whether all that was said comes out again, to the last digit.")
    differs: list[str] = Field(description="What now comes out otherwise, by field of the window.")
    changed: list[str] = Field(
        description="Inputs that are not what they were, by their name in `basis`: of the season's"
        " weeks and of windows before with the moment they began, or ended. `kpis` are values of"
        " the weeks before; what a window's own KPI is made of stands beside it."
    )
    unrecorded: list[str] = Field(
        description="Inputs whose digest was not kept: it was examined by an earlier release."
    )
    window: WindowOut = Field(description="As it is stored.")


@router.get(
    "/drift/{window_id}:recompute", response_model=RecomputedOut, responses=responses(NotFound)
)
async def recompute_window(
    name: Name, number: Number, window_id: UUID, actor: Reader, session: Session
) -> Any:
    """Say whether a window comes out the same from what is stored now; nothing is changed.

    By the settings that it was judged by. Of what differs `changed` says why: a label or an event
    that came or was corrected since, a season's week, a window before.
    """
    found = await recomputing.recompute(session, name, number, window_id, by=actor)
    return {
        "same": not found.differs, "differs": found.differs, "changed": found.changed,
        "unrecorded": found.unrecorded, "window": WindowOut.model_validate(found.window),
    }  # fmt: skip
