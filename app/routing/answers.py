"""Answers: what is said of who answers, ready to be put into a decision."""

from typing import Any
from uuid import UUID

import orjson

from app import catalog
from app.routing.diversion import FALLBACK
from app.routing.engine import Arm
from app.routing.standing_in import StandIn
from app.routing.tables import Seat

Versions = dict[UUID, tuple[catalog.Model, catalog.Version]]


def arm_of(
    name: str,
    version_id: UUID,
    versions: Versions,
    seats: dict[UUID, Seat],
    propensity: float,
    *,
    segment: str | None = None,
    parameters: dict[str, Any] | None = None,
    instance: catalog.Instance | None = None,
) -> Arm:
    """Return the arm under which a version answers, with what a plan adds to its parameters.

    As an instance it has that one's endpoint, if there is one, and its parameters.
    """
    model, version = versions[version_id]
    seat = seats.get(version_id)
    endpoint, own, pinned = _as_instance(
        instance, seat.endpoint if seat else None, seat.parameters if seat else {}
    )
    text = fragment(
        {
            "propensity": propensity,
            "arm": name,
            "segment": segment,
            "model": model.name,
            "version": version.number,
            "version_id": version.id,
            "endpoint": endpoint,
            "parameters": {**own, **(parameters or {})},
            **pinned,
        }
    )
    return Arm(name, version.id.bytes, propensity, text, instance=pinned.get("instance"))


def standing_in(
    standing: StandIn | None,
    versions: Versions,
    propensity: float,
    *,
    segment: str | None = None,
    stop: UUID | None = None,
    name: str = FALLBACK,
    stale: bool = False,
    instance: catalog.Instance | None = None,
) -> Arm:
    """Return the arm that answers in place of what a stop, a holdout or age keeps from it.

    In a segment that pins one, a version does so as its ``instance``.
    """
    stopped = None if stop is None else str(stop)
    if standing is None:
        return Arm(name, b"", propensity, "", stopped)
    of_version: dict[str, Any] = {"model": None, "version": None, "version_id": None}
    why: dict[str, Any] = {} if stop is None else {"stopped": True, "stop_id": stop}
    if stale:
        why["stale"] = True
    raw = b""
    endpoint, parameters, pinned = _as_instance(instance, standing.endpoint, standing.parameters)
    why |= pinned
    if standing.version_id is None:
        why["constant"] = standing.constant
    else:
        model, version = versions[standing.version_id]
        of_version = {"model": model.name, "version": version.number, "version_id": version.id}
        raw = version.id.bytes
    text = fragment(
        {
            "propensity": propensity,
            "arm": name,
            "segment": segment,
            **of_version,
            "endpoint": endpoint,
            "parameters": parameters,
            **why,
        }
    )
    return Arm(name, raw, propensity, text, stopped, pinned.get("instance"))


def _as_instance(
    instance: catalog.Instance | None, endpoint: str | None, parameters: dict[str, Any]
) -> tuple[str | None, dict[str, Any], dict[str, str]]:
    """Return a version's endpoint and parameters as an instance has them, and what says so."""
    if instance is None:
        return endpoint, parameters, {}
    own = {**parameters, **instance.parameters}
    return instance.endpoint or endpoint, own, {"instance": instance.key}


def fragment(fields: dict[str, Any]) -> str:
    """Return fields as they stand within a JSON object."""
    return orjson.dumps(fields).decode()[1:-1]
