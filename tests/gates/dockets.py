"""Facts as the server gathers them, where everything that a pack asks for is in order."""

import copy
from typing import Any

DIGEST = "sha256:" + "0" * 64
INPUTS = [{"name": f"x{i}", "type": "number", "unit": "EUR"} for i in range(40)]
VERSION: dict[str, Any] = {
    "model": "price-direction",
    "kind": "machine_learning",
    "baseline_rows": 4000,
    "tasks_open": [],
    "lighter_members": [],
    "number": 3,
    "stage": "candidate",
    "digest": DIGEST,
    "card": {
        "summary": "Logistic regression over demand and price. " * 10,
        "intended_use": "Half-hourly bidding in one region.",
        "limitations": "Not for days without trade.",
        "metrics": {"auc": 0.91},
        "documents": ["https://example.org/model.pdf"],
    },
    "signature": {"inputs": INPUTS},
    "lineage": {"commit": "9f2c1e7", "repository": None, "run": None, "parents": [2]},
}
POINT = {
    "key": "nsw",
    "kind": "application",
    "inputs": INPUTS,
    "events_per_minute": 1.0,
    "latency_ms": 50.0,
    "contract_cases": "revision 2",
}
KPI: dict[str, Any] = {
    "drift": {"windows": 3, "variables": 40, "drifting": ["x1"], "severe": [], "share": 0.025,
              "severe_share": 0.0},
    "performance": {"accuracy": 0.9, "labelled": 900, "reference": 0.91, "degraded": False},
    "kpi": {"measured": [{"key": "margin", "value": 2.0}], "missed": [], "unmeasured": [],
            "own": []},
}  # fmt: skip
TRAFFIC: dict[str, Any] = {
    "events": 900,
    "labelled": 800,
    "first_hour": None,
    "through": None,
    "gaps": [],
    "fitting": 0.99,
}
EVIDENCE: dict[str, dict[str, Any]] = {
    "validation.business_validation": {
        "business": {"thresholds_met": True},
        "risk": {"identified": True, "residual_acceptable": True},
    },
    "validation.technical_validation": {
        "technical": {"holdout_rows": 2000, "reproducible": True},
        "conceptual": {"assumptions_documented": True, "alternatives_compared": True,
                       "sensitivity_tested": True},
        "data": {"quality_assessed": True, "governance_documented": True, "representative": True,
                 "bias_examined": True},
        "robustness": {"errors_tested": True, "security_tested": True},
    },
    "release.model_release": {},
    "release.endpoint_identification": {
        "contract": {"mismatches": []},
        "use": {"within_intended_use": True, "said_by": {"part": None}},
    },
    "release.parameter_testing": {
        "parameters": {"events": 600, "null_share": 0.0, "invalid_share": 0.0,
                       "velocity_ratio": 1.0, "drifting": [], "part": None},
    },
    "release.integration_testing": {
        "integration": {"cases": 40, "failures": 0, "p99_ms": 12.5, "run": "0198c0de",
                        "expecting": 30, "bad_cases": 10, "requests": 100, "unlike": [],
                        "cases_from": "revision 2", "part": None, "cases_part": None,
                        "told_apart": True},
    },
    "release.instantiation_validation": {
        "instances": {"segments": 5, "dispersion": 0.01, "tolerance": 0.02, "outliers": 0,
                      "rank_agreement": 0.9, "tolerance_by": "contract", "beyond": [],
                      "part": None, "rows": 2000, "unregistered": []},
    },
    "release.kpi_validation": {**KPI, "rehearsal": {"part": None}},
    "activation.management_and_governance": {"completeness": {"complete": True, "gaps": []}},
    "activation.model_activation": {
        "hand_off": {"runbook": "https://example.org/runbook", "contact": "ops@example.org",
                     "accepted": True},
        "oversight": {"person": "olga", "trained": True, "can_stop": True},
    },
    "activation.model_deployment": {
        "deployment": {"digest": DIGEST, "targets": 1, "independent": True},
        "endpoint": {"endpoint": "https://scoring.example/1", "tested": True, "agreed": True,
                     "tested_endpoints": ["https://scoring.example/1"], "why": None,
                     "instances": []},
    },
    "activation.application_integration": {"traffic": TRAFFIC},
    "activation.production_audit_procedures": {"traffic": TRAFFIC},
    "activation.model_tracking_behaviour": {
        "tracking": {"windows": 3, "drifting": [], "until": None, "gaps": []},
    },
    "activation.kpi_validation": KPI,
}  # fmt: skip


def in_order(gate: str) -> dict[str, Any]:
    """What a gate sees of a case in which everything was done."""
    return copy.deepcopy(
        {
            "case": {"kind": gate.partition(".")[0], "tier": "high", "model": "price-direction"},
            "version": VERSION,
            "point": POINT,
            "evidence": EVIDENCE[gate],
            "approvals": [{"person": "p", "roles": ["validator", "committee"]}],
            "rejections": [],
        }
    )


def empty(gate: str) -> dict[str, Any]:
    """What a gate sees of a case in which nothing was done."""
    return {**in_order(gate), "version": {"card": {}}, "point": {}, "evidence": {}, "approvals": []}
