"""The policies a new tenant starts with: one for each risk tier, to be edited, not obeyed.

The higher the tier, the more steps and the narrower the thresholds.
"""

from typing import Any

from app.gates.packs.asked import (
    HANDED_OVER,
    REPORTED,
    REPORTED_APART,
    TESTED_AS_AGREED,
    TESTED_ENDPOINT,
)
from app.gates.packs.grades import GRAVE, HIGH, LOW, MEDIUM, TIERS
from app.gates.packs.kpi import SET_APART, kpi_rules
from app.gates.packs.pack import BEFORE_COMMIT, Pack
from app.gates.packs.tier_release import RELEASE
from app.gates.policy import Policy, Severity

_TELEMETRY: dict[str, dict[str, Any] | None] = {
    LOW: None,
    MEDIUM: {"silence_minutes": 1440, "features": 0.9, "scores": 0.9, "outcomes": 0.1,
             "outcome_hours": 168},
    HIGH: {"silence_minutes": 240, "features": 0.95, "scores": 0.95, "outcomes": 0.25,
           "outcome_hours": 72},
}  # fmt: skip
"""What production has to report: the graver the decisions, the less may be missing."""
_REVALIDATE = {LOW: 365, MEDIUM: 180, HIGH: 90}
_SHARE = {LOW: 0.75, MEDIUM: 0.5, HIGH: 0.5}

_VALIDATOR = {
    "name": "independent_validator",
    "when": "approvals.exists(a, 'validator' in a.roles) && size(rejections) == 0",
    "reason": "A validator who took no part in developing the version approves; nobody rejects.",
}
_COMMITTEE = {
    "name": "production_committee",
    "when": "approvals.exists(a, 'committee' in a.roles) && size(rejections) == 0",
    "reason": "A member of the production committee approves; nobody rejects.",
}


