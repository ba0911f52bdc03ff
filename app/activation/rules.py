"""What activation refuses."""

from app.kit.refusal import Invalid, Kind, Refusal


class NotReady(Refusal):
    """The version is not at a stage from which it can be activated."""

    kind = Kind.CONFLICT
    code = "not_released"
    title = "Only a released version is activated"
    mend = "Pass the release's required steps first."


class NothingToRollBack(Refusal):
    """There was no other champion before."""

    kind = Kind.CONFLICT
    code = "nothing_to_roll_back_to"
    title = "No earlier champion"
    mend = "GET …/seats shows who sat there; activate another version instead."


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
    mend = "Look at the decision point's seats; open a new activation if yours still makes sense."


class BadCondition(Invalid):
    """A guardrail's condition does not compile, or does not say yes or no."""

    code = "bad_condition"
    title = "This condition cannot be watched"
    mend = (
        "Correct what `errors` names. `when` is a CEL expression of type bool over drift,"
        " performance, kpi, traffic and minutes_since_swap, true where the champion must not stay."
    )


class StandsInTheWay(Refusal):
    """Something still needs the version."""

    kind = Kind.CONFLICT
    code = "in_use"
    title = "The version is in use"
    mend = "Make the call that each entry of `in_the_way` names, then retire it."
