from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.activation.convergence import Duty, Environment, Running, Sync
from app.activation.tables import IncidentKind, OnMismatch, Severity
from app.kit.input import Input
from app.kit.names import MOST, NAME
from app.routing import SeatOut, SeatRole

_DIGEST = "sha256:" + "0" * 64


class TargetIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "environment": "cloud",
                    "description": "The scoring cluster in Sydney.",
                    "stale_after_seconds": 300,
                    "required": False,
                }
            ]
        },
    )

    environment: Environment
    description: str = Field("", max_length=2000)
    endpoint: str | None = Field(
        None, max_length=2000, description="Asked for its health (GET, 2xx) before a swap."
    )
    stale_after_seconds: int = Field(
        300,
        ge=1,
        le=7 * 86_400,
        description="Older reports are not believed; nor is a silence that lasts longer.",
    )
    required: bool = Field(True, description="It must be ready before a swap.")


class TargetOut(TargetIn):
    model_config = ConfigDict(extra="ignore", from_attributes=True)

    id: UUID
    name: str
    revision: int
    created_at: datetime


class TermsIn(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"on_digest_mismatch": "report"}]},
    )

    on_digest_mismatch: OnMismatch = Field(
        OnMismatch.REPORT,
        description="`block`: routing also stops answering with the version whose digest was not"
        " approved; and with anything, where a version is served that never was.",
    )
    keep_warm_minutes: int = Field(
        1440, ge=0, le=365 * 1440, description="So long the champion before stays warm."
    )
    prepared_minutes: int = Field(
        10, ge=1, le=1440, description="So long after `:prepare` a swap may be committed."
    )


class TermsOut(TermsIn):
    model_config = ConfigDict(extra="ignore", from_attributes=True)

    revision: int = Field(description="0: nobody has set them, these are the defaults.")


class ReportIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "price-direction",
                    "version": 1,
                    "digest": _DIGEST,
                    "state": "serving",
                }
            ]
        },
    )

    model: str = Field(pattern=NAME)
    version: int = Field(ge=1, lt=MOST)
    digest: str = Field(
        min_length=1, max_length=200, description="Of what really is there, not of what should be."
    )
    state: Running
    detail: str = Field("", max_length=2000)


class ReportOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    version_id: UUID
    digest: str
    state: Running
    detail: str
    reporter_id: UUID
    at: datetime


class DesiredVersion(BaseModel):
    version_id: UUID
    model: str
    version: int
    digest: str | None = Field(description="The approved one: run nothing else.")
    endpoint: str | None
    state: Duty
    because: str = Field(
        description="champion, challenger, previous_champion, activation, or left_over."
    )
    until: datetime | None = Field(description="When it need not be kept warm any longer.")


class DesiredOut(BaseModel):
    decision_point: str
    target: str
    generation: str = Field(description="Changes when any of it does; the ETag as well.")
    versions: list[DesiredVersion]


class Reported(BaseModel):
    state: Running
    digest: str
    at: datetime
    stale: bool


class VersionState(DesiredVersion):
    sync: Sync = Field(
        description="`missing`: not reported yet. `stale`: reported too long ago, or, with"
        " `reported` null, desired for longer than the target may be silent and never reported."
    )
    reported: Reported | None


class TargetState(BaseModel):
    target: str
    required: bool
    sync: Sync = Field(description="The worst of its versions.")
    versions: list[VersionState]


class DeploymentOut(BaseModel):
    decision_point: str
    sync: Sync = Field(description="The worst of its targets.")
    targets: list[TargetState]


class IncidentOut(BaseModel):
    id: UUID
    kind: IncidentKind
    severity: Severity
    blocks: bool = Field(
        description="Routing was asked not to answer with the version; or, where it was never"
        " approved here, not to answer at all."
    )
    decision_point: str
    target: str
    model: str
    version: int
    version_id: UUID
    facts: dict[str, str]
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: UUID | None
    note: str | None
    resolved_at: datetime | None
    resolved_by: UUID | None = Field(description="Null where the right report resolved it.")
    resolution: str | None


class AcknowledgeIn(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"note": "The cluster's image cache is being looked at."}]},
    )

    note: str = Field(min_length=1, max_length=2000)


class ResolveIn(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "The node was taken out of the pool."}]},
    )

    reason: str = Field(min_length=1, max_length=2000)
    accept_cause: bool = Field(
        False,
        description="End it though the target was last heard to run what it was opened for: a"
        " digest, or a version, that was not approved.",
    )


class HandOffIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "runbook": "https://wiki.example/price-direction/runbook",
                    "contact": "pricing team, pricing@example.com",
                    "on_call": "pager: pricing",
                    "service_level": "99.9 % within 50 ms",
                    "rollback_plan": "One call; the version before is kept warm for a day.",
                }
            ]
        },
    )

    runbook: str = Field(min_length=1, max_length=5000)
    contact: str = Field(min_length=1, max_length=500, description="Who is called.")
    on_call: str | None = Field(None, max_length=500)
    service_level: str | None = Field(None, max_length=2000)
    rollback_plan: str | None = Field(None, max_length=5000)
    documents: list[str] = Field(default_factory=list, max_length=100)
    notes: str = Field("", max_length=5000)


class HandOffOut(HandOffIn):
    model_config = ConfigDict(extra="ignore")

    id: UUID
    case_id: UUID
    digest: str = Field(description="What an acceptance names, so that it is of this very record.")
    given_by: str | None
    at: datetime
    accepted_by: str | None
    accepted_at: datetime | None


class AcceptIn(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"digest": _DIGEST}]})

    digest: str = Field(max_length=100, description="Of the record that was read.")


class PrepareIn(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"health_path": "/healthz"}]})

    health_path: str | None = Field(
        None,
        pattern=r"^/[A-Za-z0-9._~/-]{0,200}$",
        description="Asked at the endpoint's host; the endpoint itself is asked without it.",
    )


class CheckOut(BaseModel):
    what: str
    required: bool
    ok: bool | None = Field(description="Null: not an address that the server calls.")
    url: str | None
    status: int | None
    why: str | None


class PreparationOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    case_id: UUID
    digest: str = Field(description="Of what was checked; when that changes, prepare again.")
    ready: bool | None = Field(description="Null while addresses are still being called.")
    missing: list[str] | None
    results: list[CheckOut] | None
    at: datetime
    finished_at: datetime | None
    valid_until: datetime | None = Field(description="Commit before.")


class RollbackOut(SeatOut):
    cold: dict[str, str] | None = Field(
        description="Targets on which the earlier champion is not warm any more, and why: it"
        " answers once they run it again. Null where the decision point has no targets."
    )


class IntegrationOfVersion(BaseModel):
    model: str
    version: int
    role: SeatRole
    since: datetime
    integrated: bool = Field(description="Routes were asked for, and scored events came back.")
    events: int
    routed: int = Field(description="Events that carry the token of a route.")
    labelled: int
    fitting: float | None = Field(
        description="Least share of events of which no variable is missing or unreadable."
    )
    first_integration_seconds: float | None = Field(
        description="From the seat to the first decision that came back as an event."
    )
    first_hour: datetime | None
    through: datetime | None


class IntegrationOut(BaseModel):
    decision_point: str
    versions: list[IntegrationOfVersion]
