"""What was reported of a KPI is of that KPI, and can be taken back."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.kpi.scopes.test_scopes_live import delete, make_scope, put
from tests.live import Live, champion, lift_control, unique
from tests.platform.wire import problem_of, speaker

AT = (datetime.now(UTC) - timedelta(days=1)).replace(hour=12, minute=0).isoformat()
OPEN = {"name": "Open", "formula": "pushed", "aggregate": "sum", "threshold": 1, "unit": "AUD"}


@pytest.fixture(scope="module", autouse=True)
def _uncontrolled(live: Live) -> None:
    lift_control(live, "kpi")


Measured = Callable[[], dict[str, Any]]


@pytest.fixture(params=["a point", "a scope"])
def place(live: Live, request: pytest.FixtureRequest) -> tuple[str, Measured]:
    """Return where KPIs are agreed on, and how ``open`` is measured there."""
    seated = champion(live)
    point = f"/v1/decision-points/{seated.point}"
    params: dict[str, Any]
    if request.param == "a point":
        path, asked = point, f"{point}/kpis:measure"
        params = {"model": seated.model, "version": seated.version}
    else:
        path = f"/v1/kpi-scopes/{make_scope(live, seated.point)}"
        asked, params = f"{path}/measured", {}

    def measured() -> dict[str, Any]:
        found = live["aud"].get(asked, **params)["measures"]
        return next(one for one in found if one["key"] == "open")

    return path, measured


def say(live: Live, path: str, value: float | None, **more: Any) -> Any:
    body = {"values": [{"kpi": "open", "at": AT, "value": value, **more}]}
    return speaker(live, "app").post(f"{path}/kpi-values", json=body)


def test_what_is_agreed_on_anew_begins_without_the_values_of_another(
    live: Live, place: tuple[str, Measured]
) -> None:
    path, measured = place
    put(live, f"{path}/kpis/open", OPEN)
    for segment, value in (("nsw", 30.0), ("vic", 50.0)):
        assert say(live, path, value, segment=segment).json()["accepted"] == 1
    assert measured()["value"] == 80.0

    assert delete(live, f"{path}/kpis/open", 1).status_code == 204
    put(live, f"{path}/kpis/open", {**OPEN, "unit": "kEUR"})

    assert (measured()["value"], measured()["outcomes"]) == (None, 0)
    # The same time may be reported of it, whatever was said of the one before.
    for value in (7.0, 7.0):
        again = say(live, path, value, segment="nsw")
        assert again.status_code == 200, again.text
    assert again.json() == {"accepted": 0, "duplicates": 1}
    assert measured()["value"] == 7.0
    listed = live["aud"].get(f"{path}/kpi-values", kpi="open")["items"]
    assert sorted((one["value"], one["withdrawn"]) for one in listed) == [
        (7.0, False), (30.0, True), (50.0, True),
    ]  # fmt: skip


def test_what_was_reported_wrongly_is_taken_back_and_stays_on_record(
    live: Live, place: tuple[str, Measured]
) -> None:
    path, measured = place
    put(live, f"{path}/kpis/open", OPEN)
    say(live, path, 30.0, segment="nsw")
    say(live, path, 5000.0)
    assert measured()["value"] == 5000.0

    nothing = problem_of(say(live, path, None), 422, "invalid")
    assert "revision above 0" in str(nothing)
    assert say(live, path, None, revision=1).json() == {"accepted": 1, "duplicates": 0}
    # Nothing is said of the whole any more: its segments count again.
    assert (measured()["value"], measured()["outcomes"]) == (30.0, 1)
    problem_of(say(live, path, 6.0, revision=1), 409, "said_otherwise")
    assert say(live, path, None, revision=1).json() == {"accepted": 0, "duplicates": 1}
    say(live, path, None, revision=1, segment="nsw")
    assert (measured()["value"], measured()["outcomes"]) == (None, 0)
    assert say(live, path, 6.0, revision=2).status_code == 200
    assert measured()["value"] == 6.0
    listed = live["aud"].get(f"{path}/kpi-values", kpi="open")["items"]
    assert [one["value"] for one in listed if not one["segment"]] == [5000.0, None, 6.0]


def test_a_page_goes_on_between_two_kpis_of_one_key(live: Live) -> None:
    path = f"/v1/decision-points/{champion(live).point}"
    for revision in (1, 2):
        put(live, f"{path}/kpis/open", OPEN)
        for segment in (unique("a"), "b"):
            assert say(live, path, float(revision), segment=segment).status_code == 200
        assert delete(live, f"{path}/kpis/open", revision).status_code == 204

    pages = list(live["aud"].pages(f"{path}/kpi-values", limit=1))

    assert sorted(one["value"] for one in pages) == [1.0, 1.0, 2.0, 2.0]
    assert all(one["withdrawn"] for one in pages)
