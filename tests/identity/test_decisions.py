"""Decision rights: the matrix as data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.identity import ROLES, Role
from app.identity.decisions import DEFAULT, Action, BadRights, DecisionRights, Grant, Right, raci
from app.identity.rights import checked

TIERS = ("low", "medium", "high")
SCOPES = st.fixed_dictionaries(
    {
        "tiers": st.none() | st.lists(st.sampled_from(TIERS), min_size=1, unique=True).map(tuple),
        "models": st.none() | st.lists(st.sampled_from("abc"), min_size=1, unique=True).map(tuple),
        "points": st.none() | st.lists(st.sampled_from("xyz"), min_size=1, unique=True).map(tuple),
    }
)
# What the calls themselves ask for, beside the decision right.
PERMISSIONS = {
    Action.PUBLISH_VERSION: "catalog:write",
    Action.EDIT_MODEL: "catalog:write",
    Action.EDIT_POINT: "catalog:points",
    Action.OPEN_VALIDATION: "release:open",
    Action.JUDGE_VALIDATION: "release:validate",
    Action.OPEN_RELEASE: "release:open",
    Action.JUDGE_RELEASE: "release:judge",
    Action.OPEN_ACTIVATION: "activation:operate",
    Action.JUDGE_ACTIVATION: "activation:operate",
    Action.COMMIT_ACTIVATION: "activation:operate",
    Action.ROLL_BACK: "activation:operate",
    Action.APPROVE_STEP: "gates:approve",
    Action.SUBMIT_EVIDENCE: "gates:evidence",
    Action.EDIT_PLAN: "routing:plan",
    Action.EDIT_KPI: "kpi:write",
    Action.EDIT_KPI_SCOPE: "kpi:write",
    Action.EDIT_MONITOR: "monitor:write",
    Action.EDIT_POLICY: "policy:write",
    Action.EDIT_RIGHTS: "policy:write",
    Action.CLASSIFY: "gates:approve",
    Action.ASK_WAIVER: "gates:ask",
    Action.APPROVE_CHANGE: "gates:approve",
    Action.BREAK_GLASS: "activation:operate",
    Action.REVIEW_BREAK_GLASS: "gates:approve",
    Action.RUN_PROCEDURE: "release:rework",
    Action.REPORT_DEPLOYMENT: "deployment:report",
    Action.HANDLE_INCIDENT: "activation:operate",
    Action.HAND_OFF: "gates:evidence",
    Action.ACCEPT_HAND_OFF: "activation:operate",
    Action.STOP_POINT: "routing:stop",
    Action.RETIRE_VERSION: "catalog:retire",
    Action.EDIT_WEBHOOK: "notifications:manage",
}


@pytest.mark.parametrize("action", Action)
def test_whoever_is_responsible_at_the_start_can_make_the_call(action: Action) -> None:
    able = [role for role in Role if DEFAULT.allows({role}, action)]

    assert able
    for role in able:
        assert PERMISSIONS[action] in ROLES[role], (action, role)


@given(SCOPES, st.sampled_from(TIERS), st.sampled_from("abcd"), st.sampled_from("wxyz"))
def test_a_right_reaches_as_far_as_its_limits(
    scope: dict[str, tuple[str, ...] | None], tier: str, model: str, point: str
) -> None:
    grant = Grant(role=Role.OPERATOR, action=Action.COMMIT_ACTIVATION, **scope)  # type: ignore[arg-type]
    asked = {"tiers": tier, "models": model, "points": point}
    within = [limit is None or asked[name] in limit for name, limit in scope.items()]

    assert grant.covers(tier, model, point) is all(within)
    # A decision of which no place is known is not covered by a limited right.
    assert grant.covers(None, None, None) is all(limit is None for limit in scope.values())


@pytest.mark.parametrize("right", sorted(set(Right) - {Right.RESPONSIBLE}))
def test_only_who_is_responsible_may_act(right: Right) -> None:
    others = [g for g in DEFAULT.grants if g.action is not Action.ROLL_BACK]
    told = Grant(role=Role.COMMITTEE, action=Action.ROLL_BACK, right=right)
    rights = DecisionRights(grants=(*others, told), change_control=DEFAULT.change_control)

    assert not rights.allows(set(Role), Action.ROLL_BACK)


def test_nobody_locks_the_tenant_out_of_its_own_rights() -> None:
    body = DEFAULT.model_dump(mode="json")
    grants = [g for g in body["grants"] if g["action"] != "rights.edit"]

    with pytest.raises(BadRights, match="administrator must stay responsible"):
        checked({**body, "grants": grants})
    with pytest.raises(BadRights, match="waivers are always under change control"):
        checked({**body, "change_control": {}})
    control = {**body["change_control"], "plan": {"approvals": 1, "roles": ["developer"]}}
    with pytest.raises(BadRights, match="cannot approve anything"):
        checked({**body, "change_control": control})
    grants = [g for g in body["grants"] if g["action"] != "change.approve"]
    with pytest.raises(BadRights, match=r"change\.approve"):
        checked({**body, "grants": grants})


def test_every_fault_of_a_matrix_is_named_with_its_place() -> None:
    body = DEFAULT.model_dump(mode="json")
    wrong = [{"role": "king", "action": "rights.edit"}, {"role": "operator", "action": "dance"}]

    with pytest.raises(BadRights) as refusal:
        checked({**body, "grants": wrong})

    assert [fault["at"] for fault in refusal.value.extra["errors"]] == [
        "grants.0.role",
        "grants.1.action",
    ]


def test_the_table_says_who_for_every_action_and_tier() -> None:
    limited = Grant(role=Role.VALIDATOR, action=Action.ROLL_BACK, tiers=("high",), points=("x",))
    rights = DecisionRights(
        grants=(*DEFAULT.grants, limited), change_control=DEFAULT.change_control
    )
    rows = {(row["action"], row["tier"]): row for row in raci(rights, TIERS)}

    assert len(rows) == len(Action) * len(TIERS)
    assert rows[Action.ROLL_BACK, "low"]["responsible"] == ["operator"]
    assert rows[Action.ROLL_BACK, "high"]["responsible"] == ["operator", "validator (points x)"]
    assert rows[Action.COMMIT_ACTIVATION, "low"]["accountable"] == ["committee"]
