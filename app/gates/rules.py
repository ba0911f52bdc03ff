"""What gates refuse."""

from collections.abc import Collection

from app.gates.steps import STEPS, CaseKind
from app.kit.refusal import Invalid, Kind, Refusal


class StepsOpen(Refusal):
    """Steps that policy asks for have not been passed."""

    kind = Kind.CONFLICT
    code = "steps_open"
    title = "Required steps are still open"
    mend = "Supply what `missing` names for each step, by the calls it names, and judge it."


class OutOfTurn(Refusal):
    """Policy puts other steps first."""

    kind = Kind.CONFLICT
    code = "out_of_turn"
    title = "Other steps come first"
    mend = "Supply what `missing` names for each step in `open`, judge those, then this one."


class SelfApproval(Refusal):
    """Nobody approves his own work, not through a bot either."""

    kind = Kind.FORBIDDEN
    code = "self_approval"
    title = "Nobody approves his own work"
    mend = "Ask somebody who neither developed the version nor opened the case."


class AlreadyDecided(Refusal):
    """This person has decided on exactly this before."""

    kind = Kind.CONFLICT
    code = "already_decided"
    title = "You have decided on this already"
    mend = "New evidence voids earlier decisions; only then decide again."


class ApprovalVoid(Refusal):
    """The approval is of something that no longer stands, or no longer counts."""

    kind = Kind.CONFLICT
    code = "approval_void"
    title = "The approval is void"
    mend = "Look at what stands now (`changed` names the parts), and have it approved anew."


class NotTheApprover(Refusal):
    """The approval is somebody else's."""

    kind = Kind.FORBIDDEN
    code = "not_the_approver"
    title = "Not your approval"
    mend = "Ask who gave it; you can still reject the step."


class ReservedFact(Invalid):
    """The server alone says this in a piece of evidence."""

    code = "reserved_fact"
    title = "Not yours to say"
    mend = "Leave the field out; `signature` has the server write who signed."


class SignedLongAgo(Invalid):
    """What is signed counts for a day, and nobody signs what will be."""

    code = "signed_long_ago"
    title = "Not signed as of now"
    mend = "Sign it anew, with `at` the present time: what was found long ago is measured again."


class Overtaken(Refusal):
    """The same was said before, or something newer is proven already."""

    kind = Kind.CONFLICT
    code = "evidence_overtaken"
    title = "Nothing new is said"
    mend = "A signed body is taken once. If it was measured again, sign it anew with its own `at`."


class NotWaivable(Invalid):
    """There is no such rule to waive, or not for that long."""

    code = "not_waivable"
    title = "This cannot be waived"
    mend = "Name one of the gate's rules, as `rules` lists them."


class NotRequired(Refusal):
    """The step is not asked for: to reject it would stop nothing."""

    kind = Kind.CONFLICT
    code = "not_required"
    title = "Nothing waits for this step"
    mend = "Reject one of the steps in `required`: any of them keeps the case from going on."


class NoEmergency(Refusal):
    """Policy lets nobody past this gate in a hurry."""

    kind = Kind.CONFLICT
    code = "no_emergency"
    title = "No emergency is a reason here"
    mend = (
        "POST /v1/waivers asks that a rule need not hold for a while. If what answers now does harm"
        " POST /v1/decision-points/{key}:stop lets the fallback answer."
    )


class GlassUnreviewed(Refusal):
    """The glass was broken for this version before, and nobody has said that it was right."""

    kind = Kind.CONFLICT
    code = "glass_unreviewed"
    title = "The last emergency was not upheld"
    mend = "Have somebody else review it: POST /v1/waivers/{id}:review."


class ChangeClosed(Refusal):
    """The change request is over."""

    kind = Kind.CONFLICT
    code = "change_closed"
    title = "The change request is closed"
    mend = "Ask for the change again if it still makes sense."


class NotInChange(Refusal):
    """The change is not this role's to approve."""

    kind = Kind.FORBIDDEN
    code = "not_asked"
    title = "Not yours to approve"
    mend = "Ask somebody in one of the roles that the change names."


class CaseClosed(Refusal):
    """The case is over."""

    kind = Kind.CONFLICT
    code = "case_closed"
    title = "The case is closed"
    mend = "Open a new case for the version."


class NotTheRequester(Refusal):
    """The case is somebody else's."""

    kind = Kind.FORBIDDEN
    code = "not_the_requester"
    title = "Not your case"
    mend = "Ask who opened it."


class VersionOfNoModel(Invalid):
    """A version's number says nothing without its model."""

    code = "version_of_no_model"
    title = "A version of which model?"
    mend = "Send `model` beside `version`, or leave both out."


class NotAStep(Invalid):
    """The case has no such step."""

    code = "not_a_step"
    title = "Not a step of this case"
    mend = "Take one of `steps`."


class BadPolicy(Invalid):
    """A rule does not compile, or does not say yes or no."""

    code = "bad_policy"
    title = "A rule of the policy is not usable"
    mend = "Correct what `errors` names. Each `when` is a CEL expression of type bool over case,"
    " version, point, evidence, approvals, rejections."


class TwoMoments(Invalid):
    """A policy is read at one moment of its history."""

    code = "two_moments"
    title = "Two moments asked for"
    mend = "Send `revision` or `at`, not both."


def require_step(kind: CaseKind, step: str) -> None:
    """Refuse a step that a case of this kind does not have."""
    if step not in STEPS[kind]:
        raise NotAStep(f"A {kind} has no step {step!r}.", steps=list(STEPS[kind]))


SIGNED_BY, SAID_BY = "signed_by", "said_by"
_RESERVED: dict[str, frozenset[str]] = {
    "integration": frozenset({"run", "cases_from", "asked_by", "part", "cases_by", "cases_part"}),
    "deployment": frozenset({"targets", "independent"}),
    "instances": frozenset(
        {"part", "sampled_by", "tolerance_by", "tolerance_asked", "unregistered", "unscored"}
    ),
    "hand_off": frozenset({"record", "accepted", "accepted_by", "given_by"}),
}
"""What of some kinds of evidence tells that the server measured it, and by whose cases."""


def require_unreserved(kind: str, payload: Collection[str]) -> None:
    """Refuse evidence that says what only the server says."""
    taken = sorted(({SIGNED_BY, SAID_BY} | _RESERVED.get(kind, frozenset())) & set(payload))
    if taken:
        raise ReservedFact(f"Evidence `{kind}` cannot say {', '.join(taken)} itself.", fields=taken)
