"""Every error as ``application/problem+json`` (RFC 9457), the framework's own included."""

import logging
from http import HTTPStatus
from typing import Any

import orjson
import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app.kit.refusal import Kind, Refusal, Unavailable
from app.kit.revision import ConditionMissing

logger = logging.getLogger(__name__)

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2

STATUS: dict[Kind, HTTPStatus] = {
    Kind.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    Kind.MALFORMED: HTTPStatus.BAD_REQUEST,
    Kind.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    Kind.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Kind.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Kind.CONFLICT: HTTPStatus.CONFLICT,
    Kind.STALE: HTTPStatus.PRECONDITION_FAILED,
    Kind.UNCONDITIONAL: HTTPStatus.PRECONDITION_REQUIRED,
    Kind.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Kind.HEAD_TOO_LARGE: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    Kind.UNSUPPORTED: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Kind.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Kind.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
}


class Conflict(Refusal):
    """Two requests wanted what only one can have."""

    kind = Kind.CONFLICT
    code = "conflict"
    title = "Conflict with a concurrent change"
    mend = "Read the resource again, then decide whether to repeat the call."


class Unstorable(Refusal):
    """The database cannot hold the value."""

    kind = Kind.INVALID
    code = "unstorable"
    title = "A value cannot be stored"
    mend = "Leave out NUL characters, and numbers and texts beyond what the schema allows."


def document(refusal: Refusal, request_id: str) -> dict[str, Any]:
    """Return the problem document of a refusal."""
    body = {
        "type": f"urn:modelward:problem:{refusal.code}",
        "title": refusal.title,
        "status": STATUS[refusal.kind].value,
        "detail": refusal.detail,
        "code": refusal.code,
        "request_id": request_id,
        **refusal.extra,
    }
    if refusal.mend:
        body["mend"] = refusal.mend
    return body


def headers(refusal: Refusal) -> dict[str, str]:
    """Return the headers that belong to a refusal's status."""
    if refusal.kind is Kind.UNAUTHENTICATED:
        return {"WWW-Authenticate": "Bearer"}
    if refusal.kind in {Kind.UNAVAILABLE, Kind.RATE_LIMITED}:
        return {"Retry-After": str(refusal.extra.get("retry_after", RETRY_AFTER_SECONDS))}
    return {}


def render(refusal: Refusal, request_id: str) -> Response:
    """Return a refusal as a response."""
    body = document(refusal, request_id)
    return Response(orjson.dumps(body), body["status"], headers(refusal), media_type=MEDIA_TYPE)


_DATABASE: tuple[tuple[tuple[type[Exception], ...], type[Refusal], str], ...] = (
    ((PoolTimeout,), Unavailable, "Every database connection is busy."),
    (
        (psycopg.errors.UniqueViolation, psycopg.errors.ExclusionViolation),
        Conflict,
        "Another request has just taken that place.",
    ),
    (
        (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected),
        Unavailable,
        "The database asked for another try.",
    ),
    (
        (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable),
        Unavailable,
        "The database did not answer in time.",
    ),
    ((psycopg.DataError,), Unstorable, "A value is outside what the database can hold."),
    (
        (psycopg.OperationalError, ConnectionError),
        Unavailable,
        "The database cannot be reached.",
    ),
)


def from_database(error: Exception) -> Refusal | None:
    """Read a database error as a refusal; ``None`` if it is a fault of ours."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    for kinds, refusal, sentence in _DATABASE:
        if isinstance(cause, kinds):
            return refusal(sentence)
    return None


def request_id_of(request: Request) -> str:
    """Return the id the edge gave this request."""
    return str(request.scope.get("state", {}).get("request_id", ""))


def install(app: FastAPI) -> None:
    """Answer every exception of ``app`` with a problem document."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)  # noqa: S101 - what it is registered for
        return render(error, request_id_of(request))

    async def database(request: Request, error: Exception) -> Response:
        refusal = from_database(error)
        if refusal is None:
            raise error
        return render(refusal, request_id_of(request))

    app.add_exception_handler(Exception, _fault)
    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(DBAPIError, database)
    app.add_exception_handler(PoolTimeout, database)
    app.add_exception_handler(psycopg.Error, database)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _framework)


def fault_document(request_id: str) -> dict[str, Any]:
    """Return the problem document of a fault of ours; what it was stands in the log."""
    return {
        "type": "urn:modelward:problem:internal",
        "title": "Internal error",
        "status": HTTPStatus.INTERNAL_SERVER_ERROR.value,
        "detail": "The server failed; the fault is logged under this request id.",
        "code": "internal",
        "request_id": request_id,
    }


async def _fault(request: Request, _: Exception) -> Response:
    return Response(
        orjson.dumps(fault_document(request_id_of(request))), 500, media_type=MEDIA_TYPE
    )


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what it is registered for
    if any(_is_condition(item) for item in error.errors()):
        missing = ConditionMissing("This resource is edited only with If-Match.")
        return render(missing, request_id_of(request))
    found = [
        {"at": ".".join(map(str, item["loc"])), "problem": item["msg"], "rule": item["type"]}
        for item in error.errors()
    ]
    first = found[0]
    body = {
        "type": "urn:modelward:problem:invalid",
        "title": "Invalid request",
        "status": HTTPStatus.UNPROCESSABLE_ENTITY.value,
        "detail": f"{first['at']}: {first['problem']}"
        + (f" (and {len(found) - 1} more)" if len(found) > 1 else ""),
        "code": "invalid",
        "request_id": request_id_of(request),
        "errors": found,
        "mend": "Correct the fields named in errors; /openapi.json holds the schema.",
    }
    return Response(orjson.dumps(body), 422, media_type=MEDIA_TYPE)


def _is_condition(error: dict[str, Any]) -> bool:
    return (error["type"], error["loc"]) == ("missing", ("header", "if-match"))


async def _framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    status = HTTPStatus(error.status_code)
    code = status.name.lower()
    body = {
        "type": f"urn:modelward:problem:{code}",
        "title": status.phrase,
        "status": status.value,
        "detail": f"{request.method} {request.url.path}: {status.description or error.detail}",
        "code": code,
        "request_id": request_id_of(request),
    }
    extra = dict(error.headers or {})
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        extra["Allow"] = ", ".join(_allowed(request))
        body["mend"] = f"This path knows {extra['Allow']}; /openapi.json holds what each does."
    elif status is HTTPStatus.NOT_FOUND:
        body["mend"] = "/openapi.json lists every path there is."
    return Response(orjson.dumps(body), status.value, extra, media_type=MEDIA_TYPE)


def _allowed(request: Request) -> list[str]:
    """Return every method the path knows; the framework names those of its first route."""
    return [
        method
        for method in _METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.router.routes
        )
    ]
