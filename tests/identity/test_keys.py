import hashlib
import string
import zlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.identity.keys import fingerprint, make, well_formed

ALPHABET = string.ascii_letters + string.digits
KEY = make()


def test_a_made_key_is_well_formed_and_names_itself() -> None:
    for key in [make() for _ in range(500)]:
        assert well_formed(key.text)
        assert key.text.startswith(key.prefix)
        assert key.prefix.startswith("mwk_")
        assert len(key.prefix) == 12
        assert key.sha256 == fingerprint(key.text) == hashlib.sha256(key.text.encode()).digest()


def test_keys_are_letters_and_digits_and_never_the_same() -> None:
    made = [make().text for _ in range(2000)]

    assert len(set(made)) == 2000
    assert len({text[:12] for text in made}) == 2000
    assert {len(text) for text in made} == {50}
    assert set("".join(text.removeprefix("mwk_") for text in made)) == set(ALPHABET)


def test_any_one_character_changed_is_refused() -> None:
    text = KEY.text

    for place, char in enumerate(text):
        for other in string.printable:
            changed = text[:place] + other + text[place + 1 :]
            assert well_formed(changed) == (other == char)


def test_any_two_neighbours_exchanged_are_refused() -> None:
    for text in [make().text for _ in range(20)]:
        for place in range(len(text) - 1):
            a, b = text[place], text[place + 1]
            exchanged = text[:place] + b + a + text[place + 2 :]
            assert well_formed(exchanged) == (a == b)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
@example("")
@example("mwk_")
@example("mwk_" + "é" * 46)
@example("\ud800" * 50)
@example("\0" * 50)
@example(KEY.text + "\n")
@example(" " + KEY.text)
@example(KEY.text.upper())
def test_arbitrary_text_is_no_key_and_never_a_fault(text: str) -> None:
    assert not well_formed(text)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=8), st.integers(0, 50), st.integers(0, 50))
def test_a_key_cut_or_spliced_is_refused(text: str, start: int, end: int) -> None:
    spliced = KEY.text[:start] + text + KEY.text[max(start, end) :]

    assert well_formed(spliced) == (spliced == KEY.text)


def checked(body: str) -> str:
    """Append a key's checksum: its CRC-32 in base 62, least digit first."""
    value = zlib.crc32(body.encode())
    return body + "".join(ALPHABET[value // 62**place % 62] for place in range(6))


def test_a_checksum_alone_makes_no_key() -> None:
    body = KEY.text[:-6]

    assert checked(body) == KEY.text
    for other in ("mwx_" + body[4:], body + "a", body[:-1], "MWK_" + body[4:], body[:-1] + "é"):
        assert not well_formed(checked(other))


@pytest.mark.parametrize("size", range(50))
def test_every_shorter_part_of_a_key_is_refused(size: int) -> None:
    assert not well_formed(KEY.text[:size])


def test_what_is_kept_of_a_key_does_not_contain_its_secret() -> None:
    secret = KEY.text[12:]

    assert secret.encode() not in KEY.sha256
    assert secret not in KEY.prefix
