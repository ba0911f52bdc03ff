"""When a distance is an alert. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from app.drift.degrading import WATCHED
from app.drift.levels import Sway, placed
from app.drift.shifting import LEAST, shift
from app.drift.statistics import benjamini_hochberg, distance
from app.telemetry import SCORE, Layout, Tally

Against = Literal["reference", "season"]
BusinessAgainst = Literal["agreed", "season", "either"]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """A monitor's settings; the defaults are those of the design."""

    window_hours: int = 24
    step_hours: int = 24
    min_rows: int = 500
    js: float = 0.1
    psi: float = 0.2
    severe_js: float = 0.5
    q: float = 0.01
    hits: int = 2
    of: int = 3
    metrics: Sequence[str] = WATCHED
    window_events: int | None = None
    """Windows end after so many events, at a whole hour, and not after a time."""
    segments: bool = False
    """Whether each segment is judged too, beside its own time before."""
    fairness: Sequence[str] = ()
    """Features whose segments are to be treated alike…"""
    fairness_tolerance: float = 0.1
    """…but for so much between a rate of one and of the rest."""
    label_delay_hours: int = 0
    """What takes labels is judged of windows whose end is so long ago, of younger ones not yet."""
    drift_against: Against = "reference"
    """What inputs and scores are held against: the baseline, or the same hours of weeks before."""
    business_against: BusinessAgainst = "agreed"
    """What KPIs are held against: what was agreed, the same hours of weeks before, or both."""

    def matured(self, now: datetime) -> datetime | None:
        """Return up to when what takes labels is judged; nothing, where all of it is at once."""
        return now - timedelta(hours=self.label_delay_hours) if self.label_delay_hours else None


def compare(
    layout: Layout,
    baseline: Tally,
    window: Tally,
    limits: Thresholds,
    *,
    sways: Mapping[str, Sway] = MappingProxyType({}),
    levels: float = 1.0,
) -> list[dict[str, Any]]:
    """Return each variable's distances, its q-value over all, and whether it drifts.

    Drift is both significant (q over the family of variables) and large (JS or PSI): with many
    rows everything is significant, with few rows everything is large. A window of fewer than
    ``min_rows`` rows is measured and never drifts. The score is prediction drift, kept apart.

    A shift is certain and, if small, still there: a test of place of its own family (in
    ``shift_p`` and ``shift_q``, its size in ``shift_effect``) that asks for no distance. It is a
    notice where drift is a warning, and stands beside it: what drifts mostly shifts too. ``sways``
    say how far windows wander by themselves, and ``levels`` of how many the difference is
    (1 + 1/k, if the other side is k windows).

    Drift informs; *severe* drift (half a bit and more of Jensen-Shannon divergence: most of the
    window lies where the baseline hardly was) is what policies send a version back for.
    """
    found = [distance(bins, span, baseline, window) for bins, span in layout.spans()]
    q_values = benjamini_hochberg(np.array([item.p_value for item in found]))
    moved = [
        shift(bins, span, baseline, window, sways.get(bins.name), levels)
        for bins, span in layout.spans()
    ]
    shift_q = benjamini_hochberg(np.array([one.p_value for one in moved]))
    enough = window.n >= limits.min_rows
    rows = []
    for (bins, span), item, q, move, move_q in zip(
        layout.spans(), found, q_values, moved, shift_q, strict=True
    ):
        # A baseline without scores says nothing of how they should be.
        comparable = item.name != SCORE or _scored(layout, baseline)
        large = item.js >= limits.js or item.psi >= limits.psi
        drifts = enough and comparable and q < limits.q and large
        rows.append(
            {
                **{field.name: getattr(item, field.name) for field in fields(item)},
                "q_value": float(q),
                "drifts": bool(drifts),
                "severe": bool(drifts and item.js >= limits.severe_js),
                "shift_effect": move.effect if move.known else None,
                "shift_p": move.p_value,
                "shift_q": float(move_q) if move.known else None,
                "shifts": bool(
                    enough and comparable and move_q < limits.q and abs(move.effect) >= LEAST
                ),
                **placed(bins, baseline.counts[span], window.counts[span]),
            }
        )
    return rows


def with_season(
    rows: Sequence[dict[str, Any]],
    layout: Layout,
    season: Tally | None,
    window: Tally,
    limits: Thresholds,
    *,
    sways: Mapping[str, Sway] = MappingProxyType({}),
    weeks: int = 1,
) -> list[dict[str, Any]]:
    """Return the rows, each with how far its variable is from the same hours of weeks before.

    What drifts from the baseline and not from its season has a rhythm that the baseline does not
    know. Nothing, where those weeks hold fewer than ``min_rows``. A monitor that goes by the season
    has what drifts, is severe or shifts from it, and without one nothing that does. Of so many
    ``weeks`` it is the mean, which wanders that much less than one window.
    """
    by_season = limits.drift_against == "season"
    if season is None or season.n < limits.min_rows:
        none = dict.fromkeys(_DECIDED, False) if by_season else {}
        return [{**row, **none, "seasonal": None} for row in rows]
    others = compare(layout, season, window, limits, sways=sways, levels=1 + 1 / max(weeks, 1))
    return [
        {
            **row,
            **({name: other[name] for name in _DECIDED} if by_season else {}),
            "seasonal": {name: other[name] for name in _SEASONAL},
        }
        for row, other in zip(rows, others, strict=True)
    ]


_DECIDED = ("drifts", "severe", "shifts")
_SEASONAL = ("js", "psi", "q_value", "shift_effect", "shift_q", *_DECIDED)


def _scored(layout: Layout, baseline: Tally) -> bool:
    bins, span = layout.spans()[-1]
    return bool(baseline.counts[span][: bins.bins].any())


def inputs_of(features: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the variables without the score."""
    return [item for item in features if item["name"] != SCORE]


def persistent(history: Sequence[set[str]], limits: Thresholds) -> set[str]:
    """Return what occurs in at least ``hits`` of the last ``of`` windows, oldest first."""
    recent = history[-limits.of :]
    names = set().union(*recent) if recent else set()
    return {name for name in names if sum(name in hit for hit in recent) >= limits.hits}
