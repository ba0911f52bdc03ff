"""Whether the telemetry arrives that policy asks for: as a pure function."""

from hypothesis import given
from hypothesis import strategies as st

from app.activation.arrival import SHARE_SIGNALS, Arrival, Signal, lacking, silence_allowed
from app.gates import Telemetry

SHARES = st.none() | st.floats(0.01, 1)
ASKED = st.builds(
    Telemetry,
    silence_minutes=st.none() | st.integers(1, 10_000),
    silence_intervals=st.floats(1, 100),
    features=SHARES, scores=SHARES, outcomes=SHARES,
)  # fmt: skip
FOUND = st.builds(
    Arrival,
    silence_minutes=st.floats(0, 1e6),
    features=st.none() | st.floats(0, 1),
    scores=st.none() | st.floats(0, 1),
    outcomes=st.none() | st.floats(0, 1),
)
VELOCITY = st.floats(0.001, 10_000)


@given(FOUND, VELOCITY)
def test_who_asks_for_nothing_misses_nothing(found: Arrival, velocity: float) -> None:
    assert lacking(Telemetry(), found, events_per_minute=velocity) == []


@given(ASKED, FOUND, VELOCITY)
def test_only_what_is_asked_for_and_was_measured_is_missed(
    asked: Telemetry, found: Arrival, velocity: float
) -> None:
    lacks = {lack.signal: lack for lack in lacking(asked, found, events_per_minute=velocity)}

    allowed = silence_allowed(asked, velocity)
    assert (Signal.EVENTS in lacks) is (allowed is not None and found.silence_minutes > allowed)
    for name in SHARE_SIGNALS:
        least, share = getattr(asked, name), getattr(found, name)
        missed = least is not None and share is not None and share < least
        assert (Signal(name) in lacks) is missed
        if missed:
            assert (lacks[Signal(name)].asked, lacks[Signal(name)].found) == (least, share)


@given(st.integers(1, 10_000), st.floats(1, 100), VELOCITY)
def test_a_point_that_decides_rarely_may_be_silent_for_longer(
    minutes: int, intervals: float, velocity: float
) -> None:
    asked = Telemetry(silence_minutes=minutes, silence_intervals=intervals)
    allowed = silence_allowed(asked, velocity)

    assert allowed is not None
    assert allowed >= minutes
    assert allowed * velocity >= intervals * (1 - 1e-9)
