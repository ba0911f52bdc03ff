"""Activation: the seven steps, the champion swap, rollback, retirement, the trace of a decision.

Owns how a released version comes to decide, the guardrails that it stays within, and how it goes.
Promises that a swap is atomic and approved, that a breach acts once, and that any decision can be
traced to plan, version and people. Imports release, routing, gates, telemetry.
"""

from app.activation import guardrail_routes, retirement_routes, routes
from app.activation.guarding import guard
from app.activation.guardrails import apply_guardrail
from app.activation.retirement import reconsider
from app.activation.service import judge_step

routers = (*routes.routers, guardrail_routes.router, *retirement_routes.routers)

__all__ = ["apply_guardrail", "guard", "judge_step", "reconsider", "routers"]
