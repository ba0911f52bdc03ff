"""Conditions that several policies share, each by what it asks. What nobody measured meets none."""

NOT_COMPARED = "evidence.drift.severe_share == null"
COMPARED = f"!({NOT_COMPARED}) || version.kind != 'machine_learning'"
"""Nothing compared is not nothing that drifts; only what is learnt has to be compared."""

ACCURATE_OR_UNLEARNT = "evidence.performance.degraded != null || version.kind != 'machine_learning'"
"""What is not learnt may have nothing that is right or wrong: its KPIs say what it is worth."""

OUTCOMES_KNOWN = (
    "evidence.performance.degraded != null"
    " || (version.kind != 'machine_learning' && evidence.performance.labelled > 0)"
)
"""What is not learnt may have no reference to fall behind, but what became of it is known."""

UNMOVED = (
    "evidence.tracking.drifting == null ? version.kind != 'machine_learning'"
    " : size(evidence.tracking.drifting) == 0"
)

QUALITY = (
    "evidence.parameters.null_share != null && evidence.parameters.null_share <= 0.05"
    " && evidence.parameters.invalid_share != null && evidence.parameters.invalid_share <= 0.01"
)
"""Nothing looked at is not nothing missing."""

PROVEN = "has(evidence.integration.run) || has(evidence.integration.signed_by)"
"""Only the server writes either field."""

AGREED_CASES = (
    "has(evidence.integration.signed_by) ? evidence.integration.signed_by.part == null"
    " : evidence.integration.cases_from == point.contract_cases"
    " && evidence.integration.cases_part == null"
)
"""Those that the point keeps now, and whoever made the version did not choose."""

TOLD_APART = "evidence.integration.told_apart == true"
"""What a constant passes tries nothing."""

TESTED_ENDPOINT = "evidence.endpoint.tested != false"
"""Tested there, of every instance that the plan pins as well; null where nothing is called."""

TESTED_AS_AGREED = "evidence.endpoint.agreed != false"

REPORTED = "has(evidence.deployment.targets) || has(evidence.deployment.signed_by)"
"""What runs is said by where it runs, or by who answers for saying so."""

REPORTED_APART = (
    "has(evidence.deployment.signed_by) ? evidence.deployment.signed_by.part == null"
    " : has(evidence.deployment.independent) && evidence.deployment.independent == true"
)
"""Nor does who made the version say alone that it runs."""

HANDED_OVER = "has(evidence.hand_off.accepted) && evidence.hand_off.accepted == true"
"""Recorded, and taken over by somebody else; what is typed as evidence says neither."""

AGREED_KPIS = "size(evidence.kpi.measured) > 0"
"""Where nothing was agreed nothing can be missed."""

GRAVE_INSIDE = "size(version.lighter_members) == 0"
"""What decides in an ensemble was validated by rules as strict as the ensemble's."""

USED_AS_MEANT = "evidence.use.within_intended_use == true && evidence.use.said_by.part == null"
"""Nor does he say what it is used for."""

REWORKED = "size(version.tasks_open) == 0"
"""Of what it, or the version before it, was handed back with nothing is left to do."""

KPIS_APART = "size(evidence.kpi.own) == 0"
"""Nor by which figures."""

SUPPLIED_APART = "evidence.parameters.part == null"
REHEARSED_APART = "evidence.rehearsal.part == null"
SCORED_APART = "evidence.instances.part == null"
"""Whoever made the version does not choose what it is judged by."""

AGREED_TOLERANCE = "evidence.instances.tolerance_by == 'contract'"
"""How far instances may differ is no matter of who sends their scores."""
