"""A stream on the real path: layout and promise of a baseline, profiles by window and hour."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.kit.arrays import Floats, Ints
from app.telemetry import Layout, Performance, Tally
from app.telemetry.layout import fit, score_bins
from app.telemetry.outcomes import fold_columns, performance
from app.telemetry.promise import promise
from app.telemetry.tally import tally
from tests.bench.streams import BASELINE, HOUR, WINDOW, Stream

TRAIN = BASELINE // 2


@dataclass(frozen=True)
class Folded:
    """What monitoring sees of a stream, and each row's loss for who looks at rows."""

    layout: Layout
    baseline: Tally
    promised: dict[str, Any]
    windows: list[Tally]
    hours: list[Performance]
    losses: Floats
    """0 or 1, of each row of production."""
    before: Floats
    """The same, of the baseline's rows that the model was not fitted to."""


def folded(stream: Stream, seed: int) -> Folded:
    """Fit a model to half of the baseline, freeze the other half, fold the rest."""
    columns, labels = stream.draw(seed)
    head = {name: column[TRAIN:BASELINE] for name, column in columns.items()}
    bins = [fit(name, one, numeric=not stream.categories) for name, one in head.items()]
    inputs = Layout(tuple(bins))
    codes, values = inputs.place(list(columns.values()))
    scores = scored(codes, labels, inputs.size)
    layout = Layout((*bins, score_bins()))
    codes = np.column_stack([codes, inputs.size + score_bins().place(scores.tolist())[0]])
    values = np.column_stack([values, scores])
    half, rest = slice(TRAIN, BASELINE), slice(BASELINE, None)
    promised = promise(
        scores[half], labels[half].astype(np.float64), score_bins(), probability=True
    )
    if promised is None:
        raise ValueError("A baseline without labels promises nothing.")
    losses = ((scores >= 0.5) != labels).astype(np.float64)
    starts = range(BASELINE, len(labels), WINDOW)
    hours = range(BASELINE, len(labels), HOUR)
    return Folded(
        layout,
        tally(codes[half], values[half], layout.size),
        promised,
        [tally(codes[at : at + WINDOW], values[at : at + WINDOW], layout.size) for at in starts],
        [outcomes(scores[at : at + HOUR], labels[at : at + HOUR]) for at in hours],
        losses[rest],
        losses[half],
    )


def outcomes(scores: Floats, labels: Ints) -> Performance:
    nothing = np.full(len(scores), np.nan)
    return performance(fold_columns(scores, nothing, labels.astype(np.float64), nothing, nothing))


def scored(codes: Ints, labels: Ints, slots: int) -> Floats:
    """Return each row's probability by an additive logistic model of its slots (Newton, ridge)."""
    rows = np.arange(len(codes))[:, None]
    design = np.zeros((len(codes), slots))
    design[rows, codes] = 1.0
    train, truth = design[:TRAIN], labels[:TRAIN]
    at: Floats = np.zeros(slots)
    for _ in range(8):
        p = chances(train @ at)
        gradient = train.T @ (truth - p) - at
        information = (train * (p * (1 - p))[:, None]).T @ train + np.eye(slots)
        at = at + np.linalg.solve(information, gradient)
    return chances(design @ at)


def chances(line: Floats) -> Floats:
    found: Floats = 1 / (1 + np.exp(-np.clip(line, -30, 30)))
    return found
