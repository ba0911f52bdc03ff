"""Decision rights: who may decide what, by role, risk tier and scope. Pure data and its reading.

Permissions (``rules.ROLES``) say which calls a role can make at all; decision rights say for which
models and points, at which risk. Both must hold.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import Any

from pydantic import ConfigDict, Field, model_validator

from app.identity.rules import DECIDING, Role
from app.kit.input import Input
from app.kit.refusal import Invalid, Kind, Refusal


class Action(StrEnum):
    """What can be decided."""

    PUBLISH_VERSION = "version.publish"
    EDIT_MODEL = "model.edit"
    EDIT_POINT = "point.edit"
    OPEN_VALIDATION = "validation.open"
    JUDGE_VALIDATION = "validation.judge"
    OPEN_RELEASE = "release.open"
    JUDGE_RELEASE = "release.judge"
    OPEN_ACTIVATION = "activation.open"
    JUDGE_ACTIVATION = "activation.judge"
    COMMIT_ACTIVATION = "activation.commit"
    ROLL_BACK = "champion.roll_back"
    APPROVE_STEP = "step.approve"
    SUBMIT_EVIDENCE = "evidence.submit"
    EDIT_PLAN = "plan.edit"
    EDIT_KPI = "kpi.edit"
    EDIT_KPI_SCOPE = "kpi_scope.edit"
    """To say what a process or a portfolio is, and to agree on its KPIs."""
    EDIT_MONITOR = "monitor.edit"
    EDIT_POLICY = "policy.edit"
    EDIT_RIGHTS = "rights.edit"
    CLASSIFY = "model.classify"
    ASK_WAIVER = "waiver.ask"
    APPROVE_CHANGE = "change.approve"
    BREAK_GLASS = "break_glass.use"
    REVIEW_BREAK_GLASS = "break_glass.review"
    RUN_PROCEDURE = "procedure.run"
    REPORT_DEPLOYMENT = "deployment.report"
    HANDLE_INCIDENT = "incident.handle"
    HAND_OFF = "hand_off.give"
    ACCEPT_HAND_OFF = "hand_off.accept"
    STOP_POINT = "point.stop"
    """To stop a decision point, and to let it go on."""
    RETIRE_VERSION = "version.retire"
    EDIT_WEBHOOK = "webhook.edit"


class Right(StrEnum):
    """RACI. Only who is responsible may act; the others are told what is theirs."""

    RESPONSIBLE = "R"
    ACCOUNTABLE = "A"
    CONSULTED = "C"
    INFORMED = "I"


class Governed(StrEnum):
    """What may be under change control: edited by request and approval only."""

    POLICY = "policy"
    RIGHTS = "rights"
    PLAN = "plan"
    KPI = "kpi"
    MONITOR = "monitor"
    WAIVER = "waiver"
    GRANT = "grant"
    """Giving somebody roles that decide."""
    TIER = "tier"
    """Putting a model into a lighter risk tier."""


class Grant(Input):
    """One cell of the matrix; what is not limited holds everywhere."""

    model_config = ConfigDict(frozen=True)

    role: Role
    action: Action
    right: Right = Right.RESPONSIBLE
    tiers: tuple[str, ...] | None = Field(None, min_length=1, max_length=10)
    models: tuple[str, ...] | None = Field(None, min_length=1, max_length=1000)
    points: tuple[str, ...] | None = Field(None, min_length=1, max_length=1000)

    def covers(self, tier: str | None, model: str | None, point: str | None) -> bool:
        """Say whether the grant reaches as far as this; a limit asks for what it names."""
        limits = ((self.tiers, tier), (self.models, model), (self.points, point))
        return all(limit is None or asked in limit for limit, asked in limits)


class Control(Input):
    """How a governed thing is changed: so many people of these roles approve each change."""

    model_config = ConfigDict(frozen=True)

    approvals: int = Field(1, ge=1, le=5)
    roles: tuple[Role, ...] = Field(min_length=1, max_length=10)


class DecisionRights(Input):
    """A tenant's whole matrix, and which edits are under change control."""

    model_config = ConfigDict(frozen=True)

    grants: tuple[Grant, ...] = Field(max_length=2000)
    change_control: dict[Governed, Control]

    @model_validator(mode="after")
    def _mendable(self) -> "DecisionRights":
        """Somebody must be left who can change the matrix, and somebody who approves that."""
        if not self.allows({Role.ADMINISTRATOR}, Action.EDIT_RIGHTS):
            raise ValueError("an administrator must stay responsible for rights.edit everywhere")
        if Governed.WAIVER not in self.change_control:
            raise ValueError("waivers are always under change control: name who approves them")
        for governed, control in self.change_control.items():
            if powerless := sorted(set(control.roles) - DECIDING):
                raise ValueError(f"{governed}: {', '.join(powerless)} cannot approve anything")
            if not any(self.allows({role}, Action.APPROVE_CHANGE) for role in control.roles):
                raise ValueError(f"{governed}: none of the roles may change.approve everywhere")
        return self

    def allows(
        self,
        roles: AbstractSet[str],
        action: Action,
        *,
        tier: str | None = None,
        model: str | None = None,
        point: str | None = None,
    ) -> bool:
        """Say whether one of ``roles`` is responsible for this."""
        return any(
            grant.action is action
            and grant.right is Right.RESPONSIBLE
            and grant.role in roles
            and grant.covers(tier, model, point)
            for grant in self.grants
        )


