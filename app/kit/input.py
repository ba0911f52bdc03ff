"""What callers send, as Pydantic models."""

from pydantic import BaseModel, ConfigDict


class Input(BaseModel):
    """A body or a part of one: no field we do not know, no number that is not finite.

    Numbers come as text too, and "inf" is one to Pydantic unless it is told otherwise.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
