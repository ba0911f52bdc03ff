"""Activation: the seven steps, hand-off, deployment, the champion swap, rollback, and the trace.

Owns how a released version comes to decide: targets, what they should run and what is reported of
them, incidents, hand-offs, preparations. Promises that a swap is atomic, approved and, where
targets must be ready, prepared; that a running digest nobody approved is an incident; and that any
decision can be traced to plan, version and people. Imports release, routing, gates, telemetry.
"""

from app.activation import incident_routes, routes, swap_routes, target_routes
from app.activation.events import BlockLifted, BlockWanted
from app.activation.preparing import preparer
from app.activation.reports import reexamine, watch_targets
from app.activation.service import judge_step

routers = (
    *routes.routers,
    swap_routes.before,
    swap_routes.router,
    target_routes.router,
    incident_routes.router,
)

__all__ = [
    "BlockLifted",
    "BlockWanted",
    "judge_step",
    "preparer",
    "reexamine",
    "routers",
    "watch_targets",
]
