"""What well-formed bodies are about: what there is, where a schema cannot say it."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from app.telemetry.lake_profile import wired
from app.telemetry.layout import Layout
from app.telemetry.tally import tally
from tests.live import make_model, make_version, route, unique
from tests.system.holdings import AT, Holdings
from tests.ways import Way

NAMED: dict[str, Callable[[Holdings], Any]] = {
    "model": lambda held: held.place.model,
    "version": lambda held: held.place.version,
    "decision_point": lambda held: held.place.point,
    "decision_points": lambda held: [held.place.point],
    "owner": lambda held: held.person,
    "to": lambda held: held.person,
    "principal_id": lambda held: held.account,
    "case_id": lambda held: held.cases["activations"],
    "body": lambda held: held.live["aud"].get("/v1/policies/low")["body"],
}
"""Fields of bodies that are about what there is."""


def published(held: Holdings) -> int:
    """Return a version that is younger than whatever it is said to have come of."""
    return make_version(held.live, held.place.model)


def invited(held: Holdings) -> str:
    """Return the code that lets a new person in."""
    admin = held.live.admin
    person = admin.post("/v1/principals", {"name": unique("person"), "roles": ["auditor"]})
    return str(admin.post(f"/v1/principals/{person['id']}:invite")["code"])


def layout(held: Holdings) -> dict[str, Any]:
    """Return the layout of the version that stands here, as it is read."""
    path = f"/v1/models/{held.place.model}/versions/{held.place.version}/baseline"
    return dict(held.live["ops"].get(path)["layout"])


def hours(held: Holdings) -> list[dict[str, Any]]:
    """Return one hour in which one row came that says nothing."""
    bins = Layout.load(layout(held))
    row = tally(*bins.place([[None]] * len(bins.variables)), bins.size)
    return [{"hour": AT, "n": 1, "variables": wired(bins, row)}]


def event(held: Holdings) -> dict[str, Any]:
    """Return what came of a decision that was just asked for."""
    return {"token": route(held.live, held.place.point, unique("u"))["token"], "at": AT, "score": 0}


ONCE: dict[str, dict[str, Callable[[Holdings], Any]]] = {
    "POST /v1/models/{name}/versions/{number}:fork": {"into": lambda held: make_model(held.live)},
    "POST /v1/approval-requests": {"step": lambda _: "application_integration"},
    "POST /v1/waivers": {
        "step": lambda _: "application_integration", "rule": lambda _: "traffic",
    },
    "POST /v1/delegations": {
        "roles": lambda _: ["committee"],
        "until": lambda _: (datetime.now(UTC) + timedelta(days=1)).isoformat(),
    },
    "POST /v1/trust-rules": {
        "name": lambda _: unique("rule"), "provider": lambda _: "generic",
        "issuer": lambda _: "https://ci.example.com", "claims": lambda _: {"project": "1"},
        "roles": lambda _: ["application"],
    },
    "POST /v1/procedures": {
        "cause": lambda _: "request", "cause_id": lambda _: None,
        "expected": lambda _: {"metric": "accuracy", "by": 0.01},
    },
    "POST /v1/procedures/{procedure_id}:link": {"version": published},
    "PUT /v1/decision-points/{key}/monitor": {"tell": lambda held: [{"who": held.person}]},
    "POST /v1/webhooks": {"url": lambda _: "https://hooks.example.com/"},
    "PATCH /v1/webhooks/{webhook_id}": {"url": lambda _: "https://hooks.example.com/"},
    "POST /v1/invitations:redeem": {"code": invited},
    "POST /v1/releases": {"validator": lambda _: "val"},
    "POST /v1/releases:run": {
        "kpis": lambda _: [], "validator": lambda _: "val", "risk_tier": lambda _: "low",
        "integration": lambda _: None,
    },
    "POST /v1/events": {"events": lambda held: [event(held)]},
    "POST /v1/profiles": {
        "id": lambda _: str(uuid.uuid4()), "hours": hours, "arm": lambda _: "lake",
        "layout_digest": lambda held: layout(held)["digest"],
    },
    "POST /v1/decision-points/{key}/kpi-values": {
        "values": lambda _: [{"kpi": "pushed", "at": AT, "value": 1}],
    },
    "PUT /v1/kpi-scopes/{scope}": {"kind": lambda _: "process", "processes": lambda _: []},
    "PUT /v1/kpi-scopes/{scope}/kpis/{kpi}": {"currency": lambda _: "AUD"},
    "POST /v1/kpi-scopes/{scope}/kpi-values": {
        "values": lambda _: [{"kpi": "pushed", "at": AT, "value": 1}],
    },
    "PUT /v1/decision-rights": {
        "body": lambda held: held.live["aud"].get("/v1/decision-rights")["body"],
    },
}  # fmt: skip
"""The same, of single operations."""


def namesake(way: Way, body: dict[str, Any]) -> dict[str, Callable[[Holdings], Any]]:
    """Return the fields of a body that are to be about what there is."""
    known = NAMED | ONCE.get(str(way), {})
    return {name: named for name, named in known.items() if name in body}
