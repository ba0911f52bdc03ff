"""The catalog's vocabulary and what a source may look like."""

import re
from enum import StrEnum
from urllib.parse import unquote, urlsplit

from app.kit.refusal import Invalid, Kind, Refusal

_STEPS = re.compile(r"[/?&=:]")
_MOST_LAYERS = 5
RESERVED_ALIAS = re.compile(r"latest|v?\d+|champion", re.IGNORECASE)
SCHEMES = frozenset(
    {"s3", "gs", "abfss", "az", "hdfs", "https", "oci", "docker", "models", "mlflow-artifacts",
     "dbfs", "git+https", "urn"}
)  # fmt: skip

UNCALLED = frozenset(
    {"abfss", "amqp", "amqps", "gs", "grpc", "grpcs", "hdfs", "kafka", "mqtt", "mqtts", "s3", "urn"}
)
"""Where insight is delivered otherwise than by a call over HTTP: in batches, streams, gRPC."""


class AssetKind(StrEnum):
    """What kind of analytical asset a model is."""

    MACHINE_LEARNING = "machine_learning"
    MATHEMATICAL = "mathematical"
    RULE_SET = "rule_set"
    OPTIMISER = "optimiser"
    KNOWLEDGE_GRAPH = "knowledge_graph"
    AGENT = "agent"
    PRECALCULATED = "precalculated_scores"
    ENSEMBLE = "ensemble"


READS_ALL = frozenset({"audit:read", "release:validate"})
"""The permissions of those who read what was done about a version, whosever it is."""


class NotYoursToRead(Refusal):
    """What was done about a version is read by who has a part in it, and by who keeps the log."""

    kind = Kind.FORBIDDEN
    code = "not_yours_to_read"
    title = "Somebody else's history"
    mend = (
        "Have it read by an auditor or a validator, or by who owns {name} or developed a version of"
        " it."
    )


