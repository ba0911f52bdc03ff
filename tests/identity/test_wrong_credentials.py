"""Whoever tries wrong keys or codes is told to wait; who shares his address goes on working.

Every test calls from loopback addresses of its own.
"""

import time
from collections.abc import Callable, Iterator
from itertools import count

import httpx
import pytest
from sqlalchemy.exc import DBAPIError

from app.bus import make_bus
from app.identity import Keyring, keys
from app.platform.db import Database
from app.platform.http import WrongCredentials
from app.platform.http.guard import Unauthenticated
from app.platform.http.throttle import TooManyWrongCredentials
from app.platform.settings import Settings
from tests.conftest import home
from tests.live import Live, start
from tests.platform.wire import problem_of

BURST: int = Settings.model_fields["wrong_credentials_burst"].default
CODE = "too_many_wrong_credentials"
SLACK = 1.0
ADDRESSES = (f"127.0.7.{number}" for number in count(1))

Try = Callable[[httpx.Client], httpx.Response]


@pytest.fixture(scope="module")
def strict() -> Iterator[Live]:
    """A server with the limits that it has by default."""
    with home() as directory, start(directory, wrong_credentials_burst=str(BURST)) as found:
        yield found


@pytest.fixture
def caller(strict: Live) -> Iterator[httpx.Client]:
    with calling(strict) as found:
        yield found


def calling(live: Live) -> httpx.Client:
    """Return a client at an address from which nobody has called."""
    transport = httpx.HTTPTransport(local_address=next(ADDRESSES))
    return httpx.Client(base_url=live.url, transport=transport, timeout=30)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def unknown(http: httpx.Client) -> httpx.Response:
    return http.get("/v1/me", headers=bearer(keys.make().text))


def malformed(http: httpx.Client) -> httpx.Response:
    return http.get("/v1/models", headers=bearer("mwk_nonsense"))


def hot(http: httpx.Client) -> httpx.Response:
    return http.post("/v1/events", headers=bearer(keys.make().text), json={"events": []})


def code(http: httpx.Client) -> httpx.Response:
    wrong = keys.make(keys.INVITATION).text
    return http.post("/v1/invitations:redeem", json={"code": wrong})


TRIES: list[Try] = [unknown, malformed, hot, code]


def exhaust(http: httpx.Client, wrong: Try = malformed) -> tuple[int, httpx.Response]:
    """Try until one is told to wait; return how often that was not so, and the answer."""
    for number in range(10 * BURST):
        answer = wrong(http)
        if answer.status_code == 429:
            return number, answer
        assert answer.status_code == 401, answer.text
    raise AssertionError("Anybody may try for ever.")


@pytest.mark.parametrize("wrong", TRIES)
def test_who_tries_too_often_waits_as_long_as_he_is_told(caller: httpx.Client, wrong: Try) -> None:
    began = time.monotonic()
    tried, refused = exhaust(caller, wrong)
    took = time.monotonic() - began

    told = int(refused.headers["retry-after"])
    problem = problem_of(refused, 429, CODE)
    assert BURST <= tried <= BURST + took + 1
    assert told == problem["retry_after"] == 1
    assert "Retry-After" in problem["mend"]
    deadline = time.monotonic() + told + SLACK
    while (answer := wrong(caller)).status_code == 429:
        assert time.monotonic() < deadline, "He waited longer than he was told."
    assert answer.status_code == 401


def test_every_way_to_be_wrong_is_counted_as_one(caller: httpx.Client) -> None:
    tried = 0
    while all((answer := wrong(caller)).status_code == 401 for wrong in TRIES):
        tried += len(TRIES)
        assert tried < 10 * BURST

    problem_of(answer, 429, CODE)
    assert tried <= BURST + SLACK


def test_a_known_key_goes_on_working_at_the_same_address(
    strict: Live, caller: httpx.Client
) -> None:
    key = strict.keys["app"]
    assert caller.get("/v1/me", headers=bearer(key)).status_code == 200
    exhaust(caller)

    for _ in range(2 * BURST):
        assert caller.get("/v1/me", headers=bearer(key)).status_code == 200
        routed = caller.post(
            "/v1/decision-points/none/route", headers=bearer(key), json={"unit": "u"}
        )
        problem_of(routed, 404)


def test_a_new_key_is_let_in_where_others_tried_too_often_once_it_has_waited(
    strict: Live, caller: httpx.Client
) -> None:
    _, key = strict.newcomer("developer")
    told = int(exhaust(caller)[1].headers["retry-after"])

    deadline = time.monotonic() + told + SLACK
    while (answer := caller.get("/v1/me", headers=bearer(key))).status_code == 429:
        assert time.monotonic() < deadline
    assert answer.status_code == 200


def test_other_addresses_are_not_concerned(strict: Live, caller: httpx.Client) -> None:
    exhaust(caller)

    with calling(strict) as other:
        assert unknown(other).status_code == 401


def test_who_brings_no_key_has_tried_none(caller: httpx.Client) -> None:
    for _ in range(2 * BURST):
        problem_of(caller.get("/v1/me"), 401, "unauthenticated")

    assert unknown(caller).status_code == 401


def claiming(http: httpx.Client, number: int) -> httpx.Response:
    headers = {**bearer("mwk_nonsense"), "X-Forwarded-For": f"192.0.2.{number % 250}"}
    return http.get("/v1/me", headers=headers)


def test_nobody_is_believed_that_he_calls_for_others(strict: Live, caller: httpx.Client) -> None:
    numbers = count()

    exhaust(caller, lambda http: claiming(http, next(numbers)))
    with httpx.Client(base_url=strict.url) as same_machine:
        exhaust(same_machine, lambda http: claiming(http, next(numbers)))


def test_a_proxy_is_believed_once_it_is_named() -> None:
    with pytest.MonkeyPatch.context() as environment, home() as directory:
        environment.setenv("FORWARDED_ALLOW_IPS", "127.0.0.1")
        with (
            start(directory, wrong_credentials_burst=str(BURST)) as live,
            httpx.Client(base_url=live.url) as proxy,
            calling(live) as other,
        ):
            exhaust(proxy, lambda http: claiming(http, 1))
            assert claiming(proxy, 2).status_code == 401
            numbers = count()
            exhaust(other, lambda http: claiming(http, next(numbers)))


@pytest.mark.anyio
async def test_keys_from_an_address_that_tried_too_often_cost_no_query() -> None:
    chosen = Settings(wrong_credentials_burst=2, wrong_credentials_per_second=0.001)
    database = Database("postgresql://nobody@localhost:1/none", chosen, make_bus())
    keyring, peer = Keyring(database, chosen, WrongCredentials(chosen)), ("192.0.2.1", 1)
    well_formed = f"Bearer {keys.make().text}"

    # A database that cannot be asked says nothing against a key.
    for _ in range(5):
        with pytest.raises(DBAPIError):
            await keyring(well_formed, peer, paced=True)
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await keyring("Bearer mwk_nonsense", peer, paced=True)

    with pytest.raises(TooManyWrongCredentials):
        await keyring(well_formed, peer, paced=True)
