"""Routing: which version answers, decided in memory.

Owns seats (who is champion or challenger where), plans, bandit weights and the in-memory table.
Promises at most one champion a decision point at any moment (the database forbids two), a decision
without a database write, and that the last good table answers while the database is away.
"""

from app.routing.asof import NothingThen
from app.routing.events import ChampionChanged, PlanChanged
from app.routing.learning import learn
from app.routing.routes import hot_routes, router
from app.routing.rules import NoChampion
from app.routing.schemas import SeatOut
from app.routing.seats import (
    SeatRole,
    champion_at,
    champion_of,
    crown,
    open_seat,
    previous_champion,
    reigning,
    seat_challenger,
    seats_of,
)
from app.routing.service import apply_plan, plan_at, plan_in_force, plans_of
from app.routing.snapshot import RoutingTable
from app.routing.tables import PlanRevision, Seat

__all__ = [
    "ChampionChanged",
    "NoChampion",
    "NothingThen",
    "PlanChanged",
    "PlanRevision",
    "RoutingTable",
    "Seat",
    "SeatOut",
    "SeatRole",
    "apply_plan",
    "champion_at",
    "champion_of",
    "crown",
    "hot_routes",
    "learn",
    "open_seat",
    "plan_at",
    "plan_in_force",
    "plans_of",
    "previous_champion",
    "reigning",
    "router",
    "seat_challenger",
    "seats_of",
]
