"""What a release waits for: which call supplies it, and who may make that. Pure."""

import re
from dataclasses import dataclass, field
from typing import Any

from app.gates import QUORUM, VETO, Case, ReleaseStep
from app.identity import Action

_KINDS = re.compile(r"evidence\.([a-z_]+)")
_ROLES = re.compile(r"'([a-z_]+)' in \w+\.roles")
_REHEARSED = "POST /v1/events and POST /v1/outcomes, with `decision_point`: the perimeter's traffic"
_BY_SERVER = {
    "contract": "PATCH /v1/decision-points/{point}",
    "parameters": _REHEARSED,
    "drift": _REHEARSED,
    "performance": _REHEARSED,
    "kpi": _REHEARSED,
    "integration": "POST /v1/releases/{case}/integration-runs",
}
"""How evidence comes about that the server measures."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """One thing that is missing. ``action`` is the right it takes, ``roles`` who is asked for."""

    step: str
    what: str
    call: str
    action: Action
    rule: str | None = None
    roles: tuple[str, ...] = field(default=())


def lacking(case: Case, step: str, results: list[dict[str, Any]], whens: dict[str, str]) -> Any:
    """Return what would open a gate, from what its failed rules say and ask for."""
    return [
        _of(case, step, result, whens.get(result["rule"], ""))
        for result in results
        if not result["passed"] and result["severity"] == "block" and not result.get("waiver")
    ]


def _of(case: Case, step: str, result: dict[str, Any], when: str) -> Lacking:
    rule, what = result["rule"], result["reason"]
    place = f"/v1/cases/{case.id}/steps/{step}"
    if rule == VETO:
        call = "POST /v1/approvals/{approval_id}:withdraw, by who rejected"
        return Lacking(step, what, call, Action.APPROVE_STEP, rule)
    kinds = _KINDS.findall(when)
    if rule == QUORUM or ("approvals" in when and not kinds):
        roles = tuple(_ROLES.findall(when) or re.findall(r"\d+ × ([a-z_]+)", what))
        call = f"POST {place}/approvals"
        return Lacking(step, what, call, Action.APPROVE_STEP, rule, tuple(dict.fromkeys(roles)))
    if kinds and kinds[0] in _BY_SERVER:
        call = _BY_SERVER[kinds[0]].format(point=case.details["decision_point"], case=case.id)
        return Lacking(step, what, call, Action.SUBMIT_EVIDENCE, rule)
    if kinds:
        call = f"POST {place}/evidence, kind `{kinds[0]}`"
        return Lacking(step, what, call, Action.SUBMIT_EVIDENCE, rule)
    if "baseline" in when:
        version = f"/v1/models/{case.details['model']}/versions/{case.details['number']}"
        return Lacking(step, what, f"PUT {version}/baseline", Action.PUBLISH_VERSION, rule)
    return Lacking(step, what, judging(case, step), Action.JUDGE_RELEASE, rule)


def judging(case: Case, step: str) -> str:
    """Return the call that judges a step."""
    return f"POST /v1/releases/{case.id}/steps/{step}:judge"


def in_order(required: dict[str, bool], *, asked: bool) -> list[ReleaseStep]:
    """Return the steps to be judged in the framework's order: what is required, or asked for.

    KPI validation is the last one: it may end the release, so nothing else is left open by it.
    """
    return [
        step
        for step in ReleaseStep
        if required[step] or (asked and step is ReleaseStep.INTEGRATION_TESTING)
    ]
