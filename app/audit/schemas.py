from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_serializer


class EntryOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    stream: str = Field(examples=["version:0198c0de-0000-7000-8000-000000000001"])
    seq: int
    at: datetime
    actor_id: UUID
    actor_name: str
    action: str = Field(examples=["release.advanced"])
    details: dict[str, Any]
    hash: bytes = Field(description="SHA-256, hexadecimal.")

    @field_serializer("hash")
    def _hex(self, value: bytes) -> str:
        return value.hex()


class FaultOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    stream: str
    seq: int = Field(description="Number of the first bad entry of the stream.")
    reason: str


class ReportOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    ok: bool
    entries: int
    streams: int
    faults: list[FaultOut]
