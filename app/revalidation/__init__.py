"""Revalidation: what production evidence sends back into the cycle.

Owns reviews, the schedule with its reminders, telemetry gaps, and the report on adherence. Promises
that every version in a seat is validated against its KPIs after each examined window, that one
which no longer earns its place goes back, that whoever is asked to validate it again is told so
once each time, and that telemetry which policy asks for is missed. Imports activation, drift.
"""

from app.revalidation.backlogs import Backlogs
from app.revalidation.gaps import watch_arrival
from app.revalidation.gauges import Gauges
from app.revalidation.place_gauges import PlaceGauges
from app.revalidation.reminding import remind
from app.revalidation.service import review

__all__ = ["Backlogs", "Gauges", "PlaceGauges", "remind", "review", "watch_arrival"]