class DecisionDenied(Refusal):
    """Entitled to the call, not to this decision."""

    kind = Kind.FORBIDDEN
    code = "decision_denied"
    title = "Not yours to decide"
    mend = "GET /v1/decision-rights names who is responsible for it."


class BadRights(Invalid):
    """The matrix would leave the tenant without somebody who can mend it, or says nonsense."""

    code = "bad_rights"
    title = "These decision rights cannot be saved"
    mend = "Correct what `errors` or `detail` names in the matrix that GET returns."


_EVERYWHERE = ("tiers", "models", "points")
_VERSION, _POINT = ("tiers", "models"), ("points",)

LIMITS: dict[Action, tuple[str, ...]] = {
    Action.PUBLISH_VERSION: _VERSION,
    Action.EDIT_MODEL: _VERSION,
    Action.EDIT_POINT: _POINT,
    Action.OPEN_VALIDATION: _VERSION,
    Action.JUDGE_VALIDATION: _VERSION,
    Action.OPEN_RELEASE: _EVERYWHERE,
    Action.JUDGE_RELEASE: _EVERYWHERE,
    Action.OPEN_ACTIVATION: _EVERYWHERE,
    Action.JUDGE_ACTIVATION: _EVERYWHERE,
    Action.COMMIT_ACTIVATION: _EVERYWHERE,
    Action.ROLL_BACK: _EVERYWHERE,
    Action.APPROVE_STEP: _EVERYWHERE,
    Action.SUBMIT_EVIDENCE: _EVERYWHERE,
    Action.EDIT_PLAN: _POINT,
    Action.EDIT_KPI: _POINT,
    Action.EDIT_KPI_SCOPE: (),
    Action.EDIT_MONITOR: _POINT,
    Action.EDIT_POLICY: ("tiers",),
    Action.EDIT_RIGHTS: (),
    Action.CLASSIFY: _VERSION,
    Action.ASK_WAIVER: _EVERYWHERE,
    Action.APPROVE_CHANGE: _EVERYWHERE,
    Action.BREAK_GLASS: _EVERYWHERE,
    Action.REVIEW_BREAK_GLASS: _EVERYWHERE,
    Action.RUN_PROCEDURE: _VERSION,
    Action.REPORT_DEPLOYMENT: _EVERYWHERE,
    Action.HANDLE_INCIDENT: _EVERYWHERE,
    Action.HAND_OFF: _EVERYWHERE,
    Action.ACCEPT_HAND_OFF: _EVERYWHERE,
    Action.STOP_POINT: _POINT,
    Action.RETIRE_VERSION: _VERSION,
    Action.EDIT_WEBHOOK: (),
}
"""What a right to an action can be limited to: what is known where it is asked for."""


