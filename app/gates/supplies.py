"""Which call supplies what a rule asks for. Pure.

A refusal that only says no sends people to ask others: each failed rule names the calls that
bring what it looks at, read off the rule itself, so that a tenant's own rules have theirs too.
"""

import re
from typing import Any

from app.gates.steps import CaseKind

_NAMED = re.compile(r"\b(evidence|version|point|approvals|rejections)(?:\.([a-z_]+))?")

_OURS = frozenset({"said_by", "signed_by"})
"""What the server itself writes into what others submit."""
_FIELD = re.compile(r"\bevidence\.([a-z_]+)\.([a-z_]+)")

_EVIDENCE = "POST /v1/cases/{case_id}/steps/{step}/evidence"
_APPROVE = "POST /v1/cases/{case_id}/steps/{step}/approvals"
_ASK = "POST /v1/approval-requests"
_REHEARSE = "POST /v1/events with model, version and decision_point"
_EVENTS = "POST /v1/decision-points/{key}/route, then POST /v1/events with its token"
_OUTCOMES = "POST /v1/outcomes"
_WITHDRAW = "POST /v1/approvals/{approval_id}:withdraw by who rejected"
_GIVE_UP = "or, if who rejected has left, POST /v1/cases/{case_id}:withdraw and open it anew"

MEASURED: dict[tuple[CaseKind, str], tuple[str, ...]] = {
    (CaseKind.RELEASE, "contract"): (
        "PATCH /v1/decision-points/{key}",
        "POST /v1/models/{model}/versions with a signature that fits",
    ),
    (CaseKind.RELEASE, "parameters"): (
        _REHEARSE,
        "POST /v1/releases/{case_id}/steps/parameter_testing:sample",
        "POST /v1/releases/{case_id}/steps/parameter_testing:recorded",
        "POST /v1/releases/{case_id}/steps/parameter_testing:query",
    ),
    (CaseKind.RELEASE, "integration"): (
        "POST /v1/releases/{case_id}/integration-runs",
        "PUT /v1/decision-points/{key}/contract-cases",
        _EVIDENCE,
    ),
    (CaseKind.RELEASE, "instances"): (
        "POST /v1/releases/{case_id}/steps/instantiation_validation:sample",
        _EVIDENCE,
    ),
    (CaseKind.RELEASE, "rehearsal"): (
        f"{_REHEARSE} by an operator",
        "POST /v1/cases/{case_id}:withdraw and POST /v1/releases for a rehearsal of its own",
    ),
    (CaseKind.RELEASE, "drift"): (_REHEARSE,),
    (CaseKind.RELEASE, "performance"): (_REHEARSE, _OUTCOMES),
    (CaseKind.RELEASE, "kpi"): ("PUT /v1/decision-points/{key}/kpis/{kpi}", _OUTCOMES),
    (CaseKind.ACTIVATION, "hand_off"): ("POST /v1/activations/{case_id}/hand-off", _EVIDENCE),
    (CaseKind.ACTIVATION, "deployment"): (
        "POST /v1/decision-points/{key}/targets/{target}/reports",
        _EVIDENCE,
    ),
    (CaseKind.ACTIVATION, "endpoint"): (
        "POST /v1/activations/{case_id}/integration-runs",
        "PUT /v1/decision-points/{key}/contract-cases",
    ),
    (CaseKind.ACTIVATION, "integration"): (
        "POST /v1/activations/{case_id}/integration-runs",
        _EVIDENCE,
    ),
    (CaseKind.ACTIVATION, "traffic"): (_EVENTS, _OUTCOMES),
    (CaseKind.ACTIVATION, "tracking"): (_EVENTS,),
    (CaseKind.ACTIVATION, "telemetry"): (_EVENTS, _OUTCOMES),
    (CaseKind.ACTIVATION, "drift"): (_EVENTS,),
    (CaseKind.ACTIVATION, "performance"): (_EVENTS, _OUTCOMES),
    (CaseKind.ACTIVATION, "kpi"): ("PUT /v1/decision-points/{key}/kpis/{kpi}", _OUTCOMES),
    (CaseKind.ACTIVATION, "experiment"): (
        "PUT /v1/decision-points/{key}/plan with an experiment, then POST /v1/activations",
    ),
    (CaseKind.ACTIVATION, "completeness"): (
        "GET /v1/models/{model}/versions/{version}/completeness",
        "POST /v1/models/{model}/versions with what is missing",
    ),
}
"""What the server measures, by kind of evidence; everything else is submitted."""

