"""Parameter testing on rows that stay where they are, over HTTP."""

from pathlib import Path
from typing import Any

import pytest

from tests.live import Live, Place, make_model, make_point, make_version, validate
from tests.platform.wire import problem_of
from tests.release.samples import encoded, judged, open_release, rows, send
from tests.tenants import another

PARAMETERS = "parameter_testing"
PARQUET = "application/vnd.apache.parquet"
SQL = "SELECT \"at\", x FROM scoring WHERE day = '2026-03-01'"


@pytest.fixture(scope="module")
def lake(near: Live) -> Path:
    """Six hundred rows of one day, and others of the next."""
    for day, shift in (("2026-03-01", 0.0), ("2026-03-02", 5.0)):
        place = near.data_dir.parent / "lake" / f"day={day}"
        place.mkdir(parents=True, exist_ok=True)
        (place / "part.parquet").write_bytes(encoded(rows(shift=shift), PARQUET))
    return near.data_dir.parent / "lake"


@pytest.fixture(scope="module")
def case(near: Live) -> Any:
    return opened(near)


def opened(live: Live) -> Any:
    model = make_model(live)
    place = Place(model, make_point(live), make_version(live, model))
    validate(live, model, place.version)
    return open_release(live, place)


def path_of(case: Any) -> str:
    return f"/v1/releases/{case['id']}/steps/{PARAMETERS}:query"


def test_what_lies_there_is_reported_as_if_it_had_been_sent(
    near: Live, lake: Path, case: Any
) -> None:
    asked = near["dev"].post(path_of(case), {"sql": SQL, "time_column": "at"})["payload"]
    verdict = judged(near, case, PARAMETERS)
    body = (lake / "day=2026-03-01" / "part.parquet").read_bytes()
    sent = send(near, case, body, PARQUET, time_column="at").json()["payload"]

    assert (asked["source"], asked["sql"], asked["sources"]) == ("query", SQL, ["scoring"])
    assert (asked["events"], asked["velocity_ratio"]) == (sent["events"], sent["velocity_ratio"])
    assert asked["variables"] == sent["variables"]
    assert asked["part"] == "developed the version"
    assert verdict["facts"]["evidence"]["parameters"]["source"] == "query"


def test_drift_is_seen_where_it_lies(near: Live, lake: Path, case: Any) -> None:
    assert lake.exists()
    sql = "SELECT x FROM scoring WHERE day = '2026-03-02'"

    found = near["dev"].post(path_of(case), {"sql": sql})["payload"]

    assert found["variables"][0]["psi"] > 1


def test_a_query_that_cannot_be_answered_says_what_can(near: Live, lake: Path, case: Any) -> None:
    assert lake.exists()

    def refused(sql: str, **more: Any) -> Any:
        http = near["dev"]._http
        return problem_of(http.post(path_of(case), json={"sql": sql, **more}), 422, "bad_query")

    assert "sources are: own, scoring." in refused("SELECT * FROM hidden")["detail"]
    assert "not one SELECT" in refused("DROP TABLE scoring")["detail"]
    assert "no row" in refused("SELECT x FROM scoring WHERE false")["detail"]
    assert "'when'" in refused("SELECT x FROM scoring", time_column="when")["detail"]


def test_each_tenant_asks_its_own(near: Live, lake: Path) -> None:
    assert lake.exists()
    with another(near) as other:
        answer = other["dev"]._http.post(path_of(opened(other)), json={"sql": "SELECT x FROM own"})

        assert "sources are: scoring." in problem_of(answer, 422, "bad_query")["detail"]


def test_without_sources_there_is_nothing_to_ask(live: Live) -> None:
    answer = live["dev"]._http.post(path_of(opened(live)), json={"sql": SQL})

    problem_of(answer, 409, "no_sources")
