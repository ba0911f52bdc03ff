"""The API process, composed: settings, database, routers, subscribers, edge."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.routing import Route

from app import catalog, drift, identity, kpi, revalidation, routing, telemetry
from app.activation import routers as activation_routes
from app.audit import routers as audit_routes
from app.bus import make_bus
from app.catalog import routers as catalog_routes
from app.drift import routers as drift_routes
from app.gates import routers as gates_routes
from app.identity import routers as identity_routes
from app.kpi import routers as kpi_routes
from app.notifications import routers as notifications_routes
from app.openfeature import routers as openfeature_routes
from app.platform.counting import count_forever
from app.platform.db import ALL_TENANTS, Database
from app.platform.http import HotRoute, RouteIndex, WrongCredentials, documented, problems
from app.platform.http.edge import Edge
from app.platform.http.guard import name_roles
from app.platform.http.metrics import HttpMetrics
from app.platform.http.quick import Quick
from app.platform.outbound import Outbound
from app.platform.rota_gauges import RotaGauges
from app.platform.settings import Settings
from app.platform.shelf import Shelf
from app.release import routers as release_routes
from app.revalidation import routers as revalidation_routes
from app.routing import routers as routing_routes
from app.telemetry import routers as telemetry_routes

DESCRIPTION = (
    "A model-governance server: catalog, release and activation with gates, champion/challenger "
    "routing, drift and KPI validation, tamper-evident audit."
)


def make_app(settings: Settings, database_url: str) -> Edge:
    """Return the ASGI application of one process."""
    api, hot, registry = make_api(settings, database_url)
    database, keyring = api.state.database, api.state.keyring
    quick: list[Quick] = [
        *catalog_routes.lookups(database, keyring),
        *catalog_routes.shortcuts(api.state.registrar, settings, keyring),
        *activation_routes.lookups(database, keyring),
    ]
    return Edge(api, hot, HttpMetrics(registry), quick)


def make_api(
    settings: Settings, database_url: str
) -> tuple[FastAPI, list[HotRoute], CollectorRegistry]:
    """Return the FastAPI application, its hot routes, and the metrics' registry."""
    registry = CollectorRegistry()
    database = Database(database_url, settings, make_bus())
    wrong = WrongCredentials(settings)
    keyring = identity.Keyring(database, settings, wrong)
    outbound = Outbound(settings)
    table = routing.RoutingTable(database, settings.refresh_seconds)
    api = FastAPI(
        title="Modelward",
        version=version("modelward"),
        description=DESCRIPTION,
        lifespan=_lifespan,
        docs_url="/docs",
        redoc_url=None,
        redirect_slashes=False,
    )
    api.state.settings = settings
    api.state.database = database
    api.state.authenticator = keyring
    name_roles(identity.ROLES)
    api.state.keyring = keyring
    api.state.wrong_credentials = wrong
    api.state.outbound = outbound
    api.state.exchange = identity.Exchange(database, outbound, wrong)
    api.state.table = table
    api.state.follow = table.follow
    api.state.registrar = catalog.Registrar(database)
    api.state.lake_sources = telemetry.sources_of(settings.lake_sources)
    api.state.registry = registry
    api.state.gauges = (
        revalidation.Gauges(database, registry),
        revalidation.Backlogs(database, registry),
        drift.AlertGauges(database, registry),
        revalidation.PlaceGauges(database, registry),
        kpi.ScopeGauges(database, registry),
        RotaGauges(database, registry),
    )
    problems.install(api)
    decider = routing.Decider(table, registry)
    hot = [
        *routing_routes.hot_routes(decider, settings, keyring),
        *openfeature_routes.hot_routes(decider, settings, keyring),
        *telemetry_routes.hot_routes(database, settings, keyring, registry),
    ]
    for route in hot:
        api.router.routes.append(Route(route.path, route, methods=[route.method], name=route.name))
    for router in (
        *audit_routes.routers,
        *identity_routes.routers,
        *notifications_routes.routers,
        *catalog_routes.routers,
        *telemetry_routes.routers,
        *gates_routes.routers,
        *drift_routes.routers,
        *kpi_routes.routers,
        *routing_routes.routers,
        *release_routes.routers,
        *activation_routes.routers,
        *revalidation_routes.routers,
    ):
        # As they are: routers that are included are searched twice for each request.
        api.router.routes.extend(router.routes)
    _add_probes(api)
    _serve_document(api)
    api.router.routes.insert(0, RouteIndex(api.routes))
    api.openapi = lambda: _openapi(api, hot)  # type: ignore[method-assign]
    return api, hot, registry


