"""The policies a new tenant starts with: one for each risk tier, to be edited, not obeyed.

The higher the tier, the more steps and the narrower the thresholds.
"""

from typing import Any

from app.gates.packs.asked import (
    AGREED_CASES,
    AGREED_TOLERANCE,
    HANDED_OVER,
    PROVEN,
    QUALITY,
    REHEARSED_APART,
    REPORTED,
    SCORED_APART,
    SUPPLIED_APART,
    TESTED_AS_AGREED,
    TESTED_ENDPOINT,
)
from app.gates.packs.kpi import kpi_rules
from app.gates.packs.pack import BEFORE_COMMIT, Pack
from app.gates.policy import Policy, Severity

LOW, MEDIUM, HIGH = "low", "medium", "high"
TIERS = _ALL = (LOW, MEDIUM, HIGH)
_GRAVE = (MEDIUM, HIGH)
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
        _GRAVE,
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
        _ALL,
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
    "release.model_release": (
        _ALL,
        [
            {
                "name": "candidate",
                "when": "version.stage in ['candidate', 'released', 'activated']",
                "reason": "The version is validated and labelled candidate, or further.",
            },
            {
                "name": "baseline",
                "when": "version.baseline_rows >= 100 || version.kind != 'machine_learning'",
                "reason": "A learnt model has a frozen baseline profile.",
            },
        ],
    ),
    "release.endpoint_identification": (
        _ALL,
        [
            {
                "name": "contract_fits",
                "when": "size(evidence.contract.mismatches) == 0",
                "reason": "The version accepts what the point sends, and the point its answers.",
            }
        ],
    ),
    "release.parameter_testing": (
        _ALL,
        [
            {
                "name": "volume",
                "when": "evidence.parameters.events >= 500",
                "reason": "At least 500 events of real input were rehearsed for this release.",
            },
            {
                "name": "quality",
                "when": QUALITY,
                "reason": "At most 5 % of the values are missing and 1 % unreadable. Where a"
                " rehearsal says neither, its version has no baseline: send a sample.",
            },
            {
                "name": "supplied_apart",
                "when": SUPPLIED_APART,
                "reason": "Whoever rehearsed, or sent the sample, took no part in the version.",
                "asked": _GRAVE,
                "denies": (HIGH,),
            },
            {
                "name": "velocity",
                "when": "evidence.parameters.velocity_ratio >= 0.5"
                " && evidence.parameters.velocity_ratio <= 2.0",
                "reason": "Events arrive within half and double the contract's velocity.",
                "severity": "warn",
            },
            {
                "name": "like_the_baseline",
                "when": "evidence.parameters.drifting == null"
                " ? version.kind != 'machine_learning' : size(evidence.parameters.drifting) == 0",
                # Drift informs: what is severe, KPI validation sends back.
                "reason": "No variable drifts from the baseline, as production is watched.",
                "severity": "warn",
            },
        ],
    ),
    "release.integration_testing": (
        _GRAVE,
        [
            {
                "name": "no_failures",
                "when": "evidence.integration.cases > 0 && evidence.integration.failures == 0",
                "reason": "Evidence `integration` reports its cases, none of them failed.",
            },
            {
                "name": "latency",
                "when": "evidence.integration.p99_ms <= point.latency_ms",
                "reason": "The 99th percentile stays within the contract's latency.",
            },
            {
                "name": "proven",
                "when": PROVEN,
                "reason": "The server measured it (POST /v1/releases/{case_id}/integration-runs),"
                " or whoever submitted it signed it.",
                "denies": _GRAVE,
            },
            {
                "name": "agreed_cases",
                "when": AGREED_CASES,
                "reason": "The cases are those that the decision point keeps (PUT"
                " /v1/decision-points/{key}/contract-cases), or the signer's, who took no part in"
                " the version.",
                "denies": (HIGH,),
            },
            {
                "name": "answers_expected",
                "when": "evidence.integration.expecting > 0",
                "reason": "At least one case names the value that has to be answered (`expecting`"
                " counts them).",
                "denies": (HIGH,),
            },
            {
                "name": "refusals_tried",
                "when": "evidence.integration.bad_cases > 0",
                "reason": "At least one case is of bad input that has to be refused (`bad_cases`"
                " counts them).",
                "denies": (HIGH,),
            },
            {
                "name": "loaded",
                "when": "evidence.integration.requests >= 100",
                "reason": "The latencies are those of at least 100 calls (`requests` counts them).",
                "denies": (HIGH,),
            },
            {
                "name": "like_the_contract",
                "when": "!has(evidence.integration.unlike)"
                " || size(evidence.integration.unlike) == 0",
                "reason": "What has to be answered is what the contract's input_schema lets be"
                " sent.",
                "denies": (HIGH,),
            },
        ],
    ),
    "release.instantiation_validation": (
        (HIGH,),
        [
            {
                "name": "dispersion",
                "when": "evidence.instances.segments > 0"
                " && evidence.instances.dispersion <= evidence.instances.tolerance",
                "reason": "Evidence `instances`: segments agree within the tolerance.",
            },
            {
                "name": "no_segment_beyond",
                "when": "size(evidence.instances.beyond) == 0",
                "reason": "No segment alone is beyond the tolerance.",
            },
            {
                "name": "agreed_tolerance",
                "when": AGREED_TOLERANCE,
                "reason": "The tolerance is the contract's (PATCH /v1/decision-points/{key}), not"
                " chosen by who sent the scores.",
            },
            {
                "name": "scored_apart",
                "when": SCORED_APART,
                "reason": "Whoever sent the scores took no part in the version.",
            },
            {
                "name": "members_weighed",
                "when": "version.kind != 'ensemble' || (has(evidence.instances.ensemble)"
                " && evidence.instances.ensemble != null)",
                "reason": "Of an ensemble, each member was left out and varied in turn.",
            },
            {
                "name": "none_stands_apart",
                "when": "evidence.instances.outliers == 0",
                "reason": "There are five instances or more, and none is an outlier.",
                "severity": "warn",
            },
            {
                "name": "same_order",
                "when": "evidence.instances.rank_agreement >= 0.7",
                "reason": "The instances put cases into much the same order (Kendall's W).",
            },
            {
                "name": "every_instance_scored",
                "when": "!has(evidence.instances.unscored) || evidence.instances.unscored == null"
                " || size(evidence.instances.unscored) == 0",
                "reason": "No instance that the catalog knows of the version was left out.",
            },
        ],
    ),
    "release.kpi_validation": (
        _ALL,
        [
            {
                "name": "rehearsed_apart",
                "when": REHEARSED_APART,
                "reason": "Whoever rehearsed took no part in the version.",
                "asked": _GRAVE,
                "denies": (HIGH,),
            }
        ],
    ),
    "activation.management_and_governance": (
        _ALL,
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
        _GRAVE,
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
                "denies": _GRAVE,
            },
        ],
    ),
    "activation.model_deployment": (
        _ALL,
        [
            {
                "name": "what_was_approved",
                "when": "evidence.deployment.digest.size() > 0"
                " && evidence.deployment.digest == version.digest",
                "reason": "Evidence `deployment` reports the digest that was registered.",
            },
            {
                "name": "reported",
                "when": REPORTED,
                "reason": "The targets of the decision point report it (PUT"
                " /v1/decision-points/{key}/targets/{target}), or whoever submitted it signed it.",
                "denies": _GRAVE,
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
        _GRAVE,
        [
            {
                "name": "traffic",
                "when": "evidence.traffic.events > 0",
                "reason": "The application has routed and returned scored events.",
            },
            {
                "name": "traffic_fits",
                "when": "evidence.traffic.fitting == null || evidence.traffic.fitting >= 0.95",
                "reason": "What it returns fits the contract: no variable is missing or unread.",
            },
        ],
    ),
    "activation.production_audit_procedures": (
        _GRAVE,
        [
            {
                "name": "outcomes",
                "when": "evidence.traffic.labelled > 0",
                "reason": "Outcomes arrive, so that accuracy is measured.",
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
    "activation.kpi_validation": (_GRAVE, []),
}


def tier_policy(tier: str) -> Policy:
    """Return the starting policy of a risk tier."""
    gates = {}
    for gate, (tiers, rules) in _GATES.items():
        found = [_rule(rule, tier) for rule in rules if tier in rule.get("asked", TIERS)]
        if gate.endswith("kpi_validation"):
            found = kpi_rules(share=_SHARE[tier], silence_denies=tier in _GRAVE) + found
        gates[gate] = {
            "required": tier in tiers,
            "before_commit": gate in BEFORE_COMMIT or not gate.startswith("activation."),
            "rules": found,
            "approval_days": _REVALIDATE[tier],
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
