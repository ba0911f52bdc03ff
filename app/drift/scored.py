"""Scores beside what came true, bin by bin of the score: what calibration is read from. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from app.kit.arrays import Floats, Ints


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows, positives and sum of scores of each bin of a probability; each shaped (bins,)."""

    n: Ints
    positives: Ints
    sums: Floats

    @classmethod
    def of_labels(cls, counts: Ints, sums: Floats) -> Self:
        """Return it of counts and sums by label, both shaped (bins, 2)."""
        return cls(counts.sum(axis=1), counts[:, 1], sums.sum(axis=1))

    @classmethod
    def of_curve(cls, curve: Sequence[Sequence[float]]) -> Self:
        """Return it of a baseline's curve: a row a bin, led by rows, positives, sum of scores."""
        table = np.asarray(curve, np.float64)
        return cls(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2])

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.n.sum())

    def used(self) -> Self:
        """Return only the bins that hold rows."""
        some = self.n > 0
        return type(self)(self.n[some], self.positives[some], self.sums[some])

    def means(self) -> Floats:
        """Return each bin's mean score, NaN where there is none."""
        return mean_of(self.sums, self.n)

    def rates(self) -> Floats:
        """Return each bin's share of positives, NaN where there is none."""
        return mean_of(self.positives.astype(np.float64), self.n)

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.n + other.n, self.positives + other.positives, self.sums + other.sums
        )


def mean_of(sums: Floats, n: Ints) -> Floats:
    """Return sums over counts, NaN where nothing was counted."""
    found = np.full(len(n), np.nan)
    np.divide(sums, n, out=found, where=n > 0)
    return found
