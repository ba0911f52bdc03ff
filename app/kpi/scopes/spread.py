"""How far chance alone moves what a formula comes to: the delta method over its sums. Pure.

How many decisions come is chance as well, so that of two sums over the same decisions, Σx and Σy,
the covariance is Σxy (a compound Poisson process). Where one quantity is counted within another,
that is the smaller one; a mean's error is then the textbook's. Of two of which Σxy is not known it
lies between nothing and √(Σx²Σy²), mostly, and the one that makes the error larger is taken.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from math import isfinite, sqrt

from app.kpi.scopes.formula import QUANTITIES, Expression, NotReckoned, Quantities
from app.telemetry import Performance

_SQUARES: dict[str, Callable[[Performance], float]] = {
    "reward": lambda done: done.reward_squared,
    "cost": lambda done: done.cost_squared,
    "absolute_error": lambda done: done.squared_error,
    "squared_error": lambda done: done.fourth_error,
}
_WITHIN: dict[str, frozenset[str]] = {
    "reward": frozenset({"rewarded", "decisions"}),
    "rewarded": frozenset({"decisions"}),
    "conversions": frozenset({"rewarded", "decisions"}),
    "cost": frozenset({"costed", "decisions"}),
    "costed": frozenset({"decisions"}),
    "hits": frozenset({"labelled"}),
    "positives": frozenset({"labelled"}),
    "true_positives": frozenset({"hits", "positives", "labelled"}),
    "false_positives": frozenset({"labelled"}),
    "false_negatives": frozenset({"positives", "labelled"}),
    "absolute_error": frozenset({"erred"}),
    "squared_error": frozenset({"erred"}),
}
_STEP = 1e-5


def error_of(expression: Expression, over: Quantities) -> float | None:
    """Return the standard error of a formula's value, or nothing where it names no outcomes.

    What was reported is as certain as it is said, and adds nothing to it. Raises ``NotReckoned``.
    """
    if not expression.quantities:
        return None
    slopes = {leaf: _slope(expression, over, leaf) for leaf in sorted(expression.leaves)}
    variance = 0.0
    for key, done in over.points.items():
        own: dict[str, float] = {}
        for (of, name), slope in slopes.items():
            if of in {"", key}:
                own[name] = own.get(name, 0.0) + slope
        variance += _variance(own, done)
    if not isfinite(variance):
        raise NotReckoned("its error is larger than any number")
    return sqrt(max(variance, 0.0))


def _slope(expression: Expression, over: Quantities, leaf: tuple[str, str]) -> float:
    """Return by how much the value grows with one sum, by differences to both sides."""
    of, name = leaf
    done = over.points.get(of) if of else over.whole
    step = _STEP * max(abs(QUANTITIES[name](done)) if done else 0.0, 1.0)
    above, below = (
        expression.reckon(replace(over, moved={leaf: sign * step})) for sign in (1.0, -1.0)
    )
    return (above - below) / (2 * step)


def _variance(slopes: Mapping[str, float], done: Performance) -> float:
    found = 0.0
    for a, b in product(slopes, slopes):
        known = _together(a, b, done)
        if known is not None:
            found += slopes[a] * slopes[b] * known
        else:
            most = sqrt(_square(a, done) * _square(b, done))
            found += max(slopes[a] * slopes[b], 0.0) * most
    return found


def _together(a: str, b: str, done: Performance) -> float | None:
    """Return Σxy of two quantities, where it is known."""
    if a == b:
        return _square(a, done)
    if b in _WITHIN.get(a, ()):
        return float(QUANTITIES[a](done))
    if a in _WITHIN.get(b, ()):
        return float(QUANTITIES[b](done))
    return None


def _square(name: str, done: Performance) -> float:
    """Return Σx²; of what is counted the number itself."""
    return float(_SQUARES.get(name, QUANTITIES[name])(done))
