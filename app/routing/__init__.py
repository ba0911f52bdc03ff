"""Routing: which version answers, decided in memory.

Owns seats (who is champion or challenger where), plans, stops with what answers in them, bandit
weights and the in-memory table. Promises at most one champion a decision point at any moment (the
database forbids two), a decision without a database write, that a stop is obeyed everywhere within
five seconds, and that the last good table answers while the database is away.
"""

from app.routing.asof import NothingThen
from app.routing.conditions import UNIT
from app.routing.crowning import crown, seat_challenger
from app.routing.decide import MAX_UNIT, Asked, Decided, Decider, in_turns
from app.routing.diversion import FALLBACK
from app.routing.editing import apply_plan
from app.routing.engine import Compiled
from app.routing.enrolling import is_running
from app.routing.events import (
    ChampionChanged,
    FallbackChanged,
    PlanChanged,
    PointResumed,
    PointStopped,
    RampMoved,
)
from app.routing.experiments import conclude
from app.routing.fallback import apply_fallback
from app.routing.flagd import flag_of, value_of
from app.routing.learning import learn
from app.routing.mentions import last_answered, plans_naming
from app.routing.pins import hold as hold_pinned
from app.routing.pins import pinned_of, require_taken_over
from app.routing.pins import unagreed as unagreed_instances
from app.routing.planned import planned
from app.routing.proving import Proven, comparing, proof_of, proven
from app.routing.ramps import hold_version, rising, roll_back_version
from app.routing.rules import (
    CauseStands,
    NoChampion,
    NoInstance,
    SeatTaken,
    SeatVacant,
    TableStale,
    WouldStrand,
)
from app.routing.schemas import SeatOut
from app.routing.seats import (
    FIT,
    SeatRole,
    Succession,
    champion_at,
    champion_of,
    champions,
    open_seat,
    open_seats_of,
    reigning,
    seat_by_id,
    seated_in,
    seats_of,
    serves,
    succession_of,
    vacate,
)
from app.routing.service import (
    plan_at,
    plan_in_force,
    plans_of,
    strategy_behind,
)
from app.routing.snapshot import RoutingTable
from app.routing.standing_in import (
    StandIn,
    declared,
    falls_back_to,
    reconsider,
    stand_in,
    unfit_fallbacks,
)
from app.routing.stops import (
    CausesStanding,
    all_stopped,
    held_at,
    lifted,
    resume,
    seat_shown,
    stop,
    stop_behind,
    stopped,
)
from app.routing.stranding import require_answered
from app.routing.succession import REINSTATED, ROLLED_BACK
from app.routing.tables import Fallback, FallbackKind, PlanRevision, Seat, Stop

__all__ = [
    "FALLBACK",
    "FIT",
    "MAX_UNIT",
    "REINSTATED",
    "ROLLED_BACK",
    "UNIT",
    "Asked",
    "CauseStands",
    "CausesStanding",
    "ChampionChanged",
    "Compiled",
    "Decided",
    "Decider",
    "Fallback",
    "FallbackChanged",
    "FallbackKind",
    "NoChampion",
    "NoInstance",
    "NothingThen",
    "PlanChanged",
    "PlanRevision",
    "PointResumed",
    "PointStopped",
    "Proven",
    "RampMoved",
    "RoutingTable",
    "Seat",
    "SeatOut",
    "SeatRole",
    "SeatTaken",
    "SeatVacant",
    "StandIn",
    "Stop",
    "Succession",
    "TableStale",
    "WouldStrand",
    "all_stopped",
    "apply_fallback",
    "apply_plan",
    "champion_at",
    "champion_of",
    "champions",
    "comparing",
    "conclude",
    "crown",
    "declared",
    "falls_back_to",
    "flag_of",
    "held_at",
    "hold_pinned",
    "hold_version",
    "in_turns",
    "is_running",
    "last_answered",
    "learn",
    "lifted",
    "open_seat",
    "open_seats_of",
    "pinned_of",
    "plan_at",
    "plan_in_force",
    "planned",
    "plans_naming",
    "plans_of",
    "proof_of",
    "proven",
    "reconsider",
    "reigning",
    "require_answered",
    "require_taken_over",
    "resume",
    "rising",
    "roll_back_version",
    "seat_by_id",
    "seat_challenger",
    "seat_shown",
    "seated_in",
    "seats_of",
    "serves",
    "stand_in",
    "stop",
    "stop_behind",
    "stopped",
    "strategy_behind",
    "succession_of",
    "unagreed_instances",
    "unfit_fallbacks",
    "vacate",
    "value_of",
]
