"""What is logged of a segment's decisions: contexts, chances and rewards, by row."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from app import telemetry
from app.kit.arrays import Floats, Ints
from app.routing.arms import Rewarded
from app.routing.contexts import Contextual, vector, width
from app.routing.linear import Posterior
from app.routing.runners import Runner

MOST = 100_000
"""So many rows are learnt from, the newest."""
_NEARLY_ALL = (0.005, 0.995)
_NOISE = 1e-9


@dataclass(frozen=True, slots=True)
class Logged:
    """Rows of a segment, newest first; ``taken`` is each one's arm, by its place.

    ``contexts`` are shaped (n, width); of a strategy without features, width is 1.
    """

    taken: Ints
    propensities: Floats
    rewards: Floats
    contexts: Floats
    missing: Mapping[str, float] = field(default_factory=dict)
    """The share of rows that have no usable value of a feature, by its name."""


async def logged(
    session: AsyncSession,
    tenant_id: UUID,
    runners: Sequence[Runner],
    terms: Rewarded,
    *,
    since: datetime,
    now: datetime,
    until: datetime | None = None,
    most: int = MOST,
) -> Logged:
    """Return what is known of decisions since a moment that are old enough to count."""
    places = {one.series: place for place, one in enumerate(runners) if one.series is not None}
    waits = timedelta(hours=terms.attribution_hours)
    ripe = now - waits
    rows = await telemetry.rewarded_of(
        session, tenant_id, list(places), since=since, until=min(ripe, until or ripe),
        waits=waits, most=most,
    )  # fmt: skip
    # Many rows are vectors only after a while, which others should not wait for.
    return await asyncio.to_thread(_read, rows, places, terms)


def _read(
    rows: Sequence[telemetry.Rewarded], places: Mapping[UUID, int], terms: Rewarded
) -> Logged:
    features = terms.features if isinstance(terms, Contextual) else ()
    earned = np.array([row.reward or 0.0 for row in rows], dtype=float)
    if terms.reward == "binary":
        earned = (earned > 0).astype(float)
    return Logged(
        np.array([places[row.series_id] for row in rows], dtype=np.int64),
        np.array([row.propensity for row in rows], dtype=float),
        earned,
        np.array([vector(features, row.features) for row in rows]).reshape(-1, width(features)),
        {
            one.name: sum(not one.knows(row.features.get(one.name)) for row in rows) / len(rows)
            for one in features
            if rows
        },
    )


@dataclass(frozen=True, slots=True)
class Fit:
    """What rows say of every arm, in units of the rewards' spread around their mean."""

    posteriors: list[Posterior]
    mean: float
    spread: float

    def predicted(self, contexts: Floats, arm: int) -> Floats:
        """Return what an arm would earn in contexts, by the model."""
        found: Floats = self.mean + self.spread * (contexts @ self.posteriors[arm].centre)
        return found


def fitted(found: Logged, arms: int) -> Fit:
    """Return one linear model an arm."""
    rewards = _within_reason(found.rewards)
    mean = float(rewards.mean()) if len(rewards) else 0.0
    spread = float(rewards.std()) if len(rewards) else 0.0
    if spread <= _NOISE * max(1.0, abs(mean)):  # all alike, but for rounding
        spread, rewards = 1.0, np.full_like(rewards, mean)
    standard = (rewards - mean) / spread
    posteriors = [
        Posterior.of(found.contexts[found.taken == arm], standard[found.taken == arm])
        for arm in range(arms)
    ]
    return Fit(posteriors, mean, spread)


def _within_reason(rewards: Floats) -> Floats:
    """Return rewards without those that are as far out again as nearly all are from each other.

    One must not be all the evidence. Where nearly all are alike, the others are what there is.
    """
    if not len(rewards):
        return rewards
    low, high = np.quantile(rewards, _NEARLY_ALL)
    room = high - low
    return np.clip(rewards, low - room, high + room) if room > 0 else rewards
