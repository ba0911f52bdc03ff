from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.identity.rules import PrincipalKind, Role
from app.kit.input import Input
from app.kit.names import NAME


def _once_each(roles: Any) -> Any:
    if isinstance(roles, list) and any(role in roles[:at] for at, role in enumerate(roles)):
        raise ValueError("a role stands twice")
    return roles


class PrincipalIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "dana", "kind": "person", "roles": ["developer"]}]
        },
    )

    name: str = Field(pattern=NAME)
    kind: PrincipalKind = PrincipalKind.PERSON
    owner: str | None = Field(None, description="Who answers for a service account.")
    roles: Annotated[set[Role], BeforeValidator(_once_each)] = Field(min_length=1)


class PrincipalOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    kind: PrincipalKind
    owner_id: UUID | None
    roles: list[Role]
    disabled_at: datetime | None
    created_at: datetime


class KeyIn(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"days": 90}]})

    days: int = Field(90, ge=1, le=366, description="Days until the key expires.")


class KeyOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    principal_id: UUID
    prefix: str = Field(description="Names the key; not secret.")
    expires_at: datetime
    revoked_at: datetime | None
    created_at: datetime


class IssuedKeyOut(KeyOut):
    key: str = Field(description="The key itself. It is shown this once and never again.")


class WhoOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    tenant_id: UUID
    name: str
    person_id: UUID = Field(description="Who answers for what this principal does.")
    roles: list[str]
    permissions: list[str]
