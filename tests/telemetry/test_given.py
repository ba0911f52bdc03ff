"""A profile that was counted where the rows lie is as good as the rows; a wrong one is refused."""

import copy
import json
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.telemetry import Layout, Tally
from app.telemetry.given import BadProfile, tallies
from app.telemetry.lake_profile import wired
from tests.live import Live, champion, make_model, make_point, make_version, wait_folded
from tests.platform.wire import problem_of, speaker
from tests.strategies import JSON
from tests.telemetry.lakes import (
    NASTY_LAYOUT,
    by_numpy,
    hours_by_numpy,
    nasty,
    parquet,
    require_equal,
)
from tests.tenants import database_of

NOW = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
HOUR = "2026-06-01T12:00:00Z"


def sent_hour() -> dict[str, Any]:
    columns = nasty()
    # What overflows a double is no finite sum of squares.
    columns["edges"] = [None if one and abs(one) > 1e100 else one for one in columns["edges"]]
    tally = by_numpy(NASTY_LAYOUT, columns)
    return {"hour": HOUR, "n": tally.n, "variables": dict(wired(NASTY_LAYOUT, tally))}


def test_what_numpy_counted_is_taken_as_it_is() -> None:
    sent = json.loads(json.dumps(sent_hour()))

    ((hour, tally),) = tallies([sent], NASTY_LAYOUT, now=NOW)

    assert hour == int(datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()) // 3600
    columns = nasty()
    columns["edges"] = [None if one and abs(one) > 1e100 else one for one in columns["edges"]]
    require_equal(tally, by_numpy(NASTY_LAYOUT, columns), NASTY_LAYOUT)


def changed(path: str, value: Any) -> list[Any]:
    """The hour with one thing other than it was counted."""
    hours = [copy.deepcopy(sent_hour())]
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    place: Any = hours
    for part in parents:
        place = place[part]
    if value is KeyError:
        del place[last]
    else:
        place[last] = value
    return hours


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("0/hour", "2026-06-01T13:00:00Z", "hours[0].hour: lies before 1970 or in the future"),
        ("0/hour", "2026-06-01T12:30:00Z", "hours[0].hour: is the beginning of an hour"),
        ("0/hour", "2026-06-01T12:00:00", "hours[0].hour: is an RFC 3339 time"),
        ("0/hour", "0001-01-01T00:00:00+14:00", "hours[0].hour: lies before 1970"),
        ("0/hour", 12, "hours[0].hour: is an RFC 3339 time"),
        ("0/n", 23, "hours[0].variables.edges.counts: add up to 24, and n is 23"),
        ("0/n", True, "hours[0].n: is a whole number"),
        ("0/n", 0, "hours[0].n: is 1 or more"),
        ("0/more", 1, "hours[0]: has more"),
        ("0/variables/few", KeyError, "hours[0].variables: lacks few"),
        ("0/variables/other", {}, "hours[0].variables: has other"),
        ("0/variables/few/counts", [24], "variables.few.counts: is a list of 6"),
        ("0/variables/few/counts/0", -1, "variables.few.counts[0]: is a whole number"),
        ("0/variables/few/counts/0", 1.0, "variables.few.counts[0]: is a whole number"),
        ("0/variables/few/sums/1", 1e300, "variables.few.sums[1]: means"),
        ("0/variables/few/sums/4", 1.0, "variables.few.sums[4]: is 0 where no number"),
        ("0/variables/few/sums/1", "1", "variables.few.sums[1]: is a number"),
        ("0/variables/few/sums/1", 10**400, "variables.few.sums[1]: is a finite number"),
        ("0/variables/few/min", 7.0, "variables.few.min: lies outside the least bin"),
        ("0/variables/few/max", 0.5, "variables.few.max: lies outside the greatest bin"),
        ("0/variables/few/min", None, "variables.few.min: is a number"),
        ("0/variables/few/min", 8.0, "variables.few.min: is greater than max"),
        ("0/variables/few/sum_squares", 0.1, "variables.few.sum_squares: lies outside"),
        ("0/variables/few/sum_squares", 1e9, "variables.few.sum_squares: lies outside"),
        ("0/variables/flag/sum_squares", 1.0, "variables.flag: counts no number"),
        ("0/variables/edges/sums", KeyError, "variables.edges: lacks sums"),
        ("0/variables/word/min", 1.0, "variables.word: is of categories"),
        ("0/variables/word/sum_squares", 1.0, "variables.word.sum_squares: is of categories"),
        ("0", [], "hours[0]: is an object"),
    ],
)
def test_what_cannot_have_been_counted_is_refused_with_its_place(
    path: str, value: Any, where: str
) -> None:
    with pytest.raises(BadProfile) as refusal:
        tallies(changed(path, value), NASTY_LAYOUT, now=NOW)

    assert where in refusal.value.detail


