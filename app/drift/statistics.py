"""Distances between two profiles of one variable, from their bins. Pure.

All functions take counts (or shares) slot by slot, null and unseen slots included, so that a
variable that goes missing drifts as plainly as one that moves. Of categories, the unseen are
together with the seldom (``merged``). What is of values alone is nothing where one side has none:
nobody knows whether they moved.
"""

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from scipy.special import chdtrc

from app.kit.arrays import Floats, Ints
from app.telemetry import Binning, Bins, Tally

_EPSILON = 1e-4
_LEAST_ROWS = 5

Counts = Ints | Floats
"""Rows by slot; of what is expected they need not be whole."""


@dataclass(frozen=True, slots=True)
class Distance:
    """How one variable's window differs from its baseline."""

    name: str
    js: float
    psi: float
    ks: float | None
    wasserstein: float | None
    p_value: float
    null_share: float
    unseen_share: float
    js_values: float | None
    """JS of the values alone: by how much they moved, beside what went missing."""


def shares(counts: Counts) -> Floats:
    """Return counts as shares of 1; all zero for no rows."""
    total = counts.sum()
    return counts / total if total else counts.astype(np.float64)


def jensen_shannon(p: Floats, q: Floats) -> float:
    """Return the Jensen-Shannon divergence of two distributions, base 2: 0 equal, 1 disjoint."""
    middle = (p + q) / 2

    def side(a: Floats) -> float:
        used = a > 0
        return float((a[used] * np.log2(a[used] / middle[used])).sum())

    return max((side(p) + side(q)) / 2, 0.0)


def population_stability(expected: Counts, actual: Counts) -> float:
    """Return the PSI over the slots either side uses, less its bias under no drift.

    Two samples of one distribution have an expected PSI of (B-1)(1/n + 1/m); without taking it
    off, small windows alarm by their size alone (Yurdakul and Naranjo, 2020).
    """
    used = (expected + actual) > 0
    n, m = float(expected.sum()), float(actual.sum())
    if not n or not m:
        return 0.0
    p = np.maximum(expected[used] / n, _EPSILON)
    q = np.maximum(actual[used] / m, _EPSILON)
    raw = float(((q - p) * np.log(q / p)).sum())
    bias = (int(used.sum()) - 1) * (1 / n + 1 / m)
    return max(raw - bias, 0.0)


def kolmogorov_smirnov(p: Floats, q: Floats) -> float:
    """Return the greatest gap between two cumulative distributions over ordered bins."""
    return float(np.abs(np.cumsum(p) - np.cumsum(q)).max(initial=0.0))


def wasserstein(expected: Ints, actual: Ints, sums_e: Floats, sums_a: Floats) -> float:
    """Return the first Wasserstein distance, each bin's rows standing at their own mean.

    In units of the variable.
    """
    places, weights = [], []
    for counts, sums, sign in ((expected, sums_e, 1.0), (actual, sums_a, -1.0)):
        used = counts > 0
        if not used.any():
            return 0.0
        places.append(sums[used] / counts[used])
        weights.append(sign * counts[used] / counts.sum())
    place, weight = np.concatenate(places), np.concatenate(weights)
    order = np.argsort(place, kind="stable")
    gaps = np.abs(np.cumsum(weight[order])[:-1])
    return float((gaps * np.diff(place[order])).sum())


def chi_square_p(expected: Counts, actual: Counts) -> float:
    """Return the p-value of homogeneity of two count vectors (Pearson, 2 × B table)."""
    statistic, free = chi_square(expected, actual)
    return float(chdtrc(free, statistic)) if free else 1.0


def chi_square(expected: Counts, actual: Counts) -> tuple[float, int]:
    """Return Pearson's statistic of that table and its degrees of freedom; 0 if none can differ."""
    used = (expected + actual) > 0
    table = np.stack([expected[used], actual[used]]).astype(np.float64)
    rows, columns = table.sum(axis=1, keepdims=True), table.sum(axis=0, keepdims=True)
    if table.shape[1] < 2 or not rows.all():  # noqa: PLR2004 - one slot cannot differ
        return 0.0, 0
    fit = rows * columns / table.sum()
    return float(((table - fit) ** 2 / fit).sum()), table.shape[1] - 1


