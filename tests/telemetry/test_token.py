import base64
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from app.telemetry import BadToken, Claim, Part, unseal
from app.telemetry.token import seal, unit_hash

SECRET = bytes(range(32))
SECRETS = {1: SECRET}
ARMS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def claims() -> st.SearchStrategy[Claim]:
    ids = st.binary(min_size=16, max_size=16)
    return st.builds(
        Claim,
        part=st.sampled_from(Part),
        decision_id=ids,
        point_id=ids,
        version_id=ids,
        plan_revision=st.integers(0, 2**32 - 1),
        generation=st.integers(0, 2**64 - 1),
        propensity=st.floats(0, 1, width=32),
        at_ms=st.integers(0, 2**48),
        unit=st.binary(min_size=8, max_size=8),
        arm=ARMS,
    )


CLAIM = Claim(
    part=Part.ARM,
    decision_id=bytes([1]) * 16,
    point_id=bytes([2]) * 16,
    version_id=bytes([3]) * 16,
    plan_revision=4,
    generation=5,
    propensity=0.5,
    at_ms=1_700_000_000_000,
    unit=bytes([6]) * 8,
    arm="challenger",
)
TOKEN = seal(CLAIM, 1, SECRET)


def raw_of(token: str) -> bytes:
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


def text_of(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@settings(max_examples=200, deadline=None)
@given(claims(), st.integers(0, 255), st.binary(min_size=16, max_size=64))
def test_a_token_says_what_was_sealed(claim: Claim, key_id: int, secret: bytes) -> None:
    token = seal(claim, key_id, secret)

    found = unseal(token, {key_id: secret, (key_id + 1) % 256: SECRET})

    assert found == claim
    assert isinstance(found.part, Part)


def test_every_flipped_bit_is_refused() -> None:
    raw = raw_of(TOKEN)

    for bit in range(8 * len(raw)):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadToken):
            unseal(text_of(bytes(flipped)), {1: SECRET, 0: SECRET, 3: SECRET})


def test_every_truncation_is_refused() -> None:
    raw = raw_of(TOKEN)

    for size in range(len(raw)):
        with pytest.raises(BadToken):
            unseal(text_of(raw[:size]), SECRETS)
    for size in range(len(TOKEN)):
        with pytest.raises(BadToken):
            unseal(TOKEN[:size], SECRETS)


@settings(max_examples=200, deadline=None)
@given(claims(), st.data())
def test_any_other_bytes_in_place_of_a_token_are_refused(claim: Claim, data: Any) -> None:
    raw = raw_of(seal(claim, 1, SECRET))
    at = data.draw(st.integers(0, len(raw)))
    other = (
        raw[:at] + data.draw(st.binary(max_size=8)) + raw[data.draw(st.integers(at, len(raw))) :]
    )
    assume(other != raw)

    with pytest.raises(BadToken):
        unseal(text_of(other), SECRETS)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
@example("")
@example("=")
@example("é" * 120)
@example("\ud800" * 120)
@example("A" * 121)
@example("\0" * 160)
def test_arbitrary_text_is_no_token(text: str) -> None:
    with pytest.raises(BadToken):
        unseal(text, SECRETS)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(TOKEN)), st.integers(0, len(TOKEN)), st.text(max_size=3))
def test_an_edited_text_is_refused_or_says_the_same(start: int, end: int, text: str) -> None:
    edited = TOKEN[:start] + text + TOKEN[max(start, end) :]

    try:
        assert unseal(edited, SECRETS) == CLAIM
    except BadToken as refusal:
        assert refusal.code == "bad_token"  # noqa: PT017 - both outcomes are legal


@pytest.mark.parametrize(
    "altered",
    [TOKEN + "=", TOKEN + "====", TOKEN + "!!!!", "\n\n\n\n" + TOKEN, TOKEN + "=AAAA"],
)
def test_a_token_has_one_spelling(altered: str) -> None:
    with pytest.raises(BadToken):
        unseal(altered, SECRETS)


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=16, max_size=64), st.integers(0, 255))
def test_another_tenants_key_opens_nothing(secret: bytes, key_id: int) -> None:
    assume(secret.rstrip(b"\0") != SECRET)

    with pytest.raises(BadToken):
        unseal(TOKEN, {1: secret, key_id: secret})
    with pytest.raises(BadToken):
        unseal(seal(CLAIM, 1, secret), SECRETS)
    with pytest.raises(BadToken):
        unseal(TOKEN, {})


def test_a_token_made_with_an_earlier_key_still_holds() -> None:
    assert unseal(TOKEN, {1: SECRET, 2: bytes(32)}) == CLAIM


@settings(max_examples=100, deadline=None)
@given(claims(), claims())
def test_claims_that_differ_have_tokens_that_differ(one: Claim, two: Claim) -> None:
    assert (seal(one, 1, SECRET) == seal(two, 1, SECRET)) == (one == two)


def test_a_shadows_token_is_not_the_champions() -> None:
    shadow = CLAIM._replace(part=Part.SHADOW)

    assert unseal(seal(shadow, 1, SECRET), SECRETS).part is Part.SHADOW
    assert seal(shadow, 1, SECRET) != TOKEN


@settings(max_examples=100, deadline=None)
@given(ARMS, ARMS)
def test_a_pseudonym_is_stable_eight_bytes_and_keyed_by_the_tenant(one: str, two: str) -> None:
    assert len(unit_hash(SECRET, one)) == 8
    assert (unit_hash(SECRET, one) == unit_hash(SECRET, two)) == (one == two)
    assert unit_hash(SECRET, one) != unit_hash(bytes(32), one)
