"""Gates: policies, evidence, approvals and the verdicts that follow from them.

Owns the case (the docket of a validation, release or activation). Promises that a verdict can be
recomputed from what it stores, that errors deny, and that nobody approves his own work, by the
service and by the database. Imports catalog, identity, audit.
"""

from app.gates import policy_routes, routes
from app.gates.cases import (
    case_of,
    close_case,
    close_open_cases,
    mark_case,
    open_case,
    passed_release,
    reopen_case,
    signatories,
)
from app.gates.docket import Step, StepState, states
from app.gates.policies import seed_policies
from app.gates.policy import WayOut
from app.gates.rules import GateClosed, NotAStep, StepsOpen
from app.gates.schemas import CaseOut, VerdictOut
from app.gates.service import add_evidence, judge, required_open
from app.gates.steps import ActivationStep, CaseKind, ReleaseStep, ValidationStep
from app.gates.tables import Case, Verdict

routers = (routes.cases, *policy_routes.routers)

__all__ = [
    "ActivationStep",
    "Case",
    "CaseKind",
    "CaseOut",
    "GateClosed",
    "NotAStep",
    "ReleaseStep",
    "Step",
    "StepState",
    "StepsOpen",
    "ValidationStep",
    "Verdict",
    "VerdictOut",
    "WayOut",
    "add_evidence",
    "case_of",
    "close_case",
    "close_open_cases",
    "judge",
    "mark_case",
    "open_case",
    "passed_release",
    "reopen_case",
    "required_open",
    "routers",
    "seed_policies",
    "signatories",
    "states",
]
