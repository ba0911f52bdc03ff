from math import log, sqrt
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river.drift import ADWIN

from app.drift.concept import DELTA, Change, changes
from app.kit.arrays import Floats, Ints


def by_item(values: Floats) -> list[Change]:
    return changes(np.ones(len(values), np.int64), values, values**2)


def of_river(values: Floats) -> list[int]:
    """Return at which items river's ADWIN says that there was a change."""
    detector = ADWIN(delta=DELTA)
    found = []
    for place, value in enumerate(values):
        detector.update(float(value))
        if detector.drift_detected:
            found.append(place)
    return found


def coins(rng: np.random.Generator, *runs: tuple[int, float]) -> Floats:
    return np.concatenate([(rng.random(rows) < rate).astype(float) for rows, rate in runs])


def hours(rng: np.random.Generator, rates: Floats, rows: int) -> tuple[Ints, Floats, Floats]:
    """Return hours of about so many losses of 0 or 1."""
    n = rng.poisson(rows, len(rates)).astype(np.int64)
    hits = rng.binomial(n, rates).astype(np.float64)
    return n, hits, hits


@pytest.mark.parametrize("after", [0.05, 0.4, 0.6])
def test_a_change_is_found_when_river_finds_it(after: float) -> None:
    late = []
    for seed in range(25):
        values = coins(np.random.default_rng(seed), (2000, 0.2), (2000, after))
        found, expected = by_item(values), of_river(values)

        assert len(expected) >= 1
        assert found[0].rose is (after > 0.2)
        late.append(found[0].found - expected[0])

    # River looks at every 32nd item and at some cuts; here every cut is looked at each time.
    assert max(late) <= 32
    assert -64 <= np.mean(late) <= 0


def test_the_place_of_a_change_is_the_clearest_cut() -> None:
    away = []
    for seed in range(25):
        found = by_item(coins(np.random.default_rng(seed), (2000, 0.2), (2000, 0.4)))
        away.append(abs(found[0].hour - 2000))

    assert np.median(away) <= 20


def test_without_a_change_single_items_give_no_alarm_as_with_river() -> None:
    ours = rivers = 0
    for seed in range(30):
        values = coins(np.random.default_rng(seed), (3000, 0.2))
        ours += len(by_item(values))
        rivers += len(of_river(values))

    assert rivers <= 1
    assert ours <= 1


@pytest.mark.parametrize(("rows", "strict", "most"), [(100, False, 4), (1000, True, 0)])
def test_without_a_change_hours_hardly_give_an_alarm(
    rows: int,
    strict: bool,  # noqa: FBT001 - a table's column
    most: int,
) -> None:
    rng = np.random.default_rng(rows)

    found = [len(changes(*hours(rng, np.full(2000, 0.1), rows), strict=strict)) for _ in range(15)]

    assert sum(found) <= most


@pytest.mark.slow
def test_of_hours_with_many_rows_there_is_about_one_false_change_a_year_and_strictly_none() -> None:
    loose = strict = 0
    for seed in range(20):
        year = hours(np.random.default_rng(seed), np.full(8760, 0.1), 1000)
        loose += len(changes(*year))
        strict += len(changes(*year, strict=True))

    assert 1 <= loose <= 40
    assert strict == 0


@pytest.mark.parametrize("strict", [False, True])
def test_a_rise_of_a_fifth_is_found_within_half_a_day(
    strict: bool,  # noqa: FBT001 - a table's column
) -> None:
    rates = np.repeat([0.10, 0.12], [500, 100])
    for seed in range(20):
        found = changes(*hours(np.random.default_rng(seed), rates, 1000), strict=strict)
        after = [one for one in found if one.found >= 500]

        assert after[0].found - 500 <= 18
        assert after[0].rose
        assert abs(after[0].hour - 500) <= 8


def test_calibration_residuals_that_leave_nothing_are_a_change() -> None:
    rng = np.random.default_rng(8)
    n = np.full(300, 200)
    scores = [rng.uniform(0.2, 0.8, 200) for _ in n]
    truth = [np.clip(s + (0.1 if hour >= 200 else 0.0), 0, 1) for hour, s in enumerate(scores)]
    residuals = [(rng.random(200) < t) - s for t, s in zip(truth, scores, strict=True)]
    sums, squares = (np.array([float((one**power).sum()) for one in residuals]) for power in (1, 2))

    found = changes(n, sums, squares, span=2.0)

    assert [one.rose for one in found] == [True]
    assert abs(found[0].hour - 200) <= 3
    assert abs(found[0].before) < 0.02
    assert found[0].after == pytest.approx(0.1, abs=0.05)


