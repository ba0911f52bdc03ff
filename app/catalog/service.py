from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, identity
from app.catalog.rules import (
    AssetKind,
    RiskTier,
)
from app.catalog.tables import Model
from app.kit.actor import Actor
from app.kit.page import Rows
from app.kit.refusal import AlreadyExists, NotFound
from app.kit.revision import require_current
from app.platform.db import page


async def create_model(
    session: AsyncSession,
    *,
    name: str,
    kind: AssetKind,
    risk_tier: RiskTier,
    owner: str,
    purpose: str,
    tags: dict[str, str],
    by: Actor,
) -> Model:
    """Catalogue a new asset."""
    await identity.require_right(
        session, by, identity.Action.EDIT_MODEL, tier=risk_tier, model=name
    )
    if await session.scalar(select(Model.id).filter_by(tenant_id=by.tenant_id, name=name)):
        raise AlreadyExists("model", name)
    model = Model(
        tenant_id=by.tenant_id,
        name=name,
        kind=kind,
        risk_tier=risk_tier,
        owner_id=await identity.owner_of(session, by.tenant_id, owner),
        purpose=purpose,
        tags=tags,
    )
    session.add(model)
    await session.flush()
    await audit.record(
        session, by, "model.created", f"model:{model.id}",
        name=name, kind=kind, risk_tier=risk_tier, owner_id=model.owner_id,
    )  # fmt: skip
    return model


async def model_of(session: AsyncSession, name: str, *, by: Actor, lock: bool = False) -> Model:
    """Return a model of the caller's tenant by name."""
    query = select(Model).filter_by(tenant_id=by.tenant_id, name=name)
    model = await session.scalar(query.with_for_update() if lock else query)
    if model is None:
        raise NotFound("model", name)
    return model


async def require_right(
    session: AsyncSession, model: Model, action: identity.Action, *, by: Actor
) -> None:
    """Refuse who is not responsible for a decision on a model."""
    await identity.require_right(session, by, action, tier=model.risk_tier, model=model.name)


async def edit_model(
    session: AsyncSession, name: str, *, expected: int, changes: dict[str, Any], by: Actor
) -> Model:
    """Change purpose, owner or tags of the model, if it is still at ``expected``."""
    model = await model_of(session, name, by=by, lock=True)
    require_current(expected, model.revision)
    await require_right(session, model, identity.Action.EDIT_MODEL, by=by)
    if "owner" in changes:
        owner = changes.pop("owner")
        model.owner_id = await identity.owner_of(session, by.tenant_id, owner)
        changes["owner_id"] = model.owner_id
    for field, value in changes.items():
        setattr(model, field, value)
    model.revision += 1
    model.updated_at = func.now()
    await session.flush()
    await session.refresh(model)
    await audit.record(session, by, "model.edited", f"model:{model.id}", **changes)
    return model


async def classify(
    session: AsyncSession, name: str, tier: RiskTier, *, expected: int, reason: str, by: Actor
) -> Model:
    """Write a model's risk tier, if it is still at ``expected``; who may is the gates' to say."""
    model = await model_of(session, name, by=by, lock=True)
    require_current(expected, model.revision)
    before, model.risk_tier = model.risk_tier, tier
    model.revision += 1
    model.updated_at = func.now()
    await session.flush()
    await session.refresh(model)
    await audit.record(
        session, by, "model.classified", f"model:{model.id}",
        before=before, risk_tier=tier, personal={"reason": reason},
    )  # fmt: skip
    return model


async def search_models(
    session: AsyncSession,
    *,
    text: str | None,
    kind: AssetKind | None,
    risk_tier: RiskTier | None,
    tag: str | None,
    cursor: str | None,
    limit: int,
    by: Actor,
) -> Rows[Model]:
    """Search models by words of name or purpose, kind, tier and tag, ordered by name."""
    query = select(Model).filter_by(tenant_id=by.tenant_id)
    if text:
        query = query.where(
            or_(
                Model.name.icontains(text, autoescape=True),
                Model.purpose.icontains(text, autoescape=True),
            )
        )
    if kind is not None:
        query = query.where(Model.kind == kind)
    if risk_tier is not None:
        query = query.where(Model.risk_tier == risk_tier)
    if tag is not None:
        key, colon, value = tag.partition(":")
        query = query.where(Model.tags.contains({key: value}) if colon else Model.tags.has_key(key))
    return await page(session, query, Model.name, cursor=cursor, limit=limit)
