from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.identity.rules import PrincipalKind, Role
from app.kit.input import Input
from app.kit.names import NAME

Points = set[Annotated[str, Field(pattern=NAME)]]
Days = Annotated[int, Field(ge=1, le=366, description="Days until the key expires.")]


class PrincipalIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "dana", "kind": "person", "roles": ["developer"]}]
        },
    )

    name: str = Field(pattern=NAME)
    kind: PrincipalKind = PrincipalKind.PERSON
    owner: str | None = Field(None, description="Who answers for a service account.")
    roles: set[Role] = Field(min_length=1)


class PrincipalOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    kind: PrincipalKind
    owner_id: UUID | None
    roles: list[Role]
    change_id: UUID | None = Field(
        description="The last change request about roles that decide; until it is applied, they"
        " are not among `roles`."
    )
    disabled_at: datetime | None
    created_at: datetime


class RolesIn(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"roles": ["developer"]}]})

    roles: set[Role] = Field(min_length=1)
    reason: str = Field("", max_length=2000, description="For those who have to agree.")


class KeyIn(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"days": 90, "roles": ["developer"], "points": None}]}
    )

    days: Days = 90
    roles: set[Role] | None = Field(
        None, min_length=1, description="No more than your own; without them, all you may give."
    )
    points: Points | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="Keys of the decision points it is for; without them, those of your own key.",
    )


class InvitationOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    principal_id: UUID
    code: str = Field(description="Good once, for the person's first key. Never shown again.")
    expires_at: datetime


class RedeemIn(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"code": "mwi_…", "days": 90}]})

    code: str = Field(max_length=200)
    days: Days = 90


class KeyOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    principal_id: UUID
    prefix: str = Field(description="Names the key; not secret.")
    roles: list[Role] | None = Field(description="Without them, all that its principal has.")
    points: list[str] | None = Field(description="Without them, every decision point.")
    issuer_id: UUID | None = Field(description="Who made it; nobody if it was made on the host.")
    maker_key_id: UUID | None = Field(
        description="The key it was made with: it ends with that one."
    )
    rule_id: UUID | None = Field(description="The trust rule whose token it was made from.")
    last_used_at: datetime | None = Field(description="To the minute.")
    expires_at: datetime
    revoked_at: datetime | None
    created_at: datetime


class IssuedKeyOut(KeyOut):
    key: str = Field(description="The key itself. It is shown this once and never again.")


class RevokedKeyOut(KeyOut):
    descendants: list[str] = Field(
        description="What names the keys that ended with it, for they were made with it."
    )


class WhoOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    tenant_id: UUID
    name: str
    person_id: UUID = Field(description="Who answers for what this principal does.")
    roles: list[str] = Field(description="Those of the key in hand.")
    permissions: list[str]
    points: list[str] | None = Field(description="Decision points the key is for; null is all.")
