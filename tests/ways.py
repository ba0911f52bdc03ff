"""Every route of the application, as the application itself declares it."""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from starlette.routing import Route

from app.main import make_api
from app.platform.http import HotRoute, permission_of
from app.platform.settings import Settings

SEEN = {"/openapi.json", "/docs", "/docs/oauth2-redirect", "/livez", "/readyz", "/metrics"}
KNOCKED = {
    "/v1/invitations:redeem": "The code is what lets a person in who has no key yet.",
    "/v1/trust-rules/{rule_id}:exchange": "The CI system's token is what lets a job in.",
}
PUBLIC = SEEN | set(KNOCKED)
_PARAMETER = re.compile(r"{(\w+)}")


class Way(NamedTuple):
    """One method of one route, and the permission it asks for."""

    method: str
    path: str
    permission: str | None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> list[str]:
        """The names in the path."""
        return _PARAMETER.findall(self.path)

    def url(self, value: Callable[[str], object]) -> str:
        """Return the path with a value for each parameter."""
        return _PARAMETER.sub(lambda found: str(value(found[1])), self.path)


def declared() -> Iterator[Way]:
    """Walk the application's routes."""
    api, _, _ = make_api(Settings(), "postgresql://nobody@localhost/none")
    for route in (route for route in api.routes if isinstance(route, Route)):
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield Way(method, route.path, _permission(route))


def _permission(route: Any) -> str | None:
    if isinstance(route.app, HotRoute):
        return route.app.permission
    dependant = getattr(route, "dependant", None)
    asked = [permission_of(found.call) for found in getattr(dependant, "dependencies", [])]
    return next((permission for permission in asked if permission), None)


WAYS = [way for way in declared() if way.path not in PUBLIC]


def document() -> dict[str, Any]:
    """Return the OpenAPI document as the application writes it."""
    api, _, _ = make_api(Settings(), "postgresql://nobody@localhost/none")
    found: dict[str, Any] = api.openapi()
    return found


DOCUMENT = document()


def operation_of(way: Way) -> dict[str, Any]:
    """Return what the document says of a way."""
    found: dict[str, Any] = DOCUMENT["paths"][way.path][way.method.lower()]
    return found


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema, or the one it refers to."""
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def body_of(way: Way) -> dict[str, Any] | None:
    """Return the schema of a way's JSON body, if it takes one."""
    content = _json_of(way)
    return resolved(content["schema"]) if content else None


def example_of(way: Way) -> Any:
    """Return the document's example of a way's body, ``None`` for a way without one."""
    content = _json_of(way)
    if not content:
        return None
    return content["example"] if "example" in content else body_of(way)["examples"][0]  # type: ignore[index]


def _json_of(way: Way) -> dict[str, Any]:
    content = operation_of(way).get("requestBody", {}).get("content", {})
    found: dict[str, Any] = content.get("application/json", {})
    return found
