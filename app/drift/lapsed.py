"""Lapsed: why nothing looks at an alert's subject any more. Pure.

What is not looked at is never found to be back: its alert would stand until somebody resolved it.
"""

from collections.abc import Collection

from app.drift.alert_rules import AlertKind
from app.drift.rules import Thresholds

_OF_METRICS = frozenset({AlertKind.MATHEMATICAL, AlertKind.ESTIMATED})


def why(
    kind: AlertKind,
    name: str,
    segment: str,
    limits: Thresholds,
    *,
    declared: Collection[str] | None,
    agreed: Collection[str] | None,
) -> str | None:
    """Return why a subject is looked at no more; nothing, if it is, or may be.

    ``declared`` are the features that tell the point's traffic apart, ``agreed`` its KPIs; nothing,
    if they are not known.
    """
    feature = segment.partition("=")[0]
    fair = kind is AlertKind.FAIRNESS
    told_apart = name if fair else feature
    if segment and not limits.segments:
        return f"The monitor looks at no segments any more, {segment} among them."
    if kind in _OF_METRICS and name not in limits.metrics:
        return f"The monitor does not watch {name} any more."
    if fair and name not in limits.fairness:
        return f"The monitor does not ask for the values of {name} to be treated alike any more."
    if told_apart and declared is not None and told_apart not in declared:
        return f"The contract tells the point's traffic apart by {told_apart} no more."
    if kind is AlertKind.BUSINESS and agreed is not None and name not in agreed:
        return f"The KPI {name} is not agreed on any more."
    return None
