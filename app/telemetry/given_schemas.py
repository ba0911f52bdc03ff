"""How a profile that somebody else counted is described."""

from typing import Any

from app.kit.names import MOST

_COUNTS: dict[str, Any] = {"type": "array", "items": {"type": "integer", "minimum": 0}}
_ENDS: dict[str, Any] = {"type": ["number", "null"]}

PROFILE: dict[str, Any] = {
    "type": "object",
    "required": ["id", "model", "version", "decision_point", "layout_digest", "hours"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "format": "uuid",
               "description": "Your name for the profile: sent again it is a duplicate."},
        "model": {"type": "string"},
        "version": {"type": "integer", "minimum": 1, "exclusiveMaximum": MOST},
        "decision_point": {"type": "string"},
        "arm": {"type": "string", "pattern": "^[a-z0-9_-]{1,40}$", "default": "lake",
                "description": "What counted; kept apart from every arm of a plan."},
        "layout_digest": {"type": "string", "description": "As GET …/baseline says it."},
        "hours": {
            "type": "array", "minItems": 1, "maxItems": 1000,
            "items": {
                "type": "object",
                "required": ["hour", "n", "variables"],
                "additionalProperties": False,
                "properties": {
                    "hour": {"type": "string", "format": "date-time",
                             "description": "Its beginning."},
                    "n": {"type": "integer", "minimum": 1},
                    "variables": {
                        "type": "object",
                        "description": "Each variable of the layout by its name, score too.",
                        "additionalProperties": {
                            "type": "object",
                            "required": ["counts"],
                            "additionalProperties": False,
                            "properties": {
                                "counts": _COUNTS,
                                "sums": {"type": "array", "items": {"type": "number"}},
                                "min": _ENDS, "max": _ENDS,
                                "sum_squares": {"type": "number", "minimum": 0},
                            },
                        },
                    },
                },
            },
        },
    },
}  # fmt: skip

PROFILE_TAKEN: dict[str, Any] = {
    "type": "object",
    "required": ["id", "hours", "rows", "duplicate"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "hours": {"type": "integer"},
        "rows": {"type": "integer"},
        "duplicate": {"type": "boolean", "description": "It was taken before; not doubled."},
    },
}

PROFILE_EXAMPLE: dict[str, Any] = {
    "id": "0198c0de-0000-7000-8000-000000000002",
    "model": "churn", "version": 1, "decision_point": "retention", "layout_digest": "sha256:…",
    "hours": [
        {
            "hour": "2026-11-23T10:00:00Z",
            "n": 2,
            "variables": {
                "demand": {"counts": [1, 1, 0, 0], "sums": [0.4, 0.6, 0, 0], "min": 0.4,
                           "max": 0.6, "sum_squares": 0.52},
            },
        }
    ],
}  # fmt: skip


def profile_operation() -> dict[str, Any]:
    """Return the OpenAPI operation of a profile that somebody else counted."""
    media = {"schema": PROFILE, "example": PROFILE_EXAMPLE}
    return {
        "summary": "Take a profile counted where the rows lie; a 2xx means it is committed, once."
        " Its id makes repeating safe: no Idempotency-Key is needed.",
        "requestBody": {"required": True, "content": {"application/json": media}},
        "responses": {
            "200": {
                "description": "Committed.",
                "content": {"application/json": {"schema": PROFILE_TAKEN}},
            }
        },
    }
