"""Gates: policies, evidence, approvals and the verdicts that follow from them.

Owns the case (the docket of a validation, release or activation). Promises that a verdict can be
recomputed from what it stores, that errors deny, and that nobody approves his own work, by the
service and by the database. Imports catalog, identity, audit.
"""

from app.gates.accepting import ACCEPTED, accepted
from app.gates.approvals import approvers_of, gate_of, require_apart
from app.gates.cases import (
    case_of,
    cases_by_id,
    close_case,
    close_open_cases,
    closed,
    makers_of,
    mark_case,
    open_cases_of,
    passed_release,
    place,
    release_of,
    releases_ended,
    reopen_case,
    roles_at,
    roles_in,
    signed,
    void_releases,
)
from app.gates.cases import lock as lock_case
from app.gates.cel import Answer, BadExpression, Facts, Language, compiled, evaluate
from app.gates.changes import propose
from app.gates.classification import apply_tier
from app.gates.covered import (
    BaselineInForce,
    GuardrailsInForce,
    KpisInForce,
    MonitorInForce,
    PlanInForce,
    Shapers,
)
from app.gates.docket import Step, StepState, states, unwaived
from app.gates.emergencies import denied_at
from app.gates.events import ChangeApproved
from app.gates.evidence import newest_measured
from app.gates.grants import apply_grant, ask_grant
from app.gates.opening import open_case
from app.gates.policies import apply_policy, law_of, seed_policies
from app.gates.policy import QUORUM, VETO, Revalidation, Telemetry, WayOut
from app.gates.rights import apply_rights
from app.gates.rules import (
    ApprovalVoid,
    CaseClosed,
    NotAStep,
    OutOfTurn,
    SelfApproval,
    StepsOpen,
)
from app.gates.schemas import CaseOut, EvidenceOut, VerdictOut
from app.gates.service import add_evidence, judge, required_open
from app.gates.standing import (
    CaseStanding,
    foundations,
    policies_now,
    require_foundations,
    require_present_policy,
    require_unvoided,
    revalidate_days,
    stand,
    unsound,
)
from app.gates.steps import ActivationStep, CaseKind, ReleaseStep, ValidationStep
from app.gates.tables import Case, Change, Evidence, Verdict, Waiver
from app.gates.validators import validated_at, validators_of
from app.gates.waivers import grant_waiver

__all__ = [
    "ACCEPTED",
    "QUORUM",
    "VETO",
    "ActivationStep",
    "Answer",
    "ApprovalVoid",
    "BadExpression",
    "BaselineInForce",
    "Case",
    "CaseClosed",
    "CaseKind",
    "CaseOut",
    "CaseStanding",
    "Change",
    "ChangeApproved",
    "Evidence",
    "EvidenceOut",
    "Facts",
    "GuardrailsInForce",
    "KpisInForce",
    "Language",
    "MonitorInForce",
    "NotAStep",
    "OutOfTurn",
    "PlanInForce",
    "ReleaseStep",
    "Revalidation",
    "SelfApproval",
    "Shapers",
    "Step",
    "StepState",
    "StepsOpen",
    "Telemetry",
    "ValidationStep",
    "Verdict",
    "VerdictOut",
    "Waiver",
    "WayOut",
    "accepted",
    "add_evidence",
    "apply_grant",
    "apply_policy",
    "apply_rights",
    "apply_tier",
    "approvers_of",
    "ask_grant",
    "case_of",
    "cases_by_id",
    "close_case",
    "close_open_cases",
    "closed",
    "compiled",
    "denied_at",
    "evaluate",
    "foundations",
    "gate_of",
    "grant_waiver",
    "judge",
    "law_of",
    "lock_case",
    "makers_of",
    "mark_case",
    "newest_measured",
    "open_case",
    "open_cases_of",
    "passed_release",
    "place",
    "policies_now",
    "propose",
    "release_of",
    "releases_ended",
    "reopen_case",
    "require_apart",
    "require_foundations",
    "require_present_policy",
    "require_unvoided",
    "required_open",
    "revalidate_days",
    "roles_at",
    "roles_in",
    "seed_policies",
    "signed",
    "stand",
    "states",
    "unsound",
    "unwaived",
    "validated_at",
    "validators_of",
    "void_releases",
]
