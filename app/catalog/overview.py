"""What the catalog knows of one version, put together: its card, and what is missing of it."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import identity
from app.catalog.card import CardFacts, render
from app.catalog.content import Gap, completeness
from app.catalog.ensembles import ensembles_of, every_member
from app.catalog.instances import instances_of
from app.catalog.rules import Descent
from app.catalog.service import model_of
from app.catalog.tables import DescentRow, Model, Version
from app.catalog.versions import find_version
from app.kit.actor import Actor

_MOST_FORKS = 100


async def card_of(session: AsyncSession, model_name: str, number: int, *, by: Actor) -> str:
    """Return a version's card as Markdown."""
    version = await find_version(session, model_name, number, by=by)
    model = await model_of(session, model_name, by=by)
    people = {model.owner_id, version.developer_id}
    names = await identity.names_of(session, by.tenant_id, people)
    around = await ensembles_of(session, by.tenant_id, version.id)
    return render(
        CardFacts(
            model=model.name,
            number=version.number,
            kind=model.kind.value,
            risk_tier=model.risk_tier.value,
            purpose=model.purpose,
            owner=names.get(model.owner_id),
            developer=names.get(version.developer_id),
            published_at=version.created_at,
            stage=version.stage.value,
            returned_to=version.returned_to.value if version.returned_to else None,
            source=version.source,
            digest=version.digest,
            content_digest=version.content_digest,
            signature=version.signature,
            training_data=version.training_data,
            lineage=version.lineage,
            card=version.card,
            specifics=version.specifics,
            tags=version.tags,
            members=await every_member(session, version),
            ensembles=[f"{one.name}@{other.number}" for one, other in around],
            forks=await _forks(session, version),
            instances=[
                {"key": one.key, "segment": one.segment, "endpoint": one.endpoint}
                for one in await instances_of(session, by.tenant_id, version.id)
            ],
        )
    )


async def gaps_of(session: AsyncSession, model_name: str, number: int, *, by: Actor) -> list[Gap]:
    """Return what a version's documentation lacks."""
    version = await find_version(session, model_name, number, by=by)
    return completeness(version, await model_of(session, model_name, by=by))


async def _forks(session: AsyncSession, version: Version) -> list[str]:
    rows = await session.execute(
        select(Model.name, Version.number)
        .join(Version, (Version.tenant_id == Model.tenant_id) & (Version.model_id == Model.id))
        .join(
            DescentRow,
            (DescentRow.tenant_id == Version.tenant_id) & (DescentRow.child_id == Version.id),
        )
        .where(
            DescentRow.tenant_id == version.tenant_id,
            DescentRow.parent_id == version.id,
            DescentRow.kind == Descent.FORK,
        )
        .order_by(Model.name, Version.number)
        .limit(_MOST_FORKS)
    )
    return [f"{name}@{number}" for name, number in rows]
