"""What is logged of a segment's decisions: contexts, chances and rewards, by row."""

from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Logged:
    """Rows of a segment, newest first; ``taken`` is each one's arm, by its place.

    ``contexts`` are shaped (n, width); of a strategy without features, width is 1.
    """

    taken: Ints
    propensities: Floats
    rewards: Floats
    contexts: Floats


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
    ripe = now - timedelta(hours=terms.attribution_hours)
    rows = await telemetry.rewarded_of(
        session, tenant_id, list(places), since=since, until=min(ripe, until or ripe), most=most
    )
    if not terms.attribution_hours:
        rows = [row for row in rows if row.reward is not None]
    features = terms.features if isinstance(terms, Contextual) else ()
    earned = np.array([row.reward or 0.0 for row in rows], dtype=float)
    if terms.reward == "binary":
        earned = (earned > 0).astype(float)
    return Logged(
        np.array([places[row.series_id] for row in rows], dtype=np.int64),
        np.array([row.propensity for row in rows], dtype=float),
        earned,
        np.array([vector(features, row.features) for row in rows]).reshape(-1, width(features)),
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
    mean = float(found.rewards.mean()) if len(found.rewards) else 0.0
    spread = float(found.rewards.std()) if len(found.rewards) else 1.0
    standard = (found.rewards - mean) / (spread or 1.0)
    posteriors = [
        Posterior.of(found.contexts[found.taken == arm], standard[found.taken == arm])
        for arm in range(arms)
    ]
    return Fit(posteriors, mean, spread or 1.0)
