"""Columns of many shapes, and their profiles."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from app.kit.arrays import Floats
from app.telemetry import Layout, Tally
from app.telemetry.layout import fit
from app.telemetry.tally import tally

Draw = Callable[[np.random.Generator, int], Floats]


def normal(rng: np.random.Generator, rows: int) -> Floats:
    return rng.normal(size=rows)


def lognormal(rng: np.random.Generator, rows: int) -> Floats:
    return rng.lognormal(0, 2, rows)


def cauchy(rng: np.random.Generator, rows: int) -> Floats:
    return rng.standard_cauchy(rows)


def few(rng: np.random.Generator, rows: int) -> Floats:
    return rng.poisson(2.0, rows).astype(np.float64)


def rare(rng: np.random.Generator, rows: int) -> Floats:
    return (rng.random(rows) < 0.01).astype(np.float64)


SHAPES: tuple[Draw, ...] = (normal, lognormal, cauchy, few, rare)


def table(draws: Sequence[Draw], rng: np.random.Generator, rows: int) -> list[Floats]:
    return [draw(rng, rows) for draw in draws]


def laid_out(columns: list[Floats]) -> Layout:
    return Layout(tuple(fit(f"x{i}", column.tolist(), numeric=True)
                        for i, column in enumerate(columns)))  # fmt: skip


def profile(layout: Layout, columns: list[Floats]) -> Tally:
    placed: list[Any] = [*columns]
    codes, values = layout.place(placed)
    return tally(codes, values, layout.size)
