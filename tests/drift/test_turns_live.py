"""What is told of an alert is committed before more windows are examined.

Until then nobody else writes to the version's log: its approvals and swaps would wait.
"""

from typing import Any

import numpy as np
import psycopg

from tests.live import Live, Place, champion, wait_folded
from tests.system.traffic import wait_for
from tests.tenants import database_of

FIRST = np.datetime64("2026-04-01T00", "h")
HOURS, ROWS, CALM = 9, 60, 4


def send(live: Live, place: Place) -> None:
    """Hours of a version of which the later ones have left what built it; all of them at once."""
    rng = np.random.default_rng(4)
    units = {"units": [{"unit": f"t-{number}"} for number in range(HOURS * ROWS)]}
    decisions = live["app"].post(f"/v1/decision-points/{place.point}/route:batch", units)
    events = []
    for number, one in enumerate(decisions["decisions"]):
        hour = number // ROWS
        x = rng.normal() + (0.0 if hour < CALM else 1.0)
        events.append(
            {"token": one["token"], "at": f"{FIRST + hour}:20:00Z", "features": {"x": x},
             "score": 1 / (1 + np.exp(-x))}
        )  # fmt: skip
    live["app"].post("/v1/events", {"events": events})
    wait_folded(live, place.point)


def test_the_log_is_let_go_between_what_an_alert_says_and_the_next_window(live: Live) -> None:
    place = champion(live)
    monitor = {"window_hours": 1, "step_hours": 1, "min_rows": 50, "hits": 1, "of": 1}
    live["ops"].put(f"/v1/decision-points/{place.point}/monitor", monitor)
    send(live, place)

    def examined() -> list[Any]:
        with psycopg.connect(database_of(live)) as connection:
            return connection.execute(
                "SELECT w.until, w.xmin::text FROM drift_window w JOIN catalog_decision_point p"
                " ON (p.tenant_id, p.id) = (w.tenant_id, w.point_id) WHERE p.key = %s"
                " ORDER BY w.until",
                (place.point,),
            ).fetchall()

    wait_for(lambda: len(examined()) >= HOURS - 1, "the windows that closed", 60)
    windows = examined()
    with psycopg.connect(database_of(live)) as connection:
        told = connection.execute(
            "SELECT e.xmin::text, (e.details ->> 'until')::timestamptz FROM audit_entry e"
            " JOIN catalog_version v ON (v.tenant_id, v.id) = (e.tenant_id, e.version_id)"
            " JOIN catalog_model m ON (m.tenant_id, m.id) = (v.tenant_id, v.model_id)"
            " WHERE e.action = 'alert.raised' AND m.name = %s",
            (place.model,),
        ).fetchall()

    assert told
    for wrote, until in told:
        assert [at for at, by in windows if by == wrote][-1] == until
