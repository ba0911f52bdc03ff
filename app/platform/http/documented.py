"""What a route may refuse, as the OpenAPI document shows it."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from app.kit.refusal import Kind, Malformed, RateLimited, Refusal, TooLarge, Unavailable
from app.kit.revision import ConditionMissing, Stale
from app.platform.http.body import UnsupportedMedia
from app.platform.http.guard import PermissionDenied, Unauthenticated
from app.platform.http.problems import MEDIA_TYPE, STATUS
from app.platform.http.query import UnknownParameter
from app.platform.http.throttle import TooManyWrongCredentials

_PACKAGE = Path(__file__).resolve().parents[2]
_ALWAYS: set[type[Refusal]] = {
    Malformed, Unauthenticated, PermissionDenied, TooLarge, UnsupportedMedia,
    TooManyWrongCredentials, Unavailable, UnknownParameter,
}  # fmt: skip


def responses(*refusals: type[Refusal]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses for what a route may refuse, with an example each."""
    return _documented({*_ALWAYS, RateLimited, *refusals})


def editing(*refusals: type[Refusal]) -> dict[int | str, dict[str, Any]]:
    """Return ``responses`` with the two refusals of a conditional edit."""
    return responses(ConditionMissing, Stale, *refusals)


def hot_responses(*refusals: type[Refusal]) -> dict[str, dict[str, Any]]:
    """Return the same for a hot route, where no key calls too often."""
    return {str(status): entry for status, entry in _documented({*_ALWAYS, *refusals}).items()}


def _documented(refusals: set[type[Refusal]]) -> dict[int | str, dict[str, Any]]:
    found: dict[int | str, dict[str, Any]] = {}
    for kind, refusal in _sorted(refusals):
        entry = found.setdefault(
            STATUS[kind].value,
            {
                "description": STATUS[kind].phrase,
                "content": {
                    MEDIA_TYPE: {
                        "schema": {"$ref": "#/components/schemas/Problem"},
                        "examples": {},
                    }
                },
            },
        )
        entry["content"][MEDIA_TYPE]["examples"][refusal.code] = {
            "value": _example(refusal),
            "summary": refusal.title,
        }
    return found


def _sorted(refusals: set[type[Refusal]]) -> Iterator[tuple[Kind, type[Refusal]]]:
    for refusal in sorted(refusals, key=lambda found: (STATUS[found.kind], found.code)):
        yield refusal.kind, refusal


def _example(refusal: type[Refusal]) -> Mapping[str, Any]:
    body: dict[str, Any] = {
        "type": f"urn:modelward:problem:{refusal.code}",
        "title": refusal.title,
        "status": STATUS[refusal.kind].value,
        "detail": (refusal.__doc__ or refusal.title).partition("\n")[0],
        "code": refusal.code,
        "request_id": "0198c0de0000700080000000000000aa",
    }
    if refusal.mend:
        body["mend"] = refusal.mend
    return body


PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "What is wrong, where, and which call mends it (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "description": "Stable URN of the kind of problem."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "This very case, in a sentence."},
        "code": {"type": "string", "description": "Stable, for programs."},
        "request_id": {"type": "string", "description": "Quote it when asking for help."},
        "mend": {"type": "string", "description": "The call or change that lets it through."},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
    "additionalProperties": True,
}


@cache
def written() -> bytes | None:
    """Return the OpenAPI document that goes with this code, if it does; without its spaces."""
    for place in (_PACKAGE / "_openapi.json", _PACKAGE.parent / "openapi" / "openapi.json"):
        if place.exists():
            return orjson.dumps(orjson.loads(place.read_bytes()))
    return None
