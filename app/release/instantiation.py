"""Instantiation validation: do instances of a version agree, and what does each member weigh? Pure.

All instances score the same rows, so that what differs is the instance and not the data.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Any

import numpy as np

from app.kit.arrays import Floats

DECISION = 0.5
OUTLYING_Z = 3.5
"""Modified z-scores beyond this are outliers (Iglewicz and Hoaglin, 1993)."""
FEWEST_FOR_OUTLIERS = 5
_MAD_TO_SIGMA = 0.6745
_MEAN_TO_SIGMA = 0.7979
TOP = 10


class Combiner(StrEnum):
    """How an ensemble makes one score of its members'."""

    MEAN = "mean"
    WEIGHTED_MEAN = "weighted_mean"
    MAJORITY = "majority"
    MAX = "max"
    MIN = "min"


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance's scores on the common rows, and the segment it is for."""

    key: str
    segment: Mapping[str, str]
    scores: Floats

    @property
    def of(self) -> str:
        """Its segment in words."""
        return ", ".join(f"{name}={self.segment[name]}" for name in sorted(self.segment))


def measure(
    instances: list[Instance],
    *,
    tolerance: float,
    labels: Floats | None = None,
    registered: Collection[str] | None = None,
) -> dict[str, Any]:
    """Return how far instances agree.

    ``dispersion`` is the mean over rows of the standard deviation (n - 1) of the instances' scores:
    what a case's score depends on which instance it met. Of a segment it is the same over its own
    instances, and ``shift`` its mean score less the mean of all. ``registered`` are the instances
    the catalogue knows, where it was asked.
    """
    scores = np.stack([one.scores for one in instances])
    spread = scores.std(axis=0, ddof=1)
    segments = _segments(instances, scores, tolerance)
    correlations = spearman(scores)
    pairs = _pairs(instances, correlations)
    outlying = outliers(instances, scores)
    names = {one.key for one in instances}
    return {
        "instances": len(instances),
        "rows": scores.shape[1],
        "segments": len(segments),
        "dispersion": float(spread.mean()),
        "max_dispersion": float(spread.max()),
        "mean_dispersion": float(scores.mean(axis=1).std(ddof=1)),
        "tolerance": tolerance,
        "beyond": [name for name, found in segments.items() if found["beyond"]],
        "by_segment": [{"segment": name, **found} for name, found in segments.items()],
        "rank_agreement": kendall_w(scores),
        "spearman_mean": float(np.mean([one["spearman"] for one in pairs])) if pairs else None,
        "spearman_min": pairs[0]["spearman"] if pairs else None,
        "least_alike": pairs[:TOP],
        "outliers": None if outlying is None else len(outlying),
        "outlying": outlying or [],
        "accuracy": None if labels is None else _accuracies(instances, scores, labels),
        "unregistered": None if registered is None else sorted(names - set(registered)),
        "unscored": None if registered is None else sorted(set(registered) - names),
    }


def _segments(
    instances: list[Instance], scores: Floats, tolerance: float
) -> dict[str, dict[str, Any]]:
    places: dict[str, list[int]] = {}
    for index, one in enumerate(instances):
        places.setdefault(one.of, []).append(index)
    overall = scores.mean(axis=0)
    found = {}
    for name, held in sorted(places.items()):
        own = scores[held]
        within = float(own.std(axis=0, ddof=1).mean()) if len(held) > 1 else None
        shift = float((own.mean(axis=0) - overall).mean())
        found[name] = {
            "instances": len(held),
            "mean": float(own.mean()),
            "shift": shift,
            "dispersion": within,
            "beyond": _beyond(shift, within, tolerance),
        }
    return found


def held_to(kept: dict[str, Any], tolerance: float) -> dict[str, Any]:
    """Return what was measured against another tolerance."""
    by_segment = [
        {**one, "beyond": _beyond(one["shift"], one["dispersion"], tolerance)}
        for one in kept["by_segment"]
    ]
    beyond = [one["segment"] for one in by_segment if one["beyond"]]
    return {**kept, "tolerance": tolerance, "by_segment": by_segment, "beyond": beyond}


def _beyond(shift: float, dispersion: float | None, tolerance: float) -> bool:
    return max(abs(shift), dispersion or 0.0) > tolerance


def ranked(scores: Floats) -> Floats:
    """Return each row's ranks from 1, equal scores at the mean of theirs.

    ``scipy.stats.rankdata`` does the same; importing it is a third of what a start takes.
    """
    found = np.empty_like(scores, dtype=np.float64)
    for row, ranks in zip(scores, found, strict=True):
        _, place, counts = np.unique(row, return_inverse=True, return_counts=True)
        ranks[:] = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return found


def kendall_w(scores: Floats) -> float | None:
    """Return Kendall's coefficient of concordance, ties corrected: 1 is one order for all.

    Nothing where no instance puts the rows in any order.
    """
    judges, rows = scores.shape
    ranks = ranked(scores)
    ties = sum(
        float((counts**3 - counts).sum())
        for row in ranks
        for counts in [np.unique(row, return_counts=True)[1].astype(np.float64)]
    )
    whole = judges**2 * (rows**3 - rows) - judges * ties
    if whole <= 0:
        return None
    sums = ranks.sum(axis=0)
    return float(12 * np.square(sums - sums.mean()).sum() / whole)


