"""The Federal Reserve's SR 11-7 as a policy: each rule cites the section that asks for it.

Sections are those of the guidance attached to the letter: IV development, implementation and use;
V validation, with its three core elements (V.1 conceptual soundness, V.2 ongoing monitoring, V.3
outcomes analysis); VI governance, policies and controls.
"""

from app.gates.packs.asked import (
    AGREED_CASES,
    AGREED_KPIS,
    AGREED_TOLERANCE,
    COMPARED,
    GRAVE_INSIDE,
    HANDED_OVER,
    KPIS_APART,
    NOT_COMPARED,
    OUTCOMES_KNOWN,
    PROVEN,
    QUALITY,
    REHEARSED_APART,
    REPORTED,
    REWORKED,
    SCORED_APART,
    SUPPLIED_APART,
    UNMOVED,
    USED_AS_MEANT,
)
from app.gates.packs.pack import Cited, Pack, every_gate
from app.gates.policy import Rule, Severity, WayOut

_DEVELOPER, _VALIDATION = "model developer", "model validation"
_USER, _OWNER = "model user", "model owner"
_MRM, _OPERATIONS = "model risk management", "production operations"
_SR = Cited("SR 11-7")


def _validator(*sections: str) -> Rule:
    return _SR(
        "independent_validator",
        "approvals.exists(a, 'validator' in a.roles) && size(rejections) == 0",
        "Validation is done by people who are independent of development and use and have the"
        " authority to challenge: a validator who took no part approves, and nobody objects.",
        *sections,
        owner=_VALIDATION,
    )


def _kpi() -> tuple[Rule, ...]:
    return (
        _SR("outcomes_observed", "evidence.drift.windows > 0",
            "Monitoring has covered at least one window of inputs before anything is concluded.",
            "V.2", owner=_VALIDATION),
        _SR("inputs_compared", COMPARED,
            "A learnt model's inputs were compared with its baseline: enough events of them came.",
            "V.2", owner=_VALIDATION),
        _SR("population_unchanged", f"{NOT_COMPARED} || evidence.drift.severe_share < 0.5",
            "Less than half of the variables drift severely: the products, clients and market"
            " conditions are still those the model was developed for.",
            "V.2", owner=_VALIDATION, path=WayOut.DATA_DRIFT),
        _SR("population_shifting", f"{NOT_COMPARED} || evidence.drift.share < 0.5",
            "Less than half of the variables drift at all; otherwise monitoring looks more often.",
            "V.2", owner=_VALIDATION, severity=Severity.WARN),
        _SR("outcomes_set_apart", KPIS_APART,
            "No outcome's threshold stands as a developer of the version set it: independence.",
            "V", owner=_VALIDATION),
        _SR("business_outcomes", "size(evidence.kpi.missed) == 0",
            "The business outcomes agreed for the model's use meet their thresholds.",
            "IV", "V.3", owner=_OWNER, path=WayOut.BUSINESS_DRIFT),
        _SR("back_testing", "evidence.performance.degraded != true",
            "Actual outcomes compared with the model's output stay within the range expected at"
            " development, sampling error allowed for.",
            "V.3", owner=_VALIDATION, path=WayOut.MATHEMATICAL_DRIFT),
        _SR("outcomes_are_known", OUTCOMES_KNOWN,
            "Outcomes have been observed: without them there is no outcomes analysis.",
            "V.3", owner=_VALIDATION),
        _SR("outcomes_agreed", AGREED_KPIS,
            "At least one measure of the business outcome was agreed beforehand for this use.",
            "V.3", owner=_OWNER),
        _SR("outcomes_are_complete", "size(evidence.kpi.unmeasured) == 0",
            "Every agreed measure has outcomes; a range of measures is looked at, not one.",
            "V.3", owner=_OWNER),
    )  # fmt: skip


