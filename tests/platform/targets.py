"""Calls that take a body, each with a good one that has a hole for a value."""

import uuid
from dataclasses import dataclass

import httpx

from tests.live import Live, champion, make_model, make_point
from tests.platform.wire import JSON, head, speaker

MIB = 1 << 20
KINDS = ("model", "version", "point", "baseline", "patch", "events", "outcomes", "route")


@dataclass(frozen=True)
class Target:
    """Where a body goes, and a good one with a hole ``%s`` for one JSON value."""

    method: str
    path: str
    who: str
    good: bytes
    limit: int = 2 * MIB


def make_targets(live: Live) -> dict[str, Target]:
    """Make a champion, and what else the calls need to get as far as their body."""
    place = champion(live)
    model, point, bare = place.model.encode(), place.point.encode(), make_model(live)
    body = {"source": "urn:x", "training_data": {"reference": "r"}}
    fields = {**body, "signature": {"inputs": [{"name": "x"}]}}
    live["dev"].post(
        f"/v1/models/{bare}/versions", {**fields, "card": {"summary": "s", "intended_use": "u"}}
    )
    decision = str(uuid.uuid4()).encode()
    event = b'{"event_id":"%b","at":"2026-01-01T00:00:00Z","features":{"x":%%s}}' % decision
    rehearsal = b'{"model":"%b","version":1,"decision_point":"%b","events":[%b]}'
    contract = b'{"inputs":[{"name":"x"}],"events_per_minute":1,"latency_ms":1}'
    return {
        "model": Target(
            "POST", "/v1/models", "dev",
            b'{"name":"n","risk_tier":"low","owner":"nobody","purpose":"p","tags":{"a":%s}}',
        ),
        "version": Target(
            "POST", f"/v1/models/{place.model}/versions", "dev",
            b'{"source":"urn:x","signature":{"inputs":[{"name":"x"}]},"training_data":{"reference"'
            b':"r"},"card":{"summary":"s","intended_use":"u","metrics":{"auc":%s}}}',
        ),
        "point": Target(
            "POST", "/v1/decision-points", "ops",
            b'{"key":"%b","kind":"rule","owner":"ops","description":%%s,"contract":%b}'
            % (make_point(live).encode(), contract),
        ),
        "baseline": Target(
            "PUT", f"/v1/models/{bare}/versions/1/baseline", "dev", b'{"columns":{"x":[1,%s]}}',
        ),
        "patch": Target("PATCH", f"/v1/models/{bare}", "dev", b'{"tags":{"a":%s}}'),
        "events": Target("POST", "/v1/events", "dev", rehearsal % (model, point, event), 64 * MIB),
        "outcomes": Target(
            "POST", "/v1/outcomes", "app",
            b'{"outcomes":[{"decision_id":"%b","at":"2026-01-01T00:00:00Z","reward":%%s}]}'
            % decision,
            64 * MIB,
        ),
        "route": Target(
            "POST", f"/v1/decision-points/{place.point}/route", "app",
            b'{"unit":"u","context":{"a":%s}}', 65_536,
        ),
    }  # fmt: skip


def send(live: Live, target: Target, body: bytes, **headers: str) -> httpx.Response:
    """Send a body; the answer must come within five seconds."""
    return speaker(live, target.who).request(
        target.method,
        target.path,
        content=body,
        headers={**JSON, "If-Match": '"1"', **headers},
        timeout=5,
    )


def begun(live: Live, target: Target, **headers: str | int) -> bytes:
    """Return the head of a request whose body is yet to come."""
    return head(
        target.method,
        target.path,
        live.keys[target.who],
        Content_Type="application/json",
        **headers,
    )
