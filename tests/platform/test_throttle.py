"""What is counted, whose it is, and how much of it passes."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.kit.refusal import NotFound
from app.platform.http.guard import Peer, Unauthenticated
from app.platform.http.throttle import TooManyWrongCredentials, WrongCredentials, network_of
from app.platform.settings import Settings

HERE, THERE = ("192.0.2.1", 40_000), ("192.0.2.2", 40_000)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def counter(*, rate: float = 1, burst: int = 3, clock: Clock | None = None) -> WrongCredentials:
    chosen = Settings(wrong_credentials_per_second=rate, wrong_credentials_burst=burst)
    return WrongCredentials(chosen, clock or Clock())


def let_nobody_in() -> None:
    raise Unauthenticated("The key is unknown.")


def guess(wrong: WrongCredentials, peer: Peer = HERE) -> int | None:
    """Send a wrong key; return the seconds to wait if it was not even looked at."""
    try:
        with wrong.counted(peer):
            let_nobody_in()
    except TooManyWrongCredentials as refusal:
        return int(refusal.extra["retry_after"])
    except Unauthenticated:
        pass
    return None


def test_wrong_credentials_pass_until_there_were_too_many_from_one_address() -> None:
    clock = Clock()
    wrong = counter(rate=0.25, burst=2, clock=clock)

    assert [guess(wrong) for _ in range(4)] == [None, None, 4, 4]
    assert guess(wrong, THERE) is None
    clock.now += 4
    assert [guess(wrong) for _ in range(2)] == [None, 4]


def test_whoever_is_blocked_is_not_looked_up_whatever_he_brings() -> None:
    wrong = counter(burst=1)
    guess(wrong)

    with pytest.raises(TooManyWrongCredentials), wrong.counted(HERE):
        pytest.fail("It was looked up.")


def test_what_was_looked_up_at_the_same_moment_is_waited_for_later() -> None:
    wrong = counter(rate=1, burst=1)

    with suppress(Unauthenticated), wrong.counted(HERE), wrong.counted(HERE):
        let_nobody_in()

    assert guess(wrong) == 2


@pytest.mark.parametrize("fault", [NotFound("thing", "x"), OSError("no database"), None])
def test_only_who_is_not_let_in_is_counted(fault: Exception | None) -> None:
    wrong = counter(burst=1)
    for _ in range(10):
        try:
            with wrong.counted(HERE):
                if fault is not None:
                    raise fault
        except (NotFound, OSError) as found:
            assert found is fault  # noqa: PT017 - half of the cases raise nothing

    assert guess(wrong) is None


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), min_size=1, max_size=100))
def test_no_more_guesses_are_looked_at_than_burst_and_rate_allow(
    sent: list[tuple[float, bool]],
) -> None:
    clock = Clock()
    wrong, looked_at = counter(rate=2, burst=4, clock=clock), 0
    for gap, from_here in sent:
        clock.now += gap
        found = guess(wrong, HERE if from_here else THERE)
        looked_at += from_here and found is None

    assert looked_at <= 4 + 2 * (clock.now - Clock.now) + 1e-6


def test_the_log_names_an_address_each_time_it_has_none_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wrong = counter(burst=2)
    for _ in range(5):
        guess(wrong)
        guess(wrong, None)

    assert [vars(record)["network"] for record in caplog.records] == ["192.0.2.1", ""]


def test_with_a_rate_of_0_any_number_passes() -> None:
    wrong = counter(rate=0, burst=1)

    assert {guess(wrong) for _ in range(100)} == {None}


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        (("192.0.2.1", 1), "192.0.2.1"),
        (("2001:db8:1:2:3:4:5:6", 1), "2001:db8:1:2::/64"),
        (("2001:db8:1:2::", 1), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 1), "fe80::/64"),
        (("::ffff:192.0.2.1", 1), "192.0.2.1"),
        (("unknown", 0), "unknown"),
        (("", 0), ""),
        (None, ""),
    ],
)
def test_an_address_stands_for_what_one_caller_has_to_himself(peer: Peer, network: str) -> None:
    assert network_of(peer) == network
