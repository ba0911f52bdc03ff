"""A batch as it goes over the wire: receipts by column, raw events for COPY, profile deltas. Pure.

psycopg looks up a dumper for every value it writes; this is the path every scored event takes, and
here its rows are records of numpy, packed all at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import orjson
from numpy.typing import NDArray

from app.telemetry.batch import NAMELESS, Batch, Group, Place
from app.telemetry.folding import Folded, fold
from app.telemetry.packed import Bigints, Doubles, Packed, Uuids, uuids
from app.telemetry.segments import MOST_SEGMENTS

_POSTGRES_EPOCH = 946_684_800_000_000  # 2000-01-01 in microseconds since 1970
_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"


@dataclass(frozen=True, slots=True)
class Parcels:
    """What is written of a batch: receipts by column, raw events for COPY, profile deltas."""

    size: int
    receipts: dict[str, Packed]
    raw: bytes
    folded: Folded


def pack(tenant_id: UUID, batch: Batch, places: Mapping[Group, Place]) -> Parcels:
    """Return the parcels of a batch."""
    records, series = batch.records, batch.series(places)
    receipts: dict[str, Packed] = {
        "decision": Uuids.of(records["decision"]),
        "series": Uuids.of(series),
        "event": Uuids.of(records["event"]),
        "at": Bigints.of(records["at"].astype(">i8")),
        "score": Doubles.of(records["score"].astype(">f8")),
        "prediction": Doubles.of(records["prediction"].astype(">f8")),
    }
    if any(places[group].parts for group in batch.groups):
        receipts |= _parts(batch, places)
    return Parcels(len(batch), receipts, encode(tenant_id, batch, series), fold(batch, places))


def _parts(batch: Batch, places: Mapping[Group, Place]) -> dict[str, Packed]:
    """Return the columns of the parts that events count in besides, filled up."""
    parts = [places[group].parts for group in batch.groups]
    found = [
        part.of(features) if (part := parts[group]) else []
        for group, features in zip(batch.records["group"].tolist(), batch.features, strict=True)
    ]
    return {
        f"part{n}": uuids([one[n] if n < len(one) else NAMELESS for one in found])
        for n in range(MOST_SEGMENTS)
    }


_COLUMNS = 11


def _template(*, latency: bool) -> NDArray[Any]:
    """Return a row but for its features' bytes, sizes filled in; of a null there is a size only."""
    fields: dict[str, str] = {
        "tenant": "V16", "decision": "V16", "series": "V16", "at": ">i8", "latency_ms": ">f8",
        "plan_revision": ">i8", "generation": ">i8", "propensity": ">f8", "unit": "V8",
        "decided_at": ">i8",
    }  # fmt: skip
    layout: list[tuple[str, str]] = [("columns", ">i2")]
    for name, kind in fields.items():
        layout.append((f"size of {name}", ">i4"))
        if latency or name != "latency_ms":
            layout.append((name, kind))
    row = np.zeros(1, [*layout, ("size of features", ">i4"), ("jsonb", "i1")])
    for name, kind in fields.items():
        row[f"size of {name}"] = np.dtype(kind).itemsize if name in dict(layout) else -1
    row["columns"], row["jsonb"] = _COLUMNS, 1
    return row


_ROWS = {latency: _template(latency=latency) for latency in (True, False)}


def encode(tenant_id: UUID, batch: Batch, series: NDArray[np.void]) -> bytes:
    """Return raw events in Postgres' binary COPY format, packed by hand."""
    features = list(map(orjson.dumps, batch.features))
    sizes = np.fromiter(map(len, features), np.int64, len(features)) + 1
    known = ~np.isnan(batch.records["latency_ms"])
    heads = [b""] * len(features)
    for latency in (True, False):
        chosen = np.flatnonzero(known == latency)
        if len(chosen):
            rows = _heads(tenant_id, batch.records[chosen], series[chosen], latency=latency)
            rows["size of features"] = sizes[chosen]
            found = rows.view(f"V{rows.dtype.itemsize}").tolist()
            for place, head in zip(chosen.tolist(), found, strict=True):
                heads[place] = head
    parts = [_HEADER, *([b""] * (2 * len(features))), _TRAILER]
    parts[1:-1:2], parts[2:-1:2] = heads, features
    return b"".join(parts)


def _heads(
    tenant_id: UUID, records: NDArray[np.void], series: NDArray[np.void], *, latency: bool
) -> Any:
    rows = np.repeat(_ROWS[latency], len(records))
    rows["tenant"], rows["series"] = np.void(tenant_id.bytes), series
    rows["at"] = records["at"] - _POSTGRES_EPOCH
    rows["decided_at"] = records["decided_ms"] * 1000 - _POSTGRES_EPOCH
    for name in ("decision", "plan_revision", "generation", "propensity", "unit"):
        rows[name] = records[name]
    if latency:
        rows["latency_ms"] = records["latency_ms"]
    return rows
