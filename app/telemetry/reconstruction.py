"""Reconstruction: how variables go together, learnt from a baseline's rows. Pure.

Each variable may look as it always did while what they have to do with each other changes. A few
principal components carry most of how the baseline's variables vary together; a row is put together
again from them, and what is lost is its error. Rows whose variables go together as before lose what
the baseline's rows lose, whatever their values.

Numbers are standardised; a category stands as the share of the baseline's rows that had it, as
`NannyML <https://nannyml.readthedocs.io>`_ does. What is missing or no number is as the mean.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from app.kit.arrays import Floats
from app.telemetry.layout import Binning, Bins, category, numbers

EXPLAINED = 0.65
"""Of the variance, by the components that are kept."""
MOST_VARIABLES = 100
MOST_ROWS = 100_000
_FEWEST_VARIABLES = 2


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """What a baseline says of how its variables go together.

    ``shares`` are by variable and category, for variables that are categories. ``components`` are
    orthonormal, one a row. ``error`` and ``sigma`` are mean and deviation over ``rows`` rows that
    the components were not learnt from.
    """

    names: tuple[str, ...]
    shares: Mapping[str, Mapping[str, float]]
    mean: list[float]
    scale: list[float]
    components: list[list[float]]
    error: float
    sigma: float
    rows: int

    def dump(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)

    @classmethod
    def load(cls, raw: dict[str, Any]) -> "Reconstruction":
        """Read what ``dump`` returned."""
        return cls(**{**raw, "names": tuple(raw["names"])})

    def errors(self, rows: Sequence[Mapping[str, Any]]) -> Floats:
        """Return each row's error; a row has the variables by name."""
        if not rows:
            return np.zeros(0)
        columns = [[row.get(name) for row in rows] for name in self.names]
        return self._lost(_encoded(self.names, columns, self.shares))

    def _lost(self, values: Floats) -> Floats:
        scaled = (np.where(np.isnan(values), self.mean, values) - self.mean) / self.scale
        components = np.array(self.components)
        lost: Floats = np.linalg.norm(scaled - scaled @ components.T @ components, axis=1)
        return lost


def learn(bins: Sequence[Bins], columns: Sequence[Sequence[Any]]) -> Reconstruction | None:
    """Learn from a baseline's columns, or nothing: of one variable, too many, or none that vary.

    Every second row is put apart, so that the error is that of rows that were not learnt from.
    """
    if not _FEWEST_VARIABLES <= len(bins) <= MOST_VARIABLES:
        return None
    columns = [column[:MOST_ROWS] for column in columns]
    names = tuple(one.name for one in bins)
    shares = {
        one.name: _shares(column)
        for one, column in zip(bins, columns, strict=True)
        if one.binning is Binning.CATEGORIES
    }
    values = _encoded(names, columns, shares)
    seen, apart = values[::2], values[1::2]
    known = np.where(np.isnan(seen), 0.0, 1.0)
    counts = np.maximum(known.sum(axis=0), 1.0)
    mean = np.where(np.isnan(seen), 0.0, seen).sum(axis=0) / counts
    filled = np.where(np.isnan(seen), mean, seen)
    deviation = filled.std(axis=0)
    varies = deviation > np.abs(mean) * 1e-12
    if varies.sum() < _FEWEST_VARIABLES or not np.isfinite(filled).all():
        return None
    scale = np.where(varies, deviation, 1.0)
    scaled = (filled - mean) / scale
    variances, directions = np.linalg.eigh(scaled.T @ scaled / len(scaled))
    order = np.argsort(variances)[::-1]
    explained = np.cumsum(variances[order]) / variances.sum()
    kept = int(np.searchsorted(explained, EXPLAINED)) + 1
    found = Reconstruction(
        names, shares, mean.tolist(), scale.tolist(), directions[:, order[:kept]].T.tolist(),
        0.0, 0.0, 0,
    )  # fmt: skip
    lost = found._lost(apart)  # noqa: SLF001 - its own, on the way to it
    error, sigma = float(lost.mean()), float(lost.std(ddof=1))
    if not sigma > 0:
        return None  # as many components as there are variables that vary: nothing is ever lost
    return Reconstruction(
        names, shares, found.mean, found.scale, found.components, error, sigma, len(lost)
    )


def _encoded(
    names: Sequence[str],
    columns: Sequence[Sequence[Any]],
    shares: Mapping[str, Mapping[str, float]],
) -> Floats:
    """Return rows by variables, NaN where nothing is known."""
    found = []
    for name, column in zip(names, columns, strict=True):
        if name in shares:
            known = shares[name]
            of = [np.nan if v is None else known.get(category(v), 0.0) for v in column]
            found.append(np.array(of, np.float64))
        else:
            values = numbers(column)[0]
            found.append(np.where(np.isfinite(values), values, np.nan))
    return np.column_stack(found)


def _shares(column: Sequence[Any]) -> dict[str, float]:
    counted = Counter(category(value) for value in column if value is not None)
    rows = sum(counted.values()) or 1
    return {name: n / rows for name, n in counted.most_common(MOST_VARIABLES)}
