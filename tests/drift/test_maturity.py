"""Labels that come late by class: what is judged before all have had their time is biased."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from app.drift.degrading import beyond, judged
from app.drift.rules import Thresholds
from app.kit.arrays import Floats
from app.telemetry.layout import score_bins
from app.telemetry.outcomes import fold_columns, performance
from app.telemetry.promise import promise

END = datetime(2026, 3, 2, tzinfo=UTC)
ROWS, WINDOWS = 1500, 60
ALL = ("accuracy", "auc", "brier", "ece", "log_loss", "precision", "recall")


def cases(rng: np.random.Generator, rows: int, *, turned: float = 0.0) -> tuple[Floats, Floats]:
    """Return scores that mean what they say but for the share ``turned``, and their labels."""
    scores = rng.beta(2, 5, rows)
    labels = (rng.random(rows) < scores).astype(float)
    other = rng.random(rows) < turned
    return scores, np.where(other, 1 - labels, labels)


def known(rng: np.random.Generator, labels: Floats, hours: float) -> Floats:
    """Return what is known of labels so long after: nothing bad after an hour, fraud after days."""
    takes = np.where(labels == 1, np.minimum(rng.exponential(72, len(labels)), 330), 1)
    return np.where(takes <= hours, labels, np.nan)


def accused(hours: float, *, turned: float = 0.0) -> float:
    """Return the share of windows in which something is beyond, judged so long after their end."""
    rng = np.random.default_rng(61)
    promised = promise(*cases(rng, 10_000), score_bins(), probability=True)
    assert promised is not None
    found = 0
    for _ in range(WINDOWS):
        scores, labels = cases(rng, ROWS, turned=turned)
        nothing = np.full(ROWS, np.nan)
        columns = (scores, nothing, known(rng, labels, hours), nothing, nothing)
        rows = judged(performance(fold_columns(*columns)), promised["metrics"], 500)
        found += bool(beyond(rows, ALL))
    return found / WINDOWS


def test_a_healthy_version_is_accused_until_its_labels_have_matured() -> None:
    assert accused(6) > 0.9
    assert accused(72) > 0.9
    assert accused(336) <= 0.02


def test_a_version_that_got_worse_is_found_once_its_labels_have_matured() -> None:
    assert accused(336, turned=0.1) > 0.9


@pytest.mark.parametrize("hours", [1, 24, 24 * 90])
def test_what_takes_labels_is_judged_so_long_after_a_windows_end_and_not_before(hours: int) -> None:
    limits = Thresholds(label_delay_hours=hours)

    due = END + timedelta(hours=hours)

    assert limits.matured(due) == END
    assert limits.matured(due - timedelta(seconds=1)) < END  # type: ignore[operator]


def test_by_default_labels_are_judged_as_they_come() -> None:
    assert Thresholds().matured(END) is None
