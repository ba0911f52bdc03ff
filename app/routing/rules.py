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


class BadRouteRequest(Invalid):
    """The route call's body is not acceptable."""

    code = "bad_route_request"
    title = "Unacceptable route request"
    mend = 'Send {"unit": "<1 to 256 characters>"}.'
