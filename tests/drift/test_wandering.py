"""How far hours and days wander by themselves: no change of an error, and found beneath one."""

import numpy as np
import pytest
from scipy import stats

from app.drift.cuts import DAY
from app.drift.cuts import Hours as Beneath
from app.drift.rhythms import WEEK, turns
from app.drift.wandering import Wander, persistence
from app.kit.arrays import Floats, Ints

Hours = tuple[Ints, Floats, Floats]


def drawn(seed: int, days: int, rows: int, levels: Floats) -> Hours:
    """Return hours of errors at a tenth, and by so much more as ``levels`` says of each day."""
    rng = np.random.default_rng(seed)
    rates = np.clip(0.1 + np.repeat(levels, DAY), 0.001, 0.9)
    n = rng.poisson(rows, days * DAY).astype(np.int64)
    hits = rng.binomial(n, rates).astype(np.float64)
    return n, hits, hits


def unlike(seed: int, days: int, sigma: float, alike: float = 0.0) -> Floats:
    """Return days' own levels: drawn anew, or each a little like the one before."""
    rng = np.random.default_rng(1000 + seed)
    found = rng.normal(0, sigma, days)
    for day in range(1, days):
        found[day] = alike * found[day - 1] + (1 - alike**2) ** 0.5 * found[day]
    return found


@pytest.mark.parametrize(
    ("sigma", "rows", "before"), [(0.005, 1000, 20), (0.01, 1000, 30), (0.02, 100, 15)]
)
def test_days_that_are_harder_or_easier_by_themselves_are_no_change(
    sigma: float, rows: int, before: int
) -> None:
    streams = [drawn(seed, 60, rows, unlike(seed, 60, sigma)) for seed in range(6)]

    found = [len(turns(*one)) for one in streams]
    apart = [len(turns(*one, wanders=False)) for one in streams]

    assert sum(found) <= 1
    assert sum(apart) >= before, "as if rows were drawn apart"


def test_hours_that_are_harder_by_themselves_are_no_change() -> None:
    rng = np.random.default_rng(5)
    n = rng.poisson(1000, 60 * DAY).astype(np.int64)
    hits = rng.binomial(n, 0.1 + rng.normal(0, 0.02, len(n))).astype(np.float64)

    assert turns(n, hits, hits) == []
    assert len(turns(n, hits, hits, wanders=False)) >= 5


def test_days_that_are_alike_one_after_the_other_hardly_ever_are_a_change() -> None:
    streams = [drawn(seed, 60, 1000, unlike(seed, 60, 0.01, alike=0.5)) for seed in range(6)]

    assert sum(len(turns(*one)) for one in streams) <= 3
    assert sum(len(turns(*one, wanders=False)) for one in streams) >= 30


@pytest.mark.parametrize(("by", "most"), [(0.03, 4 * DAY), (0.06, 2 * DAY)])
def test_a_change_beyond_what_days_wander_is_found(by: float, most: int) -> None:
    days, turned = 8 * 7, 6 * 7

    for seed in range(4):
        levels = unlike(seed, days, 0.005) + by * (np.arange(days) >= turned)
        (one,) = turns(*drawn(seed, days, 1000, levels))

        assert 0 <= one.found - turned * DAY <= most
        assert one.after - one.before == pytest.approx(by, rel=0.3)


def test_the_room_of_a_cut_has_what_hours_and_days_sway_it_by() -> None:
    rng = np.random.default_rng(3)
    n = rng.poisson(30, 21 * DAY)
    busy = np.flatnonzero(n * (rng.random(len(n)) < 0.9))
    rows = n[busy].astype(np.float64)
    hours = Beneath.of((busy % WEEK).astype(np.int64), WEEK, busy // DAY, rows, rows, rows)
    start, end = 100, len(busy) - 7

    place, day = (column[start:end] for column in (hours.place, hours.day))
    rows = rows[start:end]
    for cut in rng.integers(1, end - start, 40):
        of_hours, of_days = hours.swayed(start, end, start + int(cut))
        before = np.arange(end - start) < cut
        side = np.array([rows[(place == one) & before].sum() for one in range(WEEK)])
        whole = np.array([rows[place == one].sum() for one in range(WEEK)])
        share = side[place] / whole[place]
        counts = np.where(before, -(1 - share), share)
        assert of_hours == pytest.approx((rows**2 * counts**2).sum())
        parts = [(day == one) & which for one in np.unique(day) for which in (before, ~before)]
        bound = sum(rows[one].sum() * (rows[one] @ counts[one] ** 2) for one in parts)
        assert of_days == pytest.approx(bound)
        assert bound >= sum((rows[one] @ counts[one]) ** 2 for one in parts) * (1 - 1e-9)


def test_what_days_and_hours_wander_is_an_analysis_of_variance_about_either_side() -> None:
    rng = np.random.default_rng(4)
    days = 28
    n, hits, _ = drawn(0, days, 200, rng.normal(0, 0.03, days))
    at = np.arange(days * DAY)
    kind = np.arange(days) % 7

    found = Wander.of(n, hits, hits, day=at // DAY, place=at % WEEK, kind=kind)

    rows = n.reshape(days, DAY)
    level = hits / n - (
        np.array([hits[at % WEEK == one].sum() / n[at % WEEK == one].sum() for one in range(WEEK)])
    )[at % WEEK]  # fmt: skip
    mean = np.array([np.average(one, weights=w)
                     for one, w in zip(level.reshape(days, DAY), rows, strict=True)])  # fmt: skip
    free_of_hours = days * DAY - WEEK - (days - 7)
    inside = ((hits - hits**2 / n) / (n - 1)).mean()
    pooled = (hits - hits**2 / n).sum() / (n - 1).sum()
    each = (rows * (level.reshape(days, DAY) - mean[:, None]) ** 2).sum(axis=1)
    for cut in (0, 3, 14, 20, days):
        kept = np.arange(days) != cut
        free = free_of_hours * kept.mean()
        upper = each[kept].sum() / stats.chi2.ppf(0.02, free)
        hourly = max(upper - inside, 0) / n.mean()
        assert found.hours[cut] == pytest.approx(hourly)
        squares = count = size = 0.0
        for side in (np.arange(days) < cut, np.arange(days) > cut):
            for one in range(7):
                some = side & (kind == one)
                if some.any():
                    weight = rows[some].sum(axis=1)
                    away = mean[some] - np.average(mean[some], weights=weight)
                    squares += weight @ away**2
                    count += some.sum() - 1
                    size += weight.sum() - weight @ weight / weight.sum()
        more = pooled + hourly * (n @ n) / n.sum()
        upper = squares / stats.chi2.ppf(0.02, count)
        assert found.days[cut] == pytest.approx(max(upper - more, 0) / (size / count))
    assert np.sqrt(found.days[-1]) == pytest.approx(0.03, rel=0.8)


@pytest.mark.parametrize("alike", [0.0, 0.4, 0.9])
def test_days_that_are_alike_make_a_mean_vary_as_an_autoregression_does(alike: float) -> None:
    for days in (1, 2, 7, 40):
        apart = np.abs(np.subtract.outer(np.arange(days), np.arange(days)))
        expected = (alike**apart).sum() / days

        assert persistence(alike, float(days)) == pytest.approx(expected)


def test_where_nothing_can_be_known_nothing_is() -> None:
    two = np.array([10, 10]), np.array([1.0, 2.0])

    found = Wander.of(*two, two[1], day=np.arange(2), place=np.arange(2), kind=np.arange(2))

    assert np.isinf(found.days).all()
