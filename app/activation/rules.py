"""What activation refuses."""

from app.kit.refusal import Invalid, Kind, Refusal


class NotReady(Refusal):
    """The version is not at a stage from which it can be activated."""

    kind = Kind.CONFLICT
    code = "not_released"
    title = "Only a released version is activated"
    mend = (
        "GET /v1/cases?model={model}&kind=release says what its releases wait for; POST"
        " /v1/releases, with the version and the decision point, opens one."
    )


class LighterTier(Refusal):
    """A model of a lighter risk tier asks to decide where a graver one does."""

    kind = Kind.CONFLICT
    code = "lighter_tier"
    title = "The decision point is decided by a model of a graver risk tier"
    mend = "PUT /v1/models/{model}/risk-tier raises the model to it at once; then validate it anew."


class MembersUnfit(Refusal):
    """An ensemble has inside what nobody should be answered by."""

    kind = Kind.CONFLICT
    code = "members_unfit"
    title = "Members of the ensemble are not fit to answer"
    mend = "Make the call that each entry of `members` names, then ask again."


class ScoresExpired(Refusal):
    """Scores that were computed beforehand are too old to decide by."""

    kind = Kind.CONFLICT
    code = "scores_expired"
    title = "The precalculated scores are no longer valid"
    mend = "POST /v1/models/{model}/versions with scores that were computed anew."


_OTHERWISE = (
    "POST /v1/decision-points/{key}:stop lets the declared fallback answer (PUT"
    " /v1/decision-points/{key}/fallback declares one); or POST /v1/activations for a version that"
    " is released for it, and commit that."
)


class NothingToRollBack(Refusal):
    """Of the champions before nobody is left: there was none, or all of them are passed over."""

    kind = Kind.CONFLICT
    code = "nothing_to_roll_back_to"
    title = "No earlier champion"
    mend = _OTHERWISE


class NothingToUndo(Refusal):
    """The champion did not come by a rollback, or who was rolled back from is gone."""

    kind = Kind.CONFLICT
    code = "nothing_to_undo"
    title = "No rollback to undo"
    mend = "Leave out `undo` to go back to the champion before; or " + _OTHERWISE


class ReturnedVersion(Refusal):
    """The earlier champion was sent back; going back to it must be said aloud."""

    kind = Kind.CONFLICT
    code = "returned_version"
    title = "The earlier champion was sent back to development"
    mend = "Repeat with accept_returned=true if it is still the lesser evil."


class UnapprovedVersion(Refusal):
    """What the earlier champion was approved for no longer stands; that too must be said aloud."""

    kind = Kind.CONFLICT
    code = "unapproved_version"
    title = "The earlier champion's approval no longer stands"
    mend = "Repeat with accept_unapproved=true if it is still the lesser evil; adherence shows it."


class SwapLost(Refusal):
    """Another activation changed the champion first."""

    kind = Kind.CONFLICT
    code = "swap_lost"
    title = "The champion changed in the meantime"
    mend = "GET the decision point's champion; ask again against the one who is there, if you do."


class NotPrepared(Refusal):
    """The targets are not known to be able to answer at once."""

    kind = Kind.CONFLICT
    code = "not_prepared"
    title = "The swap is not prepared"
    mend = (
        "Have what `missing` names reported (POST /v1/decision-points/{key}/targets/…/reports);"
        " an endpoint is asked by GET, at the `health_path` that POST"
        " /v1/activations/{case_id}:prepare names. Prepare again (the body may be {}), and commit"
        " once it is ready."
    )


class TooManyTargets(Refusal):
    """A decision point is deployed to so many targets, and no more."""

    kind = Kind.CONFLICT
    code = "too_many_targets"
    title = "Too many targets"
    mend = "Remove a target, or let one stand for a group that is deployed together."


class IncidentClosed(Refusal):
    """The incident is over."""

    kind = Kind.CONFLICT
    code = "incident_closed"
    title = "The incident is resolved"
    mend = "GET /v1/incidents?open=true lists what is still open."


class StillReported(Refusal):
    """The target was last heard to run just what the incident was opened for."""

    kind = Kind.CONFLICT
    code = "cause_stands"
    title = "What it was opened for still holds"
    mend = (
        "Redeploy what GET /v1/decision-points/{key}/targets/{target}/desired names and have it"
        " reported: POST /v1/decision-points/{key}/targets/{target}/reports with what runs by then"
        " ends the incident. Or repeat with accept_cause=true, which is recorded, and adherence"
        " shows."
    )


class OwnVersion(Refusal):
    """Nobody waves through what is wrong with his own version."""

    kind = Kind.FORBIDDEN
    code = "own_version"
    title = "An incident of your own version"
    mend = "Ask somebody who did not develop the version, or report the approved digest."


class NothingHandedOff(Refusal):
    """There is no record to accept."""

    kind = Kind.CONFLICT
    code = "nothing_handed_off"
    title = "Nothing was handed off yet"
    mend = "Ask the developer to POST /v1/activations/{case_id}/hand-off."


class HandOffChanged(Refusal):
    """Another record was handed over meanwhile, or this one is accepted already."""

    kind = Kind.CONFLICT
    code = "hand_off_changed"
    title = "This is not the record to accept"
    mend = "GET …/hand-offs, look at the newest one, and accept its `digest` if it has no taker."


class OwnHandOff(Refusal):
    """Nobody takes over from himself."""

    kind = Kind.FORBIDDEN
    code = "own_hand_off"
    title = "Nobody takes over from himself"
    mend = "Ask somebody of the production team who neither gave it nor developed the version."


class BadCondition(Invalid):
    """A guardrail's condition does not compile, says neither yes nor no, or asks for nothing."""

    code = "bad_condition"
    title = "This condition cannot be watched"
    mend = (
        "Correct what `errors` names; of an unknown name `names` are those there are, and PUT"
        " /v1/decision-points/{key}/kpis/{kpi} agrees on a KPI. `when` is a CEL expression of type"
        " bool over drift, performance, kpi, traffic, latency, errors, alerts and"
        " minutes_since_swap, true where the champion must not stay."
    )


class StandsInTheWay(Refusal):
    """Something still needs the version."""

    kind = Kind.CONFLICT
    code = "in_use"
    title = "The version is in use"
    mend = "Make the call that each entry of `in_the_way` names, then retire it."
