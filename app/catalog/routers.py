"""What the room answers over HTTP."""

from app.catalog.aliases import find_aliases
from app.catalog.asset_routes import assets
from app.catalog.history_routes import history
from app.catalog.instance_routes import instances
from app.catalog.neighbour_routes import neighbouring
from app.catalog.routes import decision_points, models
from app.catalog.search_routes import searching
from app.platform.db import Database
from app.platform.http import Authenticator, Lookup, lookup

routers = (models, assets, instances, history, searching, decision_points, neighbouring)


def lookups(database: Database, authenticate: Authenticator) -> list[Lookup]:
    """Return the quick way to what an alias points at."""
    path = "/v1/models/{name}/aliases/{alias}"
    return [lookup(path, "catalog:read", find_aliases, database, authenticate)]
