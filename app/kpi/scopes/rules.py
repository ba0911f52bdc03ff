"""What a process or a portfolio is, what is agreed for it, and what is never added up. Pure."""

from collections.abc import Iterable
from enum import StrEnum
from math import sqrt

from app.kit.refusal import Invalid, Kind, NotFound, Refusal
from app.kpi import chance, computed, rules
from app.kpi.money import ERRORS, Sort
from app.kpi.rules import FREE, NONE, Formula, Found, Prices
from app.kpi.scopes.formula import Expression
from app.telemetry import Performance

MOST_POINTS = 100
MOST_PROCESSES = 50
MOST_KPIS = 50
MOST_SCOPES = 200
MOST_DAYS = 90


class ScopeKind(StrEnum):
    """What decision points are put together as."""

    PROCESS = "process"
    PORTFOLIO = "portfolio"
    """Processes, and points besides."""


class ScopeFormula(StrEnum):
    """How a KPI of a scope comes about: a point's formulas, over all points; sums; or one's own."""

    MEAN_REWARD = "mean_reward"
    CONVERSION_RATE = "conversion_rate"
    ACCURACY = "accuracy"
    MEAN_COST = "mean_cost"
    NET_VALUE = "net_value"
    ERROR_COST = "error_cost"
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
    UPLIFT = "uplift"
    UPLIFT_ACROSS = "uplift_across"
    PUSHED = "pushed"
    TOTAL_NET_VALUE = "total_net_value"
    """Rewards less costs, of all decisions in the time."""
    TOTAL_REWARD = "total_reward"
    TOTAL_COST = "total_cost"
    EXPRESSION = "expression"
    """A formula over sums, counts and reported values."""


TOTALS = frozenset(
    {ScopeFormula.TOTAL_NET_VALUE, ScopeFormula.TOTAL_REWARD, ScopeFormula.TOTAL_COST}
)
_OWN = TOTALS | {ScopeFormula.EXPRESSION}
QUANTITIES_OF = {
    Sort.VALUE: frozenset({"reward", "cost"}),
    Sort.ERRORS: frozenset({"absolute_error", "squared_error"}),
}
"""Sums that are of money, or may be."""
REPORTED = frozenset({ScopeFormula.PUSHED, ScopeFormula.EXPRESSION})
"""What points have no part of."""
_ADDING = TOTALS | {
    ScopeFormula.MEAN_REWARD, ScopeFormula.MEAN_COST, ScopeFormula.NET_VALUE,
    ScopeFormula.ERROR_COST,
}  # fmt: skip
"""What adds up the money of points, or has one price for what goes wrong at all of them."""
_ERRORS = frozenset(ScopeFormula(one.value) for one in ERRORS)
"""What adds up how far forecasts are off; not all of them are of money."""


class Standing(StrEnum):
    """How a KPI of a scope stood at the end of its last whole days."""

    MET = "met"
    MISSED = "missed"
    """Beyond its threshold and tolerance, for certain."""
    UNKNOWN = "unknown"
    """Not measured, or beyond its threshold by no more than chance."""


class NoSuchMembers(NotFound):
    """A scope is put together of what there is."""

    title = "No such members"
    mend = "Create them first, or name others: the lists show what exists for you."

    def __init__(self, noun: str, names: Iterable[str], *, mend: str | None = None) -> None:
        missing = sorted(names)
        super().__init__(noun, missing[0], mend=mend)
        if missing[1:]:
            several = f"{noun}es" if noun.endswith("s") else f"{noun}s"
            self.detail = f"There are no {several} {', '.join(map(repr, missing))}."
        self.extra["missing"] = missing


class ScopeNamed(Refusal):
    """A process that a portfolio is made of is not taken out of it by being deleted."""

    kind = Kind.CONFLICT
    code = "kpi_scope_named"
    title = "Portfolios name this process"
    mend = (
        "PUT /v1/kpi-scopes/{portfolio}, and the others that `portfolios` names, without it first."
    )


class ScopeKindFixed(Refusal):
    """What a scope is, it stays: what was measured of it means that."""

    kind = Kind.CONFLICT
    code = "kpi_scope_kind_fixed"
    title = "The kind of a scope stays"
    mend = "PUT one with another key, or DELETE /v1/kpi-scopes/{scope} first."


class TooManyScoped(Refusal):
    """What a tenant or a scope has of this kind has an end."""

    kind = Kind.CONFLICT
    code = "too_many_scoped"
    title = "Too many"
    mend = "DELETE what is not needed any more, or put less together."


class AttributedHere(Invalid):
    """What is attributed to a version is compared at its own point, with that point's holdout."""

    code = "attributed_at_points"
    title = "Uplifts are a point's own"
    mend = (
        "PUT /v1/decision-points/{key}/kpis/{kpi} with `formula` {formula}, which sees the points"
        " downstream as well; of the scope agree on `total_net_value`."
    )


