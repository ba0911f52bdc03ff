"""What routing refuses."""

from app.kit.refusal import Invalid, Kind, Refusal


class NoChampion(Refusal):
    """No version answers at this decision point."""

    kind = Kind.CONFLICT
    code = "no_champion"
    title = "No version answers here yet"
    mend = "Activate a version for the decision point."


class NotSeated(Refusal):
    """A plan names a version that was not activated at the decision point."""

    kind = Kind.CONFLICT
    code = "not_seated"
    title = "The version may not take decisions here"
    mend = "Activate the version at this decision point, as champion or challenger."


class NoInstance(Refusal):
    """A segment pins an instance that a version has not."""

    kind = Kind.CONFLICT
    code = "no_instance"
    title = "The version is not set up for that segment"
    mend = "POST /v1/models/{model}/versions/{version}/instances, or pin another one."


class HoldoutUnanswered(Refusal):
    """A holdout is answered by the fallback, and its outcomes are those of a version."""

    kind = Kind.CONFLICT
    code = "holdout_unanswered"
    title = "No version would answer who is held out"
    mend = "Declare a version as fallback (PUT …/fallback), or leave out the holdout."


class LayerTaken(Refusal):
    """Two experiments of one layer would share units."""

    kind = Kind.CONFLICT
    code = "layer_taken"
    title = "That share of the layer is in use"
    mend = "Take a share beside those in `taken`, or end the plan that has it."


class NobodyAnswers(Refusal):
    """The decision point is stopped, and no fallback stands in: nobody answers."""

    kind = Kind.CONFLICT
    code = "stopped"
    title = "Stopped, and nobody answers"
    mend = "Decide without a model. GET …/stops says why; PUT …/fallback lets something stand in."


class TableStale(Refusal):
    """This process has not seen the database for longer than the plan puts up with."""

    kind = Kind.UNAVAILABLE
    code = "table_stale"
    title = "The plan may no longer hold"
    mend = "Ask another process, or decide without a model. GET /readyz says what is away."


class NotAFallback(Refusal):
    """The version was never activated at this decision point, or is no longer fit."""

    kind = Kind.CONFLICT
    code = "not_a_fallback"
    title = "The version may not stand in here"
    mend = (
        "Name one that GET /v1/decision-points/{key}/seats lists and that was not sent back since;"
        " POST /v1/activations for one that is released for it, have it approved and commit it: as"
        " a challenger it decides nothing until a plan says so."
    )


class NotAsActivated(Refusal):
    """What applications would be handed is not what the version was activated with."""

    kind = Kind.CONFLICT
    code = "not_as_activated"
    title = "A fallback answers as it was activated"
    mend = (
        "Leave out endpoint and parameters: those of its activation, given here, are taken. Or"
        " POST /v1/activations at {key} with the others, have it approved and commit it."
    )


class NotStopped(Refusal):
    """There is nothing to resume."""

    kind = Kind.CONFLICT
    code = "not_stopped"
    title = "Nothing is stopped"
    mend = "GET …/stops lists what was stopped, and when it was resumed."


class CauseStands(Refusal):
    """The server stopped it for a reason that still holds."""

    kind = Kind.CONFLICT
    code = "cause_stands"
    title = "What it was stopped for still holds"
    mend = "End what `causes` names; or repeat with accept_cause=true, which is recorded."


class WouldStrand(Refusal):
    """Under the stop that holds, a rollback would leave nobody to answer."""

    kind = Kind.CONFLICT
    code = "would_strand"
    title = "The stop comes first"
    mend = (
        "Make the call of each entry of `stops`, then roll back. So that the present champion does"
        " not answer in between: stop only its version first, or declare a constant fallback."
    )


class OwnVersion(Refusal):
    """Who made a version does not put it back to work."""

    kind = Kind.FORBIDDEN
    code = "own_version"
    title = "Nobody resumes his own version"
    mend = "Ask somebody who took no part in developing what would answer again."


class SeatTaken(Refusal):
    """The seat cannot be vacated as it is."""

    kind = Kind.CONFLICT
    code = "seat_taken"
    title = "The seat is in use"
    mend = "Do what `in_the_way` names first, each with its call."


class SeatVacant(Refusal):
    """Nobody sits there any more."""

    kind = Kind.CONFLICT
    code = "seat_vacant"
    title = "The seat is vacant"
    mend = "GET …/seats lists who sits there: those without `until`."


class WrongRampStatus(Refusal):
    """A ramp cannot be brought from where it stands to where it is asked to be."""

    kind = Kind.CONFLICT
    code = "ramp_status"
    title = "Not from where the ramp stands"
    mend = (
        "GET …/ramps/{segment} says where it stands: what runs can be held, what has units rolled"
        " back, and what was held or rolled back resumed."
    )


class BadRouteRequest(Invalid):
    """The route call's body is not acceptable."""

    code = "bad_route_request"
    title = "Unacceptable route request"
    mend = (
        'Send {"unit": "<1 to 256 characters>", "context": {…}}; to /route:batch up to 1,000 such'
        ' objects as {"units": […]}.'
    )
