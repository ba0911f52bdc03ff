"""Values that a season is hard to know of: windows that overlap, rare counts, lopsided amounts."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from scipy import stats

from app.drift.seasons import Past, beside
from app.kit.arrays import Floats

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
Draw = Callable[[np.random.Generator, int], Floats]


def said(values: Floats, days: int = 1, direction: str = "at_most") -> list[bool]:
    """Return whether each day's value of so many days' mean is missed, where that is known."""
    sums = np.convolve(values, np.ones(days), "valid") / days
    past: list[Past] = []
    found = []
    for day, value in enumerate(sums.tolist()):
        at = START + day * DAY
        row = season_row(value, direction)
        seasonal = beside(row, past[-8 * 7 :], at, days * DAY)
        if seasonal is not None:
            found.append(bool(seasonal["missed"]))
        past.append(Past(at, value, None))
    return found


def season_row(value: float, direction: str = "at_most") -> dict[str, Any]:
    return {
        "value": value, "low": None, "high": None, "direction": direction, "tolerance": 0.0
    }  # fmt: skip


def alerts(found: list[bool]) -> int:
    return sum(sum(found[max(at - 2, 0) : at + 1]) >= 2 for at in range(len(found)))


@pytest.mark.parametrize("draw", [
    lambda rng, days: rng.poisson(0.05, days).astype(float),
    lambda rng, days: rng.poisson(0.3, days).astype(float),
    lambda rng, days: rng.lognormal(0, 1, days),
])  # fmt: skip
def test_what_is_rare_or_lopsided_hardly_ever_has_an_alert_in_a_year(draw: Draw) -> None:
    runs = [said(draw(np.random.default_rng(seed), 365)) for seed in range(12)]

    assert sum(bool(alerts(one)) for one in runs) <= 1
    assert all(len(one) > 300 for one in runs)


def test_weeks_that_are_looked_at_every_day_are_counted_once() -> None:
    rng = np.random.default_rng(7)
    runs = [said(100 * np.exp(rng.normal(0, 0.05, 180)), days=7) for _ in range(20)]

    assert sum(bool(alerts(one)) for one in runs) <= 2
    # Four degrees of freedom are five weeks of the kind, the newest left out.
    assert {len(one) for one in runs} == {180 - 6 - 6 * 7}


def test_a_count_is_far_if_it_is_as_improbable_as_three_standard_errors() -> None:
    for before in ([0, 0, 0, 0], [1, 0, 2, 1], [9, 12, 7, 14]):
        past = [Past(START - 7 * DAY * (4 - at), float(one), None) for at, one in enumerate(before)]
        # Other days say how far values wander: not at all, that it is the count's own.
        others = [Past(START - DAY * ago, 5.0, None) for ago in range(8, 56) if ago % 7]
        room = _room(season_row(0.0), [*others, *past])
        least = next(
            one
            for one in range(int(np.mean(before)) + 1, 200)
            if stats.binom.sf(one - 1, sum(before) + one, 1 / 5) < stats.norm.sf(3)
        )

        assert room >= least - 1 - np.mean(before) - 1e-9


def test_many_more_or_far_fewer_than_ever_are_found() -> None:
    values = np.random.default_rng(3).poisson(0.3, 80).astype(float)
    more = np.append(values, [8.0, 9.0])
    fewer = np.append(np.random.default_rng(3).poisson(60, 80).astype(float), [15.0, 12.0])

    assert said(more)[-2:] == [True, True]
    assert said(fewer, direction="at_least")[-2:] == [True, True]


def _room(row: dict[str, Any], past: list[Past]) -> float:
    found = beside(row, past, START + 7 * DAY, DAY)
    assert found is not None
    return float(found["room"])
