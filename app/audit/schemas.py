import base64
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

Hex = Annotated[bytes, PlainSerializer(lambda value: value.hex(), return_type=str)]
Base64 = Annotated[
    bytes, PlainSerializer(lambda value: base64.b64encode(value).decode(), return_type=str)
]


class EntryOut(BaseModel):
    stream: str = Field(examples=["version:0198c0de-0000-7000-8000-000000000001"])
    seq: int
    at: datetime
    actor_id: UUID
    actor_name: str | None = Field(description="Null once it was erased.")
    action: str = Field(examples=["release.advanced"])
    details: dict[str, Any]
    personal: dict[str, Any] = Field(description="Names, and what people wrote; can be erased.")
    erased: bool
    hash: Hex = Field(description="SHA-256, hexadecimal.")


class FaultOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    stream: str = Field(
        description="A stream; `log` for the log as a whole; `row` for a row of no entry."
    )
    seq: int = Field(
        description="Number of the first bad entry of the stream, or of the log; of a row's, the"
        " last entry that tells of it, or 0."
    )
    reason: str


class ReportOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    ok: bool
    entries: int
    streams: int
    size: int = Field(description="Entries that are numbered and in the tree.")
    checkpoints: int = Field(description="Signed states the log was compared with.")
    own_key: bool = Field(
        description="Whether signatures were checked with this machine's own key. If not, the key"
        " is the one that the database names: verify where the key is, or an export offline."
    )
    rows: int = Field(description="Governed rows that entries vouch for, compared with them.")
    faults: list[FaultOut]


class SinkOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    sink: str
    size: int = Field(description="Size of the newest checkpoint it took.")
    failures: int = Field(description="In a row, up to now.")
    error: str | None
    at: datetime


class LogOut(BaseModel):
    size: int = Field(description="Entries that are numbered and in the tree.")
    waiting: int = Field(description="Entries not numbered yet; at most 1000 are counted.")
    signed_size: int
    signed_at: datetime | None
    key: str | None = Field(description="Verifier key of the newest checkpoint (C2SP signed note).")
    sinks: list[SinkOut]


class CheckpointOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    size: int
    root: Base64 = Field(description="Base64, as in the note.")
    note: str = Field(description="C2SP tlog-checkpoint, signed with Ed25519.")
    key: str
    at: datetime


class InclusionOut(BaseModel):
    index: int = Field(description="The entry's place in the log, from 0.")
    size: int
    body: str | None = Field(description="What is hashed; null for entries older than bodies.")
    hash: Hex = Field(
        description="SHA-256 over the hash of the stream's entry before and the body."
    )
    leaf: Base64 = Field(description="SHA-256 over a zero byte and `hash`.")
    path: list[Base64] = Field(description="RFC 6962 audit path, from the leaf upwards.")
    root: Base64


class ConsistencyOut(BaseModel):
    old_size: int
    size: int
    path: list[Base64] = Field(description="RFC 6962 consistency proof.")
    old_root: Base64
    root: Base64
