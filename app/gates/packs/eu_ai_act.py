"""The AI Act's duties for high-risk systems as a policy: each rule cites its article.

Articles 9 to 17 and 72 bind providers, 26 deployers; an organisation that builds what it uses is
both. A rule asks for evidence that a duty was met; whether it was met well is for people.
"""

from app.gates.packs.asked import (
    AGREED_CASES,
    AGREED_KPIS,
    COMPARED,
    HANDED_OVER,
    NOT_COMPARED,
    OUTCOMES_KNOWN,
    PROVEN,
    QUALITY,
    REPORTED,
    REWORKED,
    UNMOVED,
    USED_AS_MEANT,
)
from app.gates.packs.pack import Cited, Pack, every_gate
from app.gates.policy import Rule, Severity, WayOut

_PROVIDER, _DEPLOYER = "provider", "deployer"
_RISK, _DATA = "provider: risk management", "provider: data governance"
_QUALITY, _OVERSIGHT = "provider: quality management", "deployer: human oversight"
_EU = Cited("Regulation (EU) 2024/1689")


def _kpi() -> tuple[Rule, ...]:
    return (
        _EU("monitoring_has_data", "evidence.drift.windows > 0",
            "Data on the system's performance were collected over at least one window.",
            "Art. 72(2)", owner=_PROVIDER),
        _EU("inputs_compared", COMPARED,
            "A learnt model's inputs were compared with its baseline: enough events of them came.",
            "Art. 72(2)", owner=_PROVIDER),
        _EU("input_representative", f"{NOT_COMPARED} || evidence.drift.severe_share < 0.5",
            "Less than half of the variables drift severely: the data that trained the system"
            " still represent the setting in which it is used.",
            "Art. 10(3)", "Art. 26(4)", owner=_DATA, path=WayOut.DATA_DRIFT),
        _EU("input_shifting", f"{NOT_COMPARED} || evidence.drift.share < 0.5",
            "Less than half of the variables drift at all; otherwise new risks are evaluated.",
            "Art. 9(2)(c)", owner=_RISK, severity=Severity.WARN),
        _EU("intended_purpose_served", "size(evidence.kpi.missed) == 0",
            "The outcomes agreed for the intended purpose meet their thresholds.",
            "Art. 9(8)", owner=_PROVIDER, path=WayOut.BUSINESS_DRIFT),
        _EU("accuracy_consistent", "evidence.performance.degraded != true",
            "Accuracy stays, throughout the lifecycle, where it was declared to be.",
            "Art. 15(1)", owner=_PROVIDER, path=WayOut.MATHEMATICAL_DRIFT),
        _EU("accuracy_measured", OUTCOMES_KNOWN,
            "There are outcomes and a reference, so that accuracy is known.",
            "Art. 15(1)", "Art. 72(2)", owner=_PROVIDER),
        _EU("outcomes_agreed", AGREED_KPIS,
            "At least one measure of the business outcome was agreed beforehand for this use.",
            "Art. 9(8)", owner=_PROVIDER),
        _EU("purpose_measured", "size(evidence.kpi.unmeasured) == 0",
            "Every agreed measure has outcomes to be measured by.",
            "Art. 72(2)", owner=_PROVIDER),
    )  # fmt: skip


