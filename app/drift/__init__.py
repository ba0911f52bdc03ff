"""Drift: how far production has moved from what the model was built on.

Owns monitors, windows and alerts. Promises that every figure comes from profiles and can be
recomputed from what a window stores. Imports gates, telemetry, catalog.
"""

from app.drift.events import AlertRaised
from app.drift.rules import Thresholds, compare
from app.drift.service import apply_monitor, monitor_in_force, thresholds
from app.drift.standings import Standing, compare_rehearsal, compare_since, standing
from app.drift.tables import Alert, Window
from app.drift.watching import watch

__all__ = [
    "Alert",
    "AlertRaised",
    "Standing",
    "Thresholds",
    "Window",
    "apply_monitor",
    "compare",
    "compare_rehearsal",
    "compare_since",
    "monitor_in_force",
    "standing",
    "thresholds",
    "watch",
]
