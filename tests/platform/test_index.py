"""A route is found by its path's shape as it is found by trying one after the other."""

import pytest
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from app.main import make_api
from app.platform.http import HotRoute, RouteIndex
from app.platform.settings import Settings
from tests.ways import WAYS, Way

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
INDEX, *ROUTES = make_api(Settings(), "postgresql://nobody@localhost/none")[0].routes


def scope(method: str, path: str) -> Scope:
    """Return what a request brings, as far as routes look at it."""
    return {"type": "http", "method": method, "path": path, "headers": [], "root_path": ""}


def walked(method: str, path: str) -> BaseRoute | None:
    """Return the first route that takes a path."""
    asked = scope(method, path)
    return next((one for one in ROUTES if one.matches(asked)[0] is Match.FULL), None)


def indexed(method: str, path: str) -> BaseRoute | None:
    """Return the route that the index finds."""
    match, found = INDEX.matches(scope(method, path))
    return found["route"] if match is Match.FULL else None


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_each_route_is_found_as_before(way: Way) -> None:
    path = way.url(lambda name: f"{name}-1")
    for method in METHODS:
        expected = walked(method, path)
        hot = isinstance(expected, Route) and isinstance(expected.app, HotRoute)
        assert indexed(method, path) is (None if hot else expected)
    assert walked(way.method, path) is not None


@pytest.mark.parametrize(
    "path",
    ["/", "", "/v1", "/v1/", "/v1/models/", "/v1/models//", "//v1/models", "/v1/models/a/b/c/d/e",
     "/v1/models/a:b", "/v1/models:x", "/v1/:x", "/v1/models/a/versions/1:none", "v1/models"],
)  # fmt: skip
def test_what_is_no_route_is_left_to_the_router(path: str) -> None:
    for method in METHODS:
        assert indexed(method, path) is walked(method, path)


def test_the_index_stands_before_all_others() -> None:
    assert isinstance(INDEX, RouteIndex)
    assert not any(isinstance(route, RouteIndex) for route in ROUTES)
