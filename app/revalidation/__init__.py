"""Revalidation: what production evidence sends back into the cycle.

Owns reviews. Promises that every version in a seat is validated against its KPIs after each
examined window, and that one which no longer earns its place goes back. Imports activation, drift.
"""

from app.revalidation.routes import router
from app.revalidation.service import review

__all__ = ["review", "router"]