def require_known_limits(rights: DecisionRights) -> None:
    """Refuse limits that would never hold anywhere, naming each grant and what it could say."""
    found = [
        {
            "at": f"grants.{number}.{field}",
            "problem": f"{grant.action} is not limited by {field}",
            "limits": list(LIMITS[grant.action]),
        }
        for number, grant in enumerate(rights.grants)
        for field in _EVERYWHERE
        if getattr(grant, field) is not None and field not in LIMITS[grant.action]
    ]
    if found:
        first = found[0]
        known = " and ".join(first["limits"]) or "nothing"
        raise BadRights(f"{first['at']}: {first['problem']}, but by {known}.", errors=found)


def raci(rights: DecisionRights, tiers: Iterable[str]) -> list[dict[str, Any]]:
    """Return the matrix as a table: a row an action and tier, the roles by right."""
    rows = []
    for action in Action:
        for tier in tiers:
            row: dict[str, Any] = {"action": action, "tier": tier}
            for right in Right:
                names = {
                    f"{grant.role}{_limits(grant)}"
                    for grant in rights.grants
                    if grant.action is action
                    and grant.right is right
                    and (grant.tiers is None or tier in grant.tiers)
                }
                row[right.name.lower()] = sorted(names)
            rows.append(row)
    return rows


def _limits(grant: Grant) -> str:
    """Return what a cell says beside its role when it does not hold everywhere."""
    named = [
        f"{noun} {', '.join(limit)}"
        for noun, limit in (("models", grant.models), ("points", grant.points))
        if limit is not None
    ]
    return f" ({'; '.join(named)})" if named else ""


_ADM, _DEV, _VAL = Role.ADMINISTRATOR, Role.DEVELOPER, Role.VALIDATOR
_OPS, _COM, _AUD = Role.OPERATOR, Role.COMMITTEE, Role.AUDITOR
_BUS, _APP = Role.BUSINESS, Role.APPLICATION