class RiskTier(StrEnum):
    """How much harm the model can do; decides which steps it must pass."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Stage(StrEnum):
    """Where a version stands in its life."""

    PUBLISHED = "published"
    VALIDATED = "validated"
    CANDIDATE = "candidate"
    RELEASED = "released"
    ACTIVATED = "activated"
    RETURNED = "returned"
    RETIRED = "retired"


FIT_INSIDE = frozenset({Stage.VALIDATED, Stage.CANDIDATE, Stage.RELEASED, Stage.ACTIVATED})
"""Stages of what an ensemble may answer with: validated by itself, and released as the ensemble."""


class ReturnTo(StrEnum):
    """The development step that a returned version goes back to."""

    DATA_ACQUISITION = "data_acquisition"
    BUSINESS_UNDERSTANDING = "business_understanding"
    ANALYSIS = "analysis"


class Descent(StrEnum):
    """How one version came out of another."""

    PARENT = "parent"
    """The version before it, or one that it was built from, of the same model."""
    FORK = "fork"
    """The same content, taken over into another model."""
    RETRAIN = "retrain"
    """What a change procedure made of it."""


class PointKind(StrEnum):
    """Where a decision is made."""

    APPLICATION = "application"
    PROCESS = "process"
    ENSEMBLE = "ensemble"
    RULE = "rule"
    EDGE = "edge"


class BadSource(Invalid):
    """The source URI is not one that can safely be handed on."""

    code = "bad_source"
    title = "Unacceptable source URI"
    mend = "Use an absolute URI of a known scheme, without .., ;, # or user information."


class EnsembleInItself(Refusal):
    """An ensemble cannot have a version of itself inside, at whatever depth."""

    kind = Kind.CONFLICT
    code = "ensemble_in_itself"
    title = "An ensemble inside itself"
    mend = "Name the members themselves: GET /v1/models/{name}/versions/{number}/members."


class MemberRetired(Refusal):
    """What was retired answers nobody, nor inside of an ensemble."""

    kind = Kind.CONFLICT
    code = "member_retired"
    title = "A member is retired"
    mend = "Name another version: GET /v1/models/{name}/versions lists them with their stages."


class NotYourModel(Refusal):
    """A developer of something else would say as what a version answers."""

    kind = Kind.FORBIDDEN
    code = "not_your_model"
    title = "Somebody else's model"
    mend = "Have it done by who owns the model or developed a version of it."


class InstancePinned(Refusal):
    """A plan in force lets the version answer as that instance, or would as soon as it is there."""

    kind = Kind.CONFLICT
    code = "instance_pinned"
    title = "The instance is in use"
    mend = (
        "Take it out of the plans of `decision_points` first: PUT /v1/decision-points/{key}/plan."
        " A plan that pins it again shows whoever approves that what it is by then."
    )


class VersionRetired(Refusal):
    """Nothing new is made of a version that has served."""

    kind = Kind.CONFLICT
    code = "version_retired"
    title = "The version is retired"
    mend = "Name another version: GET /v1/models/{name}/versions lists them with their stages."


class OwnModel(Refusal):
    """A fork is for another model."""

    kind = Kind.CONFLICT
    code = "own_model"
    title = "A version is not forked into its own model"
    mend = "Name the model of another team, or publish the next version with this one as parent."


class AnotherKind(Refusal):
    """A fork stays what it is."""

    kind = Kind.CONFLICT
    code = "another_kind"
    title = "The two models are of different kinds"
    mend = "Fork into a model of the same kind: POST /v1/models makes one."


class BadEndpoint(Invalid):
    """The endpoint is not one that can safely be called later."""

    code = "bad_endpoint"
    title = "Unacceptable endpoint"
    mend = (
        "Use an absolute http or https URL without blanks, fragment or user information. What an"
        " activation or a fallback hands to applications may also be of another kind, which the"
        f" server does not call: {', '.join(f'{name}:' for name in sorted(UNCALLED))}."
    )


class ReservedName(Refusal):
    """The name means something to the server."""

    kind = Kind.INVALID
    code = "reserved_name"
    title = "Reserved name"
    mend = "Choose another alias; `champion`, `latest` and numbers are kept for the server."


class OwnNeighbour(Invalid):
    """A decision point is not upstream or downstream of itself."""

    code = "own_neighbour"
    title = "A decision point is not its own neighbour"
    mend = "Leave the point's own key out of `upstream` and `downstream`."


def require_source(uri: str) -> str:
    """Return ``uri`` if it is opaque and harmless: it is stored and handed on, never opened."""
    decoded = _decoded(uri)
    if any(ord(char) < 33 or ord(char) == 127 for char in decoded):  # noqa: PLR2004 - ASCII
        raise BadSource("The source URI holds blanks or control characters.")
    try:
        parts = urlsplit(decoded)
    except ValueError as error:
        raise BadSource(f"The source URI cannot be read: {error}.") from error
    if parts.scheme not in SCHEMES:
        known = ", ".join(sorted(SCHEMES))
        raise BadSource(f"The scheme {parts.scheme!r} is not one of: {known}.")
    if ";" in decoded or "#" in decoded or "\\" in decoded or "@" in parts.netloc:
        raise BadSource("The source URI holds ;, #, a backslash or user information.")
    if any(step in {".", ".."} for step in _STEPS.split(decoded)):
        raise BadSource("The source URI climbs out of its directory.")
    return uri


def require_endpoint(url: str) -> str:
    """Return ``url`` if it names a host over HTTP; whether it may be called is asked later."""
    if any(ord(char) < 33 or ord(char) == 127 or char == "\\" for char in url):  # noqa: PLR2004 - ASCII
        raise BadEndpoint("The endpoint holds blanks, control characters or backslashes.")
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise BadEndpoint(f"The endpoint cannot be read: {error}.") from error
    if parts.scheme not in {"http", "https"} or not named:
        raise BadEndpoint("The endpoint is no http or https URL with a host.")
    if "@" in parts.netloc or "#" in url:
        raise BadEndpoint("The endpoint holds user information or a fragment.")
    return url


def require_target(url: str) -> str:
    """Return ``url`` if applications may be given it: an endpoint, or what is not called over HTTP.

    Of the others it is never assumed that they were tested.
    """
    scheme, colon, rest = url.partition(":")
    if not colon or scheme not in UNCALLED:
        return require_endpoint(url)
    if not rest.strip("/") or any(ord(char) < 33 or ord(char) == 127 for char in url):  # noqa: PLR2004 - ASCII
        raise BadEndpoint("The endpoint names nothing, or holds blanks or control characters.")
    if has_user_info(url):
        raise BadEndpoint("The endpoint holds user information.")
    return url


def has_user_info(url: str) -> bool:
    """Say whether an address names somebody before its host, whose secret may stand there too."""
    _, slashes, rest = url.partition("//")
    return bool(slashes) and "@" in re.split(r"[/?#\\]", rest, maxsplit=1)[0]


def _decoded(uri: str) -> str:
    """Return ``uri`` with every layer of percent-encoding taken off."""
    for _ in range(_MOST_LAYERS):
        plain = unquote(uri)
        if plain == uri:
            return uri
        uri = plain
    raise BadSource(f"The source URI is encoded more than {_MOST_LAYERS} times over.")


def require_alias(name: str) -> str:
    """Return ``name`` unless the server answers it itself."""
    if RESERVED_ALIAS.fullmatch(name):
        raise ReservedName(f"The alias {name!r} is reserved.")
    return name
