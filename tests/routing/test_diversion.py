"""Who answers while something is stopped, whatever the plan and the stops."""

from dataclasses import dataclass
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.routing.diversion import FALLBACK, divert, of_everything
from app.routing.engine import Arm, Branch, Compiled, bounds, cbor_text, salt

VERSIONS = st.integers(1, 6).map(lambda number: UUID(int=number))
UNITS = st.text("abc019", min_size=1, max_size=12)


@dataclass(frozen=True)
class Held:
    id: UUID
    version_id: UUID | None


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
