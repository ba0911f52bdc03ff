"""What a receiver asks for, how it is tried again, how it is signed: as pure functions."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.notifications.rules import (
    MOST_ATTEMPTS,
    RESTING,
    TYPE,
    rest_after,
    retry_after,
    show,
    sign,
    succeeded,
    wants,
)
from tests.notifications.sinks import Message

LUCK = st.floats(0, 1, exclude_max=True)
# From the reference libraries of Standard Webhooks.
SHOWN = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRET = base64.b64decode(SHOWN.removeprefix("whsec_"))
KNOWN = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_message_is_signed_as_the_reference_signs_it() -> None:
    body, event = b'{"test": 2432232314}', "msg_p5jXN8AQM9LWM0D4loKWxJek"

    assert show(SECRET) == SHOWN
    assert sign([SECRET], event, 1614265330, body) == KNOWN


@given(st.lists(st.binary(min_size=24, max_size=64), min_size=1, max_size=3, unique=True))
def test_every_secret_in_force_signs_and_no_other(secrets: list[bytes]) -> None:
    body = '{"über": 1}'.encode()
    signature = sign(secrets, "e", 7, body)
    headers = {"webhook-id": "e", "webhook-timestamp": "7", "webhook-signature": signature}
    message = Message(headers, body, 0.0)

    assert all(message.signed_with(show(secret)) for secret in secrets)
    assert not message.signed_with(show(b"another's"))
    assert not Message(headers, body + b" ", 0.0).signed_with(show(secrets[0]))


@pytest.mark.parametrize(
    ("asked", "kind", "wanted"),
    [
        ("*", "release.version.returned", True),
        ("release.*", "release.version.returned", True),
        ("release.version.*", "release.version.returned", True),
        ("release.version.returned", "release.version.returned", True),
        ("release.version", "release.version.returned", False),
        ("rel.*", "release.version.returned", False),
        ("revalidation.*", "release.version.returned", False),
    ],
)
def test_a_receiver_is_sent_what_it_asked_for(asked: str, kind: str, *, wanted: bool) -> None:
    assert wants([asked], kind) is wanted
    assert wants(["gates.case.opened", asked], kind) is wanted


@pytest.mark.parametrize("bad", ["", "**", "release.", ".release", "release*", "Release.x", "a..b"])
def test_a_type_is_a_word_a_beginning_or_everything(bad: str) -> None:
    assert re.match(TYPE, bad) is None


@given(LUCK, st.floats(0.1, 60))
def test_attempts_are_further_and_further_apart_and_come_to_an_end(
    luck: float, first: float
) -> None:
    waits = [retry_after(n, first, luck) for n in range(1, MOST_ATTEMPTS + 1)]

    assert waits[-1] is None
    given_waits = [wait for wait in waits if wait is not None]
    assert given_waits == sorted(given_waits)
    assert first * 0.8 <= given_waits[0] <= first * 1.2


@given(LUCK)
def test_a_message_is_tried_for_about_three_days(luck: float) -> None:
    waits = [retry_after(n, 5.0, luck) or 0.0 for n in range(1, MOST_ATTEMPTS + 1)]

    assert 2.4 <= sum(waits) / 86_400 <= 3.8


@given(st.integers(1, 10_000), LUCK)
def test_who_keeps_failing_is_left_alone_for_longer_but_never_for_good(
    failures: int, luck: float
) -> None:
    rest = rest_after(failures, 5.0, luck)

    assert (rest == 0) is (failures < RESTING)
    assert rest <= 3600 * 1.2
    assert rest_after(failures + 1, 5.0, luck) >= rest


@pytest.mark.parametrize(
    ("code", "good"),
    [
        (200, True),
        (204, True),
        (299, True),
        (301, False),
        (410, False),
        (500, False),
    ],
)
def test_only_2xx_takes_a_message(code: int, *, good: bool) -> None:
    assert succeeded(code) is good
