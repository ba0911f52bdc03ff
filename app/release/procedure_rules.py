"""Why a change procedure does not go on."""

from app.kit.refusal import Kind, Refusal


class ProcedureOver(Refusal):
    """It was concluded or given up."""

    kind = Kind.CONFLICT
    code = "procedure_closed"
    title = "The procedure is closed"
    mend = "POST /v1/procedures opens another one."


class NotAResult(Refusal):
    """The version cannot have come of the procedure."""

    kind = Kind.CONFLICT
    code = "not_a_result"
    title = "Not a result of this procedure"
    mend = (
        "Link a version of the same model that was published after the procedure was opened; only"
        " what was rebuilt may be another model's."
    )


class NothingLinked(Refusal):
    """A procedure without a resulting version has no effect to speak of."""

    kind = Kind.CONFLICT
    code = "nothing_linked"
    title = "No version came of it yet"
    mend = "POST /v1/procedures/{procedure_id}:link with the version, or the same path :abandon."


class EffectUnmeasured(Refusal):
    """Nobody can say what the change brought, and nobody says why that is so."""

    kind = Kind.CONFLICT
    code = "effect_unmeasured"
    title = "The effect was not measured"
    mend = (
        "A KPI validation of the version measures it: POST /v1/releases:run. To conclude without,"
        " say why: `unmeasured_because`."
    )


class OwnResult(Refusal):
    """Who made the version does not say whether it did what it should."""

    kind = Kind.FORBIDDEN
    code = "own_result"
    title = "Nobody concludes on his own work"
    mend = "Ask somebody who did not develop the resulting version."
