"""Samples that are not looked at: too much, no sample, or what can be read in two ways."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.release.sampling import BadSample
from app.telemetry import CSV, JSON_LINES, PARQUET
from tests.live import Live, Place, make_model, make_point, make_version, validate
from tests.platform.wire import problem_of
from tests.release.samples import encoded, open_release, parquet, rows, send


@pytest.fixture(scope="module")
def case(live: Live) -> Any:
    model = make_model(live)
    found = Place(model, make_point(live), make_version(live, model))
    validate(live, model, found.version)
    return open_release(live, found)


BOMBS = {
    "rows": "SELECT 1.0 AS x FROM range(3000000)",
    "text": "SELECT repeat('a', 100000) AS x FROM range(1000)",
    "nested": "SELECT range(10) AS x FROM range(100)",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_what_unpacks_to_too_much_is_refused(live: Live, case: Any, bomb: str) -> None:
    problem_of(send(live, case, parquet(BOMBS[bomb]), PARQUET), 422, "bad_sample")


@pytest.mark.parametrize(
    ("body", "media", "status", "code"),
    [
        (b"PAR1", PARQUET, 422, "bad_sample"),
        (b"", JSON_LINES, 422, "bad_sample"),
        (b"{", JSON_LINES, 422, "bad_sample"),
        (b"[1]", JSON_LINES, 422, "bad_sample"),
        (b"", CSV, 422, "bad_sample"),
        (b"x\n", CSV, 422, "bad_sample"),
        (b"{}", "application/json", 415, "unread_media"),
        (b"x", "text/plain", 415, "unsupported_media_type"),
    ],
)
def test_what_is_no_sample_is_refused_in_a_sentence(
    live: Live, case: Any, body: bytes, media: str, status: int, code: str
) -> None:
    problem_of(send(live, case, body, media), status, code)


@pytest.mark.parametrize(
    ("body", "media", "line", "said"),
    [
        (b"x\n1\n\x00\n", CSV, 3, "NUL"),
        (b"x,at\n1,2\n1,2,3\n", CSV, 3, "3 values"),
        (b"x,x\n1,2\n", CSV, 1, "'x' twice"),
        (b'x\n1\n"2"3\n', CSV, 3, "not CSV"),
        (b"x\n1\n\xff\n", CSV, 3, "not UTF-8"),
        (b'{"x": 1}\n{"x": 1, "x": 2}', JSON_LINES, 2, "'x' stands twice"),
        (b'{"x": NaN}', JSON_LINES, 1, "not JSON"),
        (b'\n{"x": 1e400}', JSON_LINES, 2, "infinity"),
        (b'{"x": "\\u0000"}', JSON_LINES, 1, "NUL"),
        (b'{"x": [1]}', JSON_LINES, 1, "a list, not a value"),
    ],
)
def test_a_line_that_can_be_read_in_two_ways_is_named(
    live: Live, case: Any, body: bytes, media: str, line: int, said: str
) -> None:
    found = problem_of(send(live, case, body, media), 422, "bad_sample")

    assert (found["line"], str(line) in found["detail"]) == (line, True)
    assert said in found["detail"]
    assert found["mend"] != BadSample.mend


def test_a_column_that_cannot_be_told_apart_or_stored_is_named(live: Live, case: Any) -> None:
    file = io.BytesIO()
    pq.write_table(pa.table([pa.array([1.0])] * 2, names=["x", "X"]), file)
    alike = problem_of(send(live, case, file.getvalue(), PARQUET), 422)
    nul = problem_of(send(live, case, parquet("SELECT 'a' || chr(0) AS x"), PARQUET), 422)

    assert (alike["code"], nul["code"]) == ("bad_sample", "bad_sample")
    assert "'X'" in alike["detail"]
    assert "NUL" in nul["detail"]


def test_a_time_column_that_is_not_there_is_named(live: Live, case: Any) -> None:
    sent = send(live, case, encoded(rows(10), CSV), CSV, time_column="when")

    assert "'when'" in problem_of(sent, 422, "bad_sample")["detail"]


def test_csv_is_read_where_it_is_asked_for_only(live: Live) -> None:
    sent = live["dev"]._http.post(
        "/v1/validations", content=b"model,version", headers={"Content-Type": CSV}
    )

    problem_of(sent, 415, "unsupported_media_type")
