"""The way to a route by the shape of its path, instead of past all that stand before it."""

from collections.abc import Iterable

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

Shape = tuple[str, int, str]


class RouteIndex(BaseRoute):
    """Stands before routes and finds the one for a path among the few of its shape.

    A router tries its routes one after the other: some 250 of them cost more than many an answer.
    No name holds a slash, so the method, the number of segments and the noun behind the API's
    version say which few may match; among those the order of declaration decides, as in the router.
    What is not found here (other methods of a path, unknown paths) is left to the router.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._shelves: dict[Shape, list[APIRoute]] = {}
        for route in routes:
            if isinstance(route, APIRoute):
                for method in route.methods or ():
                    self._shelves.setdefault(_shape(method, route.path), []).append(route)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return what the route for a path says, if there is one."""
        if scope["type"] == "http":
            for route in self._shelves.get(_shape(scope["method"], scope["path"]), ()):
                match, found = route.matches(scope)
                if match is Match.FULL:
                    return match, found
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the route that was found answer."""
        await scope["route"].handle(scope, receive, send)


def _shape(method: str, path: str) -> Shape:
    noun = (*path.split("/", 3), "", "")[2]
    return method, path.count("/"), noun.partition(":")[0]
