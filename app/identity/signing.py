"""Signing keys: registered by who has them, listed, revoked; and who signed what."""

import base64
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.identity.issuing import began
from app.identity.rules import BeyondOwnRights, Disabled
from app.identity.service import get_principal
from app.identity.signatures import (
    KEY_BYTES,
    SIGNATURE_BYTES,
    SigningKeyRefused,
    decoded,
    require_signed,
    text_of,
)
from app.identity.tables import Key, Principal, SigningKey
from app.kit.actor import Actor
from app.kit.page import Rows
from app.kit.refusal import AlreadyExists, NotFound
from app.platform.db import page


@dataclass(frozen=True, slots=True)
class Signed:
    """Who signed, and with which key."""

    principal_id: UUID
    key_id: UUID


async def register(
    session: AsyncSession, principal_id: UUID, *, public_key: str, proof: str, by: Actor
) -> SigningKey:
    """Register a public key of one's own, or of a service account one answers for.

    It takes a proof of possession: nobody puts his name to a key whose other half he has not.
    """
    by.require_point(None)
    principal = await get_principal(session, principal_id, by=by, lock=True)
    await _require_own(session, principal, by=by)
    if principal.disabled_at is not None:
        raise Disabled(f"{principal.name} is disabled.")
    raw = decoded(public_key, KEY_BYTES, "public key")
    require_signed(
        raw, decoded(proof, SIGNATURE_BYTES, "proof"), text_of(by.tenant_id, principal_id, raw)
    )
    row = SigningKey(
        tenant_id=by.tenant_id, principal_id=principal_id, public_key=raw, issuer_id=by.id
    )
    session.add(row)
    try:
        await session.flush()
    except IntegrityError as error:
        raise AlreadyExists("signing key", public_key) from error
    await session.refresh(row)
    await audit.record(
        session, by, "signing_key.registered", f"principal:{principal_id}",
        key=row.id, public_key=base64.b64encode(raw).decode(),
    )  # fmt: skip
    return row


async def _require_own(session: AsyncSession, principal: Principal, *, by: Actor) -> None:
    """Refuse who would sign in somebody else's name; an administrator would, too."""
    if by.id not in {principal.id, principal.owner_id}:
        raise BeyondOwnRights(f"{principal.name} registers his own keys.")
    calling = await session.get(Key, (by.tenant_id, by.key_id)) if by.key_id else None
    if calling is not None and calling.rule_id is not None:
        raise BeyondOwnRights(
            "A key that was made from a CI token registers none that outlives it."
        )


async def revoke(session: AsyncSession, key_id: UUID, *, by: Actor) -> SigningKey:
    """End a key: what is signed with it counts no more; what was recorded stays as it was."""
    by.require_point(None)
    row = await session.get(SigningKey, (by.tenant_id, key_id), with_for_update=True)
    if row is None:
        raise NotFound("signing key", key_id)
    principal = await get_principal(session, row.principal_id, by=by)
    if by.id not in {principal.id, principal.owner_id} and "identity:manage" not in by.permissions:
        raise BeyondOwnRights("Only an administrator ends the key of somebody else.")
    row.revoked_at = row.revoked_at or await began(session)
    await session.flush()
    await audit.record(
        session, by, "signing_key.revoked", f"principal:{row.principal_id}", key=row.id
    )
    return row


async def list_signing_keys(
    session: AsyncSession, principal_id: UUID, *, cursor: str | None, limit: int, by: Actor
) -> Rows[SigningKey]:
    """List a principal's signing keys, revoked ones too: they are public, like their use."""
    await get_principal(session, principal_id, by=by)
    query = select(SigningKey).filter_by(tenant_id=by.tenant_id, principal_id=principal_id)
    return await page(session, query, SigningKey.id, cursor=cursor, limit=limit)


async def signed_by(
    session: AsyncSession, key_id: UUID, *, signature: str, words: bytes, by: Actor
) -> Signed:
    """Return whose signature stands under these words; refuse any but one's own, or one's bot's.

    The key is held, so that nobody ends it before what was signed with it is kept.
    """
    row = await session.get(
        SigningKey, (by.tenant_id, key_id), with_for_update={"read": True}, populate_existing=True
    )
    own = {"principal_id": by.id}
    if row is None:
        raise SigningKeyRefused(f"There is no signing key {str(key_id)!r} here.", filled=own)
    principal = await get_principal(session, row.principal_id, by=by)
    if row.revoked_at is not None or principal.disabled_at is not None:
        raise SigningKeyRefused("The key was revoked.", filled=own)
    if principal.person_id != by.person_id:
        raise SigningKeyRefused("The key is somebody else's.", filled=own)
    require_signed(row.public_key, decoded(signature, SIGNATURE_BYTES, "signature"), words)
    return Signed(row.principal_id, row.id)
