import base64
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.identity import signing
from app.identity.rules import BeyondOwnRights, Disabled
from app.identity.signatures import BadSignature
from app.identity.tables import SigningKey
from app.kit.actor import Actor, OutOfScope
from app.kit.input import Input
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import AlreadyExists, NotFound
from app.platform.http import Cursor, Limit, Session, allow, responses
from app.platform.http import router as make_router

router = make_router("/v1", tag="identity")

Reader = Annotated[Actor, allow("catalog:read")]


class SigningKeyIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "public_key": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
                    "proof": "A" * 86 + "==",
                }
            ]
        }
    )

    public_key: str = Field(max_length=64, description="Ed25519 (RFC 8032), 32 bytes in base64.")
    proof: str = Field(
        max_length=128,
        description="Signature of the key itself, 64 bytes in base64, over the UTF-8 of four lines,"
        " each ended by a line feed: `modelward signing key v1`, `tenant <id>`,"
        " `principal <id>`, `key <public_key>`.",
    )


def _base64(value: object) -> object:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


class SigningKeyOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    principal_id: UUID
    public_key: Annotated[str, BeforeValidator(_base64)]
    issuer_id: UUID = Field(description="Who registered it.")
    revoked_at: datetime | None
    at: datetime


@router.post(
    "/principals/{principal_id}/signing-keys",
    status_code=201,
    response_model=SigningKeyOut,
    responses=responses(
        NotFound, AlreadyExists, Disabled, BeyondOwnRights, BadSignature, OutOfScope
    ),
)
async def register_signing_key(
    principal_id: UUID, body: SigningKeyIn, actor: Reader, session: Session
) -> SigningKey:
    """Register a key that evidence is signed with: one's own, or of an account one answers for.

    It lets nobody in. Whoever registers it proves that he has its private half.
    """
    return await signing.register(
        session, principal_id, public_key=body.public_key, proof=body.proof, by=actor
    )


@router.get(
    "/principals/{principal_id}/signing-keys",
    response_model=Page[SigningKeyOut],
    responses=responses(NotFound, BadCursor),
)
async def list_signing_keys(
    principal_id: UUID, actor: Reader, session: Session, cursor: Cursor = None, limit: Limit = 50
) -> Rows[SigningKey]:
    """List a principal's signing keys, revoked ones too."""
    return await signing.list_signing_keys(
        session, principal_id, cursor=cursor, limit=limit, by=actor
    )


@router.post(
    "/signing-keys/{signing_key_id}:revoke",
    response_model=SigningKeyOut,
    responses=responses(NotFound, BeyondOwnRights, OutOfScope),
)
async def revoke_signing_key(signing_key_id: UUID, actor: Reader, session: Session) -> SigningKey:
    """End a signing key; evidence that was signed with it before stays."""
    return await signing.revoke(session, signing_key_id, by=actor)
