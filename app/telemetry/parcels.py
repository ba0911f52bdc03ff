"""A batch as it goes over the wire: receipts, raw events for COPY, profile deltas. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.telemetry.batch import NAMELESS, Batch, Group, Place
from app.telemetry.copied import Field, floats, rows, times
from app.telemetry.folding import Folded, fold
from app.telemetry.packed import Bigints, Doubles, Packed, Uuids, uuids
from app.telemetry.segments import MOST_SEGMENTS

FEWEST_COPIED = 64
"""Of fewer receipts, the round trips of a COPY that may fail cost more than it saves."""


@dataclass(frozen=True, slots=True)
class Parcels:
    """What is written of a batch: its receipts and raw events for COPY, profile deltas."""

    size: int
    receipts: bytes | None
    """Nothing where they are to be inserted row by row."""
    raw: bytes
    folded: Folded


def pack(tenant_id: UUID, batch: Batch, places: Mapping[Group, Place]) -> Parcels:
    """Return the parcels of a batch."""
    series = batch.series(places)
    apart = any(places[group].parts for group in batch.groups)
    copied = len(batch) >= FEWEST_COPIED and not apart
    return Parcels(
        len(batch),
        _receipts(tenant_id, batch, series) if copied else None,
        _events(tenant_id, batch, series),
        fold(batch, places),
    )


def _same(tenant_id: UUID, batch: Batch) -> Field:
    return Field(np.full(len(batch), np.void(tenant_id.bytes)))


def _receipts(tenant_id: UUID, batch: Batch, series: NDArray[np.void]) -> bytes:
    records = batch.records
    event = records["event"]
    return rows(
        [
            _same(tenant_id, batch),
            Field(records["decision"]),
            Field(series),
            Field(event, event == np.void(NAMELESS)),
            times(records["at"]),
            floats(records["score"]),
            floats(records["prediction"]),
        ]
    )


def _events(tenant_id: UUID, batch: Batch, series: NDArray[np.void]) -> bytes:
    records = batch.records
    return rows(
        [
            _same(tenant_id, batch),
            Field(records["decision"]),
            Field(series),
            times(records["at"]),
            floats(records["latency_ms"]),
            Field(records["plan_revision"].astype(">i8")),
            Field(records["generation"].astype(">i8")),
            Field(records["propensity"].astype(">f8")),
            Field(records["unit"]),
            times(records["decided_ms"] * 1000),
        ],
        batch.features.texts(),
    )


def columns(batch: Batch, places: Mapping[Group, Place]) -> dict[str, Packed]:
    """Return receipts by column, to be inserted one by one."""
    records = batch.records
    found: dict[str, Packed] = {
        "decision": Uuids.of(records["decision"]),
        "series": Uuids.of(batch.series(places)),
        "event": Uuids.of(records["event"]),
        "at": Bigints.of(records["at"].astype(">i8")),
        "score": Doubles.of(records["score"].astype(">f8")),
        "prediction": Doubles.of(records["prediction"].astype(">f8")),
    }
    if any(places[group].parts for group in batch.groups):
        found |= _parts(batch, places)
    return found


def _parts(batch: Batch, places: Mapping[Group, Place]) -> dict[str, Packed]:
    """Return the columns of the parts that events count in besides, filled up."""
    parts = [places[group].parts for group in batch.groups]
    groups, sent = batch.records["group"].tolist(), batch.features.objects()
    found = [
        part.of(features) if (part := parts[group]) else []
        for group, features in zip(groups, sent, strict=True)
    ]
    return {
        f"part{n}": uuids([one[n] if n < len(one) else NAMELESS for one in found])
        for n in range(MOST_SEGMENTS)
    }
