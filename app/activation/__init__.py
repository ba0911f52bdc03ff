"""Activation: the seven steps, hand-off, deployment, the swap, rollback, retirement, the trace.

Owns how a released version comes to decide, and how it goes: targets, what they should run and what
is reported of them, incidents, hand-offs, preparations, and the guardrails a champion stays within.
Promises that a swap is atomic, approved and, where targets must be ready, prepared; that a running
digest or version nobody approved is an incident; that a breach acts once; and that any decision can
be traced to plan, version and people. Imports release, routing, gates, telemetry.
"""

from app.activation.arrival import Lack, Signal, lacking
from app.activation.blocking import causes_standing
from app.activation.causes import accepted as accepted_causes
from app.activation.delegating import promote
from app.activation.guarding import guard
from app.activation.guardrails import apply_guardrail, guardrails_asking, guardrails_in_force
from app.activation.preparing import preparer
from app.activation.reports import reexamine, watch_targets
from app.activation.retirement import reconsider
from app.activation.service import judge_step
from app.activation.telemetry_check import arrival

__all__ = [
    "Lack",
    "Signal",
    "accepted_causes",
    "apply_guardrail",
    "arrival",
    "causes_standing",
    "guard",
    "guardrails_asking",
    "guardrails_in_force",
    "judge_step",
    "lacking",
    "preparer",
    "promote",
    "reconsider",
    "reexamine",
    "watch_targets",
]