_RULES: dict[str, tuple[Rule, ...]] = {
    "validation.business_validation": (
        _EU("risks_identified", "evidence.risk.identified == true",
            "Evidence `risk`: known and reasonably foreseeable risks to health, safety and"
            " fundamental rights are identified and analysed, foreseeable misuse included.",
            "Art. 9(2)(a)", "Art. 9(2)(b)", owner=_RISK),
        _EU("residual_risk_acceptable", "evidence.risk.residual_acceptable == true",
            "Evidence `risk`: after the measures taken, each hazard's and the overall residual"
            " risk are judged acceptable.",
            "Art. 9(5)", owner=_RISK),
        _EU("thresholds_met", "evidence.business.thresholds_met == true",
            "Evidence `business`: tests against metrics and thresholds that were set beforehand"
            " are passed for the intended purpose.",
            "Art. 9(8)", owner=_PROVIDER),
        _EU("independent_validator",
            "approvals.exists(a, 'validator' in a.roles) && size(rejections) == 0",
            "Examination and validation are assigned to somebody who did not develop the version;"
            " he approves and nobody rejects.",
            "Art. 17(1)(d)", "Art. 17(1)(m)", owner=_QUALITY),
    ),
    "validation.technical_validation": (
        _EU("data_governed",
            "evidence.data.governance_documented == true && evidence.data.representative == true",
            "Evidence `data`: origin, preparation and assumptions of the data sets are documented;"
            " they are relevant, sufficiently representative and as free of errors as possible.",
            "Art. 10(2)", "Art. 10(3)", owner=_DATA),
        _EU("bias_examined", "evidence.data.bias_examined == true",
            "Evidence `data`: the data were examined for biases that could harm people or lead to"
            " discrimination, and measures against them taken.",
            "Art. 10(2)(f)", "Art. 10(2)(g)", owner=_DATA),
        _EU("tested", "evidence.technical.holdout_rows >= 100",
            "Evidence `technical`: tested on at least 100 rows put apart for it.",
            "Art. 9(6)", "Art. 10(1)", owner=_PROVIDER),
        _EU("reproducible", "evidence.technical.reproducible == true",
            "Evidence `technical`: the development the documentation describes was repeated.",
            "Art. 11(1)", "Annex IV(2)", owner=_QUALITY),
        _EU("robust_and_secure",
            "evidence.robustness.errors_tested == true && evidence.robustness.security_tested"
            " == true",
            "Evidence `robustness`: resilience against errors, faults and inconsistencies, and"
            " against attempts to alter use, outputs or performance, was tested.",
            "Art. 15(4)", "Art. 15(5)", owner=_PROVIDER),
        _EU("independent_validator",
            "approvals.exists(a, 'validator' in a.roles) && size(rejections) == 0",
            "A validator who did not develop the version approves, and nobody rejects.",
            "Art. 17(1)(d)", owner=_QUALITY),
    ),
    "release.model_release": (
        _EU("validated", "version.stage in ['candidate', 'released', 'activated']",
            "Validation is done before the system is put into service.",
            "Art. 9(8)", "Art. 17(1)(d)", owner=_QUALITY),
        _EU("baseline", "version.baseline_rows >= 100 || version.kind != 'machine_learning'",
            "A learnt model has a frozen baseline that monitoring compares with.",
            "Art. 72(2)", owner=_PROVIDER),
        _EU("accuracy_declared", "size(version.card.metrics) > 0",
            "The card declares the levels of accuracy and their metrics.",
            "Art. 13(3)(b)", "Art. 15(3)", owner=_PROVIDER),
        _EU("corrected", REWORKED,
            "The corrective actions for what was found of it, or the version before, were taken.",
            "Art. 20(1)", owner=_PROVIDER),
    ),
    "release.endpoint_identification": (
        _EU("input_specified", "size(evidence.contract.mismatches) == 0",
            "The decision point supplies the input data that the instructions for use specify.",
            "Art. 13(3)(b)", "Art. 26(4)", owner=_DEPLOYER),
        _EU("used_as_intended", USED_AS_MEANT,
            "Evidence `use`: this use is within the instructions for use, says somebody who took no"
            " part in the version.",
            "Art. 26(1)", owner=_DEPLOYER),
    ),
    "release.parameter_testing": (
        _EU("enough_input", "evidence.parameters.events >= 500",
            "At least 500 events of the setting in which it will be used were rehearsed.",
            "Art. 9(6)", "Art. 10(4)", owner=_PROVIDER),
        _EU("input_quality",
            QUALITY,
            "At most 5 % of the input values are missing and 1 % unreadable.",
            "Art. 26(4)", owner=_DEPLOYER),
        _EU("velocity",
            "evidence.parameters.velocity_ratio >= 0.5"
            " && evidence.parameters.velocity_ratio <= 2.0",
            "Events arrive at half to double the rate the system was specified for.",
            "Art. 15(4)", owner=_DEPLOYER, severity=Severity.WARN),
    ),
    "release.integration_testing": (
        _EU("no_failures", "evidence.integration.cases > 0 && evidence.integration.failures == 0",
            "Evidence `integration`: the system works, without a failure, with what it is built"
            " into.",
            "Art. 15(4)", "Annex IV(1)(b)", owner=_PROVIDER),
        _EU("proven", PROVEN,
            "Whoever reports the test did not just write it down: the server measured it, or it"
            " is signed.",
            "Art. 9(8)", owner=_PROVIDER),
        _EU("agreed_cases", AGREED_CASES,
            "What it was tried with was agreed beforehand: the decision point's own cases, or "
            "those of a signer who took no part in developing the version.",
            "Art. 9(8)", owner=_PROVIDER),
        _EU("resources_suffice", "evidence.integration.p99_ms <= point.latency_ms",
            "The computing resources suffice: 99 of 100 answers are within the agreed latency.",
            "Art. 13(3)(e)", owner=_DEPLOYER),
    ),
    "release.instantiation_validation": (
        _EU("consistent_across_groups",
            "evidence.instances.segments > 0"
            " && evidence.instances.dispersion <= evidence.instances.tolerance",
            "Evidence `instances`: the system performs alike for the groups and settings it is"
            " meant for, within the tolerance.",
            "Art. 10(4)", "Art. 13(3)(b)", owner=_PROVIDER),
    ),
    "release.kpi_validation": _kpi(),
    "activation.management_and_governance": (
        _EU("technical_documentation",
            "version.card.summary.size() > 0 && size(version.signature.inputs) > 0"
            " && size(version.card.documents) > 0",
            "The technical documentation is drawn up, and linked from the card, before the system"
            " is put into service.",
            "Art. 11(1)", "Annex IV", owner=_PROVIDER),
        _EU("instructions_for_use",
            "version.card.intended_use.size() > 0 && version.card.limitations.size() > 0",
            "Deployers are told the intended purpose, the capabilities and the limitations.",
            "Art. 13(2)", "Art. 13(3)(b)", owner=_PROVIDER),
        _EU("accountable_approval",
            "approvals.exists(a, 'committee' in a.roles) && size(rejections) == 0",
            "Under the accountability framework a member of the committee, who did not develop it,"
            " approves the use; nobody rejects.",
            "Art. 17(1)(m)", owner=_QUALITY),
    ),
    "activation.model_activation": (
        _EU("oversight_assigned",
            "evidence.oversight.person.size() > 0 && evidence.oversight.trained == true",
            "Evidence `oversight` names who oversees the system, with the competence, training"
            " and authority to do so.",
            "Art. 14(4)", "Art. 26(2)", owner=_OVERSIGHT),
        _EU("can_be_stopped", "evidence.oversight.can_stop == true",
            "Evidence `oversight`: whoever oversees it can disregard its output, and stop it.",
            "Art. 14(4)(d)", "Art. 14(4)(e)", owner=_OVERSIGHT),
        _EU("hand_off",
            "evidence.hand_off.runbook.size() > 0 && evidence.hand_off.contact.size() > 0",
            "Evidence `hand_off` names the runbook and who is called.",
            "Art. 26(1)", "Art. 26(5)", owner=_DEPLOYER),
        _EU("taken_over", HANDED_OVER,
            "The deployer's people have accepted the recorded hand-off.",
            "Art. 26(1)", owner=_DEPLOYER),
    ),
    "activation.model_deployment": (
        _EU("what_was_assessed",
            "evidence.deployment.digest.size() > 0"
            " && evidence.deployment.digest == version.digest",
            "Evidence `deployment`: the version that runs is the one that was assessed; a"
            " modification goes through the gates again.",
            "Art. 15(5)", "Art. 17(1)(a)", owner=_QUALITY),
        _EU("reported_by_its_place", REPORTED,
            "Evidence `deployment`: the targets report it, or whoever submitted it signed it.",
            "Art. 15(5)", owner=_QUALITY),
    ),
    "activation.application_integration": (
        _EU("events_are_logged", "evidence.traffic.events > 0",
            "Events are recorded automatically while the system runs.",
            "Art. 12(1)", "Art. 26(6)", owner=_DEPLOYER),
    ),
    "activation.production_audit_procedures": (
        _EU("performance_collected", "evidence.traffic.labelled > 0",
            "Outcomes arrive, so that performance in use is documented and analysed.",
            "Art. 12(2)(b)", "Art. 72(2)", owner=_PROVIDER),
    ),
    "activation.model_tracking_behaviour": (
        _EU("operation_monitored", "evidence.tracking.windows > 0",
            "Operation is monitored: at least one window of production was examined.",
            "Art. 26(5)", "Art. 72(1)", owner=_DEPLOYER),
        _EU("nothing_drifts", UNMOVED,
            "No variable drifts; what drifts goes back into the risk management system.",
            "Art. 9(2)(c)", owner=_RISK, severity=Severity.WARN),
    ),
    "activation.kpi_validation": _kpi(),
}  # fmt: skip

EU_AI_ACT_HIGH_RISK = Pack(
    name="eu-ai-act-high-risk",
    title="EU AI Act, high-risk systems",
    description="Duties of providers (Articles 9 to 15, 17, 72) and deployers (26) of high-risk AI"
    " systems, as gates. It helps to show that they were met; it is no conformity assessment.",
    source="Regulation (EU) 2024/1689 (Artificial Intelligence Act), OJ L, 2024/1689, 12.7.2024",
    body=every_gate(_RULES, revalidate_days=365, approval_days=365),
)
