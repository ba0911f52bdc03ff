"""What each member contributes to what an ensemble is worth, on rows with labels. Pure.

Left out alone, two members that know the same seem worth nothing, each of them. The Shapley value
(Shapley, 1953) is what a member adds on average over all orders in which members may join: the
shares add up to the worth of the whole, and members that do the same have the same.
"""

from collections.abc import Mapping
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np

from app.kit.arrays import Floats
from app.release.instantiation import Combiner, combine

MOST_MEMBERS = 8
"""Of so many there are 256 ensembles; more are not tried."""


def contributions(
    members: Mapping[str, Floats], weights: Mapping[str, float], how: Combiner, labels: Floats
) -> dict[str, Any] | None:
    """Return each member's part in the ensemble's worth; nothing of too many members.

    Of classes the worth is the AUC beyond chance (AUC − ½), of numbers the share of the labels'
    variance that is explained (R²); an ensemble of nobody is worth 0.
    """
    names = sorted(members)
    if len(names) > MOST_MEMBERS:
        return None
    scores = np.stack([members[name] for name in names])
    weight = np.array([weights[name] for name in names], dtype=np.float64)
    classes = bool(np.isin(labels, (0.0, 1.0)).all()) and len(np.unique(labels)) > 1
    worth: dict[tuple[int, ...], float] = {(): 0.0}
    for size in range(1, len(names) + 1):
        for some in combinations(range(len(names)), size):
            chosen = list(some)
            answer = combine(scores[chosen], weight[chosen], how)
            worth[some] = _auc(answer, labels) - 0.5 if classes else _explained(answer, labels)
    everyone = tuple(range(len(names)))
    whole = worth[everyone]
    return {
        "metric": "auc_beyond_chance" if classes else "r_squared",
        "worth": whole,
        "members": [
            {
                "member": name,
                "alone": worth[(index,)],
                "left_out": whole - worth[tuple(one for one in everyone if one != index)],
                "shapley": _shapley(worth, index, len(names)),
            }
            for index, name in enumerate(names)
        ],
    }


def _shapley(worth: Mapping[tuple[int, ...], float], index: int, count: int) -> float:
    others = [one for one in range(count) if one != index]
    found = 0.0
    for size in range(count):
        chance = factorial(size) * factorial(count - size - 1) / factorial(count)
        for some in combinations(others, size):
            found += chance * (worth[tuple(sorted((*some, index)))] - worth[some])
    return found


def _auc(scores: Floats, labels: Floats) -> float:
    """Return the area under the ROC curve by ranks, ties counting half."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    positive = labels == 1.0
    n, m = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m))


def _explained(scores: Floats, labels: Floats) -> float:
    spread = float(((labels - labels.mean()) ** 2).sum())
    return 1.0 - float(((labels - scores) ** 2).sum()) / spread if spread else 0.0
