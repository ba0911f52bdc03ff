"""The lifecycle of a version: the state machine is data. Pure."""

from app.catalog import ReturnTo, Stage
from app.gates import WayOut
from app.kit.refusal import Kind, Refusal

NEXT: dict[Stage, frozenset[Stage]] = {
    Stage.PUBLISHED: frozenset({Stage.VALIDATED, Stage.RETURNED, Stage.RETIRED}),
    Stage.VALIDATED: frozenset({Stage.CANDIDATE, Stage.RETURNED, Stage.RETIRED}),
    Stage.CANDIDATE: frozenset({Stage.RELEASED, Stage.RETURNED, Stage.RETIRED}),
    Stage.RELEASED: frozenset({Stage.ACTIVATED, Stage.RETURNED, Stage.RETIRED}),
    Stage.ACTIVATED: frozenset({Stage.RETURNED, Stage.RETIRED}),
    # The content of a version never changes: rework is a new version, but a version returned in
    # error may be validated again from the start.
    Stage.RETURNED: frozenset({Stage.VALIDATED, Stage.RETIRED}),
    Stage.RETIRED: frozenset(),
}

RETURN: dict[WayOut, ReturnTo] = {
    WayOut.DATA_DRIFT: ReturnTo.DATA_ACQUISITION,
    WayOut.BUSINESS_DRIFT: ReturnTo.BUSINESS_UNDERSTANDING,
    WayOut.MATHEMATICAL_DRIFT: ReturnTo.ANALYSIS,
}


_ON: dict[Stage, str] = {
    Stage.PUBLISHED: "POST /v1/validations, with the model's name and the version, comes first.",
    Stage.VALIDATED: "POST /v1/releases, with a decision point, makes it a candidate.",
    Stage.CANDIDATE: "GET the version's cases: `missing` of its release says what lets it pass.",
    Stage.RELEASED: "POST /v1/activations, with a decision point, opens its activation.",
    Stage.ACTIVATED: "POST /v1/releases releases it for a further decision point.",
    Stage.RETURNED: "GET the version's hand-back says what to mend; then POST the next version,"
    " or POST /v1/validations if it was sent back in error.",
    Stage.RETIRED: "POST the next version of its model: nothing is done with what is retired.",
}
"""By stage, which call leads on from there."""


class IllegalMove(Refusal):
    """The lifecycle has no such edge."""

    kind = Kind.CONFLICT
    code = "illegal_move"
    title = "The version is not at that point of its life"
    mend = "GET the version: `stage` says where it is; a returned one is followed by a new version."


def require_edge(here: Stage, to: Stage) -> None:
    """Refuse a move the machine does not have."""
    if to not in NEXT[here]:
        ways = ", ".join(sorted(NEXT[here])) or "nowhere"
        raise IllegalMove(
            f"A {here} version cannot become {to}; from here it goes to {ways}.",
            stage=here.value,
            next=sorted(NEXT[here]),
            mend=_ON[here],
        )
