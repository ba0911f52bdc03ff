"""Drift: how far production has moved from what the model was built on.

Owns monitors, windows, alerts and silences. Promises that every figure comes from profiles and can
be recomputed from what a window stores; that an alert is told once an episode, and that a silence
keeps it from being told and from nothing else. Imports gates, telemetry, catalog.
"""

from app.drift.agreed import KpisOver
from app.drift.alert_facts import ALERT_WORDS, alert_facts
from app.drift.alert_rules import STANDING, AlertKind, Severity
from app.drift.alertmanager import EVERY_SECONDS as ALERTMANAGER_SECONDS
from app.drift.alertmanager import Alertmanager
from app.drift.business import KpiSeen
from app.drift.events import AlertAcknowledged, AlertRaised, AlertResolved
from app.drift.gauges import AlertGauges
from app.drift.known import Planned, Planning
from app.drift.kpi_charting import KpiDrawn, KpiToDraw, ReportedLine
from app.drift.lapsing import KpisAgreed, lapse
from app.drift.newest import Newest, newest, newest_kpis, standing_at
from app.drift.rules import Thresholds, compare
from app.drift.service import apply_monitor, monitor_in_force, thresholds
from app.drift.standings import Standing, compare_rehearsal, compare_since, standing
from app.drift.tables import Alert, Window
from app.drift.tending import tend
from app.drift.tenure import Serving, Tenure
from app.drift.watching import watch

__all__ = [
    "ALERTMANAGER_SECONDS",
    "ALERT_WORDS",
    "STANDING",
    "Alert",
    "AlertAcknowledged",
    "AlertGauges",
    "AlertKind",
    "AlertRaised",
    "AlertResolved",
    "Alertmanager",
    "KpiDrawn",
    "KpiSeen",
    "KpiToDraw",
    "KpisAgreed",
    "KpisOver",
    "Newest",
    "Planned",
    "Planning",
    "ReportedLine",
    "Serving",
    "Severity",
    "Standing",
    "Tenure",
    "Thresholds",
    "Window",
    "alert_facts",
    "apply_monitor",
    "compare",
    "compare_rehearsal",
    "compare_since",
    "lapse",
    "monitor_in_force",
    "newest",
    "newest_kpis",
    "standing",
    "standing_at",
    "tend",
    "thresholds",
    "watch",
]
