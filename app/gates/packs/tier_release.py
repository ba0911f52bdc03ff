"""What the tiers' policies ask of a release, step by step."""

from typing import Any

from app.gates.packs.asked import (
    AGREED_CASES,
    AGREED_TOLERANCE,
    GRAVE_INSIDE,
    PROVEN,
    QUALITY,
    REHEARSED_APART,
    REWORKED,
    SCORED_APART,
    SUPPLIED_APART,
    TOLD_APART,
)
from app.gates.packs.grades import GRAVE, HIGH, TIERS
from app.gates.packs.kpi import SET_APART

RELEASE: dict[str, tuple[tuple[str, ...], list[dict[str, Any]]]] = {
    "release.model_release": (
        TIERS,
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
            {
                "name": "grave_inside",
                "when": GRAVE_INSIDE,
                "reason": "Of an ensemble, each member was validated at a tier no lighter.",
                "asked": GRAVE,
                "denies": (HIGH,),
            },
            {
                "name": "reworked",
                "when": REWORKED,
                "reason": "What it, or the version before it, was handed back with is done and"
                " ticked off.",
                "asked": GRAVE,
                "denies": (HIGH,),
            },
        ],
    ),
    "release.endpoint_identification": (
        TIERS,
        [
            {
                "name": "contract_fits",
                "when": "size(evidence.contract.mismatches) == 0",
                "reason": "The version accepts what the point sends, and the point its answers.",
            }
        ],
    ),
    "release.parameter_testing": (
        TIERS,
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
                "asked": GRAVE,
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
        GRAVE,
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
                "denies": GRAVE,
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
                "name": "told_apart",
                "when": TOLD_APART,
                "reason": "No one answer is what all cases expect, within their tolerances: a"
                " constant does not pass (`told_apart`).",
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
                "name": "schema_checked",
                "when": "!has(evidence.integration.schema_unchecked)"
                " || size(evidence.integration.schema_unchecked) == 0",
                "reason": "All of the contract's output_schema was held against the answers"
                " (`schema_unchecked` says what was not, and why).",
                "severity": "warn",
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
                "name": "enough_rows",
                "when": "evidence.instances.rows >= 100",
                "reason": "The instances scored at least 100 rows in common.",
                "denies": (HIGH,),
            },
            {
                "name": "known_instances",
                "when": "evidence.instances.unregistered != null"
                " && size(evidence.instances.unregistered) == 0",
                "reason": "Each instance that was scored is one the catalog knows (POST"
                " /v1/models/{model}/versions/{version}/instances).",
                "denies": (HIGH,),
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
        TIERS,
        [
            SET_APART,
            {
                "name": "rehearsed_apart",
                "when": REHEARSED_APART,
                "reason": "Whoever rehearsed took no part in the version.",
                "asked": GRAVE,
                "denies": (HIGH,),
            },
        ],
    ),
}
"""Gate → tiers that require it, and its rules, as ``tiers`` reads them."""