@asynccontextmanager
async def _lifespan(api: FastAPI) -> AsyncIterator[None]:
    """Load keys and routes, keep them fresh, and close the database at the end."""
    table: routing.RoutingTable = api.state.table
    shelf = Shelf.of(api.state.settings)
    try:
        await table.refresh()
    except (SQLAlchemyError, OSError):
        if shelf is not None:
            table.restore(shelf)
            api.state.keyring.restore(shelf)
    tasks = [
        asyncio.create_task(table.refresh_forever()),
        asyncio.create_task(api.state.keyring.refresh_forever()),
        *(asyncio.create_task(count_forever(gauges)) for gauges in api.state.gauges),
    ]
    if shelf is not None:
        tasks += [
            asyncio.create_task(table.keep_forever(shelf)),
            asyncio.create_task(api.state.keyring.keep_forever(shelf)),
        ]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await api.state.database.close()


def _add_probes(api: FastAPI) -> None:
    """Add what needs no key: the process, its parts, its metrics."""

    @api.api_route("/livez", methods=["GET", "HEAD"], include_in_schema=False)
    async def livez() -> Response:
        return Response(b'{"status":"alive"}', media_type="application/json")

    @api.api_route("/readyz", methods=["GET", "HEAD"], include_in_schema=False)
    async def readyz(request: Request) -> Response:
        parts = await _parts(request)
        asked = request.query_params.getlist("part") or list(parts)
        ready = all(name in parts and parts[name]["ok"] for name in asked)
        body = orjson.dumps({"status": "ready" if ready else "not ready", "parts": parts})
        return Response(body, 200 if ready else 503, media_type="application/json")

    @api.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        return Response(generate_latest(request.app.state.registry), media_type=CONTENT_TYPE_LATEST)


def _serve_document(api: FastAPI) -> None:
    """Serve the OpenAPI document as it was written down: to make it takes seconds of the loop."""

    async def document(_: Request) -> Response:
        body = await asyncio.to_thread(documented.written)
        if body is None:
            body = orjson.dumps(await asyncio.to_thread(api.openapi))
        return Response(body, media_type="application/json")

    routes = api.router.routes
    place = next(n for n, one in enumerate(routes) if getattr(one, "path", "") == api.openapi_url)
    routes[place] = Route("/openapi.json", document, include_in_schema=False)


async def _parts(request: Request) -> dict[str, dict[str, Any]]:
    database: Database = request.app.state.database
    table: routing.RoutingTable = request.app.state.table
    limit = request.app.state.settings.table_max_age_seconds * 1000
    reachable = False
    with suppress(SQLAlchemyError, OSError, TimeoutError):
        async with asyncio.timeout(2), database.session(ALL_TENANTS) as session:
            reachable = await session.scalar(text("SELECT 1")) == 1
    return {
        "database": {"ok": reachable},
        "routing_table": {"ok": table.age_ms < limit, "age_ms": table.age_ms},
    }


def _openapi(api: FastAPI, hot: list[HotRoute]) -> dict[str, Any]:
    """Return the OpenAPI document, the hot routes included."""
    if api.openapi_schema is None:
        found = get_openapi(
            title=api.title, version=api.version, description=api.description, routes=api.routes
        )
        found["components"]["schemas"]["Problem"] = documented.PROBLEM_SCHEMA
        for route in hot:
            found["paths"].setdefault(route.path, {})[route.method.lower()] = {
                "operationId": route.name,
                **route.operation,
            }
        for path in found["paths"].values():
            for operation in path.values():
                # Validation failures are problems here, not FastAPI's own shape.
                operation["responses"]["422"] = _invalid(operation["responses"].get("422"))
        for unused in ("HTTPValidationError", "ValidationError"):
            found["components"]["schemas"].pop(unused, None)
        found["paths"] = dict(sorted(found["paths"].items()))
        api.openapi_schema = found
    return api.openapi_schema


def _invalid(declared: dict[str, Any] | None) -> dict[str, Any]:
    if declared and problems.MEDIA_TYPE in declared.get("content", {}):
        return declared
    return {
        "description": "Unprocessable Entity",
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
