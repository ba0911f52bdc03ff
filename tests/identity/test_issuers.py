"""An issuer's keys: found by discovery, asked for once a minute, kept while it is down."""

import asyncio
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from app.identity.issuers import Issuers
from app.identity.tokens import TokenRefused, open_token
from app.kit.refusal import Unavailable
from app.platform.outbound import Outbound
from app.platform.settings import Settings
from tests.identity.issuer import DISCOVERY, Issuer, issuer

pytestmark = pytest.mark.anyio
NEAR = Outbound(Settings(outbound_loopback=True))


class Watch:
    """A clock that a test turns."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def forge() -> Iterator[Issuer]:
    with issuer() as found:
        yield found


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def issuers(watch: Watch) -> Issuers:
    return Issuers(NEAR, clock=watch)


async def settled(issuers: Issuers, url: str) -> None:
    """Wait for what runs behind."""
    flight = issuers._known[url].flight
    if flight is not None:
        await flight


async def test_a_new_key_is_accepted_once_a_minute_has_passed(
    forge: Issuer, issuers: Issuers, watch: Watch
) -> None:
    await issuers.key(forge.url, "first")
    forge.rotate("first", "second")
    watch.now += 59
    with pytest.raises(TokenRefused):
        await issuers.key(forge.url, "second")
    watch.now += 1

    key = await issuers.key(forge.url, "second")

    assert open_token(forge.token("second"), key)["repository_id"] == "74"
    assert forge.asked() == {DISCOVERY: 2, "/jwks": 2}


async def test_however_many_unknown_kids_come_there_is_one_request_a_minute(
    forge: Issuer, issuers: Issuers, watch: Watch
) -> None:
    await issuers.key(forge.url, "first")
    for _ in range(3):
        watch.now += 60
        found = await asyncio.gather(
            *(issuers.key(forge.url, f"unknown-{number}") for number in range(40)),
            return_exceptions=True,
        )
        assert {type(refusal) for refusal in found} == {TokenRefused}
        for _ in range(50):
            with pytest.raises(TokenRefused):
                await issuers.key(forge.url, "unknown")

    assert forge.asked() == {DISCOVERY: 4, "/jwks": 4}


async def test_the_first_who_come_share_one_request(forge: Issuer, issuers: Issuers) -> None:
    keys = await asyncio.gather(*(issuers.key(forge.url, "first") for _ in range(50)))

    assert len({id(key) for key in keys}) == 1
    assert forge.asked() == {DISCOVERY: 1, "/jwks": 1}


@pytest.mark.parametrize("fault", ["down", "gone", "slow", "empty", "another issuer"])
async def test_the_last_good_keys_are_kept_whatever_becomes_of_the_issuer(
    forge: Issuer, issuers: Issuers, watch: Watch, fault: str
) -> None:
    good = await issuers.key(forge.url, "first")
    if fault == "gone":
        forge.process.kill()
    elif fault == "empty":
        forge.serve({"keys": []})
    elif fault == "another issuer":
        forge.serve({"keys": [forge.jwk("first")]}, issuer="https://elsewhere.example.com")
    else:
        forge.put(down=fault == "down", seconds=20.0 if fault == "slow" else 0.0)
    for _ in range(3):
        watch.now += 3600
        assert await issuers.key(forge.url, "first") is good
    await settled(issuers, forge.url)

    assert await issuers.key(forge.url, "first") is good
    with pytest.raises(TokenRefused):
        await issuers.key(forge.url, "second")


async def test_a_key_that_the_issuer_took_back_is_forgotten_within_minutes(
    forge: Issuer, issuers: Issuers, watch: Watch
) -> None:
    await issuers.key(forge.url, "first")
    forge.rotate("second")
    watch.now += 601

    await issuers.key(forge.url, "first")
    await settled(issuers, forge.url)

    with pytest.raises(TokenRefused):
        await issuers.key(forge.url, "first")
    assert await issuers.key(forge.url, "second")


async def test_an_issuer_that_comes_up_again_is_found_again(
    forge: Issuer, issuers: Issuers, watch: Watch
) -> None:
    forge.put(down=True)
    for _ in range(5):
        with pytest.raises(Unavailable):
            await issuers.key(forge.url, "first")
    forge.put(down=False)
    watch.now += 60

    assert await issuers.key(forge.url, "first")
    assert forge.asked() == {DISCOVERY: 2, "/jwks": 1}


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://elsewhere.example.com"}, {"issuer": None}, {"jwks_uri": None},
        {"jwks_uri": "file:///etc/passwd"}, {"jwks_uri": "http://169.254.169.254/latest"},
        {"jwks_uri": "http://[::ffff:169.254.169.254]/"}, {"jwks_uri": ["https://a.example.com"]},
        {"jwks_uri": "https://10.0.0.1/keys"}, {"padding": "x" * 300_000},
    ],
)  # fmt: skip
async def test_a_discovery_document_sends_us_nowhere_it_should_not(
    forge: Issuer, issuers: Issuers, discovery: dict[str, Any]
) -> None:
    forge.serve({"keys": [forge.jwk("first")]}, **discovery)

    with pytest.raises(Unavailable):
        await issuers.key(forge.url, "first")

    assert forge.asked() == {DISCOVERY: 1}


async def test_a_redirect_is_not_followed(forge: Issuer, issuers: Issuers) -> None:
    place = {"issuer": forge.url, "jwks_uri": f"{forge.url}/moved"}
    moved = {"location": f"{forge.url}/jwks"}
    forge.put(answers={DISCOVERY: place, "/moved": moved, "/jwks": {"keys": [forge.jwk("first")]}})

    with pytest.raises(Unavailable):
        await issuers.key(forge.url, "first")

    assert forge.asked() == {DISCOVERY: 1, "/moved": 1}


async def test_only_keys_that_verify_what_we_accept_are_taken(
    forge: Issuer, issuers: Issuers
) -> None:
    private = rsa.generate_private_key(65537, 2048)
    p384 = ec.generate_private_key(ec.SECP384R1()).public_key()
    good = forge.jwk("first")
    hostile: list[Any] = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "oct", "alg": "HS256"},
        {**RSAAlgorithm.to_jwk(private, as_dict=True), "kid": "private"},
        {**ECAlgorithm.to_jwk(p384, as_dict=True), "kid": "p384"},
        {**good, "kid": "other algorithm", "alg": "RS512"},
        {**good, "kid": "encryption", "use": "enc"},
        {**good, "kid": "broken", "n": "!"},
        {**good, "kid": ["first"]},
        {"kty": ["RSA"], "kid": "odd"},
        {"kid": "bare"}, None, 7, [],
    ]  # fmt: skip
    forge.rotate("first", "small", rsa_bits=1024)
    forge.serve({"keys": [*hostile, forge.jwk("small"), good]})

    assert (await issuers.key(forge.url, "first")).algorithm == "RS256"
    assert set(issuers._known[forge.url].keys) == {"first"}


async def test_a_kid_that_stands_twice_is_the_first(forge: Issuer, issuers: Issuers) -> None:
    forge.rotate("first", "second")
    forge.serve({"keys": [forge.jwk("first"), {**forge.jwk("second"), "kid": "first"}]})

    key = await issuers.key(forge.url, "first")

    assert open_token(forge.token("first"), key)
    with pytest.raises(TokenRefused):
        open_token(jwt.encode({}, forge.keys["second"], "RS256", headers={"kid": "first"}), key)
