"""What the room answers over HTTP."""

from functools import partial

from app.activation import (
    guardrail_routes,
    incident_routes,
    retirement_routes,
    routes,
    swap_routes,
    target_routes,
)
from app.activation.reign import find_champions
from app.platform.db import Database
from app.platform.http import Authenticator, Lookup, lookup

routers = (
    *routes.routers,
    swap_routes.before,
    swap_routes.router,
    target_routes.router,
    incident_routes.router,
    guardrail_routes.router,
    *retirement_routes.routers,
)


def lookups(database: Database, authenticate: Authenticator) -> list[Lookup]:
    """Return the quick way to the champion of a point, as it is now."""
    path = "/v1/decision-points/{key}/champion"
    return [lookup(path, "routing:read", partial(find_champions, database), authenticate)]