# gate → tiers that require it, and its rules; one that is `asked` in some is in their policies
# only, and one that `denies` in some only warns in others
_GATES: dict[str, tuple[tuple[str, ...], list[dict[str, Any]]]] = {
    "validation.business_validation": (
        GRAVE,
        [
            {
                "name": "thresholds_met",
                "when": "evidence.business.thresholds_met == true",
                "reason": "Evidence `business` says that the agreed outcomes are met.",
            },
            _VALIDATOR,
        ],
    ),
    "validation.technical_validation": (
        TIERS,
        [
            {
                "name": "held_out_data",
                "when": "evidence.technical.holdout_rows >= 100",
                "reason": "Evidence `technical` covers at least 100 rows put apart at the start.",
            },
            {
                "name": "reproducible",
                "when": "evidence.technical.reproducible == true",
                "reason": "Evidence `technical` says that training was reproduced.",
            },
            _VALIDATOR,
        ],
    ),
    **RELEASE,
    "activation.management_and_governance": (
        TIERS,
        [
            {
                "name": "documented",
                "when": "version.card.summary.size() > 0 && version.card.intended_use.size() > 0"
                " && size(version.signature.inputs) > 0",
                "reason": "Card and original set of variables are complete.",
            },
            {
                "name": "nothing_undocumented",
                "when": "evidence.completeness.complete == true",
                "reason": "Units, documents, lineage and digests are catalogued, none is missing.",
                "denies": (HIGH,),
            },
            _COMMITTEE,
        ],
    ),
    "activation.model_activation": (
        GRAVE,
        [
            {
                "name": "hand_off",
                "when": "evidence.hand_off.runbook.size() > 0"
                " && evidence.hand_off.contact.size() > 0",
                "reason": "Evidence `hand_off` names the runbook and who is called.",
            },
            {
                "name": "hand_off_accepted",
                "when": "!has(evidence.hand_off.accepted) || evidence.hand_off.accepted == true",
                "reason": "A hand-off that was recorded is accepted by the production team.",
            },
            {
                "name": "handed_over",
                "when": HANDED_OVER,
                "reason": "The version is handed over by record (POST"
                " /v1/activations/{case_id}/hand-off), and somebody of production accepted it.",
                "denies": GRAVE,
            },
        ],
    ),
    "activation.model_deployment": (
        TIERS,
        [
            {
                "name": "what_was_approved",
                "when": "evidence.deployment.digest.size() > 0"
                " && evidence.deployment.digest == version.digest",
                "reason": "Evidence `deployment` reports the digest that was registered.",
            },
            {
                "name": "reported_apart",
                "when": REPORTED_APART,
                "reason": "Whoever reports it, or signed it, did not develop the version.",
                "asked": (HIGH,),
            },
            {
                "name": "reported",
                "when": REPORTED,
                "reason": "The targets of the decision point report it (PUT"
                " /v1/decision-points/{key}/targets/{target}), or whoever submitted it signed it.",
                "denies": GRAVE,
            },
            {
                "name": "tested_endpoint",
                "when": TESTED_ENDPOINT,
                "reason": "No other endpoint is handed to applications than was tested (POST"
                " /v1/activations/{case_id}/integration-runs tests it).",
                "denies": (HIGH,),
            },
            {
                "name": "tested_as_agreed",
                "when": TESTED_AS_AGREED,
                "reason": "It was tested by the cases that the decision point keeps, or by a"
                " signer who took no part in the version.",
                "denies": (HIGH,),
            },
        ],
    ),
    "activation.application_integration": (
        GRAVE,
        [
            {
                "name": "traffic",
                "when": "evidence.traffic.events > 0",
                "reason": "The application has routed and returned scored events.",
            },
            {
                "name": "more_than_a_try",
                "when": "evidence.traffic.events >= 100",
                "reason": "It has done so for at least 100 events.",
                "denies": (HIGH,),
            },
            {
                "name": "traffic_fits",
                "when": "evidence.traffic.fitting == null || evidence.traffic.fitting >= 0.95",
                "reason": "What it returns fits the contract: no variable is missing or unread.",
            },
        ],
    ),
    "activation.production_audit_procedures": (
        GRAVE,
        [
            {
                "name": "outcomes",
                "when": "evidence.traffic.labelled > 0",
                "reason": "Outcomes arrive, so that accuracy is measured.",
            },
            {
                "name": "more_than_a_few_outcomes",
                "when": "evidence.traffic.labelled >= 30",
                "reason": "At least 30 outcomes are known.",
                "denies": (HIGH,),
            },
            {
                "name": "telemetry_arrives",
                "when": "size(evidence.traffic.gaps) == 0",
                "reason": "Inputs, scores and outcomes arrive as `telemetry` of the policy asks.",
                "severity": "warn",
            },
        ],
    ),
    "activation.model_tracking_behaviour": (
        (HIGH,),
        [
            {
                "name": "watched",
                "when": "evidence.tracking.windows > 0",
                "reason": "Drift has been examined on at least one window of production.",
            }
        ],
    ),
    "activation.kpi_validation": (GRAVE, [SET_APART]),
}


def tier_policy(tier: str) -> Policy:
    """Return the starting policy of a risk tier."""
    gates = {}
    for gate, (tiers, rules) in _GATES.items():
        found = [_rule(rule, tier) for rule in rules if tier in rule.get("asked", TIERS)]
        if gate.endswith("kpi_validation"):
            found = kpi_rules(share=_SHARE[tier], silence_denies=tier in GRAVE) + found
        gates[gate] = {
            "required": tier in tiers,
            "before_commit": gate in BEFORE_COMMIT or not gate.startswith("activation."),
            "rules": found,
            "approval_days": _REVALIDATE[tier],
            # No hurry is a reason to take an unchallenged model for a valid one.
            "emergencies": tier != HIGH or not gate.startswith("validation."),
        }
    return Policy.model_validate(
        {
            "gates": gates,
            "revalidate_days": _REVALIDATE[tier],
            "telemetry": _TELEMETRY[tier],
        }
    )


def _rule(rule: dict[str, Any], tier: str) -> dict[str, Any]:
    """Return a rule as a tier has it."""
    denies = rule.get("denies", TIERS)
    plain = {name: value for name, value in rule.items() if name not in ("asked", "denies")}
    return plain if tier in denies else {**plain, "severity": Severity.WARN}


def tier_pack(tier: str) -> Pack:
    """Return the starting policy of a risk tier as a pack."""
    return Pack(
        name=f"tier-{tier}",
        title=f"Risk tier {tier}",
        description=f"What a new tenant's models of the {tier} risk tier are held to.",
        source=None,
        body=tier_policy(tier),
    )
