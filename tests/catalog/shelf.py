"""A tenant's shelf of models and versions, beside plain notes of what was put there."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import func

from app import audit, identity
from app.catalog import registering, service, versions
from app.catalog.lexemes import asked, words
from app.catalog.rules import AssetKind, RiskTier, Stage
from app.catalog.search import search
from app.identity.tables import Tenant
from app.kit.actor import Actor
from app.kit.ids import uuid7
from app.platform.db import ALL_TENANTS, Database
from tests.catalog.assets import specifics
from tests.live import unique

OWNERS = ("dana", "erik")
NOTHING: dict[str, Any] = dict.fromkeys(
    ("q", "kind", "risk_tier", "stage", "owner", "tag", "model"), None
)


def said(held: Any) -> list[str]:
    """Return every text in what a version of its kind says of itself."""
    if isinstance(held, dict | list):
        parts = held.values() if isinstance(held, dict) else held
        return [text for part in parts for text in said(part)]
    return [held] if isinstance(held, str) else []


@dataclass
class Noted:
    """What somebody who remembers everything knows of a version."""

    id: UUID
    number: int
    model: dict[str, Any]
    content: dict[str, Any]
    tags: dict[str, str]
    stage: Stage = Stage.PUBLISHED

    def fits(self, wanted: dict[str, Any]) -> bool:
        """Say whether a search should find it, by looking at all of it."""
        card = self.content["card"]
        held = set(words(" ".join((
            self.model["name"], self.model["purpose"], *self.model["tags"],
            *self.model["tags"].values(), *self.tags, *self.tags.values(), card["summary"],
            card["intended_use"], self.content["training_data"]["reference"],
            *(one["name"] for one in self.content["signature"]["inputs"]),
            self.content["source"], self.content["digest"] or "",
            *(str(name) for name in self.content["lineage"].values() if name != []),
            *said(self.content.get("specifics")),
        ))))  # fmt: skip
        key, colon, value = (wanted["tag"] or "").partition(":")
        tagged = [
            tags for tags in (self.tags, self.model["tags"])
            if key in tags and (not colon or tags[key] == value)
        ]  # fmt: skip
        return (
            all(any(one.fits(word) for word in held) for one in asked(wanted["q"] or ""))
            and wanted["kind"] in {None, self.model["kind"]}
            and wanted["risk_tier"] in {None, self.model["risk_tier"]}
            and wanted["stage"] in {None, self.stage}
            and wanted["owner"] in {None, self.model["owner"]}
            and wanted["model"] in {None, self.model["name"]}
            and (wanted["tag"] is None or bool(tagged))
        )


@dataclass
class Shelf:
    """A tenant of one's own."""

    database: Database
    by: Actor
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[Noted] = field(default_factory=list)

    async def model(self, name: str, **more: Any) -> None:
        """Catalogue a model."""
        made = {
            "name": name, "kind": AssetKind.MACHINE_LEARNING, "risk_tier": RiskTier.LOW,
            "owner": "dana", "purpose": "none", "tags": {}, **more,
        }  # fmt: skip
        async with self.database.transaction(self.by.tenant_id) as session:
            await service.create_model(session, **made, by=self.by)
        self.models[name] = {**made, "revision": 1}

    async def edit(self, name: str, **changes: Any) -> None:
        """Edit a model; a tier goes by its own way."""
        model = self.models[name]
        async with self.database.transaction(self.by.tenant_id) as session:
            if "risk_tier" in changes:
                await service.classify(
                    session, name, changes["risk_tier"], expected=model["revision"], reason="",
                    by=self.by,
                )  # fmt: skip
            else:
                await service.edit_model(
                    session, name, expected=model["revision"], changes=dict(changes), by=self.by
                )
        model.update(changes, revision=model["revision"] + 1)

    async def version(self, model: str, **more: Any) -> Noted:
        """Publish a version whose texts are ``more``."""
        inputs = [{"name": one} for one in more.get("inputs", ("x",))]
        content: dict[str, Any] = {
            "source": "urn:model:x",
            "digest": more.get("digest"),
            "signature": {"inputs": inputs},
            "training_data": {"reference": more.get("reference", "none")},
            "lineage": {"parents": [], **more.get("lineage", {})},
            "card": {"summary": more.get("summary", "s"), "intended_use": more.get("use", "u")},
        }
        kind = self.models[model]["kind"]
        if kind is not AssetKind.MACHINE_LEARNING:
            content["specifics"] = specifics(kind, **more.get("specifics", {}))
        tags = more.get("tags", {})
        async with self.database.transaction(self.by.tenant_id) as session:
            made = await registering.register_version(
                session, registering.Registration(model, content, tags, self.by)
            )
        noted = Noted(made.id, made.number, self.models[model], content, tags)
        self.notes.append(noted)
        return noted

    async def move(self, noted: Noted, stage: Stage) -> None:
        """Put a version at another stage, by the way that the cycle goes."""
        async with self.database.transaction(self.by.tenant_id) as session:
            version = await versions.lock_version(session, self.by.tenant_id, noted.id)
            await versions.restage(session, version, stage)
            await _said(session, self.by, noted.id)
        noted.stage = stage

    async def tag(self, noted: Noted, tags: dict[str, str]) -> None:
        """Replace a version's tags."""
        async with self.database.transaction(self.by.tenant_id) as session:
            version = await versions.version_by_id(session, self.by.tenant_id, noted.id)
            await versions.edit_version(
                session, noted.model["name"], noted.number, expected=version.revision, tags=tags,
                by=self.by,
            )  # fmt: skip
        noted.tags = tags

    async def found(self, *, limit: int = 200, cursor: str | None = None, **wanted: Any) -> Any:
        """Return one page."""
        async with self.database.session(self.by.tenant_id) as session:
            return await search(session, **NOTHING | wanted, cursor=cursor, limit=limit, by=self.by)

    async def ids(self, *, limit: int = 200, **wanted: Any) -> list[UUID]:
        """Return the ids of all pages."""
        page = await self.found(limit=limit, **wanted)
        ids = [hit["version_id"] for hit in page.items]
        while page.next_cursor is not None:
            page = await self.found(limit=limit, cursor=page.next_cursor, **wanted)
            ids += [hit["version_id"] for hit in page.items]
        return ids

    def expected(self, **wanted: Any) -> list[UUID]:
        """Return what should be found, newest first."""
        return [note.id for note in reversed(self.notes) if note.fits(NOTHING | wanted)]


async def _said(session: Any, by: Actor, version_id: UUID) -> None:
    await audit.record(session, by, "version.moved", f"version:{version_id}")


async def shelf(database: Database) -> Shelf:
    """Make a tenant with two people in it."""
    async with database.transaction(ALL_TENANTS) as session:
        tenant = Tenant(id=uuid7(), name=unique("tenant"), founded_at=func.now())
        session.add(tenant)
        await session.flush()
        system = Actor.system(tenant.id)
        await audit.record(session, system, "tenant.created", f"tenant:{tenant.id}", wrote={})
        for name in OWNERS:
            await identity.create_principal(
                session, name=name, kind=identity.PrincipalKind.PERSON, owner=None,
                roles={identity.Role.DEVELOPER}, by=system,
            )  # fmt: skip
    return Shelf(database, system)
