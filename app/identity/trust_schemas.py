from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from app.identity.claims import Provider
from app.identity.rules import Role
from app.kit.input import Input
from app.kit.names import NAME

Claim = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/@-]{1,128}$")]
Value = (
    StrictBool
    | Annotated[StrictInt, Field(ge=-(2**53), le=2**53)]
    | Annotated[StrictStr, Field(min_length=1, max_length=512)]
)


class TrustRuleIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "publish-from-main",
                    "provider": "github",
                    "issuer": "https://token.actions.githubusercontent.com",
                    "audience": "https://models.example.com",
                    "claims": {
                        "repository_id": "718301964",
                        "repository_owner_id": "1342004",
                        "ref": "refs/heads/main",
                    },
                    "principal_id": "0198c0de-0000-7000-8000-000000000001",
                    "roles": ["developer"],
                    "max_minutes": 15,
                }
            ]
        },
    )

    name: str = Field(pattern=NAME)
    provider: Provider
    issuer: str = Field(
        max_length=512, pattern=r"^https?://[^\s?#]+$", description="Exactly as its tokens say iss."
    )
    audience: str = Field(min_length=1, max_length=256, description="The only one of its tokens.")
    claims: dict[Claim, Value] = Field(max_length=20, description="Matched exactly, all of them.")
    principal_id: UUID = Field(description="The service account whose keys are made.")
    roles: set[Role] = Field(min_length=1, description="Of the account; none that decides.")
    max_minutes: int = Field(15, ge=1, le=15)


class TrustRuleOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    provider: Provider
    issuer: str
    audience: str
    claims: dict[str, Value]
    principal_id: UUID
    roles: list[Role]
    max_minutes: int
    created_by: UUID
    disabled_at: datetime | None
    created_at: datetime


class ExchangeIn(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"token": "eyJhbGciOiJSUzI1…"}]})

    token: str = Field(description="The job's OIDC token, as its CI system issued it.")


class ExchangedOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    key: str = Field(description="An API key. It is shown this once and never again.")
    expires_at: datetime = Field(description="Minutes from now, and not after the token itself.")
    principal: str
    roles: list[Role]
