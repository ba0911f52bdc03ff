"""Did a change bring what it was made for? Pure."""

from typing import Any

METRICS = r"^(accuracy|drift_share|kpi\.[A-Za-z0-9._@-]{1,128})$"


def measured(metric: str, evidence: dict[str, Any]) -> float | None:
    """Return what a KPI validation's evidence says of a metric; nothing if it does not."""
    if metric == "accuracy":
        found = evidence.get("performance", {}).get("accuracy")
    elif metric == "drift_share":
        found = evidence.get("drift", {}).get("share")
    else:
        values = {
            item["key"]: item["value"] for item in evidence.get("kpi", {}).get("measured", ())
        }
        found = values.get(metric.removeprefix("kpi."))
    return None if found is None else float(found)


def observed(expected: dict[str, Any], before: float | None, after: float | None) -> dict[str, Any]:
    """Return the expected change beside the one that was measured.

    A change of ``by`` is met when the metric moved as far or further in that direction.
    """
    change = None if before is None or after is None else after - before
    by = float(expected["by"])
    met = None if change is None else (change >= by if by >= 0 else change <= by)
    return {"before": before, "after": after, "change": change, "met": met}
