"""A policy of ten rules over the facts of a case as the server records them."""

import time

from app.gates.packs import tier_policy
from app.gates.policy import Rule, check, passed

RULES = 10
_GATES = (
    "release.kpi_validation",
    "release.parameter_testing",
    "activation.management_and_governance",
)
_VARIABLES = [f"x{number}" for number in range(20)]
_PERSON = "0198c0de-0000-7000-8000-000000000001"
FACTS = {
    "case": {
        "kind": "activation",
        "tier": "high",
        "model": "price-direction",
        "number": 3,
        "decision_point": "nsw-price-direction",
        "role": "champion",
        "instead_of": None,
    },
    "version": {
        "kind": "machine_learning",
        "baseline_rows": 45_312,
        "tasks_open": [],
        "lighter_members": [],
        "number": 3,
        "stage": "released",
        "digest": "sha256:" + "0" * 64,
        "card": {"summary": "Says whether the price rises. " * 8, "intended_use": "Bids. " * 20},
        "signature": {"inputs": [{"name": x, "type": "double", "unit": "MW"} for x in _VARIABLES]},
        "lineage": {"commit": "a" * 40, "run": "r-1", "parents": [1, 2]},
    },
    "point": {"latency_ms": 50, "events_per_minute": 120.0},
    "evidence": {
        "drift": {
            "windows": 24,
            "variables": 20,
            "share": 0.1,
            "severe_share": 0.05,
            "features": {x: {"psi": 0.04, "js": 0.01, "q": 0.6} for x in _VARIABLES},
        },
        "kpi": {
            "measured": [{"key": "margin", "value": 1.02}, {"key": "hit_rate", "value": 0.61}],
            "missed": [],
            "unmeasured": [],
            "own": [],
            "values": {"margin": 1.02, "hit_rate": 0.61},
        },
        "performance": {"degraded": False, "auc": 0.81, "reference": 0.82},
        "parameters": {
            "events": 12_000,
            "null_share": 0.002,
            "invalid_share": 0.0,
            "velocity_ratio": 1.1,
            "drifting": [],
            "part": None,
        },
        "rehearsal": {"part": None},
    },
    "approvals": [{"person": _PERSON, "roles": ["committee", "validator"]}] * 2,
    "rejections": [],
}


def ten_rules() -> tuple[Rule, ...]:
    """Return ten different rules of the high tier's own policy."""
    gates = tier_policy("high").gates
    rules = {rule.name: rule for gate in _GATES for rule in gates[gate].rules}
    return tuple(rules.values())[:RULES]


def microseconds(times: int) -> float:
    """Return how long one judgement takes; every rule is evaluated and holds."""
    rules = ten_rules()
    assert len(rules) == RULES
    assert passed(check(rules, FACTS))
    began = time.perf_counter()
    for _ in range(times):
        check(rules, FACTS)
    return (time.perf_counter() - began) / times * 1e6
