"""Windows before their labels, and the moments at which errors changed: as watching joins them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from app.drift import degrading
from app.drift.foreseeing import estimated
from app.drift.regimes import CALIBRATION, LOSS, Memory, regimes
from app.kit.arrays import Floats
from app.telemetry import Layout, Performance, Tally
from app.telemetry.layout import score_bins
from app.telemetry.outcomes import fold_columns, performance
from app.telemetry.promise import promise
from app.telemetry.tally import tally

START = datetime(2026, 1, 1, tzinfo=UTC)


def scored(bins: Layout, scores: Floats) -> Tally:
    codes, values = bins.place([scores.tolist()])
    return tally(codes, values, bins.size)


def beyond(layout: Layout, scores: Floats, promised: object) -> set[str]:
    assert isinstance(promised, dict)
    found = estimated(
        layout, scored(layout, scores), promised["curve"], promised["metrics"], min_rows=500
    )
    return degrading.beyond(found, degrading.WATCHED)


def test_a_harder_mix_of_cases_is_expected_to_go_wrong_before_a_label_says_so() -> None:
    rng = np.random.default_rng(1)
    layout = Layout((score_bins(),))
    easy = np.where(rng.random(20_000) < 0.5, rng.beta(1, 9, 20_000), rng.beta(9, 1, 20_000))
    labels = (rng.random(20_000) < easy).astype(float)
    promised = promise(easy, labels, layout.variables[0], probability=True)

    same = np.where(rng.random(3000) < 0.5, rng.beta(1, 9, 3000), rng.beta(9, 1, 3000))
    harder = rng.beta(4, 4, 3000)

    assert beyond(layout, same, promised) == set()
    assert beyond(layout, harder, promised) >= {"accuracy", "auc"}


def test_a_regressor_is_expected_to_err_as_it_did_at_the_same_answers() -> None:
    rng = np.random.default_rng(2)
    answers = rng.uniform(0, 100, 20_000)
    truth = answers + rng.normal(0, 1 + answers / 20)
    layout = Layout((score_bins(answers.tolist()),))
    promised = promise(answers, truth, layout.variables[0], probability=False)
    assert promised is not None

    high = rng.uniform(80, 100, 3000)
    (found,) = estimated(layout, scored(layout, high), promised["curve"], promised["metrics"], 500)

    assert found["name"] == "mae"
    assert found["value"] == pytest.approx(5.5 * (2 / np.pi) ** 0.5, rel=0.05)
    assert found["beyond"]


def regressor(rng: np.random.Generator, answers: Floats) -> tuple[Layout, Tally, Any]:
    """Return what is known of one that errs by 1 at any answer."""
    layout = Layout((score_bins(answers.tolist()),))
    truth = answers + rng.normal(0, 1, len(answers))
    promised = promise(answers, truth, layout.variables[0], probability=False)
    return layout, scored(layout, answers), promised


@pytest.mark.parametrize(
    ("low", "high", "outside"),
    [(0, 100, 0.0), (99, 100, 0.0), (50, 150, 0.5), (101, 102, 1.0), (-300, -200, 1.0)],
)
def test_of_scores_beyond_the_references_range_nothing_is_expected(
    low: float, high: float, outside: float
) -> None:
    rng = np.random.default_rng(12)
    layout, reference, promised = regressor(rng, rng.uniform(0, 100, 20_000))
    window = scored(layout, rng.uniform(low, high, 3000))

    (found,) = estimated(
        layout, window, promised["curve"], promised["metrics"], 500, reference=reference
    )

    assert found["extrapolated"] == pytest.approx(outside, abs=0.02)
    assert found["beyond"] is (None if outside else False)


def test_of_answers_that_the_reference_never_gave_nothing_is_expected() -> None:
    rng = np.random.default_rng(13)
    layout, reference, promised = regressor(rng, rng.choice([1.0, 2.0, 3.0], 5000))
    window = scored(layout, rng.choice([1.0, 2.0, 7.0], 3000))

    (found,) = estimated(
        layout, window, promised["curve"], promised["metrics"], 500, reference=reference
    )

    assert found["extrapolated"] == pytest.approx(1 / 3, abs=0.03)
    assert found["beyond"] is None


def test_a_probability_beyond_all_that_had_labels_is_extrapolated_and_a_healthy_one_is_not() -> (
    None
):
    rng = np.random.default_rng(14)
    layout = Layout((score_bins(),))
    scores = rng.uniform(0.2, 0.6, 10_000)
    labels = (rng.random(10_000) < scores).astype(float)
    promised = promise(scores, labels, layout.variables[0], probability=True)
    assert promised is not None

    def outside(window: Floats) -> set[tuple[bool, bool]]:
        found = estimated(
            layout, scored(layout, window), promised["curve"], promised["metrics"], 500,
            reference=scored(layout, scores),
        )  # fmt: skip
        return {(row["extrapolated"] >= 0.05, row["beyond"] is None) for row in found}

    assert outside(rng.uniform(0.2, 0.6, 3000)) == {(False, False)}
    assert outside(rng.uniform(0.5, 0.9, 3000)) == {(True, True)}


def test_a_healthy_window_is_hardly_ever_called_extrapolated() -> None:
    rng = np.random.default_rng(15)
    shares = []
    for draw in (rng.standard_cauchy, rng.standard_normal, rng.standard_exponential):
        layout, reference, promised = regressor(rng, draw(1000))
        for _ in range(20):
            (row,) = estimated(
                layout, scored(layout, draw(500)), promised["curve"], promised["metrics"], 500,
                reference=reference,
            )  # fmt: skip
            shares.append(row["extrapolated"])

    assert max(shares) < 0.05


@pytest.mark.parametrize("curve", [[], [[0.0] * 5] * 100, [[1.0] * 5] * 7])
def test_without_a_curve_of_the_same_bins_nothing_is_expected(curve: list[list[float]]) -> None:
    layout = Layout((score_bins(),))
    window = scored(layout, np.full(1000, 0.7))

    assert estimated(layout, window, curve, {"accuracy": {}}, 500) == []


def hours(rng: np.random.Generator, count: int, *, turn: int) -> dict[int, Performance]:
    """Hours of a hundred rows; from ``turn`` on scores say nothing of the labels."""
    found = {}
    for place in range(count):
        scores = rng.beta(2, 2, 100)
        chance = scores if place < turn else np.full(100, 0.3)
        labels = (rng.random(100) < chance).astype(float)
        nothing = np.full(100, np.nan)
        found[place] = performance(fold_columns(scores, nothing, labels, nothing, nothing))
    return found


def test_a_change_is_known_only_from_the_hour_that_shows_it() -> None:
    rng = np.random.default_rng(3)
    loss, calibration = regimes(START, hours(rng, 504, turn=336), 504)
    turned = START + timedelta(hours=336)

    assert (loss.subject, calibration.subject) == (LOSS, CALIBRATION)
    for one in (loss, calibration):
        assert one.known(turned) is None
        known = one.known(START + timedelta(hours=504))
        assert known is not None
        assert known["stands"]
        since = datetime.fromisoformat(known["since"])
        assert abs(since - turned) <= timedelta(hours=12)
        assert datetime.fromisoformat(known["found"]) >= turned


@pytest.mark.parametrize("seed", range(4))
def test_a_change_that_went_back_does_not_stand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    spoilt = hours(rng, 504, turn=168)
    back = {504 + place: one for place, one in hours(rng, 336, turn=336).items()}

    loss, calibration = regimes(START, spoilt | back, 840)

    for one in (loss, calibration):
        between, last = (one.known(START + timedelta(hours=at)) for at in (504, 840))
        assert between is not None
        assert between["stands"]
        assert last is not None
        assert last["since"] > between["since"]
        assert not last["stands"]


def test_what_is_remembered_is_what_is_found_anew() -> None:
    """Hours come one after the other, several at once, late into the midst of others, and go."""
    rng = np.random.default_rng(11)
    every = hours(rng, 700, turn=340)
    every |= {504 + place: one for place, one in hours(rng, 196, turn=196).items()}
    memory = Memory(2)
    changed = set()
    for count in (300, 420, 421, 421, 600, 380, 700, 690):
        if count == 600:  # labels of four days come late, from before a change was seen
            every |= {place: every[place - 300] for place in range(360, 456)}
        some = {place: one for place, one in every.items() if place < count}
        found = regimes(START, some, count, memory=memory, whose="one")

        assert found == regimes(START, some, count)
        changed.add(tuple(len(one.changes) for one in found))
    assert len(changed) > 2


def test_no_more_streams_are_remembered_than_there_is_room_for() -> None:
    rng = np.random.default_rng(12)
    some = hours(rng, 30, turn=30)
    memory = Memory(2)
    for whose in range(5):
        regimes(START, some, 30, memory=memory, whose=whose)

    assert list(memory) == [(4, LOSS, START), (4, CALIBRATION, START)]


def test_of_hours_that_stay_alike_or_are_no_probabilities_nothing_is_said() -> None:
    rng = np.random.default_rng(5)
    quiet = regimes(START, hours(rng, 500, turn=500), 500)
    numbers = {0: performance(fold_columns(*np.full((5, 10), 7.0)))}

    assert [one.changes for one in quiet] == [[], []]
    assert regimes(START, numbers, 3) == []
