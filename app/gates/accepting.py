"""The answer to an edit that became a change request."""

from typing import Any

import orjson
from fastapi import Response

from app.gates.governance_schemas import ChangeOut
from app.gates.tables import Change

ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"model": ChangeOut, "description": "Under change control: the edit waits for approval."}
}


def accepted(change: Change) -> Response:
    """Return the answer to an edit that became a change request."""
    body = orjson.dumps(ChangeOut.model_validate(change).model_dump(mode="json"))
    place = {"Location": f"/v1/changes/{change.id}"}
    return Response(body, 202, place, media_type="application/json")
