"""A thousand decision points with a champion and a plan of several segments each."""

import time
from typing import Any

import orjson
import psycopg

from app.client import Client, Problem
from app.kit.ids import uuid7
from app.routing.spec import Plan
from tests.bench.champion import NAMES
from tests.bench.load import NUMBERED
from tests.bench.servers import BenchFailed, Served

CONTEXT: Any = {"region": "vic", "customer": {"age": 47}, "app": "2.3.1"}
_LIMITS = {
    "name": "limit",
    "levels": [
        {"name": "strict", "parameters": {"limit": 0.9}},
        {"name": "lax", "parameters": {"limit": 0.4}, "weight": 3},
    ],
}
PLAN: dict[str, Any] = {
    "segments": [
        {"name": "old-app", "when": {"sem_ver": [{"var": "app"}, "<", "2.0.0"]}},
        {"name": "north", "when": {"in": [{"var": "region"}, ["nsw", "qld"]]}},
        {
            "name": "adults",
            "when": {
                "and": [
                    {"==": [{"var": "region"}, "vic"]},
                    {">=": [{"var": "customer.age"}, 18]},
                ]
            },
            "strategy": {"kind": "multivariate", "factors": [_LIMITS]},
        },
        {"name": "rest"},
    ]
}
_POINTS = """
INSERT INTO catalog_decision_point
    (tenant_id, id, key, kind, owner_id, description, contract, revision)
SELECT tenant_id, %(id)s, %(key)s, kind, owner_id, description, contract, revision
FROM catalog_decision_point WHERE key = %(first)s
"""
_SEATS = """
INSERT INTO routing_seat
    (tenant_id, id, point_id, version_id, role, endpoint, parameters, case_id, cause)
SELECT s.tenant_id, %(seat)s, %(id)s, s.version_id, s.role, s.endpoint, s.parameters, s.case_id,
    s.cause
FROM routing_seat s JOIN catalog_decision_point p ON p.id = s.point_id
WHERE p.key = %(first)s AND s.until IS NULL
"""
_PLANS = """
INSERT INTO routing_plan (tenant_id, point_id, revision, spec, digest, author_id, cause)
SELECT tenant_id, %(id)s, 1, %(spec)s, '', owner_id, 'edited'
FROM catalog_decision_point WHERE key = %(first)s
"""
_CHANGED = """
INSERT INTO routing_point (tenant_id, point_id, generation)
SELECT tenant_id, id, (SELECT generation FROM routing_generation) FROM catalog_decision_point
WHERE key LIKE 'bench-point-%'
"""


def load_points(served: Served, key: str, count: int) -> None:
    """Write ``count`` decision points beside the first; return once the last is answered."""
    spec = orjson.dumps(Plan.model_validate(PLAN).model_dump(mode="json")).decode()
    rows = [
        {
            "id": uuid7(), "seat": uuid7(), "key": NUMBERED.format(number),
            "first": NAMES.point, "spec": spec,
        }
        for number in range(count)
    ]  # fmt: skip
    with psycopg.connect(served.database_url) as connection:
        for statement in (_POINTS, _SEATS, _PLANS):
            connection.cursor().executemany(statement, rows)
        connection.execute("UPDATE routing_generation SET generation = generation + 1")
        connection.execute(_CHANGED)
    application, deadline = Client(served.url, key), time.monotonic() + 60
    path = f"/v1/decision-points/{NUMBERED.format(count - 1)}/route"
    while time.monotonic() < deadline:
        try:
            application.post(path, {"unit": "probe", "context": CONTEXT})
        except Problem:
            time.sleep(0.1)
        else:
            return
    raise BenchFailed(f"{count:,} decision points were not loaded within a minute.")