# action → responsible, accountable, consulted, informed
_START: dict[Action, tuple[tuple[Role, ...], ...]] = {
    Action.PUBLISH_VERSION: ((_DEV,), (_DEV,), (), (_VAL,)),
    Action.EDIT_MODEL: ((_DEV,), (_COM,), (_BUS,), (_VAL,)),
    Action.EDIT_POINT: ((_OPS,), (_BUS,), (_DEV,), (_VAL,)),
    Action.OPEN_VALIDATION: ((_DEV,), (_VAL,), (), ()),
    Action.JUDGE_VALIDATION: ((_VAL,), (_VAL,), (_DEV,), (_OPS,)),
    Action.OPEN_RELEASE: ((_DEV,), (_OPS,), (_VAL, _BUS), ()),
    Action.JUDGE_RELEASE: ((_OPS, _VAL), (_VAL,), (_DEV,), (_COM,)),
    Action.OPEN_ACTIVATION: ((_OPS,), (_COM,), (_DEV,), ()),
    Action.JUDGE_ACTIVATION: ((_OPS,), (_COM,), (_VAL,), (_DEV,)),
    Action.COMMIT_ACTIVATION: ((_OPS,), (_COM,), (), (_DEV, _BUS, _AUD)),
    Action.ROLL_BACK: ((_OPS,), (_OPS,), (), (_COM, _DEV, _AUD)),
    Action.APPROVE_STEP: ((_VAL, _OPS, _COM, _BUS), (_COM,), (), (_AUD,)),
    Action.SUBMIT_EVIDENCE: ((_DEV, _VAL, _OPS, _BUS), (_VAL,), (), ()),
    Action.EDIT_PLAN: ((_OPS,), (_COM,), (_DEV,), (_AUD,)),
    Action.EDIT_KPI: ((_OPS, _COM, _BUS), (_COM,), (_DEV,), ()),
    Action.EDIT_KPI_SCOPE: ((_OPS, _COM, _BUS), (_COM,), (_DEV,), ()),
    Action.EDIT_MONITOR: ((_OPS,), (_OPS,), (_VAL,), ()),
    Action.EDIT_POLICY: ((_ADM,), (_COM,), (_VAL,), (_AUD,)),
    Action.EDIT_RIGHTS: ((_ADM,), (_COM,), (), (_AUD,)),
    Action.CLASSIFY: ((_VAL, _COM), (_COM,), (_DEV,), (_OPS, _AUD)),
    Action.ASK_WAIVER: ((_DEV, _OPS, _VAL), (_COM,), (), (_AUD,)),
    Action.APPROVE_CHANGE: ((_COM, _VAL), (_COM,), (), (_AUD,)),
    Action.BREAK_GLASS: ((_OPS,), (_COM,), (), (_COM, _AUD)),
    Action.REVIEW_BREAK_GLASS: ((_COM, _VAL), (_COM,), (), (_AUD,)),
    Action.RUN_PROCEDURE: ((_DEV, _VAL, _OPS, _BUS), (_BUS,), (), (_COM,)),
    Action.REPORT_DEPLOYMENT: ((_OPS, _APP), (_OPS,), (), (_DEV,)),
    Action.HANDLE_INCIDENT: ((_OPS,), (_OPS,), (_DEV,), (_COM, _AUD)),
    Action.HAND_OFF: ((_DEV, _BUS), (_DEV,), (_VAL,), (_OPS,)),
    Action.ACCEPT_HAND_OFF: ((_OPS,), (_COM,), (_DEV,), ()),
    Action.STOP_POINT: ((_OPS, _COM), (_OPS,), (), (_BUS, _DEV, _AUD)),
    Action.RETIRE_VERSION: ((_OPS, _BUS), (_COM,), (_DEV,), (_AUD,)),
    Action.EDIT_WEBHOOK: ((_ADM, _OPS), (_OPS,), (), (_AUD,)),
}

DEFAULT = DecisionRights(
    grants=tuple(
        Grant(role=role, action=action, right=right)
        for action, by_right in _START.items()
        for right, roles in zip(Right, by_right, strict=True)
        for role in roles
    ),
    change_control={
        Governed.POLICY: Control(approvals=1, roles=(_COM, _VAL)),
        Governed.RIGHTS: Control(approvals=1, roles=(_COM, _VAL)),
        # An exception from a rule is the committee's to make, whoever the rule asks for.
        Governed.WAIVER: Control(approvals=1, roles=(_COM,)),
        Governed.GRANT: Control(approvals=1, roles=(_COM, _VAL)),
        Governed.TIER: Control(approvals=1, roles=(_COM, _VAL)),
    },
)
"""What a tenant starts with. Plans, KPIs and monitors are edited by who is responsible."""

_LATER = frozenset(
    {
        Action.PUBLISH_VERSION, Action.EDIT_MODEL, Action.EDIT_POINT, Action.CLASSIFY,
        Action.SUBMIT_EVIDENCE, Action.RUN_PROCEDURE, Action.REPORT_DEPLOYMENT,
        Action.HANDLE_INCIDENT, Action.HAND_OFF, Action.ACCEPT_HAND_OFF, Action.STOP_POINT,
        Action.RETIRE_VERSION, Action.EDIT_WEBHOOK, Action.EDIT_KPI_SCOPE,
    }
)  # fmt: skip


def completed(rights: DecisionRights) -> DecisionRights:
    """Return a matrix with what it could not say when it was saved.

    An action that came later, and that it names in no right at all, is as at the start.
    """
    missing = _LATER - {grant.action for grant in rights.grants}
    more = tuple(grant for grant in DEFAULT.grants if grant.action in missing)
    return rights.model_copy(update={"grants": (*rights.grants, *more)}) if more else rights
