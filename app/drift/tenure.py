"""Tenure: since when a version has its seat at a decision point, asked of whoever gives them."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from app.platform.events import Question


class Tenure(NamedTuple):
    """Whether a version has a seat, and since when it has it again."""

    serves: bool
    since: datetime | None = None
    """Nothing, of the first that it was given: there is no time before."""


@dataclass(frozen=True, slots=True)
class Serving(Question[Tenure]):
    """Whether a version has a seat at a decision point."""

    tenant_id: UUID
    point_id: UUID
    version_id: UUID
