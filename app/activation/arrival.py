"""Does the telemetry arrive that policy asks for? Pure."""

from dataclasses import dataclass
from enum import StrEnum

from app.gates import Telemetry

SHARE_SIGNALS = ("features", "scores", "outcomes")


class Signal(StrEnum):
    """What production has to report."""

    EVENTS = "events"
    FEATURES = "features"
    SCORES = "scores"
    OUTCOMES = "outcomes"


@dataclass(frozen=True, slots=True)
class Arrival:
    """What has arrived. Shares are of 1; ``None`` where there was nothing to measure by."""

    silence_minutes: float
    """Since the end of the hour of the last event, or since the seat was taken."""
    features: float | None
    scores: float | None
    outcomes: float | None


@dataclass(frozen=True, slots=True)
class Lack:
    """One thing that does not arrive: what is asked, what was found."""

    signal: Signal
    asked: float
    found: float


def silence_allowed(asked: Telemetry, events_per_minute: float) -> float | None:
    """Return how many minutes may pass without an event where so many are expected a minute.

    A point that expects one event a day is not silent after an hour.
    """
    if asked.silence_minutes is None:
        return None
    return max(float(asked.silence_minutes), asked.silence_intervals / events_per_minute)


def lacking(asked: Telemetry, found: Arrival, *, events_per_minute: float) -> list[Lack]:
    """Return what policy asks for and does not arrive.

    Where no events came within the window no share lacks: that is what silence is there for.
    """
    allowed = silence_allowed(asked, events_per_minute)
    lacks = []
    if allowed is not None and found.silence_minutes > allowed:
        lacks.append(Lack(Signal.EVENTS, allowed, found.silence_minutes))
    for name in SHARE_SIGNALS:
        least, share = getattr(asked, name), getattr(found, name)
        if least is not None and share is not None and share < least:
            lacks.append(Lack(Signal(name), least, share))
    return lacks
