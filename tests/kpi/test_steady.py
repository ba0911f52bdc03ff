"""Since when shares stand still, and what is said of a version whose shares were moved."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.kit.arrays import Floats
from app.kpi.steady import parts, steady
from app.kpi.worth import Worth, worth
from tests.kpi.test_worth import brought

Came = NDArray[np.bool_]
"""Whether a unit came to a side on a day."""
DAYS = 25
RAMP = np.repeat([0.01, 0.05, 0.1, 0.25, 0.5], 5)
STILL = np.full(DAYS, 0.5)
TENTH = np.full(DAYS, 0.1)
UNTIL = datetime(2026, 5, 20, 12, 30, tzinfo=UTC)


def counted(came: Came) -> list[tuple[int, int | None, int]]:
    """Count what the database counts: units by the day they came and the one they had last come."""
    days = np.arange(came.shape[1])
    last = np.maximum.accumulate(np.where(came, days, -1), axis=1)
    before = np.pad(last, ((0, 0), (1, 0)), constant_values=-1)[:, :-1]
    pairs, units = np.unique(
        np.stack([np.nonzero(came)[1], before[came]]), axis=1, return_counts=True
    )
    return [
        (int(day), int(was) if was >= 0 else None, int(some))
        for (day, was), some in zip(pairs.T, units, strict=True)
    ]


def history(
    rng: np.random.Generator,
    shares: Floats,
    kept: Floats,
    *,
    effect: float = 0.0,
    trend: float = 0.0,
    regular: bool = True,
    units: int = 20_000,
) -> tuple[Came, Came, Floats]:
    """Draw who came to the version and to the holdout, and what each brought a day.

    Units differ much in how often they come; those that are not ``regular`` do so for a week.
    """
    days = np.arange(len(shares))
    often = rng.gamma(0.5, 0.4, units)[:, None] * np.ones(len(days))
    if not regular:
        began = rng.integers(-5, len(days), units)[:, None]
        often = np.where((days >= began) & (days < began + 7), 4 * often, 0.0)
    events = rng.poisson(often)
    place = rng.random(units)[:, None]
    held = place < kept
    given_to = ~held & ((place - kept) / (1 - kept) < shares)
    rate = 0.1 * (1 + trend * days / len(days)) * (1 + effect * given_to)
    return (
        (events > 0) & given_to,
        (events > 0) & held,
        rng.binomial(events, rate).astype(np.float64),
    )


def said(treated: Came, held: Came, brings: Floats, since: int) -> Worth | None:
    ours, theirs = treated[:, since:].any(axis=1), held[:, since:].any(axis=1)
    sums = brings[:, since:].sum(axis=1)
    return worth(brought(sums[ours & ~theirs]), brought(sums[theirs & ~ours]))


def surely(found: Worth | None) -> bool:
    return found is not None and not found.per_unit.low <= 0 <= found.per_unit.high


MOVES = {
    "a ramp": (RAMP, TENTH, 0.0, True),
    "a ramp under a trend": (RAMP, TENTH, 0.5, True),
    "a ramp among who comes for a week": (RAMP, TENTH, 0.5, False),
    "a ramp every day": (np.linspace(0.01, 0.5, DAYS), TENTH, 0.0, True),
    "a ramp of yesterday": (np.repeat([0.1, 0.5], [24, 1]), TENTH, 0.0, True),
    "a holdout that is cut": (np.ones(DAYS), np.repeat([0.5, 0.1], [15, 10]), 0.5, True),
    "a version that is turned down": (np.repeat([0.5, 0.05], [20, 5]), TENTH, 0.5, True),
}


@pytest.mark.parametrize("move", MOVES)
def test_nothing_is_said_surely_of_a_version_without_effect_whose_shares_moved(move: str) -> None:
    """Over the whole time a ramp seemed worth a quarter, surely so in every run."""
    shares, kept, trend, regular = MOVES[move]
    rng = np.random.default_rng(29)
    wrong, whole = 0, 0
    for _ in range(15):
        treated, held, brings = history(rng, shares, kept, trend=trend, regular=regular)
        since = steady(counted(treated), counted(held), DAYS)
        wrong += surely(said(treated, held, brings, since))
        whole += surely(said(treated, held, brings, 0))

    assert wrong <= 1
    if move == "a ramp":
        assert whole >= 12


@pytest.mark.parametrize("regular", [True, False])
def test_shares_that_stand_still_are_seen_to_and_an_effect_is_found(*, regular: bool) -> None:
    rng = np.random.default_rng(31)
    cut, found = 0, 0
    for _ in range(15):
        treated, held, brings = history(rng, STILL, TENTH, effect=0.4, trend=0.5, regular=regular)
        since = steady(counted(treated), counted(held), DAYS)
        cut += since > 0
        found += surely(said(treated, held, brings, since))

    assert cut <= 1
    assert found >= 13


def test_an_effect_is_found_after_a_ramp_as_it_is() -> None:
    rng = np.random.default_rng(37)
    treated, held, brings = history(rng, RAMP, TENTH, effect=0.4, units=120_000)

    since = steady(counted(treated), counted(held), DAYS)
    found = said(treated, held, brings, since)

    assert since == 20
    assert found is not None
    assert surely(found)
    came = held[:, since:].any(axis=1)
    base = brings[came][:, since:].sum(axis=1).mean()
    assert found.per_unit.difference / base == pytest.approx(0.4, abs=0.1)


def test_who_comes_every_day_is_counted_once_on_either_side_of_a_split() -> None:
    """A hundred regulars of thirty days are no three thousand units."""
    everyday = np.ones((100, DAYS), dtype=bool)
    some = np.zeros((60, DAYS), dtype=bool)
    some[:30, :12], some[30:, 12:] = True, True

    assert steady(counted(everyday), counted(some), DAYS) == 0


def test_few_units_are_no_sign_of_anything() -> None:
    assert steady([], [], 1) == 0
    assert steady([], [], 30) == 0
    assert steady([(29, None, 1000)], [(0, None, 4)], 30) == 0
    assert steady([(29, None, 1000), (0, None, 90)], [(0, None, 90), (29, None, 9)], 30) > 0


@given(
    st.integers(0, 3 * 366 * 24 * 60),
    st.integers(0, 3 * 366 * 24 * 60),
)
def test_parts_are_hours_then_days_then_weeks_and_never_too_many(first: int, minutes: int) -> None:
    begins = UNTIL - timedelta(minutes=first)
    until = begins + timedelta(minutes=minutes + 1)

    found = parts(begins, until)

    assert found[0] == begins
    assert found[-1] < until
    widths = np.diff([*found, until]) / timedelta(hours=1)
    assert (widths > 0).all()
    assert widths.max() <= 24 * 7
    assert (widths[-48:] <= 1).all()
    assert (widths[-100:] <= 24).all()
    assert len(found) < 300
    assert all(one.minute == one.second == 0 for one in found[1:])
