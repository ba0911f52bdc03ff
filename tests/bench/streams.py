"""Streams whose changes are known: river's generators joined, and rows chosen by their inputs.

A row is taken by its inputs alone where inputs shall change and nothing else: then the labels of
a given input are what they were (covariate shift, exactly).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import numpy as np
from river.datasets import synth

from app.kit.arrays import Ints

HOUR = 100
"""Rows an hour."""
WINDOW = 10 * HOUR
BASELINE = 10 * WINDOW
WINDOWS = 30
CHANGE = 12
"""Windows of production before anything changes."""
Row = tuple[dict[Any, Any], Any]
Keep = Callable[[dict[Any, Any]], float]


@dataclass(frozen=True)
class Stream:
    """What is drawn, and what changes in it at the ``CHANGE``."""

    name: str
    rows: Callable[[int], Iterator[Row]]
    """Of a seed; without end."""
    inputs: bool = False
    """P(x) changes."""
    loss: bool = False
    """The model's error changes."""
    mix: bool | None = False
    """The error changes by the mix of inputs alone; ``None`` where the concept does as well."""
    categories: bool = False

    def draw(self, seed: int) -> tuple[dict[str, list[Any]], Ints]:
        """Return baseline and production rows by column, and their labels."""
        rows = list(islice(self.rows(seed), BASELINE + WINDOWS * WINDOW))
        names = list(rows[0][0])
        columns = {str(name): [x[name] for x, _ in rows] for name in names}
        return columns, np.array([int(y) for _, y in rows], np.int64)


def joined(before: Iterator[Row], after: Iterator[Row]) -> Iterator[Row]:
    """Go over from one to the other at the change."""
    yield from islice(before, BASELINE + CHANGE * WINDOW)
    yield from after


def chosen(rows: Iterator[Row], seed: int, keep: Keep) -> Iterator[Row]:
    """Take each row with a chance that its inputs give it."""
    rng = np.random.default_rng(seed)
    for x, y in rows:
        if rng.random() < keep(x):
            yield x, y


def sea(variant: int, seed: int) -> Iterator[Row]:
    return iter(synth.SEA(variant=variant, noise=0.1, seed=seed))


def agrawal(function: int, seed: int) -> Iterator[Row]:
    return iter(synth.Agrawal(classification_function=function, seed=seed, perturbation=0.05))


def stagger(function: int, seed: int) -> Iterator[Row]:
    return iter(synth.STAGGER(classification_function=function, seed=seed))


def hyperplane(seed: int) -> Any:
    return synth.Hyperplane(seed=seed, n_features=5)


def rbf(model: int, seed: int) -> Iterator[Row]:
    return iter(synth.RandomRBF(seed_model=model, seed_sample=seed, n_features=5, n_centroids=8))


_WIDTH = 5000


def gradual(seed: int) -> Iterator[Row]:
    """Turn a hyperplane over five windows, from the change on."""
    turned = synth.ConceptDriftStream(
        hyperplane(seed), hyperplane(seed + 500),
        position=BASELINE + CHANGE * WINDOW + _WIDTH // 2, width=_WIDTH, seed=seed,
    )  # fmt: skip
    return iter(turned)


_SIGMA = 10 / 12**0.5


def leaning(tilt: float) -> Keep:
    most = 10 * max(tilt, 0)
    return lambda x: float(np.exp(tilt * x[0] - most))


def tilted(sigmas: float) -> Keep:
    """Move the first of SEA's inputs, uniform on 0 to 10, up by about so many σ."""
    return leaning(sigmas / _SIGMA)


def near_the_line(x: dict[Any, Any]) -> float:
    """Prefer what lies about SEA's threshold: harder cases."""
    return 1.0 if abs(x[0] + x[1] - 8) < 2 else 0.15


def moved(keep: Keep) -> Callable[[int], Iterator[Row]]:
    return lambda seed: joined(sea(0, seed), chosen(sea(0, seed + 500), seed, keep))


DAY = 24 * HOUR


def harder_days(before: Iterator[Row], seed: int, sigma: float) -> Iterator[Row]:
    """Turn the labels of a tenth of the rows, of more or fewer on each day, which wanders so."""
    rng = np.random.default_rng(seed)
    for at, (x, y) in enumerate(before):
        if at % DAY == 0:
            share = np.clip(rng.normal(0.1, sigma), 0, 1)
        yield x, int(y) ^ int(rng.random() < share)


def plain(variant: int, seed: int) -> Iterator[Row]:
    return iter(synth.SEA(variant=variant, noise=0, seed=seed))


def swayed(seed: int, by: float = 0.0, sigma: float = 0.1) -> Iterator[Row]:
    """Move the first of SEA's inputs by itself from window to window, and at the change by more."""
    rng = np.random.default_rng(seed)
    rows = sea(0, seed)
    for at in count():
        more = by if at >= BASELINE // WINDOW + CHANGE else 0.0
        tilt = (rng.normal(0, sigma) + more) / _SIGMA
        yield from islice(chosen(rows, seed + at, leaning(tilt)), WINDOW)


STREAMS = (
    Stream("SEA, nothing changes", lambda s: sea(0, s)),
    Stream("Hyperplane, nothing changes", lambda s: iter(hyperplane(s))),
    Stream("SEA, its error wanders from day to day", lambda s: harder_days(plain(0, s), s, 0.02)),
    Stream("SEA, one input wanders by 0.1 σ", swayed),
    Stream("SEA, threshold 7 to 9.5", lambda s: joined(sea(2, s), sea(3, s + 500)), loss=True),
    Stream(
        "SEA, threshold 7 to 9.5, its error wanders",
        lambda s: harder_days(joined(plain(2, s), plain(3, s + 500)), s, 0.01),
        loss=True,
    ),
    Stream(
        "STAGGER, first to second concept",
        lambda s: joined(stagger(0, s), stagger(1, s + 500)),
        loss=True,
        categories=True,
    ),
    Stream(
        "Agrawal, first to third function",
        lambda s: joined(agrawal(0, s), agrawal(2, s + 500)),
        loss=True,
    ),
    Stream(
        "Hyperplane, turned at once",
        lambda s: joined(iter(hyperplane(s)), iter(hyperplane(s + 500))),
        loss=True,
    ),
    Stream("Hyperplane, turned over 5 windows", gradual, loss=True),
    Stream("SEA, one input by 0.1 σ", moved(tilted(0.1)), inputs=True),
    Stream("SEA, one input wanders, then 0.5 σ", lambda s: swayed(s, 0.5), inputs=True),
    Stream("SEA, one input by 0.8 σ", moved(tilted(0.8)), inputs=True),
    Stream("SEA, harder cases", moved(near_the_line), inputs=True, loss=True, mix=True),
    Stream(
        "RandomRBF, other centroids",
        lambda s: joined(rbf(s, s), rbf(s + 500, s + 500)),
        inputs=True,
        loss=True,
        mix=None,
    ),
)
