"""What a KPI is and when it is missed. Pure."""

from enum import StrEnum
from typing import NamedTuple

from app.kit.refusal import Kind, Refusal
from app.kpi.chance import SIGMAS


class KpiWatched(Refusal):
    """A KPI that guardrails ask for is not withdrawn: they would never say anything again."""

    kind = Kind.CONFLICT
    code = "kpi_watched"
    title = "Guardrails ask for this KPI"
    mend = (
        "Change or DELETE /v1/decision-points/{key}/guardrails/{name}, and the others that"
        " `guardrails` names, first."
    )


class Formula(StrEnum):
    """How a KPI is computed from what a version's decisions brought, or where it comes from."""

    MEAN_REWARD = "mean_reward"
    CONVERSION_RATE = "conversion_rate"
    ACCURACY = "accuracy"
    MEAN_COST = "mean_cost"
    NET_VALUE = "net_value"
    """Rewards less costs, by the decisions of which one of them is known."""
    ERROR_COST = "error_cost"
    """What a decision brings or costs by the prices of right and wrong answers."""
    PRECISION = "precision"
    RECALL = "recall"
    F1 = "f1"
    AUC = "auc"
    LOG_LOSS = "log_loss"
    BRIER = "brier"
    ECE = "ece"
    MAE = "mae"
    RMSE = "rmse"
    BIAS = "bias"
    PUSHED = "pushed"
    """Values that a business system reports by itself."""
    UPLIFT = "uplift"
    """Net value a unit beyond what units of the holdout bring."""
    UPLIFT_ACROSS = "uplift_across"
    """The same, with what it does to the decision points downstream."""


SHARES = frozenset(
    {
        Formula.ACCURACY, Formula.PRECISION, Formula.RECALL, Formula.F1, Formula.AUC,
        Formula.CONVERSION_RATE, Formula.BRIER, Formula.ECE,
    }
)  # fmt: skip
"""What lies between 0 and 1, whatever happens."""
_SIZES = frozenset({Formula.LOG_LOSS, Formula.MAE, Formula.RMSE})
"""What is never below 0."""
ATTRIBUTED = frozenset({Formula.UPLIFT, Formula.UPLIFT_ACROSS})
"""What is known within an interval."""
SPEAKS_ALONE = ATTRIBUTED | {Formula.PUSHED}
"""What needs no number of outcomes: its interval says how sure it is, or who sent it."""


MONEY = frozenset(set(Formula) - SHARES - {Formula.LOG_LOSS})
"""What may be of money: rewards, costs, what is pushed, and how far a forecast of it is off."""


class Direction(StrEnum):
    """Which side of the threshold is good."""

    AT_LEAST = "at_least"
    AT_MOST = "at_most"


_BETTER_LESS = frozenset({Formula.LOG_LOSS, Formula.BRIER, Formula.ECE, Formula.MAE, Formula.RMSE})
_BETTER_MORE = frozenset(
    {Formula.ACCURACY, Formula.PRECISION, Formula.RECALL, Formula.F1, Formula.AUC}
)


def better(formula: Formula) -> Direction:
    """Return which side of a threshold is good where nobody says so: of most errors the lower."""
    less = formula in _BETTER_LESS or formula is Formula.MEAN_COST
    return Direction.AT_MOST if less else Direction.AT_LEAST


class Aggregate(StrEnum):
    """What pushed values come to."""

    MEAN = "mean"
    SUM = "sum"
    NEWEST = "newest"


def fault(
    formula: Formula,
    direction: Direction,
    threshold: float,
    tolerance: float,
    target: float | None,
    currency: str | None,
) -> str | None:
    """Say what could never be met, never be missed, or means nothing of what is agreed on."""
    figures = {"threshold": threshold, "target": target}
    found = (
        _turned(formula, direction),
        *(_out_of_range(formula, name, one) for name, one in figures.items() if one is not None),
        _boundless(formula, limit(direction, threshold, tolerance)) if tolerance else None,
        None if target is None else _hopeless(direction, threshold, target),
    )
    for said in found:
        if said is not None:
            return said
    if currency is not None and formula not in MONEY:
        return f"currency is {currency}, and {formula} is no money: leave it out"
    return None


