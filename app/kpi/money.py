"""Money: of which currency what is added up is, and that it is of one. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from app.kit.refusal import Kind, Refusal
from app.kpi.rules import MONEY, Formula

ERRORS = frozenset({Formula.MAE, Formula.RMSE, Formula.BIAS})
"""Of money where forecasts are of money; what decisions bring may be another."""


class Sort(StrEnum):
    """What is added up: what decisions bring and cost, or how far forecasts are off."""

    VALUE = "value"
    ERRORS = "errors"


class MixedCurrencies(Refusal):
    """Money of different currencies is never added up."""

    kind = Kind.CONFLICT
    code = "mixed_currencies"
    title = "Money of different currencies"
    mend = (
        "Have the KPIs that `currencies` names agreed in one currency, or PUT"
        " /v1/kpi-scopes/{scope} without the points of another."
    )


def sort_of(formula: Formula) -> Sort | None:
    """Return of which sort of money a point's KPI is, if it is of money."""
    if formula in ERRORS:
        return Sort.ERRORS
    return Sort.VALUE if formula in MONEY else None


def currencies_for(sort: Sort, agreed: Mapping[Sort, Iterable[str]]) -> set[str]:
    """Return in which currencies a point's money of a sort is.

    What decisions bring is taken to be of the currency that forecasts are of where nothing else is
    agreed about it; forecasts may be of no money at all.
    """
    own = set(agreed.get(sort, ()))
    if own or sort is Sort.ERRORS:
        return own
    return set(agreed.get(Sort.ERRORS, ()))


def disagreement(agreed: Mapping[str, Iterable[str]]) -> dict[str, list[str]] | None:
    """Return what stands in which currency, where they are several."""
    found = {currency: sorted(set(where)) for currency, where in sorted(agreed.items()) if where}
    return found if len(found) > 1 else None


def listed(mixed: Mapping[str, Sequence[str]]) -> str:
    """Return it in words."""
    return "; ".join(f"{currency} at {', '.join(where)}" for currency, where in mixed.items())
