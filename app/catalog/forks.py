"""Forks: a version taken over into another team's model, with where it comes from."""

from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.catalog.content import content_of
from app.catalog.events import VersionForked
from app.catalog.registering import Registration, register_version
from app.catalog.rules import AnotherKind, OwnModel
from app.catalog.service import model_of
from app.catalog.tables import Version
from app.catalog.versions import find_version
from app.kit.actor import Actor
from app.platform.events import publish


async def fork(
    session: AsyncSession,
    model_name: str,
    number: int,
    *,
    into: str,
    summary: str | None,
    by: Actor,
) -> Version:
    """Publish a version's content as the next version of another model.

    Who developed the original has a part in the fork as well: he does not decide on it.
    """
    origin = await find_version(session, model_name, number, by=by)
    source = await model_of(session, model_name, by=by)
    target = await model_of(session, into, by=by)
    if target.id == source.id:
        raise OwnModel(f"{model_name}@{number} is a version of {into} already.")
    if target.kind is not source.kind:
        raise AnotherKind(f"{model_name} is of kind {source.kind}, {into} of kind {target.kind}.")
    content = content_of(origin)
    if summary is not None:
        content["card"] = {**content["card"], "summary": summary}
    came_from = {
        "model": model_name,
        "version": number,
        "version_id": str(origin.id),
        "content_digest": origin.content_digest,
    }
    # Numbers of parents are those of another model here; they are found by way of the original.
    content["lineage"] = {**content["lineage"], "parents": [], "forked_from": came_from}
    made = await register_version(session, Registration(into, content, dict(origin.tags), by))
    await audit.record(
        session, by, "version.forked", f"version:{made.id}",
        model=into, number=made.number, forked_from=came_from,
    )  # fmt: skip
    await audit.record(
        session, by, "version.reused", f"version:{origin.id}",
        model=model_name, number=number, into=into, as_number=made.number,
    )  # fmt: skip
    await publish(
        session,
        VersionForked(
            tenant_id=by.tenant_id,
            version_id=made.id,
            model=into,
            number=made.number,
            origin_id=origin.id,
            origin_model=model_name,
            origin_number=number,
        ),
    )
    return made
