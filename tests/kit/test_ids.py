from functools import reduce
from operator import and_, or_
from uuid import RFC_4122, UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from app.kit.ids import uuid7, uuid7_int

MILLIS = st.integers(0, 2**48 - 1)
FIXED_BITS = 0xFFFF_FFFF_FFFF_F000_C000_0000_0000_0000


@settings(max_examples=200, deadline=None)
@given(MILLIS, st.integers(0, 999_999))
def test_an_id_carries_its_millisecond_version_and_variant(millis: int, rest: int) -> None:
    made = UUID(int=uuid7_int(millis * 1_000_000 + rest))

    assert made.int >> 80 == millis
    assert made.version == 7
    assert made.variant == RFC_4122


def test_the_example_of_rfc_9562_has_the_same_prefix() -> None:
    made = UUID(int=uuid7_int(1_645_557_742_000 * 1_000_000))

    assert str(made).startswith("017f22e2-79b0-7")


@settings(max_examples=200, deadline=None)
@given(MILLIS, MILLIS)
def test_ids_sort_by_their_millisecond_as_numbers_and_as_text(one: int, two: int) -> None:
    early, late = sorted({one, two, 0, 1})[-2:]
    first, second = (UUID(int=uuid7_int(millis * 1_000_000)) for millis in (early, late))

    assert first < second
    assert str(first) < str(second)
    assert first.bytes < second.bytes


def test_all_74_random_bits_vary() -> None:
    made = [uuid7_int(0) for _ in range(400)]

    always, ever = reduce(and_, made), reduce(or_, made)

    assert always == 0x7 << 76 | 0x2 << 62
    assert ever == always | ~FIXED_BITS & (1 << 128) - 1


def test_ids_of_one_moment_are_distinct() -> None:
    assert len({uuid7_int(1) for _ in range(20_000)}) == 20_000


def test_an_id_made_now_is_not_older_than_one_made_before() -> None:
    made = [uuid7() for _ in range(100)]

    millis = [one.int >> 80 for one in made]
    assert millis == sorted(millis)
