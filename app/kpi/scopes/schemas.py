from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.kit.input import Input
from app.kit.names import NAME
from app.kpi.routes import AgreedTerms
from app.kpi.rules import Direction
from app.kpi.scopes.formula import QUANTITIES
from app.kpi.scopes.parsing import MAX_LENGTH
from app.kpi.scopes.rules import (
    MOST_DAYS,
    MOST_POINTS,
    MOST_PROCESSES,
    ScopeFormula,
    ScopeKind,
    better,
    fault,
)


class ScopeIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "process",
                    "name": "From quote to claim",
                    "decision_points": ["quote-price", "claim-triage"],
                }
            ]
        },
    )

    kind: ScopeKind
    name: str = Field(min_length=1, max_length=200)
    decision_points: list[str] = Field(
        default_factory=list, max_length=MOST_POINTS, description="Their keys."
    )
    processes: list[str] = Field(
        default_factory=list,
        max_length=MOST_PROCESSES,
        description="Of a portfolio: keys of scopes of kind process, whose points are its own too.",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.kind is ScopeKind.PROCESS and self.processes:
            raise ValueError("processes belong to a portfolio")
        if not self.decision_points and not self.processes:
            raise ValueError("a scope is of at least one decision point or process")
        for name in ("decision_points", "processes"):
            named: list[str] = getattr(self, name)
            if len(set(named)) < len(named):
                raise ValueError(f"{name}: something stands there twice")
        return self


class ScopeOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    key: str
    kind: ScopeKind
    name: str
    decision_points: list[str] = Field(description="Those that it names itself.")
    processes: list[str]
    points: list[str] = Field(
        description="All that it is of: its own and those of its processes, each once."
    )
    revision: int
    ended_at: datetime | None = Field(
        None, description="Of one that has ended, which is as it was then; else nothing."
    )


class ScopeKpiTerms(AgreedTerms):
    formula: ScopeFormula = Field(
        ScopeFormula.TOTAL_NET_VALUE,
        description="Over the outcomes of all versions' live traffic at all points: one of a"
        " point's own, which weighs points by their decisions; a `total_…`, the sum over the time;"
        " `pushed`, what is reported for the scope; or `expression`. Uplifts are refused: they are"
        " a point's own.",
    )
    threshold: float = Field(
        allow_inf_nan=False,
        description="Of what adds up with time (a total, a pushed sum, an expression): of"
        " `window_days` days. Of a share, such as accuracy, from 0 to 1.",
    )
    expression: str | None = Field(
        None,
        max_length=MAX_LENGTH,
        description="Of the formula `expression`: + - * / ( ), min and max over "
        + ", ".join(f"`{name}`" for name in QUANTITIES)
        + '; the same of one point, as `point["loans"].reward`; and what was reported, as'
        ' `pushed["complaints"]`.',
        examples=["(reward - cost) / decisions"],
    )
    window_days: int = Field(
        1, ge=1, le=MOST_DAYS, description="Over how many of the last whole days (UTC) it stands."
    )
    wait_days: int = Field(
        0,
        ge=0,
        le=MOST_DAYS,
        description="How many whole days are left out of these at their end: by then outcomes"
        " have come.",
    )


class ScopeKpiIn(ScopeKpiTerms):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "What the process brings in a week",
                    "formula": "total_net_value",
                    "direction": "at_least",
                    "threshold": 250000,
                    "unit": "AUD a week",
                    "currency": "AUD",
                    "window_days": 7,
                }
            ]
        },
    )

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        self.require_sense(self.formula)
        if (self.formula is ScopeFormula.EXPRESSION) is not (self.expression is not None):
            raise ValueError("an expression belongs to the formula expression, which needs one")
        self.direction = self.direction or better(self.formula)
        wrong = fault(
            self.formula, self.direction, self.threshold, self.tolerance, self.target,
            self.currency,
        )  # fmt: skip
        if wrong is not None:
            raise ValueError(wrong)
        return self


class ScopeKpiOut(ScopeKpiTerms):
    model_config = ConfigDict(from_attributes=True, extra="ignore")

    direction: Direction

    id: UUID
    key: str = Field(pattern=NAME)
    revision: int
