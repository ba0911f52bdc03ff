"""What docs/detectors.md says of the detectors, run again on a smaller scale."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bench import truth
from tests.bench.alarming import DETECTORS
from tests.bench.alarms import HORIZON, Score, annotated_f1
from tests.bench.streams import STREAMS, WINDOW

UNALLOWING = ("ADWIN by hours", "ADWIN by hours, strict", "river's ADWIN by rows", "shift")
"""Those for which what wanders changes; nothing in the product goes by them, but shifts.

These do not know it yet in a version's first windows.
"""
NAMES = [detector.name for detector in DETECTORS]


def scored(alarms: list[int], change: int | None) -> Score:
    score = Score()
    score.take(alarms, change)
    return score


def test_the_first_alarm_after_a_change_finds_it_and_others_are_false() -> None:
    score = scored([500, 1_000, 1_200, 1_900, 1_000 + HORIZON + 1], 1_000)

    assert (score.found, score.missed, score.false, score.delay) == (1, 0, 3, 200)
    assert scored([1_000], None).false == 1
    assert scored([], 1_000).missed == 1
    assert scored([], None).f1 == 1


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, 200)), st.lists(st.sets(st.integers(1, 200)), min_size=1, max_size=4)
)
def test_the_annotated_score_is_between_nothing_and_one(
    found: list[int], marks: list[set[int]]
) -> None:
    annotations = {str(at): sorted(one) for at, one in enumerate(marks)}

    assert 0 < annotated_f1(found, annotations) <= 1
    assert annotated_f1(marks[0], {"a": sorted(marks[0])}) == pytest.approx(1)


def test_the_annotated_score_is_the_authors() -> None:
    # One of three of ours is near nobody; one annotator has both changes, the other one of three.
    marks = {"a": [100], "b": [100, 150]}

    found = annotated_f1([103, 50], marks)

    precision, recall = 2 / 3, (2 / 2 + 2 / 3) / 2
    assert found == pytest.approx(2 * precision * recall / (precision + recall))


def test_on_annotated_series_adwin_by_hours_is_no_worse_than_always_firing() -> None:
    for name, scores in truth.annotated().items():
        assert scores["ADWIN by hours"] > 2 * scores["always"], name


def test_the_document_tells_of_every_stream_and_detector() -> None:
    text = truth.DOCUMENT.read_text()
    measured = text.split(truth.BEGIN)[1].split(truth.END)[0]

    for stream in STREAMS:
        assert f"| {stream.name} |" in measured
    for name in (*NAMES, *truth.SERIES):
        assert f"| {name} |" in measured
    assert truth.written(text, measured.strip()) == text


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_detectors_do_what_the_document_says() -> None:
    seeds = (101, 102)
    cells = truth.measure(seeds)
    found = truth.totals(cells)
    foils = truth.foils(cells, len(seeds))

    for name, score in found.items():
        always, never = foils[name]
        assert score.f1 > always.f1 + 0.3, name
        assert score.f1 > never.f1 + 0.3, name
        false = [
            cell.false for stream in STREAMS
            if "wanders" not in stream.name or name not in UNALLOWING
            if (cell := cells[stream.name, name]) is not None
        ]  # fmt: skip
        assert sum(false) <= 2, name
    for name in ("ADWIN by hours", "ADWIN by hours, strict"):
        assert found[name].missed == 0
        assert (found[name].delay or 0) <= WINDOW
    rivers = found["river's ADWIN by rows"]
    assert (found["ADWIN by hours"].delay or 0) <= (rivers.delay or 0) + 200
    assert found["CBPE"].found >= 1
    small = cells["SEA, one input by 0.1 σ", "data drift"]
    assert small is not None
    assert small.found == 0
    large = cells["SEA, one input by 0.8 σ", "shift"]
    assert large is not None
    assert large.found == len(seeds)
    assert large.delay == 2 * WINDOW
