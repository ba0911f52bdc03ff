"""How the decision calls stand in the OpenAPI document."""

from typing import Any

_OF_NO_MODEL = "Null where a constant answers."
_ARM: dict[str, Any] = {
    "arm": {
        "type": "string",
        "description": "`fallback`: what stands in for what is stopped; `holdout`: for a unit that"
        " the plan leaves alone.",
    },
    "segment": {
        "type": ["string", "null"],
        "description": "Which of the plan's segments took the unit; null of shadows and holdout.",
    },
    "model": {"type": ["string", "null"], "description": _OF_NO_MODEL},
    "version": {"type": ["integer", "null"], "description": _OF_NO_MODEL},
    "version_id": {"type": ["string", "null"], "format": "uuid", "description": _OF_NO_MODEL},
    "endpoint": {"type": ["string", "null"]},
    "parameters": {"type": "object"},
    "instance": {
        "type": "string",
        "description": "There only where the segment pins an instance that the version has.",
    },
    "propensity": {
        "type": "number",
        "description": "Chance of this arm for a unit of its segment; with a holdout, of not being"
        " held out as well. Of an arm that is kept, what it was when it was given.",
    },
    "token": {
        "type": ["string", "null"],
        "description": "Send it back with the scored event; null where a constant answers.",
    },
}
_IN_A_STOP: dict[str, Any] = {
    "stopped": {
        "type": "boolean",
        "const": True,
        "description": "There only while a stop holds for this unit's arm.",
    },
    "stop_id": {"type": "string", "format": "uuid", "description": "Beside `stopped`: which."},
    "stale": {
        "type": "boolean",
        "const": True,
        "description": "There only where the fallback answers because the table is too old.",
    },
    "constant": {"description": "Beside `stopped` or `stale`: the answer, where it is a constant."},
}

_EXPLANATION: dict[str, Any] = {
    "type": "object",
    "description": "There if asked for: why this arm, from the plan that decided.",
    "required": ["why", "segment", "passed_by", "bucket", "of", "weights"],
    "properties": {
        "why": {"type": "string"},
        "segment": {"type": ["string", "null"]},
        "passed_by": {
            "type": "array",
            "description": "Segments before it that did not take the unit.",
            "items": {
                "type": "object",
                "properties": {
                    "segment": {"type": "string"},
                    "because": {"type": "string", "enum": ["when", "layer"]},
                },
            },
        },
        "bucket": {"type": "integer", "description": "Where the unit lies."},
        "of": {"type": "integer", "description": "All weights together."},
        "weights": {"type": "object", "additionalProperties": {"type": "integer"}},
    },
}
_UNIT: dict[str, Any] = {
    "type": "object",
    "required": ["unit"],
    "additionalProperties": False,
    "properties": {
        "unit": {
            "type": "string",
            "minLength": 1,
            "maxLength": 256,
            "description": "Who or what is decided about; the same unit keeps its arm while the"
            " weights stand.",
        },
        "context": {"type": "object", "description": "What the plan's segments ask about."},
        "explain": {"type": "boolean", "description": "Say why, too."},
        "token": {
            "type": ["string", "null"],
            "description": "That of its last decision here: in a segment that is `sticky` the unit"
            " keeps its arm by it.",
        },
    },
}
_DECISION: dict[str, Any] = {
    "type": "object",
    "required": ["decision_id", "arm", "model", "version", "token"],
    "properties": {
        "decision_id": {"type": "string", "format": "uuid"},
        "decision_point": {"type": "string"},
        **_ARM,
        **_IN_A_STOP,
        "shadows": {"type": "array", "items": {"type": "object", "properties": _ARM}},
        "plan_revision": {"type": "integer"},
        "generation": {"type": "integer"},
        "age_ms": {
            "type": "integer",
            "description": "Since the table was last known to be current.",
        },
        "explanation": _EXPLANATION,
    },
}


def _operation(
    summary: str, body: dict[str, Any], example: Any, description: str, answer: dict[str, Any]
) -> dict[str, Any]:
    return {
        "summary": summary,
        "description": "Every call decides anew; an Idempotency-Key changes nothing. What is"
        " decided twice counts once if only one of its tokens comes back with an event.",
        "tags": ["routing"],
        "security": [{"HTTPBearer": []}],
        "parameters": [
            {"name": "key", "in": "path", "required": True, "schema": {"type": "string"}}
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": body, "example": example}},
        },
        "responses": {
            "200": {
                "description": description,
                "content": {"application/json": {"schema": answer}},
            }
        },
    }


ROUTE_OPERATION = _operation(
    "Which version answers for this unit?",
    _UNIT,
    {"unit": "customer-4711", "context": {"region": "vic"}},
    "The decision.",
    _DECISION,
)
BATCH_OPERATION = _operation(
    "Which versions answer for these units?",
    {
        "type": "object",
        "required": ["units"],
        "additionalProperties": False,
        "properties": {"units": {"type": "array", "minItems": 1, "maxItems": 1000, "items": _UNIT}},
    },
    {"units": [{"unit": "customer-4711"}, {"unit": "customer-4712"}]},
    "A decision for each unit, in their order, all by one plan. Of whom nobody answers it says"
    " `stopped`, without model and constant.",
    {
        "type": "object",
        "required": ["decisions"],
        "properties": {"decisions": {"type": "array", "items": _DECISION}},
    },
)
