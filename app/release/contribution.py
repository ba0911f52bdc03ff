"""What each member contributes to what an ensemble is worth, on rows with labels. Pure.

Left out alone, two members that know the same seem worth nothing, each of them. The Shapley value
(Shapley, 1953) is what a member adds on average over all orders in which members may join: the
shares add up to the worth of the whole, and members that do the same have the same. Where prices of
right and wrong answers are agreed, the same is said in money.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import factorial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.kit.arrays import Floats
from app.release.instantiation import DECISION, Combiner, combine

MOST_MEMBERS = 8
"""Of so many there are 256 ensembles; more are not tried."""


class Priced(NamedTuple):
    """What an answer of each kind brings, as a business KPI says; a cost is negative."""

    kpi: str
    unit: str
    true_positive: float
    false_positive: float
    false_negative: float
    true_negative: float
    others: tuple[str, ...] = ()
    """KPIs that have prices too, by which nothing is reckoned."""

    def mean(self, positive: NDArray[np.bool_], labels: Floats) -> float:
        """Return what answers bring a decision."""
        true = labels == 1.0
        brought = np.where(
            positive,
            np.where(true, self.true_positive, self.false_positive),
            np.where(true, self.false_negative, self.true_negative),
        )
        return float(brought.mean())


def contributions(
    members: Mapping[str, Floats],
    weights: Mapping[str, float],
    how: Combiner,
    labels: Floats,
    priced: Priced | None = None,
) -> dict[str, Any] | None:
    """Return each member's part in the ensemble's worth; nothing of too many members.

    Of classes the worth is the AUC beyond chance (AUC − ½), of numbers the share of the labels'
    variance that is explained (R²); an ensemble of nobody is worth 0. ``money`` is what its answers
    bring a decision by the prices, and nobody's are the better of always yes and always no.
    """
    names = sorted(members)
    if len(names) > MOST_MEMBERS:
        return None
    scores = np.stack([members[name] for name in names])
    weight = np.array([weights[name] for name in names], dtype=np.float64)
    classes = bool(np.isin(labels, (0.0, 1.0)).all()) and len(np.unique(labels)) > 1
    answers: dict[tuple[int, ...], Floats] = {}
    for size in range(1, len(names) + 1):
        for some in combinations(range(len(names)), size):
            chosen = list(some)
            answers[some] = combine(scores[chosen], weight[chosen], how)
    judge = _beyond_chance if classes else _explained
    worth = {some: judge(answer, labels) for some, answer in answers.items()}
    return {
        "metric": "auc_beyond_chance" if classes else "r_squared",
        "worth": worth[tuple(range(len(names)))],
        "members": _shares(names, {(): 0.0, **worth}),
        "money": _money(names, answers, labels, priced) if priced and classes else None,
        "money_lacking": _unpriced(priced, classes=classes),
    }


def lacking(members: int, *, labelled: bool) -> str | None:
    """Say why nothing is known of what members contribute."""
    if not labelled:
        return "the sample has no labels"
    if members > MOST_MEMBERS:
        return (
            f"of {members} members there are {2**members} ensembles to be tried; of at most"
            f" {MOST_MEMBERS} members they are"
        )
    return None


def _unpriced(priced: Priced | None, *, classes: bool) -> str | None:
    if not classes:
        return "the labels are numbers, whose answers are neither right nor wrong"
    if priced is None:
        return "no KPI with the formula error_cost is agreed at the decision point"
    return None


def _money(
    names: Sequence[str],
    answers: Mapping[tuple[int, ...], Floats],
    labels: Floats,
    priced: Priced,
) -> dict[str, Any]:
    worth = {some: priced.mean(answer >= DECISION, labels) for some, answer in answers.items()}
    nobody = max(priced.mean(np.full(len(labels), always), labels) for always in (True, False))
    return {
        "kpi": priced.kpi,
        "kpis_not_used": list(priced.others),
        "unit": priced.unit,
        "worth": worth[tuple(range(len(names)))],
        "without": nobody,
        "members": _shares(names, {(): nobody, **worth}),
    }


def _shares(names: Sequence[str], worth: Mapping[tuple[int, ...], float]) -> list[dict[str, Any]]:
    everyone = tuple(range(len(names)))
    return [
        {
            "member": name,
            "alone": worth[(index,)] - worth[()],
            "left_out": worth[everyone] - worth[tuple(one for one in everyone if one != index)],
            "shapley": _shapley(worth, index, len(names)),
        }
        for index, name in enumerate(names)
    ]


def _shapley(worth: Mapping[tuple[int, ...], float], index: int, count: int) -> float:
    others = [one for one in range(count) if one != index]
    found = 0.0
    for size in range(count):
        chance = factorial(size) * factorial(count - size - 1) / factorial(count)
        for some in combinations(others, size):
            found += chance * (worth[tuple(sorted((*some, index)))] - worth[some])
    return found


def _beyond_chance(scores: Floats, labels: Floats) -> float:
    """Return the area under the ROC curve by ranks, ties counting half, less a half."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    positive = labels == 1.0
    n, m = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m)) - 0.5


def _explained(scores: Floats, labels: Floats) -> float:
    spread = float(((labels - labels.mean()) ** 2).sum())
    return 1.0 - float(((labels - scores) ** 2).sum()) / spread if spread else 0.0