def _turned(formula: Formula, direction: Direction) -> str | None:
    if formula not in _BETTER_LESS | _BETTER_MORE or direction is better(formula):
        return None
    which = "less" if formula in _BETTER_LESS else "more"
    return f"direction is {direction}, and of {formula} {which} is better: {better(formula)}"


def _out_of_range(formula: Formula, name: str, figure: float) -> str | None:
    if formula in SHARES and not 0 <= figure <= 1:
        return f"{name} is {figure:g}, and {formula} is a share, from 0 to 1"
    if formula in _SIZES and figure < 0:
        return f"{name} is {figure:g}, and {formula} is never below 0"
    return None


def _boundless(formula: Formula, begins: float) -> str | None:
    if formula not in SHARES or 0 <= begins <= 1:
        return None
    return f"with its tolerance {formula} would be missed beyond {begins:g}, and never is"


def _hopeless(direction: Direction, threshold: float, target: float) -> str | None:
    least = direction is Direction.AT_LEAST
    if target == threshold or (target > threshold) is least:
        return None
    side, hoped = ("below", "more") if least else ("above", "less")
    return (
        f"target is {target:g}, {side} the threshold of {threshold:g}; of what is to be"
        f" {direction} the threshold, {hoped} is hoped for"
    )


class Prices(NamedTuple):
    """What one answer of a kind brings; a cost is negative."""

    true_positive: float = 0.0
    false_positive: float = 0.0
    false_negative: float = 0.0
    true_negative: float = 0.0


FREE = Prices()


class Found(NamedTuple):
    """A KPI's value, where it surely lies if it is an estimate, and of how many outcomes."""

    value: float | None
    outcomes: int
    low: float | None = None
    high: float | None = None
    error: float | None = None
    """The standard error, of what is computed from outcomes."""
    few: str | None = None
    """Why no miss is certain, though there is a value: too few outcomes say it."""
    lacking: str | None = None
    """Why there is no value, where something else is to be said than that there is nothing."""

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """Where it surely lies: its own interval, or three standard errors around it."""
        if self.value is None or self.error is None:
            return self.low, self.high
        return self.value - SIGMAS * self.error, self.value + SIGMAS * self.error


_GRAVE = 0.1
"""By more than such a part of its threshold what tolerates nothing is missed gravely."""
NONE = Found(None, 0)


def missed(found: Found, direction: Direction, threshold: float, tolerance: float) -> bool | None:
    """Say whether a KPI is beyond threshold and tolerance; nothing of what was not measured.

    Of an estimate only what its whole interval says is said.
    """
    if found.value is None:
        return None
    if direction is Direction.AT_LEAST:
        best = found.value if found.high is None else found.high
        return best < limit(direction, threshold, tolerance)
    best = found.value if found.low is None else found.low
    return best > limit(direction, threshold, tolerance)


def limit(direction: Direction, threshold: float, tolerance: float) -> float:
    """Return where a miss begins: at the threshold, and the tolerance beyond it."""
    return threshold - tolerance if direction is Direction.AT_LEAST else threshold + tolerance


def certain(found: Found, direction: Direction, threshold: float, tolerance: float) -> bool:
    """Say whether chance alone would not bring a value that far from where a miss begins.

    Of too few outcomes nothing is, nor of none. What was reported is as certain as it is said.
    """
    if found.value is None or found.few is not None:
        return False
    low, high = found.interval
    if low is None or high is None:
        return True
    return not low <= limit(direction, threshold, tolerance) <= high


def gravely(
    formula: Formula, found: Found, direction: Direction, threshold: float, tolerance: float
) -> bool:
    """Say whether a KPI is missed by more than twice its tolerance, or surely as uplifts are.

    Where nothing is tolerated, that says no more than that it is missed. Then it is by more than
    twice of what chance explains, and by more than a tenth of its threshold: of a million outcomes
    next to nothing is certain as well.
    """
    if found.value is None:
        return False
    if formula in ATTRIBUTED:
        return bool(missed(found, direction, threshold, tolerance))
    if tolerance > 0:
        return bool(missed(found, direction, threshold, 2 * tolerance))
    low, high = found.interval
    chance = 0.0 if low is None or high is None else (high - low) / 2
    short = threshold - found.value if direction is Direction.AT_LEAST else found.value - threshold
    return short > max(2 * chance, _GRAVE * abs(threshold))
