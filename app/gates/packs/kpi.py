"""The rules of a KPI validation in the risk tiers' policies: for three drifts, in order."""

from typing import Any

from app.gates.packs.asked import (
    ACCURATE_OR_UNLEARNT,
    AGREED_KPIS,
    COMPARED,
    KPIS_APART,
    NOT_COMPARED,
)
from app.gates.packs.grades import GRAVE, HIGH
from app.gates.policy import WayOut

SET_APART: dict[str, Any] = {
    "name": "kpis_set_apart",
    "when": KPIS_APART,
    "reason": "No KPI is the word of somebody alone who took part in the version: whoever else PUTs"
    " it as it is agrees on it (a release goes by the figure that it began with: opened anew, by"
    " the present one), and reports his values with a higher revision.",
    "asked": GRAVE,
    "denies": (HIGH,),
}


def kpi_rules(*, share: float, silence_denies: bool) -> list[dict[str, Any]]:
    """Ask for data, business, mathematics in turn; what was not measured may close the gate."""
    rules: list[dict[str, Any]] = [
        {
            "name": "traffic_was_seen",
            "when": "evidence.drift.windows > 0",
            "reason": "There is at least one window, or a rehearsal, to judge by.",
        },
        {
            "name": "inputs_compared",
            "when": COMPARED,
            "reason": "A learnt model's inputs were compared with its baseline: enough events of"
            " them came. What is not learnt may have no baseline to drift from.",
        },
        {
            "name": "data_drift",
            "when": f"{NOT_COMPARED} || evidence.drift.severe_share < {share}",
            "reason": f"Less than {share:.0%} of the variables drift severely from the baseline.",
            "path": WayOut.DATA_DRIFT,
        },
        {
            "name": "data_moves",
            "when": f"{NOT_COMPARED} || evidence.drift.share < {share}",
            "reason": f"Less than {share:.0%} of the variables drift at all.",
            "severity": "warn",
        },
        {
            "name": "business_drift",
            "when": "size(evidence.kpi.missed) == 0",
            "reason": "Every agreed business KPI meets its threshold.",
            "path": WayOut.BUSINESS_DRIFT,
        },
        {
            "name": "mathematical_drift",
            "when": "evidence.performance.degraded != true",
            "reason": "The accuracy stays within its reference and sampling error.",
            "path": WayOut.MATHEMATICAL_DRIFT,
        },
    ]
    if silence_denies:
        rules += [
            {
                "name": "kpis_agreed",
                "when": AGREED_KPIS,
                "reason": "At least one KPI is agreed for the decision point"
                " (PUT /v1/decision-points/{key}/kpis/{kpi}): without any none is missed.",
            },
            {
                "name": "kpis_were_measured",
                "when": "size(evidence.kpi.unmeasured) == 0",
                "reason": "Every agreed business KPI has outcomes to be measured by: as many as the"
                " monitor's `min_rows`.",
            },
            {
                "name": "accuracy_was_measured",
                "when": ACCURATE_OR_UNLEARNT,
                "reason": "There are labels, and a reference in the baseline, to judge what is"
                " learnt by.",
            },
        ]
    return rules
