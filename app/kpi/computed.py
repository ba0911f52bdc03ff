"""Computed: what outcomes say of a KPI, and how certain few of them are. Pure."""

from math import sqrt

from app.kpi import chance
from app.kpi.chance import SIGMAS
from app.kpi.rules import FREE, NONE, Formula, Found, Prices
from app.telemetry import Performance

_METRICS = frozenset(
    {
        Formula.ACCURACY, Formula.PRECISION, Formula.RECALL, Formula.F1, Formula.AUC,
        Formula.LOG_LOSS, Formula.BRIER, Formula.ECE, Formula.MAE, Formula.RMSE, Formula.BIAS,
    }
)  # fmt: skip


def value(formula: Formula, done: Performance, prices: Prices = FREE) -> Found:
    """Return what outcomes say of a KPI that is computed from them."""
    if formula in _METRICS:
        return _metric(formula, done)
    if formula is Formula.ERROR_COST:
        return _error_cost(done, prices)
    if formula is Formula.MEAN_COST:
        return _mean(done.cost, done.cost_squared, done.costed, done.no_cost)
    if formula is Formula.NET_VALUE:
        return _net(done)
    if formula is Formula.CONVERSION_RATE:
        return _rate(done.conversions, done.rewarded)
    return _mean(done.reward, done.reward_squared, done.rewarded, done.no_reward)


def _mean(total: float, squares: float, rows: int, idle: int) -> Found:
    """Return a mean of rows of which so many ``idle`` ones brought nothing."""
    if not rows:
        return NONE
    bringing = max(rows - idle, 0)
    error = chance.of_mean(total, squares, rows, bringing)
    return Found(total / rows, rows, error=error, few=few(rows) or idling(rows, bringing))


def _net(done: Performance) -> Found:
    """Return rewards less costs by decision, as uncertain as what rare ones of either bring."""
    net, squares, rows = done.reward - done.cost, done.net_squared[1], done.valued
    found = _mean(net, squares, rows, done.no_net)
    if found.value is None:
        return found
    spread = max(squares - net * net / rows, 0.0) + rare_parts(done)
    error = max(found.error or 0.0, sqrt(spread) / rows)
    return found._replace(error=error or None, few=few(rows) or unrewarded(done))


def rare_parts(done: Performance) -> float:
    """Return what the variance of a sum of net values lacks for rewards and costs that are rare."""
    rewarding, costing = done.rewarded - done.no_reward, done.costed - done.no_cost
    return chance.unseen(done.reward, done.reward_squared, done.valued, rewarding) + chance.unseen(
        done.cost, done.cost_squared, done.valued, costing
    )


def unrewarded(done: Performance) -> str | None:
    """Say whether so few decisions brought anything that rewards may make up for all costs."""
    rewarding = max(done.rewarded - done.no_reward, 0)
    if rewarding >= chance.BRINGING:
        return None
    return (
        f"of {done.valued} outcomes {rewarding} brought anything; {chance.BRINGING} are needed for"
        " a miss to be certain. Of costs alone agree on them"
    )


def _rate(hits: int, rows: int) -> Found:
    if not rows:
        return NONE
    return Found(hits / rows, rows, error=chance.of_share(hits, rows), few=few(rows))


def few(rows: int) -> str | None:
    """Say whether outcomes are too few for a mean or a metric of them to say anything."""
    if rows >= chance.FEWEST:
        return None
    return f"{rows} outcomes say little of what others come to; {chance.FEWEST} are needed"


def idling(rows: int, bringing: int) -> str | None:
    """Say whether so few brought anything that how much they bring is hardly known."""
    if bringing >= chance.BRINGING:
        return None
    return (
        f"of {rows} outcomes {bringing} brought or cost anything; {chance.BRINGING} are needed for"
        " a miss to be certain"
    )


_RATES = frozenset({Formula.ACCURACY, Formula.PRECISION, Formula.RECALL})


def _metric(formula: Formula, done: Performance) -> Found:
    """Return a metric; its error is not nothing where all outcomes at hand are alike."""
    measure = done.measure(formula.value)
    if measure is None:
        return NONE
    value, error, rows = measure
    if formula in _RATES:
        return _rate(round(value * rows), rows)
    if formula is Formula.F1:
        right = done.true_positives + SIGMAS**2 / 2
        wrong = done.false_positives + done.false_negatives + SIGMAS**2 / 2
        error = 2 * sqrt(right * wrong * (right + wrong)) / (2 * right + wrong) ** 2
        return Found(value, rows, error=error, few=few(rows))
    say, reason = rows, few(rows)
    if formula is Formula.AUC:
        say = int(min(done.by_hundredth()[0].sum(axis=0)))
        if reason is None and say < chance.BRINGING:
            reason = f"of one class there are {say} outcomes; {chance.BRINGING} are needed"
    if not error and say:
        error = chance.of_mean(value * say, value * value * say, say, say) or 0.0
    return Found(value, rows, error=error, few=reason)


def _error_cost(done: Performance, prices: Prices) -> Found:
    wrong = done.false_positives + done.false_negatives
    counts = (
        done.true_positives,
        done.false_positives,
        done.false_negatives,
        done.labelled - done.true_positives - wrong,
    )
    pairs = list(zip(counts, prices, strict=True))
    total = sum(count * price for count, price in pairs)
    idle = sum(count for count, price in pairs if not price)
    return _mean(total, sum(count * price**2 for count, price in pairs), done.labelled, idle)
