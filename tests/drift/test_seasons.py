"""A weekly rhythm is no drift, and a change against it is: of inputs, and of business values."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from math import sqrt
from typing import Any

import numpy as np
import pytest
from scipy import stats

from app.drift import business, seasons
from app.drift.business import KpiSeen
from app.drift.rules import Thresholds, compare, persistent, with_season
from app.drift.seasons import Past
from app.telemetry import Layout, Tally, total
from app.telemetry.layout import fit, score_bins
from app.telemetry.tally import tally

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
LIMITS = Thresholds()
Rng = np.random.Generator


def season_row(value: float, **terms: Any) -> dict[str, Any]:
    return {
        "value": value, "low": None, "high": None, "direction": "at_least", "tolerance": 0.0,
        **terms,
    }  # fmt: skip


def past(values: Sequence[float], at: datetime) -> list[Past]:
    """Return daily values, the newest a day before."""
    return [Past(at - DAY * (len(values) - n), value, None) for n, value in enumerate(values)]


def test_a_value_is_held_against_the_same_weekday_and_how_far_all_wander_by_themselves() -> None:
    rng = np.random.default_rng(5)
    week = np.array([10, 11, 12, 13, 14, 3, 2.0])
    values = np.tile(week, 8) + rng.normal(0, 0.5, 56)
    at = START + 56 * DAY

    found = seasons.beside(season_row(7.0), past(values.tolist(), at), at, DAY)

    assert found is not None
    peers = values[[28, 35, 42, 49]]
    # Up to a week ago: seven weeks, of which each weekday has a mean.
    older = values[:49].reshape(7, 7)
    wander = sqrt(((older - older.mean(axis=0)) ** 2).sum() / 42)
    assert found["value"] == pytest.approx(peers.mean())
    assert found["weeks"] == 4
    assert found["room"] == pytest.approx(
        stats.t.isf(stats.norm.sf(3), 42) * wander * sqrt(1 + 1 / 4)
    )
    assert found["missed"]


@pytest.mark.parametrize("weeks", [0, 1, 2])
def test_before_two_weeks_and_what_they_wander_are_known_nothing_is_said(weeks: int) -> None:
    at = START + weeks * 7 * DAY

    assert seasons.beside(season_row(0.0), past([1.0] * 7 * weeks, at), at, DAY) is None


def test_what_is_better_than_its_season_or_within_its_tolerance_is_not_missed() -> None:
    at = START + 28 * DAY
    before = past([1.0] * 28, at)

    def missed(value: float, **terms: Any) -> tuple[bool, bool]:
        found = seasons.beside(season_row(value, **terms), before, at, DAY)
        assert found is not None
        return found["missed"], found["gravely"]

    assert missed(1.2) == (False, False)
    assert missed(0.8) == (True, False)
    assert missed(0.8, tolerance=0.25) == (False, False)
    assert missed(0.7, tolerance=0.25) == (True, False)
    assert missed(0.4, tolerance=0.25) == (True, True)
    assert missed(0.8, direction="at_most") == (False, False)
    assert missed(1.2, direction="at_most") == (True, False)
    assert missed(0.8, low=0.2, high=1.4) == (False, False), "its own sampling is as wide"


def test_a_monitor_goes_by_what_was_agreed_by_the_season_or_by_either() -> None:
    agreed = {"missed": False, "gravely": False}
    seasonal = {"missed": True, "gravely": True}

    def said(against: str, season: dict[str, Any] | None = seasonal) -> Any:
        return seasons.decided(agreed, season, against)["missed"]

    assert [said(one) for one in ("agreed", "season", "either")] == [False, True, True]
    assert [said(one, None) for one in ("agreed", "season", "either")] == [False, None, False]


# What a business value says, day by day: a conversion of 6 % on weekdays and of 3 % at weekends.
Rate = Callable[[int], float]
N = 3000


def weekly(day: int) -> float:
    return 0.03 if day % 7 >= 5 else 0.06


def seen(rng: Rng, day: int, rate: float) -> tuple[KpiSeen, float]:
    share = rng.binomial(N, rate * (1 + 0.05 * rng.normal())) / N
    error = sqrt(max(share, 1e-3) * (1 - share) / N)
    low, high = share - 3 * error, share + 3 * error
    missed = share < 0.045 and high < 0.05
    found = KpiSeen(
        key="sales", formula="conversion_rate", value=share, low=low, high=high, n=N,
        direction="at_least", threshold=0.05, tolerance=0.005, digest="sha256:0", missed=missed,
        gravely=False, counted=True,
    )  # fmt: skip
    return found, day


def alarmed(seed: int, days: int, rate: Rate, against: str) -> list[bool]:
    """Return for each day whether a monitor of daily windows has an alert."""
    rng = np.random.default_rng(seed)
    before: list[Past] = []
    said: list[bool] = []
    alerts = []
    for day in range(days):
        found, _ = seen(rng, day, rate(day))
        (row,) = business.judged([found], LIMITS.min_rows)
        at = START + day * DAY
        beside = seasons.beside(row, before, at, DAY)
        missed = seasons.decided(row, beside, against)["missed"]
        if missed is not None:
            said.append(missed)
        alerts.append(sum(said[-LIMITS.of :]) >= LIMITS.hits)
        before.append(Past(at, row["value"], seasons.error_of(row)))
    return alerts


RUNS, HEALTHY = 20, 26 * 7


def test_a_weekly_rhythm_of_a_business_value_raises_no_alert_against_its_season() -> None:
    by = {
        against: np.array([alarmed(seed, HEALTHY, weekly, against) for seed in range(RUNS)])
        for against in ("agreed", "season")
    }

    assert by["agreed"].mean() > 0.2, "the rhythm alone, every weekend"
    assert by["season"].mean() <= 0.002


def test_a_change_against_the_rhythm_is_found_within_days() -> None:
    changed = 10 * 7

    def halved(day: int) -> float:
        return weekly(day) * (0.5 if day >= changed else 1.0)

    found = np.array([alarmed(seed, changed + 7, halved, "season") for seed in range(RUNS)])

    assert not found[:, :changed].any()
    assert found[:, changed : changed + 4].any(axis=1).mean() >= 0.95


# Inputs whose place follows the day of the week: the baseline knows weekdays mostly.
LAYOUT = Layout(
    (fit("x", np.random.default_rng(1).normal(size=10_000).tolist(), numeric=True), score_bins())
)


def profile(rng: Rng, place: float, rows: int = 1000) -> Tally:
    columns: list[list[Any]] = [(rng.normal(size=rows) + place).tolist(), [None] * rows]
    return tally(*LAYOUT.place(columns), LAYOUT.size)


def drifting(seed: int, days: int, place: Callable[[int], float], against: Any) -> list[set[str]]:
    rng = np.random.default_rng(seed)
    limits = Thresholds(drift_against=against)
    baseline = profile(rng, 0.0, 10_000)
    windows: list[Tally] = []
    named: list[set[str]] = []
    for day in range(days):
        window = profile(rng, place(day))
        season = total(windows[day - 7 * n] for n in range(1, 5) if day >= 7 * n)
        rows = compare(LAYOUT, baseline, window, limits)
        rows = with_season(rows, LAYOUT, season, window, limits)
        named.append({f"{one['name']} {what}" for one in rows for what in WHAT if one[what]})
        windows.append(window)
    return [persistent(named[: day + 1], limits) for day in range(days)]


WHAT = ("drifts", "severe", "shifts")


def weekend(day: int) -> float:
    return 1.5 if day % 7 >= 5 else 0.0


def test_a_weekly_rhythm_of_an_input_raises_no_alert_against_its_season() -> None:
    by = {
        against: [
            bool(found) for seed in range(5) for found in drifting(seed, 8 * 7, weekend, against)
        ]
        for against in ("reference", "season")
    }

    assert np.mean(by["reference"]) > 0.2, "the rhythm alone, every weekend"
    assert np.mean(by["season"]) <= 0.02


@pytest.mark.parametrize(("by", "name"), [(0.8, "x drifts"), (0.2, "x shifts")])
def test_a_change_against_the_rhythm_drifts_from_its_season(by: float, name: str) -> None:
    changed = 6 * 7

    def moved(day: int) -> float:
        return weekend(day) + (by if day >= changed else 0.0)

    for seed in range(3):
        found = drifting(seed, changed + 3, moved, "season")
        assert not any("x drifts" in one for one in found[:changed])
        assert name in found[changed + 1] | found[changed + 2]