def test_an_hour_stands_in_a_profile_once() -> None:
    with pytest.raises(BadProfile, match="twice"):
        tallies([sent_hour(), sent_hour()], NASTY_LAYOUT, now=NOW)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_anything_at_any_place_is_taken_or_refused_and_never_an_error(data: st.DataObject) -> None:
    hour = sent_hour()
    name = data.draw(st.sampled_from(sorted(hour["variables"])))
    part = data.draw(st.sampled_from(sorted(hour["variables"][name])))
    hour["variables"][name][part] = data.draw(JSON | st.lists(JSON, max_size=12))

    # Nothing else is raised.
    with suppress(BadProfile):
        tallies([hour], NASTY_LAYOUT, now=NOW)


ROWS = 300
BEGIN = datetime(2026, 5, 4, 6, tzinfo=UTC)


@pytest.fixture(scope="module")
def columns() -> dict[str, list[Any]]:
    rng = np.random.default_rng(11)
    x: list[Any] = rng.normal(size=ROWS).tolist()
    x[::17] = [None] * len(x[::17])
    return {
        "x": x,
        "score": rng.random(ROWS).tolist(),
        "at": [BEGIN + timedelta(minutes=3 * index) for index in range(ROWS)],
    }


def made(live: Live) -> dict[str, Any]:
    model = make_model(live)
    return {
        "model": model,
        "version": make_version(live, model),
        "decision_point": make_point(live),
    }


def table(home: Path, columns: dict[str, list[Any]]) -> Path:
    types = {"x": pa.float64(), "score": pa.float64(), "at": pa.timestamp("us", "UTC")}
    return parquet(home / "lake.parquet", columns, types)


