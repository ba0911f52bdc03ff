"""Windows whose levels wander by themselves do not shift, and one that moved further does."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from scipy import stats

from app.drift.levels import REACH, Earlier, Sway, sway, sways
from app.drift.rules import Against, Thresholds, compare, persistent, with_season
from app.drift.shifting import homogeneity, location
from app.drift.wandering import LIKELY
from app.telemetry import Tally, total
from tests.drift.shapes import Column, Draw, laid_out, letters, normal, profile, table

DAY = timedelta(days=1)


class Days:
    """Days of a few variables, each with a level of its own, and what a monitor says of them."""

    def __init__(
        self, seed: int, wander: float, against: Against = "reference",
        draws: tuple[Draw, ...] = (normal,) * 10,
    ) -> None:  # fmt: skip
        self._rng = np.random.default_rng(seed)
        self._wander, self._draws = wander, draws
        base = table(draws, self._rng, 20_000)
        self._layout = laid_out(base)
        self._baseline = profile(self._layout, base)
        self._limits = Thresholds(drift_against=against)
        self._profiles: list[Tally] = []
        self._rows: list[dict[str, dict[str, Any]]] = []

    def pass_by(self, days: int, by: float = 0.0) -> list[set[str]]:
        """Return what has an alert on each of so many more days; the first variable moved."""
        for _ in range(days):
            columns = [self._swayed(one) for one in table(self._draws, self._rng, 5_000)]
            if by:
                columns[0] = columns[0] + by
            self._look(profile(self._layout, columns))
        said = [{name for name, row in one.items() if row["shifts"]} for one in self._rows]
        every = [persistent(said[: upto + 1], self._limits) for upto in range(len(said))]
        return every[-days:]

    def _swayed(self, column: Column) -> Column:
        level = self._rng.normal(0, self._wander)
        if column.dtype.kind == "f":
            return column + level
        # Of so many rows more or less another category has come.
        turned = self._rng.random(len(column)) < abs(level)
        return np.where(turned, "c1" if level > 0 else "c2", column)

    def _look(self, window: Tally) -> None:
        day = len(self._rows)
        before = [Earlier(DAY * (day - at), 5_000, row) for at, row in enumerate(self._rows)]
        weeks = [self._profiles[day - 7 * n] for n in range(1, 5) if day >= 7 * n]
        known = sways(before[-REACH:])
        rows = compare(self._layout, self._baseline, window, self._limits, sways=known)
        rows = with_season(
            rows, self._layout, total(weeks), window, self._limits, sways=known, weeks=len(weeks)
        )
        self._profiles.append(window)
        self._rows.append({row["name"]: row for row in rows})


@pytest.mark.parametrize("against", ["reference", "season"])
@pytest.mark.parametrize("wander", [0.02, 0.05])
def test_days_that_wander_by_themselves_do_not_shift(wander: float, against: Against) -> None:
    found = []
    for seed in range(2):
        days = Days(seed, wander, against)
        days.pass_by(10)  # by then it is known how far
        found += days.pass_by(35)

    assert np.mean([bool(one) for one in found]) <= 0.02


def test_categories_that_wander_by_themselves_do_not_shift() -> None:
    days = Days(3, 0.04, draws=(letters,) * 6)
    early = days.pass_by(6)
    days.pass_by(4)

    assert any(early)
    assert not any(days.pass_by(35))


@pytest.mark.parametrize(("wander", "by", "within"), [(0.0, 0.1, 3), (0.02, 0.15, 4)])
def test_a_shift_beyond_what_days_wander_is_found_and_stays_found(
    wander: float, by: float, within: int
) -> None:
    for seed in range(4):
        days = Days(seed, wander)
        assert not any("x0" in one for one in days.pass_by(28)[7:])

        found = days.pass_by(14, by)

        assert "x0" in found[within - 1]
        assert np.mean(["x0" in one for one in found[within - 1 :]]) >= 0.9


def history(levels: list[float], rows: int = 1_000) -> list[Earlier]:
    return [
        Earlier(DAY * (len(levels) - at), rows, {"x": {"shift_effect": one, "null_share": 0.0}})
        for at, one in enumerate(levels)
    ]


def test_how_levels_wander_is_their_mean_square_beside_samplings() -> None:
    levels = np.random.default_rng(8).normal(0, 0.1, 6)

    found = sway("x", history(levels.tolist()))

    assert found is not None
    # Of six windows a week says nothing, and each cut leaves four degrees of freedom.
    sides = [(levels[:cut], levels[cut:]) for cut in range(1, 6)]
    squares = [sum(((one - one.mean()) ** 2).sum() for one in both) for both in sides]
    every = ((levels - levels.mean()) ** 2).sum()
    most, least, free = min(
        (value / stats.chi2.ppf(1 - LIKELY, count), value, count)
        for value, count in [(every, 5), *((one, 4) for one in squares)]
    )
    assert most > 0
    assert found.free == free
    assert found.ratio == pytest.approx(max(1_000 * least / free, 1))
    assert found.variance == pytest.approx(max(least / free - 1 / 1_000, 0))


def test_of_few_windows_nothing_is_known() -> None:
    assert sway("x", history([0.1, 0.2, 0.3, 0.4])) is None
    assert sway("y", history([0.1] * 20)) is None
    assert sway("x", [*history([0.1] * 20)][:3]) is None


def test_how_categories_wander_is_pearsons_heterogeneity_of_their_windows() -> None:
    rng = np.random.default_rng(9)
    counts = [rng.multinomial(2_000, rng.dirichlet([60, 30, 10])).tolist() for _ in range(12)]
    rows = [{"shift_effect": 0.1, "null_share": 0.0, "counts": one} for one in counts]
    before = [Earlier(DAY * (at + 1), 2_000, {"x": row}) for at, row in enumerate(rows)]

    found = sway("x", before)

    assert found is not None
    if found.free == 11:
        statistic = stats.chi2_contingency(counts).statistic
        assert found.ratio == pytest.approx(statistic / 22)
    assert 5 < found.ratio < 80


def test_the_test_of_a_shift_is_welchs_where_levels_wander() -> None:
    rng = np.random.default_rng(2)
    expected, actual = (np.histogram(rng.normal(0.1 * side, 1, 4_000), 20, (-4, 4))[0]
                        for side in range(2))  # fmt: skip
    wanders = Sway(variance=0.002, ratio=9.0, size=4_000.0, free=10.0)

    found = location(expected, actual, sway=wanders)

    whole = 2 / 4_000 + 0.002
    free = whole**2 / ((9.0 / 4_000) ** 2 / 10)
    assert found.effect == location(expected, actual).effect
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(found.effect) / whole**0.5, free))
    assert found.p_value > location(expected, actual).p_value


def test_the_test_of_categories_is_rao_and_scotts_where_they_wander() -> None:
    expected, actual = np.array([500, 300, 200]), np.array([460, 330, 210])
    wanders = Sway(variance=0.003, ratio=4.0, size=1_000.0, free=10.0, dimensions=4, directions=1.4)

    found = homogeneity(expected, actual, sway=wanders)

    statistic = stats.chi2_contingency([expected, actual], correction=False).statistic
    # Of four dimensions, which are two here: each wanders twice as much.
    more = (2 / 1_000 + 2 * 0.003) / (2 / 1_000)
    free = 10 * ((2 / 1_000 + 2 * 0.003) * 1_000 / 7) ** 2
    assert found.p_value == pytest.approx(stats.f.sf(statistic / 2 / more, 1.4, free))


def test_what_wanders_not_at_all_is_tested_almost_as_before() -> None:
    counts = np.array([400, 600]), np.array([450, 550])
    still = Sway(variance=0.0, ratio=1.0, size=1_000.0, free=1e9)

    assert location(*counts, sway=still).p_value == pytest.approx(
        location(*counts).p_value, rel=0.01
    )
    assert homogeneity(*counts, sway=still).p_value == pytest.approx(
        homogeneity(*counts).p_value, rel=0.01
    )
