"""What a KPI is and when it is missed. Pure."""

from enum import StrEnum

from app.telemetry import Performance


class Formula(StrEnum):
    """How a KPI is computed from the outcomes of a version's decisions."""

    MEAN_REWARD = "mean_reward"
    CONVERSION_RATE = "conversion_rate"
    ACCURACY = "accuracy"


class Direction(StrEnum):
    """Which side of the threshold is good."""

    AT_LEAST = "at_least"
    AT_MOST = "at_most"


def value(formula: Formula, done: Performance) -> float | None:
    """Return a KPI's value per decision, or ``None`` without outcomes."""
    if formula is Formula.ACCURACY:
        return done.accuracy
    if formula is Formula.CONVERSION_RATE:
        return done.conversions / done.rewarded if done.rewarded else None
    return done.mean_reward


def missed(found: float | None, direction: Direction, threshold: float, tolerance: float) -> bool:
    """Say whether a value is beyond threshold and tolerance; what was not measured is not."""
    if found is None:
        return False
    if direction is Direction.AT_LEAST:
        return found < threshold - tolerance
    return found > threshold + tolerance