def command(
    live: Live, named: dict[str, Any], *options: str, who: str = "ops"
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [
            sys.executable, "-m", "app", "profile", named["model"], str(named["version"]),
            "--url", live.url, "--key", live.keys[who], "--time", "at", *options,
        ],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def stored(live: Live, point: str, arm: str) -> dict[int, Tally]:
    """The hourly profiles of an arm, as the worker has folded them."""
    query = """
        SELECT h.hour, h.payload FROM telemetry_hour h
        JOIN telemetry_series s ON s.tenant_id = h.tenant_id AND s.id = h.series_id
        JOIN catalog_decision_point p ON p.tenant_id = s.tenant_id AND p.id = s.point_id
        WHERE p.key = %s AND s.arm = %s AND h.kind = 'inputs'
    """
    with psycopg.connect(database_of(live)) as connection:
        rows = connection.execute(query, (point, arm)).fetchall()
    return {hour: Tally.decode(payload) for hour, payload in rows}


def test_a_sent_profile_counts_as_the_same_rows_sent_as_events(
    live: Live, tmp_path: Path, columns: dict[str, list[Any]]
) -> None:
    named = made(live)
    path = table(tmp_path, columns)

    done = command(live, named, "--table", str(path), "--send", named["decision_point"])
    again = command(live, named, "--table", str(path), "--send", named["decision_point"])
    live["dev"].post(
        "/v1/events",
        {
            **named,
            "events": [
                {
                    "event_id": str(uuid.uuid4()), "at": at.isoformat(),
                    "features": {"x": x}, "score": score,
                }
                for x, score, at in zip(columns["x"], columns["score"], columns["at"], strict=True)
            ],
        },
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "300 rows in 15 hours: is taken" in done.stdout
    assert "was there already" in again.stdout
    found = wait_folded(live, named["decision_point"])
    assert found["stored_events"] == 0
    series = {one["arm"]: one for one in found["series"]}
    assert series.keys() == {"given:lake", "rehearsal"}
    for figure in ("events", "first_hour", "through"):
        assert series["given:lake"][figure] == series["rehearsal"][figure]
    assert series["given:lake"]["events"] == ROWS
    given_hours, rehearsed = (
        stored(live, named["decision_point"], arm) for arm in ("given:lake", "rehearsal")
    )
    layout = layout_of(live, named)
    assert given_hours.keys() == rehearsed.keys() == hours_by_numpy(layout, columns).keys()
    for hour, tally in rehearsed.items():
        require_equal(given_hours[hour], tally, layout)


def layout_of(live: Live, named: dict[str, Any]) -> Layout:
    path = f"/v1/models/{named['model']}/versions/{named['version']}/baseline"
    return Layout.load(live["ops"].get(path)["layout"])


def body_of(live: Live, named: dict[str, Any], tmp_path: Path, columns: dict[str, Any]) -> Any:
    """What the command would send, as it writes it."""
    out = tmp_path / "profile.json"
    point = named["decision_point"]
    done = command(live, named, "--table", str(table(tmp_path, columns)), "--out", str(out))
    assert done.returncode == 0, done.stderr
    (body,) = json.loads(out.read_text())
    return {**body, "decision_point": point}


def test_a_profile_is_taken_once_by_whoever_may_give_one(
    live: Live, tmp_path: Path, columns: dict[str, list[Any]]
) -> None:
    named = made(live)
    body = body_of(live, named, tmp_path, columns)

    def post(sent: Any, who: str = "app") -> httpx.Response:
        return speaker(live, who).post("/v1/profiles", json=sent)

    problem_of(post(body, "dev"), 403, "permission_denied")
    stale = problem_of(post({**body, "layout_digest": "sha256:0"}), 409, "other_layout")
    assert f"/v1/models/{named['model']}/versions/1/baseline" in stale["mend"]
    wrong = copy.deepcopy(body)
    wrong["hours"][3]["variables"]["x"]["counts"][2] = -1
    refused = problem_of(post(wrong), 422, "bad_profile")
    assert refused["where"] == "hours[3].variables.x.counts[2]"
    for field, value in (("id", "1"), ("arm", "given:x"), ("version", "1"), ("hours", [])):
        assert problem_of(post({**body, field: value}), 422, "bad_profile")["where"] == field
    with ThreadPoolExecutor(8) as pool:
        answers = [one.json() for one in pool.map(post, [body] * 8)]
    assert sorted(one["duplicate"] for one in answers) == [False] + [True] * 7
    less = {**body, "hours": body["hours"][:-1]}
    problem_of(post(less), 409, "profile_given_before")
    problem_of(post({**body, "arm": "edge"}), 409, "profile_given_before")

    (series,) = wait_folded(live, named["decision_point"])["series"]
    assert (series["arm"], series["events"]) == ("given:lake", ROWS)


def test_a_given_profile_is_watched_and_proves_no_integration(
    live: Live, tmp_path: Path, columns: dict[str, list[Any]]
) -> None:
    place = champion(live)
    named = {"model": place.model, "version": place.version, "decision_point": place.point}
    body = body_of(live, named, tmp_path, columns)
    # Of the name of the arm that the champion answers under, and not it.
    live["app"].post("/v1/profiles", {**body, "id": str(uuid.uuid4()), "arm": "champion"})
    wait_folded(live, place.point)

    facts = live["ops"].get(f"/v1/decision-points/{place.point}/integration")["versions"]

    assert [(one["events"], one["routed"], one["integrated"]) for one in facts] == [(0, 0, False)]


def test_a_machine_that_reads_nothing_sends_what_it_counts_in_a_layout_it_was_given(
    live: Live, tmp_path: Path, columns: dict[str, list[Any]]
) -> None:
    named = made(live)
    path, point = f"/v1/models/{named['model']}/versions/1/baseline", named["decision_point"]
    (tmp_path / "layout.json").write_text(json.dumps(live["ops"].get(path)))
    options = ("--table", str(table(tmp_path, columns)), "--send", point)

    refused = command(live, named, *options, who="app")
    done = command(live, named, *options, "--layout", str(tmp_path / "layout.json"), who="app")

    assert refused.returncode == 1
    assert "permission_denied" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "is taken" in done.stdout, done.stderr


def test_a_table_that_cannot_be_profiled_is_a_sentence(live: Live, tmp_path: Path) -> None:
    named = made(live)

    done = command(live, named, "--table", str(tmp_path / "none.parquet"))

    assert done.returncode == 1
    assert done.stderr.startswith("Unusable table: DuckDB: ")
