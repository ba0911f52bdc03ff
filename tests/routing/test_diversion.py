"""Who answers while something is stopped, whatever the plan and the stops."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.routing.diversion import FALLBACK, ROLLED_BACK, divert, of_everything, predecessor
from app.routing.engine import Arm, Branch, Compiled, bounds, cbor_text, salt

START = datetime(2026, 1, 1, tzinfo=UTC)
VERSIONS = st.integers(1, 6).map(lambda number: UUID(int=number))
UNITS = st.text("abc019", min_size=1, max_size=12)


@dataclass(frozen=True)
class Held:
    id: UUID
    version_id: UUID | None


@dataclass(frozen=True)
class Seat:
    version_id: UUID
    cause: str
    since: datetime
    until: datetime | None


ARMS = st.dictionaries(VERSIONS, st.integers(0, 1000), min_size=1, max_size=5).map(
    lambda weights: [(f"arm-{id_.int}", id_, weight) for id_, weight in weights.items()]
)
STOPS = st.lists(
    st.builds(Held, st.integers(100, 10**6).map(lambda n: UUID(int=n)), VERSIONS | st.none()),
    max_size=5,
    unique_by=lambda held: held.id,
)


def evaluated(arms: list[tuple[str, UUID, int]], stops: list[Held], unit: str) -> Arm:
    """The arm of a unit, by the plan as the stops leave it."""
    shares = divert(arms, stops)
    plan = Compiled(
        key="point",
        fragment="",
        point_id=bytes(16),
        revision=1,
        generation=1,
        salt=salt("point"),
        branches=(
            Branch(
                "everyone",
                sum(share.weight for share in shares),
                bounds([share.weight for share in shares]),
                tuple(
                    Arm(share.name, share.version_id.bytes if share.version_id else b"", 1.0, "")
                    for share in shares
                ),
            ),
        ),
        shadows=(),
    )
    return plan.assign(unit, cbor_text(unit), {})


@given(ARMS.filter(lambda arms: any(weight for *_, weight in arms)), STOPS, UNITS)
def test_who_is_stopped_answers_nobody_and_all_others_keep_their_arm(
    arms: list[tuple[str, UUID, int]], stops: list[Held], unit: str
) -> None:
    before, after = evaluated(arms, [], unit), evaluated(arms, stops, unit)
    stopped = {held.version_id for held in stops}
    everything = None in stopped

    if everything or UUID(bytes=before.version_id) in stopped:
        assert (after.name, after.version_id) == (FALLBACK, b"")
    else:
        assert after == before


@given(ARMS, STOPS, st.randoms(use_true_random=False))
def test_the_order_of_stops_changes_nothing(
    arms: list[tuple[str, UUID, int]], stops: list[Held], rng: object
) -> None:
    mixed = list(stops)
    rng.shuffle(mixed)  # type: ignore[attr-defined]

    assert divert(arms, mixed) == divert(arms, stops)


@given(ARMS, STOPS)
def test_every_diverted_share_names_a_stop_that_holds_it(
    arms: list[tuple[str, UUID, int]], stops: list[Held]
) -> None:
    held = {stop.id: stop for stop in stops}
    for share in divert(arms, stops):
        if share.stop is None:
            assert share.version_id is not None
            assert of_everything(stops) is None
        else:
            assert share.name == FALLBACK
            assert held[share.stop].version_id is None or of_everything(stops) is None


REIGNS = st.lists(st.tuples(VERSIONS, st.booleans()), min_size=1, max_size=8)


@given(REIGNS, st.sets(VERSIONS, max_size=3))
def test_whoever_stands_in_reigned_before_and_was_not_thrown_out(
    reigns: list[tuple[UUID, bool]], barred: set[UUID]
) -> None:
    seats = [
        Seat(
            version_id,
            ROLLED_BACK if back and index else "activated",
            START + timedelta(hours=index),
            START + timedelta(hours=index + 1) if index + 1 < len(reigns) else None,
        )
        for index, (version_id, back) in enumerate(reigns)
    ]
    found = predecessor(seats, barred)

    fit = [
        seat
        for index, seat in enumerate(seats[:-1])
        if seat.version_id not in barred | {seats[-1].version_id}
        and seat.version_id not in {later.version_id for later in seats[index + 1 :]}
        and seats[index + 1].cause != ROLLED_BACK
    ]
    assert found == (fit[-1] if fit else None)


def test_who_was_rolled_back_from_does_not_stand_in_though_he_was_fine_before() -> None:
    one, two = UUID(int=1), UUID(int=2)
    times = [START + timedelta(hours=hour) for hour in range(5)]
    seats = [
        Seat(two, "activated", times[0], times[1]),
        Seat(one, "activated", times[1], times[2]),
        Seat(two, "activated", times[2], times[3]),
        Seat(one, ROLLED_BACK, times[3], None),
    ]

    assert predecessor(seats, ()) is None
