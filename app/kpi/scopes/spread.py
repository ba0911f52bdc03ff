"""How far chance alone moves what a formula comes to: the delta method over its sums. Pure.

How many decisions come is chance as well, so that of two sums over the same decisions, Σx and Σy,
the covariance is Σxy (a compound Poisson process). Where one quantity is counted within another,
that is the smaller one; a mean's error is then the textbook's. Of rewards and costs it follows from
the squares of their differences. Of two of which Σxy is not known it lies within ±√(Σx²Σy²), and is
no less than nothing where neither is ever negative: of what it may be, that is taken which makes
the error larger.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf, isfinite, sqrt
from typing import Self

import numpy as np

from app.kit.arrays import Floats
from app.kpi import chance, computed
from app.kpi.chance import SIGMAS
from app.kpi.scopes.formula import QUANTITIES, Expression, Leaf, NotReckoned, Quantities
from app.telemetry import Performance

_NAMES = tuple(QUANTITIES)
_AT = {name: place for place, name in enumerate(_NAMES)}
_SQUARES: dict[str, Callable[[Performance], float]] = {
    "reward": lambda done: done.reward_squared,
    "cost": lambda done: done.cost_squared,
    "absolute_error": lambda done: done.squared_error,
    "squared_error": lambda done: done.fourth_error,
}
_BASE: dict[str, str] = {
    "reward": "rewarded", "conversions": "rewarded", "cost": "costed", "hits": "labelled",
    "positives": "labelled", "true_positives": "labelled", "false_positives": "labelled",
    "false_negatives": "labelled", "absolute_error": "erred", "squared_error": "erred",
}  # fmt: skip
"""Of how many outcomes a quantity is."""
_IDLE: dict[str, Callable[[Performance], int]] = {
    "reward": lambda done: done.no_reward,
    "cost": lambda done: done.no_cost,
}
_ALIKE = 1e-12
"""A variance that is no more of the squares is what rounding left."""
_MONEY = (_AT["reward"], _AT["cost"])
_SIGNED = frozenset({"reward", "cost"})
"""What may be negative of a decision."""
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
_INNER = np.full((len(_NAMES), len(_NAMES)), -1)
"""Which quantity Σxy is of two, or -1 where it is none."""
for _inner, _outers in _WITHIN.items():
    for _outer in _outers:
        _INNER[_AT[_inner], _AT[_outer]] = _INNER[_AT[_outer], _AT[_inner]] = _AT[_inner]
_MAY_OPPOSE = np.array([[bool({a, b} & _SIGNED) for b in _NAMES] for a in _NAMES])


def is_silent(done: Performance) -> bool:
    """Say whether a place has had no outcome of any kind."""
    return not (done.valued or done.labelled or done.erred)


@dataclass(frozen=True, slots=True)
class Together:
    """The least and the most that Σxy may be, by place, quantity and quantity."""

    keys: tuple[str, ...]
    least: Floats
    most: Floats

    @classmethod
    def of(cls, points: Mapping[str, Performance]) -> Self:
        """Return what the sums of points say; those that are silent move nothing."""
        heard = {key: done for key, done in points.items() if not is_silent(done)}
        size = len(_NAMES)
        sums, squares = np.zeros((len(heard), size)), np.zeros((len(heard), size))
        for place, done in enumerate(heard.values()):
            sums[place] = [of(done) for of in QUANTITIES.values()]
            squares[place] = [_SQUARES.get(one, QUANTITIES[one])(done) for one in _NAMES]
        roots = np.sqrt(np.maximum(squares, 0.0))
        most = roots[:, :, None] * roots[:, None, :]
        least = np.where(_MAY_OPPOSE, -most, 0.0)
        known = sums[:, _INNER]
        least, most = (np.where(_INNER >= 0, known, one) for one in (least, most))
        for place, done in enumerate(heard.values()):
            low, high = done.net_squared
            both = done.reward_squared + done.cost_squared
            for a, b in (_MONEY, _MONEY[::-1]):
                least[place, a, b], most[place, a, b] = (both - high) / 2, (both - low) / 2
        own = np.arange(size)
        least[:, own, own] = most[:, own, own] = squares
        return cls(tuple(heard), least, most)

    def variance(self, slopes: Mapping[Leaf, float]) -> float:
        """Return the variance of what grows by so much with each sum."""
        own = self._slopes(slopes)
        both = own[:, :, None] * own[:, None, :]
        with np.errstate(over="ignore", invalid="ignore"):
            return float(np.maximum(both * self.least, both * self.most).sum())

    def moves(self, slopes: Mapping[Leaf, float]) -> dict[Leaf, float]:
        """Return how sums move when what grows by so much with each grows by its variance."""
        own = self._slopes(slopes)
        both = own[:, :, None] * own[:, None, :]
        with np.errstate(over="ignore", invalid="ignore"):
            xy = np.where(both * self.least > both * self.most, self.least, self.most)
            found = np.einsum("pab,pb->pa", xy, own)
        whole = found.sum(axis=0)
        return {
            (of, name): float((found[self.keys.index(of)] if of else whole)[_AT[name]])
            for of, name in slopes
            if not of or of in self.keys
        }

    def _slopes(self, slopes: Mapping[Leaf, float]) -> Floats:
        """Return by how much a value grows with each place's sums: its own, and the whole's."""
        own = np.zeros((len(self.keys), len(_NAMES)))
        for (of, name), slope in slopes.items():
            if not of:
                own[:, _AT[name]] += slope
            elif of in self.keys:
                own[self.keys.index(of), _AT[name]] += slope
        return own


def error_of(expression: Expression, over: Quantities) -> float | None:
    """Return the standard error of a formula's value, or nothing where it names no outcomes.

    What was reported is as certain as it is said, and adds nothing to it. Raises ``NotReckoned``.
    """
    if not expression.quantities:
        return None
    together = Together.of(over.points)
    found = _spread(together, over, expression.slopes(over))
    if not isfinite(found):
        raise NotReckoned("its error is larger than any number")
    return max(found, _beyond_turns(expression, over, together))


def _spread(together: Together, over: Quantities, slopes: Mapping[Leaf, float]) -> float:
    variance = together.variance(slopes)
    variance += sum(slope * slope * _unseen(over, leaf) for leaf, slope in slopes.items())
    if not isfinite(variance):
        return inf
    scale = sum(slope * slope * _squares(over, leaf) for leaf, slope in slopes.items())
    if variance <= _ALIKE * scale:
        # All outcomes were alike, and others need not be: as if three were of none of it.
        variance = (
            sum(
                slope * slope * _squares(over, leaf) / max(_rows(over, leaf), 1)
                for leaf, slope in slopes.items()
                if leaf[1] in _BASE
            )
            * chance.rare(0.0) ** 2
        )
    return sqrt(max(variance, 0.0))


def _beyond_turns(expression: Expression, over: Quantities, together: Together) -> float:
    """Return how far three errors take a formula that min and max may turn, by the error.

    Beyond a turn a value has other slopes than here: of what lies below its least there are none.
    """
    value, found = expression.reckon(over), 0.0
    for turn in expression.turns():
        slopes = expression.slopes(over, turn)
        error = _spread(together, over, slopes)
        if not error or not isfinite(error):
            continue
        moves = together.moves(slopes)
        for leaf, slope in slopes.items():
            moves[leaf] = moves.get(leaf, 0.0) + slope * _unseen(over, leaf)
        for sign in (SIGMAS, -SIGMAS):
            moved = {leaf: sign * by / error for leaf, by in moves.items()}
            with suppress(NotReckoned):
                there = expression.reckon(replace(over, moved=moved))
                found = max(found, abs(there - value) / SIGMAS)
    return found


def _unseen(over: Quantities, leaf: Leaf) -> float:
    """Return what the variance of a sum lacks where few outcomes have something of it."""
    done, name = over.at(leaf[0]), leaf[1]
    if done is None or name not in _BASE:
        return 0.0
    rows, total = _rows(over, leaf), float(QUANTITIES[name](done))
    if name not in _SQUARES and not total and rows:  # one more is one more
        return chance.rare(0.0) ** 2
    return chance.unseen(total, _squares(over, leaf), rows, bringing(name, done))


def _squares(over: Quantities, leaf: Leaf) -> float:
    done, name = over.at(leaf[0]), leaf[1]
    return float(_SQUARES.get(name, QUANTITIES[name])(done)) if done else 0.0


def _rows(over: Quantities, leaf: Leaf) -> int:
    done = over.at(leaf[0])
    return int(QUANTITIES[_BASE[leaf[1]]](done)) if done else 0


def bringing(name: str, done: Performance) -> int:
    """Return how many outcomes have something of a quantity that is not nothing."""
    if name in _IDLE:
        return max(int(QUANTITIES[_BASE[name]](done)) - _IDLE[name](done), 0)
    return int(QUANTITIES[_BASE[name] if name in _SQUARES else name](done))


def few_of(expression: Expression, over: Quantities, outcomes: int) -> str | None:
    """Say whether too few outcomes say what a formula comes to."""
    reason = computed.few(outcomes)
    named = sorted(
        (name, of)
        for of, name in expression.slopes(over)
        if name in _IDLE and (not of or of in over.points)
    )
    if reason is not None or not named:
        return reason
    # Rewards that are rare may make up for costs that are not.
    last = named[-1][0]
    places = [over.points[of] if of else over.whole for name, of in named if name == last]
    return computed.idling(outcomes, max(bringing(last, place) for place in places))
