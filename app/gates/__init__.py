"""Gates: policies, evidence, approvals and the verdicts that follow from them.

Owns the case (the docket of a validation, release or activation). Promises that a verdict can be
recomputed from what it stores, that errors deny, and that nobody approves his own work, by the
service and by the database. Imports catalog, identity, audit.
"""

from app.gates import (
    approval_routes,
    change_routes,
    classification_routes,
    policy_routes,
    rights_routes,
    routes,
)
from app.gates.cases import (
    case_of,
    cases_by_id,
    close_case,
    close_open_cases,
    mark_case,
    open_case,
    passed_release,
    place,
    reopen_case,
    roles_at,
    roles_in,
    signatories,
    signed,
)
from app.gates.change_routes import ACCEPTED, accepted
from app.gates.changes import propose
from app.gates.classification import apply_tier
from app.gates.covered import (
    BaselineInForce,
    KpisInForce,
    MonitorInForce,
    PlanInForce,
    Shapers,
)
from app.gates.docket import Step, StepState, states
from app.gates.events import ChangeApproved
from app.gates.grants import apply_grant, ask_grant
from app.gates.policies import apply_policy, seed_policies
from app.gates.policy import WayOut
from app.gates.rights_routes import apply_rights
from app.gates.rules import ApprovalVoid, GateClosed, NotAStep, StepsOpen
from app.gates.schemas import CaseOut, VerdictOut
from app.gates.service import add_evidence, judge, required_open
from app.gates.standing import (
    CaseStanding,
    foundations,
    require_foundations,
    require_present_policy,
    require_unvoided,
    revalidate_days,
    stand,
    unsound,
)
from app.gates.steps import ActivationStep, CaseKind, ReleaseStep, ValidationStep
from app.gates.tables import Case, Change, Verdict, Waiver
from app.gates.waivers import grant_waiver

routers = (
    routes.cases,
    *policy_routes.routers,
    approval_routes.asked,
    approval_routes.given,
    change_routes.asked,
    change_routes.waived,
    change_routes.emergency,
    rights_routes.router,
    classification_routes.router,
)

__all__ = [
    "ACCEPTED",
    "ActivationStep",
    "ApprovalVoid",
    "BaselineInForce",
    "Case",
    "CaseKind",
    "CaseOut",
    "CaseStanding",
    "Change",
    "ChangeApproved",
    "GateClosed",
    "KpisInForce",
    "MonitorInForce",
    "NotAStep",
    "PlanInForce",
    "ReleaseStep",
    "Shapers",
    "Step",
    "StepState",
    "StepsOpen",
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
    "ask_grant",
    "case_of",
    "cases_by_id",
    "close_case",
    "close_open_cases",
    "foundations",
    "grant_waiver",
    "judge",
    "mark_case",
    "open_case",
    "passed_release",
    "place",
    "propose",
    "reopen_case",
    "require_foundations",
    "require_present_policy",
    "require_unvoided",
    "required_open",
    "revalidate_days",
    "roles_at",
    "roles_in",
    "routers",
    "seed_policies",
    "signatories",
    "signed",
    "stand",
    "states",
    "unsound",
]
