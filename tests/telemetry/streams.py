"""Rows as the media types of ingest carry them."""

import io
from collections.abc import Sequence
from typing import Any

import orjson
import pyarrow as pa

ARROW = "application/vnd.apache.arrow.stream"
LINES = "application/x-ndjson"


def lines_of(rows: Sequence[Any]) -> bytes:
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def stream_of(rows: "Sequence[dict[str, Any]] | pa.Table", **options: Any) -> bytes:
    """An Arrow stream of rows, or of a table."""
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(list(rows))
    sink = io.BytesIO()
    chosen = pa.ipc.IpcWriteOptions(**options)
    with pa.ipc.new_stream(sink, table.schema, options=chosen) as writer:
        writer.write_table(table)
    return sink.getvalue()