_VERSION: dict[str, str] = {
    "baseline_rows": "PUT /v1/models/{model}/versions/{version}/baseline",
    "lighter_members": "POST /v1/models/{model}/versions without it; or, of one that was not sent"
    " back, PUT /v1/models/{member}/risk-tier and POST /v1/validations of it",
    "tasks_open": "POST /v1/models/{handed_back_model}/versions/{handed_back}/hand-back/tasks"
    "/{task}:done, and so on for each that version.tasks_open of the facts lists",
    "stage": "POST /v1/validations, then POST /v1/releases",
}

_POINT: dict[str, str] = {"contract_cases": "PUT /v1/decision-points/{key}/contract-cases"}


def shared(kind: CaseKind) -> list[str]:
    """Return the kinds of evidence that others may measure as well as the server."""
    return [name for (case, name), calls in MEASURED.items() if case is kind and _EVIDENCE in calls]


def supplies(
    case: dict[str, Any], step: str, when: str, version: dict[str, Any] | None = None
) -> list[str]:
    """Return the calls that bring what a rule of a step looks at.

    ``case`` and ``version`` are as rules see them: what they name is put into the calls.
    """
    known = {
        "case_id": case.get("id"),
        "step": step,
        "model": case.get("model"),
        "version": case.get("number"),
        "key": case.get("decision_point"),
        **_inside(version or {}),
    }
    fields = _fields(when)
    found: dict[str, None] = {}
    for subject, name in _NAMED.findall(when):
        for call in _calls(case["kind"], subject, name, fields):
            found[_filled(call, known)] = None
    return list(found) or [judging(case["kind"], step, case.get("id", "{case_id}"))]


def reads(when: str, kind: str) -> bool:
    """Say whether a rule reads a kind of evidence."""
    return re.search(rf"\bevidence(?:\.{kind}\b|\[\s*r?['\"]{kind}['\"]\s*\])", when) is not None


def _fields(when: str) -> dict[str, list[str]]:
    """Return which fields of each kind of evidence a rule reads."""
    found: dict[str, list[str]] = {}
    for kind, field in _FIELD.findall(when):
        known = found.setdefault(kind, [])
        if field not in known and field not in _OURS:
            known.append(field)
    return found


def _inside(version: dict[str, Any]) -> dict[str, Any]:
    """Return the first of what a version's facts list, by the names that calls have for it."""
    task: dict[str, Any] = next(iter(version.get("tasks_open") or ()), {})
    member = next(iter(version.get("lighter_members") or ()), "")
    return {
        "handed_back_model": task.get("model"),
        "handed_back": task.get("version"),
        "task": task.get("task"),
        "member": member.partition("@")[0] or None,
    }


def judging(kind: str, step: str, case_id: object = "{case_id}") -> str:
    """Return the call that judges a step."""
    return f"POST /v1/{kind}s/{case_id}/steps/{step}:judge"


def _calls(kind: str, subject: str, name: str, fields: dict[str, list[str]]) -> tuple[str, ...]:
    if subject == "evidence":
        return MEASURED.get((CaseKind(kind), name)) or (_submitting(name, fields.get(name, [])),)
    if subject == "approvals":
        return (_ASK, _APPROVE)
    if subject == "rejections":
        return (_WITHDRAW, _GIVE_UP)
    if subject == "version":
        return (_VERSION.get(name, "POST /v1/models/{model}/versions with what is missing"),)
    return (_POINT.get(name, "PATCH /v1/decision-points/{key}"),)


def _submitting(kind: str, fields: list[str]) -> str:
    """Return the call that submits evidence, with what it has to say."""
    payload = ", ".join(f'"{field}": …' for field in fields)
    return f'{_EVIDENCE} with {{"kind": "{kind}", "payload": {{{payload}}}}}'


def _filled(call: str, known: dict[str, Any]) -> str:
    """Return a call with the names that are known put in."""
    for name, value in known.items():
        if value is not None:
            call = call.replace(f"{{{name}}}", str(value))
    return call
