"""How the flag calls stand in the OpenAPI document; the bodies are those of OFREP."""

from typing import Any

from app.kit.refusal import Refusal
from app.openfeature.rules import BadContext, FlagNotFound, NoTargetingKey, Unparsable
from app.openfeature.wording import Reason
from app.platform.http import hot_responses
from app.routing import TableStale

_CONTEXT: dict[str, Any] = {
    "type": "object",
    "required": ["context"],
    "properties": {
        "context": {
            "type": "object",
            "required": ["targetingKey"],
            "description": "What the plans' segments ask about.",
            "properties": {
                "targetingKey": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 256,
                    "description": "The unit: who or what is decided about.",
                }
            },
        }
    },
}
_EXAMPLE = {"context": {"targetingKey": "customer-4711", "region": "vic"}}
_EVALUATION: dict[str, Any] = {
    "type": "object",
    "required": ["key", "reason", "variant", "metadata"],
    "properties": {
        "key": {"type": "string"},
        "reason": {"type": "string", "enum": list(Reason)},
        "variant": {"type": "string", "description": "The arm."},
        "value": {
            "type": "object",
            "description": "Model, version, endpoint and parameters; missing where nobody answers.",
        },
        "metadata": {
            "type": "object",
            "description": "decisionId, token, propensity, generation and more. The token goes back"
            " with the scored event.",
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        },
    },
}
_IF_NONE_MATCH: dict[str, Any] = {
    "name": "If-None-Match",
    "in": "header",
    "schema": {"type": "string"},
    "description": "The ETag of what is known already.",
}
_UNCHANGED: dict[str, Any] = {"description": "Nothing has changed since."}
_ETAG: dict[str, Any] = {"ETag": {"schema": {"type": "string"}}}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _operation(
    summary: str, responses: dict[str, Any], *refusals: type[Refusal], **more: Any
) -> dict[str, Any]:
    return {
        "summary": summary,
        "tags": ["openfeature"],
        "security": [{"HTTPBearer": []}],
        "responses": {**hot_responses(*refusals), **responses},
        **more,
    }


_UNUSABLE = (BadContext, NoTargetingKey, Unparsable)
_BODY = {
    "required": True,
    "content": {"application/json": {"schema": _CONTEXT, "example": _EXAMPLE}},
}
FLAG_OPERATION = _operation(
    "Evaluate a decision point as a flag (OFREP).",
    {
        "200": {"description": "The flag.", "content": _json(_EVALUATION)},
    },
    FlagNotFound,
    TableStale,
    *_UNUSABLE,
    description="Every call is a decision of its own, as of `/route`; it says the same arm.",
    parameters=[{"name": "key", "in": "path", "required": True, "schema": {"type": "string"}}],
    requestBody=_BODY,
)
BULK_OPERATION = _operation(
    "Evaluate all decision points as flags (OFREP).",
    {
        "200": {
            "description": "The flags.",
            "headers": _ETAG,
            "content": _json(
                {
                    "type": "object",
                    "required": ["flags"],
                    "properties": {"flags": {"type": "array", "items": _EVALUATION}},
                }
            ),
        },
        "304": _UNCHANGED,
    },
    *_UNUSABLE,
    description="For clients whose context stands. The ETag holds while plans and context do; what"
    " is decided again by the same tokens counts once.",
    parameters=[_IF_NONE_MATCH],
    requestBody=_BODY,
)
FLAGS_FILE_OPERATION = _operation(
    "Return all plans as a flagd flag file.",
    {
        "200": {
            "description": "Flags whose variants are arms.",
            "headers": _ETAG,
            "content": _json(
                {
                    "type": "object",
                    "required": ["flags"],
                    "properties": {"flags": {"type": "object"}},
                }
            ),
        },
        "304": _UNCHANGED,
    },
    description="For flagd's HTTP sync and in-process providers, which evaluate them to the same"
    " arms. Decisions at an edge have no token: score them by the version they name.",
    parameters=[_IF_NONE_MATCH],
)
