"""Rows of scores and labels as models make them, and what profiles hold of them."""

from dataclasses import dataclass

import numpy as np

from app.drift.scored import Scored
from app.kit.arrays import Floats, Ints
from app.telemetry.layout import SCORE_EDGES


@dataclass(frozen=True)
class Rows:
    """Scores and labels, each shaped (rows,)."""

    scores: Floats
    labels: Ints

    def places(self) -> Ints:
        return np.searchsorted(SCORE_EDGES, self.scores, side="right").astype(np.int64)

    def binned(self) -> Scored:
        places = self.places()
        return Scored(
            np.bincount(places, minlength=100).astype(np.int64),
            np.bincount(places, self.labels, minlength=100).astype(np.int64),
            np.bincount(places, self.scores, minlength=100).astype(np.float64),
        )


def logistic(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))


def made(
    rng: np.random.Generator,
    rows: int,
    *,
    centre: float = 0.0,
    spread: float = 1.5,
    slope: float = 1.0,
    bias: float = 0.0,
) -> Rows:
    """Draw units about ``centre``; the model believes logit·slope + bias of the true one.

    Slope 1 and bias 0 are a calibrated model; a slope above 1 is an overconfident one.
    """
    truth = rng.normal(centre, spread, rows)
    labels = (rng.random(rows) < logistic(truth)).astype(np.int64)
    return Rows(logistic(slope * truth + bias), labels)