class BadScopeFormula(Invalid):
    """The expression cannot be reckoned over what the scope is made of."""

    code = "bad_formula"
    title = "This formula cannot be reckoned"
    mend = (
        "Correct it at the line and column that `errors` names; GET /v1/kpi-scopes/{scope} lists"
        " the points, GET /v1/kpi-scopes/{scope}/kpis the KPIs with `formula` pushed."
    )


def union(own: Iterable[str], *others: Iterable[str]) -> list[str]:
    """Return the points of a scope: its own and those of its processes, each once."""
    return sorted({*own, *(one for more in others for one in more)})


def fault(
    formula: ScopeFormula,
    direction: rules.Direction,
    threshold: float,
    tolerance: float,
    target: float | None,
    currency: str | None,
) -> str | None:
    """Say what could never be met, never be missed, or means nothing of what is agreed on."""
    return rules.fault(_alike(formula), direction, threshold, tolerance, target, currency)


def better(formula: ScopeFormula) -> rules.Direction:
    """Return which side of a threshold is good where nobody says so, as of a point's formulas."""
    return rules.better(_alike(formula))


def _alike(formula: ScopeFormula) -> Formula:
    """Return the formula of a point that is of the same kind."""
    if formula is ScopeFormula.TOTAL_COST:
        return Formula.MEAN_COST
    return Formula.NET_VALUE if formula in _OWN else Formula(formula.value)


def sorts_of(
    formula: ScopeFormula, expression: str | None, currency: str | None
) -> frozenset[Sort]:
    """Return what money of different points a KPI adds up: none, of one sort, or of both."""
    found = set[Sort]()
    if formula is ScopeFormula.EXPRESSION and expression is not None:
        named = Expression.read(expression).quantities
        found |= {sort for sort, sums in QUANTITIES_OF.items() if named & sums}
    elif formula in _ERRORS:
        found.add(Sort.ERRORS)
    elif formula in _ADDING:
        found.add(Sort.VALUE)
    if currency is not None and not found:
        found.add(Sort.VALUE)
    return frozenset(found)


def adds_with_time(formula: ScopeFormula, aggregate: rules.Aggregate) -> bool:
    """Say whether a value grows with the time it is of, so that its threshold is of one window."""
    return (
        formula in TOTALS
        or formula is ScopeFormula.EXPRESSION
        or (formula is ScopeFormula.PUSHED and aggregate is rules.Aggregate.SUM)
    )


def stands(*, missed: bool | None, certain: bool) -> Standing:
    """Return how a KPI stands: a miss that chance may have made says nothing."""
    if missed is None or (missed and not certain):
        return Standing.UNKNOWN
    return Standing.MISSED if missed else Standing.MET


def announces(before: Standing | None, now: Standing, *, silent: bool = False) -> bool:
    """Say whether somebody is told: of a miss that was none before, and of what is met again.

    ``before`` is how it stood when that was last known; of what was ``silent`` since, how it
    stands now is told, whatever it is.
    """
    if now is Standing.MISSED:
        return silent or before is not Standing.MISSED
    return now is Standing.MET and (silent or before is Standing.MISSED)


def falls_silent(before: Standing | None, *, measured: bool, due: bool, silent: bool) -> bool:
    """Say whether somebody is told that a KPI is not measured: once, until it is known again.

    Of one that was never known only when that is ``due``: its days were all after it was agreed on.
    """
    return not measured and not silent and (before is not None or due)


def value(formula: ScopeFormula, done: Performance, prices: Prices = FREE) -> Found:
    """Return what the outcomes of all points, or of one, say of a KPI computed from them."""
    if formula is ScopeFormula.TOTAL_REWARD:
        return _total(done.reward, done.reward_squared, done.rewarded, done.no_reward)
    if formula is ScopeFormula.TOTAL_COST:
        return _total(done.cost, done.cost_squared, done.costed, done.no_cost)
    if formula is ScopeFormula.TOTAL_NET_VALUE:
        net = done.reward - done.cost
        found = _total(net, done.net_squared[1], done.valued, done.no_net)
        error = sqrt(done.net_squared[1] + computed.rare_parts(done))
        error = max(found.error or 0.0, error) if found.value is not None else 0.0
        return found._replace(error=error or None, few=found.few or computed.unrewarded(done))
    return computed.value(Formula(formula.value), done, prices)


def _total(total: float, squares: float, rows: int, idle: int) -> Found:
    """Return a sum; how many come is chance as well, so that its variance is Σx²."""
    if not rows:
        return NONE
    bringing = max(rows - idle, 0)
    error = chance.of_total(total, squares, bringing)
    return Found(total, rows, error=error, few=computed.idling(rows, bringing))


def judged(formula: ScopeFormula, found: Found, *, missed: bool | None) -> bool | None:
    """Return whether a KPI is missed, or nothing where too few outcomes say so.

    Of what is a sum that is met few outcomes say it as well as many.
    """
    if found.value is None:
        return None
    unsaid = bool(missed) or (formula not in TOTALS and found.outcomes < chance.FEWEST)
    return None if found.few is not None and unsaid else missed
