from pydantic import BaseModel, Field


class SeasonalOut(BaseModel):
    js: float
    psi: float
    q_value: float
    drifts: bool
    severe: bool | None = None
    shift_effect: float | None = None
    shift_q: float | None = None
    shifts: bool | None = None


class KpiSeasonOut(BaseModel):
    value: float = Field(description="The mean of the same weekdays and hours before.")
    weeks: int
    room: float = Field(description="By so much a value is off by chance.")
    missed: bool = Field(description="Worse than the mean by more than tolerance and room.")
    gravely: bool