def benjamini_hochberg(p_values: Floats) -> Floats:
    """Return the q-values of a family of tests (Benjamini and Hochberg, 1995)."""
    count = len(p_values)
    order = np.argsort(p_values)[::-1]
    ranks = np.arange(count, 0, -1)
    falling = np.minimum.accumulate(p_values[order] * count / ranks)
    found = np.empty(count)
    found[order] = np.minimum(falling, 1.0)
    return found


def merged(bins: Bins, expected: Ints, actual: Ints) -> tuple[Counts, Counts]:
    """Return two profiles' counts of one variable as they can be compared, slot by slot.

    Of categories, what the baseline never saw comes last, together with what it saw seldom:
    ``other`` and those it has fewer than five rows of. A baseline holds none of the unseen by
    definition, and of a long tail every window some; which of the seldom ones it happens to hold
    is chance as well. A new category that is frequent still stands out there.
    """
    if bins.binning is not Binning.CATEGORIES:
        return expected, actual
    named = expected[: bins.bins]
    apart = [slot for name in ("other", "unseen") if (slot := bins.slot(name)) is not None]
    least = _LEAST_ROWS
    if expected[apart[0]] and len(named):
        # Those seen as often as the last that has a place may be among the others.
        least = max(least, int(named.min()) + 1)
    rest = np.zeros(len(expected), dtype=bool)
    rest[: bins.bins] = named < least
    rest[apart] = True
    one, two = (np.append(side[~rest], side[rest].sum()) for side in (expected, actual))
    return _without_luck(one, two, int((~rest[: bins.bins]).sum()), least), two


def _without_luck(expected: Ints, actual: Ints, named: int, least: int) -> Counts:
    """Return the baseline with as many rows in its rest as luck may have put elsewhere.

    Who has a place of his own has it for having come often, and will come less often again. By Good
    and Turing (1953) the rest can expect the rows of those that just have a place more: one row
    left out, they would have none. So much, and two standard deviations of it, is granted to a
    window whose rest is that large, of each place alike. Where no category is seen so seldom it is
    nothing.
    """
    span = ceil(sqrt(least) / 2)
    just = int((expected[:named] < least + span).sum())
    whole = int(expected.sum())
    if not just or not actual.sum():
        return expected
    luck = least * (just + 2 * sqrt(just)) / span
    more = float(actual[-1] / actual.sum()) * whole - expected[-1]
    granted = min(max(more, 0.0), luck, named * (least - 1.0))
    found = expected.astype(np.float64)
    found[:named] -= granted / named
    found[-1] += granted
    return found


def distance(bins: Bins, span: slice, baseline: Tally, window: Tally) -> Distance:
    """Compare one variable's slots of two profiles."""
    before, now = baseline.counts[span], window.counts[span]
    whole = shares(now)
    expected, actual = merged(bins, before, now)
    p, q = shares(expected), shares(actual)
    ordered = slice(0, bins.bins)
    numeric = bins.binning is not Binning.CATEGORIES
    null, unseen = bins.slot("null"), bins.slot("unseen")
    js = jensen_shannon(p, q)
    placed = numeric and before[ordered].any() and now[ordered].any()
    return Distance(
        name=bins.name,
        js=js,
        psi=population_stability(expected, actual),
        ks=kolmogorov_smirnov(shares(before[ordered]), shares(now[ordered])) if placed else None,
        wasserstein=wasserstein(
            before[ordered],
            now[ordered],
            baseline.sums[span][ordered],
            window.sums[span][ordered],
        )
        if placed
        else None,
        p_value=chi_square_p(expected, actual),
        null_share=float(whole[null]) if null is not None else 0.0,
        unseen_share=float(whole[unseen]) if unseen is not None else 0.0,
        js_values=_of_values(bins, before, now, js),
    )


def _of_values(bins: Bins, before: Ints, now: Ints, js: float) -> float | None:
    """Return the JS of values alone, which is that of all where nothing is missing."""
    null = bins.slot("null")
    known = [before.copy(), now.copy()]
    if null is not None:
        for side in known:
            side[null] = 0
    if not all(side.any() for side in known):
        return None
    if null is None or not (before[null] or now[null]):
        return js
    return jensen_shannon(*map(shares, merged(bins, *known)))
