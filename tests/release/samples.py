"""Samples of production input, as files of each kind."""

import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import httpx
import numpy as np

from app.telemetry import CSV, JSON_LINES, PARQUET
from tests.live import Live, Place

KINDS = (PARQUET, CSV, JSON_LINES)


def rows(count: int = 600, *, shift: float = 0.0, bad: int = 0) -> list[dict[str, Any]]:
    """One row a minute; every tenth is null, the first ``bad`` are no numbers."""
    x = np.random.default_rng(5).normal(size=count) + shift
    return [
        {
            "at": f"2026-03-01T{i // 60 % 24:02d}:{i % 60:02d}:00Z",
            "x": "n/a" if i < bad else None if i % 10 == 9 else round(float(value), 6),
        }
        for i, value in enumerate(x)
    ]


def encoded(found: list[dict[str, Any]], media: str) -> bytes:
    if media == JSON_LINES:
        return "\n".join(json.dumps(row) for row in found).encode()
    text = io.StringIO()
    text.write("at,x\n")
    for row in found:
        text.write(f"{row['at']},{'' if row['x'] is None else row['x']}\n")
    if media == CSV:
        return text.getvalue().encode()
    return parquet(
        "SELECT * FROM (VALUES "
        + ", ".join(f"('{r['at']}', {'NULL' if r['x'] is None else r['x']}::DOUBLE)" for r in found)
        + ') t("at", x)'
    )


def parquet(query: str) -> bytes:
    with TemporaryDirectory() as folder, duckdb.connect() as lake:
        target = Path(folder) / "rows.parquet"
        lake.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet)")
        return target.read_bytes()


def send(
    live: Live, case: Any, body: bytes, media: str, *, who: str = "dev", **query: Any
) -> httpx.Response:
    return live[who]._http.post(
        f"/v1/releases/{case['id']}/steps/parameter_testing:sample",
        content=body, headers={"Content-Type": media}, params=query,
    )  # fmt: skip


def open_release(live: Live, place: Place) -> Any:
    return live["dev"].post(
        "/v1/releases",
        {"model": place.model, "version": place.version, "decision_point": place.point},
    )


def judged(live: Live, case: Any, step: str) -> Any:
    return live["ops"].post(f"/v1/releases/{case['id']}/steps/{step}:judge")