LOADS = st.lists(st.tuples(st.integers(0, 60), st.floats(0, 1)), max_size=40)


def loads(pairs: list[tuple[int, float]]) -> tuple[Ints, Floats, Floats]:
    n = np.array([rows for rows, _ in pairs], np.int64)
    hits = np.array([round(rows * share) for rows, share in pairs], np.float64)
    return n, hits, hits


def plainly(n: Ints, sums: Floats, squares: Floats) -> list[tuple[int, int]]:
    """ADWIN as it is written: every cut, every hour, no prefix sums."""
    found, window = [], []
    for end in range(len(n)):
        if not n[end]:
            continue
        window.append(end)
        cut: int | None = 0
        while cut is not None:
            rows = n[window].sum()
            mean = sums[window].sum() / rows
            variance = max(squares[window].sum() / rows - mean**2, 0.0)
            sure = log(2 * max(log(max(rows, np.e)), 1.0) / DELTA)
            best = 1.0
            cut = None
            for place in range(1, len(window)):
                old, new = window[:place], window[place:]
                share = 1 / n[old].sum() + 1 / n[new].sum()
                epsilon = sqrt(2 * share * variance * sure) + 2 / 3 * share * sure
                apart = abs(sums[old].sum() / n[old].sum() - sums[new].sum() / n[new].sum())
                if apart / epsilon > best + 1e-9:
                    best, cut = apart / epsilon, place
            if cut is not None:
                found.append((window[cut], end))
                window = window[cut:]
    return found


@settings(max_examples=150, deadline=None)
@given(LOADS)
def test_prefix_sums_find_what_the_plain_algorithm_finds(pairs: list[tuple[int, float]]) -> None:
    found = changes(*loads(pairs))

    assert [(one.hour, one.found) for one in found] == plainly(*loads(pairs))
    for one in found:
        assert abs(one.after - one.before) > one.epsilon * (1 - 1e-9)


@settings(max_examples=100, deadline=None)
@given(LOADS, st.integers(0, 40))
def test_what_was_found_stays_found_whatever_comes_after(
    pairs: list[tuple[int, float]], upto: int
) -> None:
    whole = changes(*loads(pairs))

    assert changes(*loads(pairs[:upto])) == [one for one in whole if one.found < upto]


@settings(max_examples=100, deadline=None)
@given(LOADS)
def test_a_loss_and_its_complement_change_together(pairs: list[tuple[int, float]]) -> None:
    n, hits, _ = loads(pairs)
    misses = n - hits

    one, other = changes(n, hits, hits), changes(n, misses, misses)

    assert [(x.hour, x.rose) for x in one] == [(x.hour, not x.rose) for x in other]


@settings(max_examples=100, deadline=None)
@given(LOADS, st.sampled_from([0.1, 7.0, 1000.0]))
def test_the_unit_of_a_loss_does_not_matter(pairs: list[tuple[int, float]], unit: float) -> None:
    n, hits, squares = loads(pairs)

    scaled = changes(n, hits * unit, squares * unit**2, span=unit)

    assert [x.hour for x in scaled] == [x.hour for x in changes(n, hits, squares)]


@settings(max_examples=100, deadline=None)
@given(LOADS, st.floats(1e-6, 0.5))
def test_who_wants_to_be_surer_never_hears_of_a_change_earlier(
    pairs: list[tuple[int, float]], delta: float
) -> None:
    eager, careful = (changes(*loads(pairs), delta=one) for one in (delta, delta / 10))

    if careful:
        assert eager
        assert eager[0].found <= careful[0].found


def test_a_year_of_hours_takes_a_moment() -> None:
    year = hours(np.random.default_rng(0), np.full(9000, 0.1), 50)
    began = process_time()

    assert changes(*year) == []
    assert process_time() - began < 3  # a third of a second where nothing else runs
    assert changes(np.zeros(9000, np.int64), np.zeros(9000), np.zeros(9000)) == []
