"""Answers: what is said of who answers, ready to be put into a decision."""

from typing import Any
from uuid import UUID

import orjson

from app import catalog
from app.routing.diversion import FALLBACK
from app.routing.engine import Arm
from app.routing.fallback import StandIn
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
    endpoint = seat.endpoint if seat else None
    own, pinned = dict[str, Any](), dict[str, Any]()
    if instance is not None:
        endpoint = instance.endpoint or endpoint
        own, pinned = instance.parameters, {"instance": instance.key}
    text = fragment(
        {
            "propensity": propensity,
            "arm": name,
            "segment": segment,
            "model": model.name,
            "version": version.number,
            "version_id": version.id,
            "endpoint": endpoint,
            "parameters": {**(seat.parameters if seat else {}), **own, **(parameters or {})},
            **pinned,
        }
    )
    key = instance.key if instance is not None else None
    return Arm(name, version.id.bytes, propensity, text, instance=key)


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
    endpoint, parameters = standing.endpoint, standing.parameters
    if instance is not None:
        endpoint = instance.endpoint or endpoint
        parameters = {**(parameters or {}), **instance.parameters}
        why["instance"] = instance.key
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
    key = instance.key if instance is not None else None
    return Arm(name, raw, propensity, text, stopped, key)


def fragment(fields: dict[str, Any]) -> str:
    """Return fields as they stand within a JSON object."""
    return orjson.dumps(fields).decode()[1:-1]
