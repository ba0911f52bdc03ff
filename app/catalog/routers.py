"""What the room answers over HTTP."""

from functools import partial
from typing import Any

from app.catalog.aliases import find_aliases
from app.catalog.asset_routes import assets
from app.catalog.history_routes import history
from app.catalog.instance_routes import instances
from app.catalog.neighbour_routes import neighbouring
from app.catalog.registering import Registrar
from app.catalog.routes import decision_points, models, registration
from app.catalog.schemas import VersionIn, VersionOut
from app.catalog.search_routes import searching
from app.kit.actor import Actor
from app.platform.db import Database
from app.platform.http import Authenticator, Lookup, Shortcut, lookup, shortcut
from app.platform.settings import Settings

routers = (models, assets, instances, history, searching, decision_points, neighbouring)


def lookups(database: Database, authenticate: Authenticator) -> list[Lookup]:
    """Return the quick way to what an alias points at."""
    path = "/v1/models/{name}/aliases/{alias}"
    return [lookup(path, "catalog:read", partial(find_aliases, database), authenticate)]


def shortcuts(
    registrar: Registrar, settings: Settings, authenticate: Authenticator
) -> list[Shortcut[VersionIn]]:
    """Return the quick way to publish a version."""

    async def register(actor: Actor, key: tuple[str, ...], body: VersionIn) -> tuple[Any, int]:
        made = await registrar.register(registration(actor, key[0], body))
        return {name: getattr(made, name) for name in VersionOut.model_fields}, made.revision

    path = "/v1/models/{name}/versions"
    return [shortcut(path, "catalog:write", VersionIn, register, authenticate, settings)]
