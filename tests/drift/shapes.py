"""Columns of many shapes, and their profiles."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.telemetry import Layout, Tally
from app.telemetry.layout import fit
from app.telemetry.tally import tally

Column = NDArray[Any]
Draw = Callable[[np.random.Generator, int], Column]


def normal(rng: np.random.Generator, rows: int) -> Column:
    return rng.normal(size=rows)


def lognormal(rng: np.random.Generator, rows: int) -> Column:
    return rng.lognormal(0, 2, rows)


def cauchy(rng: np.random.Generator, rows: int) -> Column:
    return rng.standard_cauchy(rows)


def few(rng: np.random.Generator, rows: int) -> Column:
    return rng.poisson(2.0, rows).astype(np.float64)


def rare(rng: np.random.Generator, rows: int) -> Column:
    return (rng.random(rows) < 0.01).astype(np.float64)


def letters(rng: np.random.Generator, rows: int) -> Column:
    """Categories, some of them rare."""
    return np.array([f"c{one}" for one in np.minimum(rng.zipf(1.8, rows), 200)])


SHAPES: tuple[Draw, ...] = (normal, lognormal, cauchy, few, rare, letters)


def table(draws: Sequence[Draw], rng: np.random.Generator, rows: int) -> list[Column]:
    return [draw(rng, rows) for draw in draws]


def laid_out(columns: list[Column]) -> Layout:
    return Layout(tuple(fit(f"x{i}", column.tolist(), numeric=column.dtype.kind == "f")
                        for i, column in enumerate(columns)))  # fmt: skip


def profile(layout: Layout, columns: list[Column]) -> Tally:
    placed: list[Any] = [*columns]
    codes, values = layout.place(placed)
    return tally(codes, values, layout.size)
