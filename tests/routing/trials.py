"""What comes back of an experiment's arms, and how long it has run."""

from datetime import UTC, datetime

import psycopg

from tests.live import wait_folded
from tests.routing.plans import Cast
from tests.tenants import database_of

UNITS = 700


def scored(at: Cast, earns: dict[str, int], units: range = range(UNITS)) -> dict[str, int]:
    """Decide about units and report what became of them; return how many each arm had.

    Of ten units of an arm so many earn, the first ones.
    """
    asked = {"units": [{"unit": f"unit-{number}"} for number in units]}
    app, seen = at.live["app"], dict.fromkeys(earns, 0)
    decisions = app.post(f"{at.path}/route:batch", asked)["decisions"]
    now = datetime.now(UTC).isoformat()
    events, outcomes = [], []
    for one in decisions:
        arm = one["arm"]
        events.append({"token": one["token"], "at": now, "score": 0.5, "features": {"x": 0.1}})
        reward = float(seen[arm] % 10 < earns[arm])
        outcomes.append({"decision_id": one["decision_id"], "reward": reward, "at": now})
        seen[arm] += 1
    app.post("/v1/events", {"events": events})
    app.post("/v1/outcomes", {"outcomes": outcomes})
    wait_folded(at.live, at.champion.point)
    return seen


def older(at: Cast, days: int) -> None:
    """Let the point's experiments have begun so many days before they did."""
    with psycopg.connect(database_of(at.live)) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE routing_weights SET learnt = jsonb_set(jsonb_set(learnt,"
            " '{segments,everyone,since}', to_jsonb((learnt #>> '{segments,everyone,since}')"
            "::timestamptz - make_interval(days => %s))), '{segments,everyone,before}', '{}')"
            " WHERE point_id = (SELECT id FROM catalog_decision_point WHERE key = %s)",
            (days, at.champion.point),
        )