_RULES: dict[str, tuple[Rule, ...]] = {
    "validation.business_validation": (
        _SR("purpose_stated",
            "version.card.intended_use.size() > 0 && version.card.summary.size() > 0",
            "Development begins with a clear statement of purpose, aligned with the intended use.",
            "IV", owner=_DEVELOPER),
        _SR("fit_for_use", "evidence.business.thresholds_met == true",
            "Evidence `business`: the model meets the outcomes its users agreed beforehand.",
            "IV", "V.3", owner=_OWNER),
        _validator("V"),
    ),
    "validation.technical_validation": (
        _SR("conceptual_soundness",
            "evidence.conceptual.assumptions_documented == true"
            " && evidence.conceptual.alternatives_compared == true",
            "Evidence `conceptual`: design, theory and assumptions are documented and supported,"
            " and compared with alternative approaches.",
            "V.1", owner=_VALIDATION),
        _SR("sensitivity", "evidence.conceptual.sensitivity_tested == true",
            "Evidence `conceptual`: small changes of inputs and parameters were tried, and the"
            " output moves as expected.",
            "V.1", owner=_VALIDATION),
        _SR("data_suitable", "evidence.data.quality_assessed == true",
            "Evidence `data`: quality and relevance of the data were assessed and documented,"
            " proxies named and justified.",
            "IV", owner=_DEVELOPER),
        _SR("limitations_known", "version.card.limitations.size() > 0",
            "The card says where the model's limits are, so that it is not used beyond them.",
            "IV", "VI", owner=_DEVELOPER),
        _SR("held_out_data", "evidence.technical.holdout_rows >= 100",
            "Evidence `technical`: accuracy was tested on at least 100 rows kept out of training.",
            "IV", "V.3", owner=_VALIDATION),
        _SR("reproducible", "evidence.technical.reproducible == true",
            "Evidence `technical`: documentation and code let others rebuild the model.",
            "VI", owner=_VALIDATION),
        _validator("V"),
    ),
    "release.model_release": (
        _SR("validated_before_use", "version.stage in ['candidate', 'released', 'activated']",
            "Only a validated version goes on towards use.",
            "V", "VI", owner=_MRM),
        _SR("benchmark_for_monitoring",
            "version.baseline_rows >= 100 || version.kind != 'machine_learning'",
            "A learnt model has a frozen baseline that ongoing monitoring compares with.",
            "V.2", owner=_DEVELOPER),
        _SR("components_validated", GRAVE_INSIDE,
            "Validation is of all components: each member was validated at a tier no lighter.",
            "V", owner=_VALIDATION),
        _SR("findings_resolved", REWORKED,
            "What validation or monitoring found of the version, or the one before it, was worked"
            " off.",
            "V", "VI", owner=_DEVELOPER),
    ),
    "release.endpoint_identification": (
        _SR("inputs_available", "size(evidence.contract.mismatches) == 0",
            "The decision point supplies every variable that the model was developed with.",
            "IV", owner=_OPERATIONS),
        _SR("within_intended_use", USED_AS_MEANT,
            "Evidence `use`: this use is one the model was developed and validated for, says"
            " somebody who took no part in the version.",
            "IV", "V", owner=_USER),
    ),
    "release.parameter_testing": (
        _SR("enough_input", "evidence.parameters.events >= 500",
            "At least 500 events of real input were rehearsed for this release.",
            "IV", owner=_OPERATIONS),
        _SR("input_quality",
            QUALITY,
            "Inputs are accurate, complete and as designed: at most 5 % missing, 1 % unreadable.",
            "V.2", owner=_OPERATIONS),
        _SR("input_by_others", SUPPLIED_APART,
            "Whoever rehearsed, or sent the sample, has no stake in the version: effective"
            " challenge.",
            "V", owner=_OPERATIONS),
        _SR("velocity",
            "evidence.parameters.velocity_ratio >= 0.5"
            " && evidence.parameters.velocity_ratio <= 2.0",
            "Events arrive at half to double the contract's rate.",
            "V.2", owner=_OPERATIONS, severity=Severity.WARN),
    ),
    "release.integration_testing": (
        _SR("implementation_tested",
            "evidence.integration.cases > 0 && evidence.integration.failures == 0",
            "Evidence `integration`: the calculations are right where the model is implemented.",
            "IV", owner=_OPERATIONS),
        _SR("proven", PROVEN,
            "Whoever reports the test did not just write it down: the server measured it, or it"
            " is signed.",
            "IV", owner=_OPERATIONS),
        _SR("agreed_cases", AGREED_CASES,
            "What it was tried with was agreed beforehand: the decision point's own cases, or "
            "those of a signer who took no part in developing the version.",
            "IV", owner=_OPERATIONS),
        _SR("systems_suffice", "evidence.integration.p99_ms <= point.latency_ms",
            "The systems carry the model: its 99th percentile is within the contract's latency.",
            "IV", owner=_OPERATIONS),
    ),
    "release.instantiation_validation": (
        _SR("stable_across_segments",
            "evidence.instances.segments > 0"
            " && evidence.instances.dispersion <= evidence.instances.tolerance",
            "Evidence `instances`: tested over a range of segments and conditions, the results"
            " agree within the tolerance.",
            "IV", "V.1", owner=_VALIDATION),
        _SR("tolerance_agreed", AGREED_TOLERANCE,
            "How far they may differ was agreed for the decision point, not chosen with the"
            " scores.",
            "IV", owner=_OPERATIONS),
        _SR("scored_by_others", SCORED_APART,
            "Whoever sent the scores has no stake in the version: effective challenge.",
            "V", owner=_VALIDATION),
    ),
    "release.kpi_validation": (
        *_kpi(),
        _SR("rehearsed_by_others", REHEARSED_APART,
            "Whoever rehearsed has no stake in the version: effective challenge.",
            "V", owner=_OPERATIONS),
    ),
    "activation.management_and_governance": (
        _SR("inventoried",
            "version.card.summary.size() > 0 && version.card.intended_use.size() > 0"
            " && size(version.signature.inputs) > 0",
            "The inventory holds purpose, intended use and the inputs of the model.",
            "VI", owner=_MRM),
        _SR("documented", "size(version.card.documents) > 0",
            "The card links documentation detailed enough for those who do not know the model.",
            "VI", owner=_DEVELOPER),
        _SR("committee",
            "approvals.exists(a, 'committee' in a.roles) && size(rejections) == 0",
            "Somebody accountable under the bank's policy, who did not develop it, approves the"
            " use; nobody objects.",
            "VI", owner=_MRM),
    ),
    "activation.model_activation": (
        _SR("roles_assigned",
            "evidence.hand_off.runbook.size() > 0 && evidence.hand_off.contact.size() > 0",
            "Evidence `hand_off` names who answers for the model in use, and the runbook.",
            "VI", owner=_OWNER),
        _SR("taken_over", HANDED_OVER,
            "Whoever answers for it in production has accepted the recorded hand-off.",
            "VI", owner=_OWNER),
    ),
    "activation.model_deployment": (
        _SR("controlled_change",
            "evidence.deployment.digest.size() > 0"
            " && evidence.deployment.digest == version.digest",
            "Evidence `deployment`: what runs is what was validated, unaltered.",
            "V.2", owner=_OPERATIONS),
        _SR("reported_by_its_place", REPORTED,
            "Evidence `deployment`: the targets report it, or whoever submitted it signed it.",
            "V.2", owner=_OPERATIONS),
    ),
    "activation.application_integration": (
        _SR("used_as_approved", "evidence.traffic.events > 0",
            "The application calls the model and returns what it scored.",
            "IV", owner=_USER),
    ),
    "activation.production_audit_procedures": (
        _SR("outcomes_collected", "evidence.traffic.labelled > 0",
            "Outcomes arrive, so that output can be compared with what happened.",
            "V.3", owner=_VALIDATION),
    ),
    "activation.model_tracking_behaviour": (
        _SR("monitoring_runs", "evidence.tracking.windows > 0",
            "Monitoring has begun: at least one window of production was examined.",
            "V.2", owner=_VALIDATION),
        _SR("nothing_drifts", UNMOVED,
            "No variable drifts; what drifts is followed up by the model's owner.",
            "V.2", owner=_OWNER, severity=Severity.WARN),
    ),
    "activation.kpi_validation": _kpi(),
}  # fmt: skip

SR_11_7 = Pack(
    name="sr-11-7",
    title="SR 11-7, model risk management in banking",
    description="Development, validation and governance as US supervisors asked of banks from 2011"
    " on. SR 26-2 superseded SR 11-7 on 17 April 2026; take this where your own policy still"
    " follows SR 11-7's sections.",
    source="Board of Governors of the Federal Reserve System and OCC, Supervisory Guidance on Model"
    " Risk Management, SR 11-7 / OCC 2011-12, 4 April 2011 (superseded by SR 26-2)",
    # Periodic review at least once a year (V), and a committee that can challenge (VI).
    body=every_gate(_RULES, revalidate_days=365, approval_days=365, committee=2),
)
