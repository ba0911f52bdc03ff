"""Activation: the seven steps, the champion swap, rollback, and the trace of a decision.

Owns how a released version comes to decide. Promises that a swap is atomic and approved, and that
any decision can be traced to plan, version and people. Imports release, routing, gates, telemetry.
"""

from app.activation.routes import lookups, routers
from app.activation.service import judge_step

__all__ = ["judge_step", "lookups", "routers"]