def spearman(scores: Floats) -> Floats:
    """Return the rank correlations of all pairs; NaN where one puts the rows in no order."""
    ranks = ranked(scores)
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    size = np.sqrt(np.square(centred).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = centred @ centred.T / np.outer(size, size)
    return np.asarray(np.clip(found, -1.0, 1.0), dtype=np.float64)


def _pairs(instances: list[Instance], correlations: Floats) -> list[dict[str, Any]]:
    """Return the pairs that agree least first."""
    found = [
        {"pair": [instances[i].key, instances[j].key], "spearman": float(correlations[i, j])}
        for i, j in combinations(range(len(instances)), 2)
        if np.isfinite(correlations[i, j])
    ]
    return sorted(found, key=lambda one: (one["spearman"], one["pair"]))


def outliers(instances: list[Instance], scores: Floats) -> list[dict[str, Any]] | None:
    """Return the instances that stand apart, by level or by shape; nothing of fewer than five.

    Level is an instance's mean score; shape its mean distance from the median of all, row by row,
    of which only a great one is remarkable.
    """
    if len(instances) < FEWEST_FOR_OUTLIERS:
        return None
    level = robust_z(scores.mean(axis=1))
    shape = robust_z(np.abs(scores - np.median(scores, axis=0)).mean(axis=1))
    found = [
        {"instance": one.key, "segment": one.of, "z_level": float(a), "z_distance": float(b)}
        for one, a, b in zip(instances, level, shape, strict=True)
        if abs(a) > OUTLYING_Z or b > OUTLYING_Z
    ]
    return sorted(found, key=lambda one: one["instance"])


def robust_z(values: Floats) -> Floats:
    """Return modified z-scores by the median absolute deviation.

    Where more than half are the same value, by the mean absolute deviation; all zero where all are.
    """
    apart = values - np.median(values)
    # Equal values summed in another order differ in their last digits.
    apart[np.abs(apart) < np.abs(values).max(initial=0.0) * 1e-12] = 0.0
    middle = float(np.median(np.abs(apart)))
    if middle:
        return np.asarray(_MAD_TO_SIGMA * apart / middle)
    mean = float(np.abs(apart).mean())
    return np.asarray(_MEAN_TO_SIGMA * apart / mean) if mean else np.zeros_like(apart)


def _accuracies(instances: list[Instance], scores: Floats, labels: Floats) -> dict[str, float]:
    right = ((scores > DECISION) == (labels > DECISION)).mean(axis=1)
    return {one.key: float(found) for one, found in zip(instances, right, strict=True)}


def combine(scores: Floats, weights: Floats, how: Combiner) -> Floats:
    """Return an ensemble's scores of its members'; a majority is of the weights, a tie is no."""
    if how is Combiner.MAX:
        return np.asarray(scores.max(axis=0))
    if how is Combiner.MIN:
        return np.asarray(scores.min(axis=0))
    if how is Combiner.MEAN:
        return np.asarray(scores.mean(axis=0))
    shares = weights / weights.sum()
    if how is Combiner.WEIGHTED_MEAN:
        return np.asarray(shares @ scores)
    return np.asarray(shares @ (scores > DECISION) > DECISION + 1e-12, dtype=np.float64)


def influence(
    members: Mapping[str, Floats], weights: Mapping[str, float], how: Combiner
) -> dict[str, Any]:
    """Return how an ensemble's answer changes without each member, and as each varies.

    A member is varied by its own dispersion: the standard deviation of its scores over the rows is
    added, and taken off, within [0, 1] if all scores are; the greater change counts.
    """
    names = sorted(members)
    scores = np.stack([members[name] for name in names])
    weight = np.array([weights[name] for name in names], dtype=np.float64)
    whole = combine(scores, weight, how)
    bounded = bool((scores >= 0).all() and (scores <= 1).all())
    found: list[dict[str, Any]] = []
    for index, name in enumerate(names):
        rest = np.delete(scores, index, axis=0), np.delete(weight, index)
        left_out = _change(whole, combine(*rest, how))
        own = float(scores[index].std())
        varied = []
        for sign in (1, -1):
            moved = scores.copy()
            moved[index] = scores[index] + sign * own
            if bounded:
                moved[index] = np.clip(moved[index], 0.0, 1.0)
            varied.append(_change(whole, combine(moved, weight, how)))
        found.append(
            {
                "member": name,
                "weight": float(weight[index]),
                "left_out": left_out,
                "dispersion": own,
                "varied": max(varied, key=lambda change: change["mean_change"]),
            }
        )
    most = max(found, key=lambda one: one["left_out"]["mean_change"])
    return {
        "combiner": how.value,
        "members": found,
        "most_influential": most["member"],
        "greatest_change": max(one["left_out"]["max_change"] for one in found),
        "greatest_flipped": max(one["left_out"]["flipped"] for one in found),
    }


def _change(whole: Floats, other: Floats) -> dict[str, Any]:
    apart = np.abs(whole - other)
    alike = float(spearman(np.stack([whole, other]))[0, 1]) if len(whole) > 1 else np.nan
    return {
        "mean_change": float(apart.mean()),
        "max_change": float(apart.max()),
        "flipped": float(((whole > DECISION) != (other > DECISION)).mean()),
        "rank_correlation": alike if np.isfinite(alike) else None,
    }
