"""A baseline is the same whether it comes as JSON or as Parquet, and is frozen."""

from pathlib import Path

import duckdb
import httpx
import numpy as np
import pytest

from app.client import Problem
from tests.live import Live, make_model, validate

ROWS = 500
SIGNATURE = {"inputs": [{"name": "x"}, {"name": "state", "type": "category"}]}


def columns() -> dict[str, list[object]]:
    rng = np.random.default_rng(3)
    x: list[object] = [
        None if i % 50 == 0 else float(v) for i, v in enumerate(rng.normal(size=ROWS))
    ]
    state: list[object] = [str(v) for v in rng.choice(["NSW", "VIC", "QLD"], ROWS)]
    score: list[object] = [float(v) for v in rng.random(ROWS)]
    label: list[object] = [int(v) for v in rng.random(ROWS) < 0.5]
    return {"x": x, "state": state, "score": score, "label": label}


def publish(live: Live) -> str:
    model = make_model(live)
    live["dev"].post(
        f"/v1/models/{model}/versions",
        {
            "source": "urn:model:baseline",
            "signature": SIGNATURE,
            "training_data": {"reference": "made here"},
            "card": {"summary": "A test.", "intended_use": "A test."},
        },
    )
    return f"/v1/models/{model}/versions/1/baseline"


def parquet(folder: Path) -> bytes:
    """The same rows as a Parquet file, with a column that nobody asked for."""
    target = folder / "baseline.parquet"
    found = columns()
    rows = list(zip(*found.values(), strict=True))
    with duckdb.connect() as lake:
        lake.execute("CREATE TABLE t (x DOUBLE, state VARCHAR, score DOUBLE, label INTEGER)")
        lake.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
        lake.execute(f"COPY (SELECT *, 1 AS customer FROM t) TO '{target}' (FORMAT parquet)")
    return target.read_bytes()


def put_parquet(live: Live, path: str, body: bytes) -> httpx.Response:
    return httpx.put(
        live.url + path,
        content=body,
        headers={
            "Authorization": f"Bearer {live.keys['dev']}",
            "Content-Type": "application/vnd.apache.parquet",
        },
    )


def test_json_and_parquet_give_the_same_baseline(live: Live, tmp_path: Path) -> None:
    one, other = publish(live), publish(live)

    from_json = live["dev"].put(one, {"columns": columns()})
    from_parquet = put_parquet(live, other, parquet(tmp_path)).json()

    assert from_json["digest"] == from_parquet["digest"]
    assert from_json["reference"] == from_parquet["reference"]
    assert from_json["rows"] == ROWS
    by_name = {item["name"]: item for item in from_json["variables"]}
    assert dict(zip(by_name["x"]["bins"], by_name["x"]["counts"], strict=True))["null"] == 10
    assert sum(by_name["state"]["counts"]) == ROWS


def test_a_baseline_is_frozen(live: Live) -> None:
    path = publish(live)
    live["dev"].put(path, {"columns": columns()})

    with pytest.raises(Problem) as refusal:
        live["dev"].put(path, {"columns": columns()})

    assert refusal.value.code == "already_exists"


@pytest.mark.parametrize("body", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"{}"])
def test_what_is_not_parquet_is_refused_in_a_sentence(live: Live, body: bytes) -> None:
    answer = put_parquet(live, publish(live), body)

    assert answer.status_code == 422
    assert answer.json()["code"] == "bad_baseline"


def test_a_missing_variable_is_named(live: Live) -> None:
    found = columns()
    del found["state"]

    with pytest.raises(Problem) as refusal:
        live["dev"].put(publish(live), {"columns": found})

    assert refusal.value.document["missing"] == ["state"]


def test_a_small_file_of_very_many_rows_is_refused_unread(live: Live, tmp_path: Path) -> None:
    target = tmp_path / "bomb.parquet"
    with duckdb.connect() as lake:
        lake.execute(
            "COPY (SELECT 1.0 AS x, 'a' AS state FROM range(3000000))"
            f" TO '{target}' (FORMAT parquet)"
        )

    answer = put_parquet(live, publish(live), target.read_bytes())

    assert target.stat().st_size < 1_000_000
    assert answer.status_code == 422
    assert "3000000 rows" in answer.json()["detail"]


def test_a_validated_version_gets_no_baseline_any_more(live: Live) -> None:
    path = publish(live)
    validate(live, path.split("/")[3], 1)

    with pytest.raises(Problem) as refusal:
        live["dev"].put(path, {"columns": columns()})

    assert refusal.value.status == 409
    assert refusal.value.code == "baseline_too_late"
