"""The tree against RFC 6962's own definition, and proofs with anything changed."""

from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.audit import merkle

SIZES = st.integers(1, 70)


def leaves(size: int) -> list[bytes]:
    return [merkle.leaf_hash(number.to_bytes(4, "big")) for number in range(size)]


def defined(row: list[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, word for word."""
    if not row:
        return sha256(b"").digest()
    if len(row) == 1:
        return row[0]
    split = 1
    while split * 2 < len(row):
        split *= 2
    return sha256(b"\x01" + defined(row[:split]) + defined(row[split:])).digest()


def proof(row: list[bytes], spans: list[merkle.Range]) -> list[bytes]:
    return [defined(row[low:high]) for low, high in spans]


def flipped(data: bytes, bit: int) -> bytes:
    at, mask = divmod(bit % (8 * len(data)), 8)
    return data[:at] + bytes([data[at] ^ (1 << mask)]) + data[at + 1 :]


@given(st.integers(0, 300))
def test_the_root_is_the_one_of_the_definition(size: int) -> None:
    assert merkle.root_of(leaves(size)) == defined(leaves(size))


def test_the_roots_are_the_published_ones() -> None:
    """Test vectors of the certificate-transparency project."""
    data = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657",
            "606162636465666768696a6b6c6d6e6f"]  # fmt: skip
    row = [merkle.leaf_hash(bytes.fromhex(item)) for item in data]

    assert merkle.root_of(row[:1]).hex() == (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    )
    assert merkle.root_of(row).hex() == (
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    )


@given(SIZES, st.data())
def test_complete_subtrees_make_up_a_range_without_gap(size: int, data: st.DataObject) -> None:
    low = data.draw(st.integers(0, size))

    spans = [
        (index << height, (index + 1) << height) for height, index in merkle.complete((low, size))
    ]

    assert [at for span in spans for at in range(*span)] == list(range(low, size))


@given(SIZES, st.data())
def test_a_tree_that_grows_in_lumps_is_the_one_that_grows_leaf_by_leaf(
    size: int, data: st.DataObject
) -> None:
    row, lumps, single = leaves(size), merkle.Frontier(), merkle.Frontier()
    cuts = sorted(data.draw(st.lists(st.integers(0, size), max_size=5)))
    for low, high in pairwise([0, *cuts, size]):
        lumps.extend(row[low:high])
        for leaf in row[low:high]:
            single.append(leaf)
        assert (lumps.size, lumps.root) == (high, defined(row[:high]))
        assert (single.size, single.root) == (lumps.size, lumps.root)


@given(SIZES, st.data())
def test_every_entry_is_proved_and_no_other_place_is(size: int, data: st.DataObject) -> None:
    row, index = leaves(size), data.draw(st.integers(0, size - 1))
    path = proof(row, merkle.inclusion(index, size))
    elsewhere = data.draw(st.integers(-1, size + 1))

    assert merkle.proves_inclusion(row[index], index, size, path, defined(row))
    if elsewhere != index:
        assert not merkle.proves_inclusion(row[index], elsewhere, size, path, defined(row))


@given(SIZES, st.data())
def test_no_proof_of_inclusion_survives_a_change(size: int, data: st.DataObject) -> None:
    row, index = leaves(size), data.draw(st.integers(0, size - 1))
    path, root = proof(row, merkle.inclusion(index, size)), defined(row)
    bit = data.draw(st.integers(0, 2**16))
    place = data.draw(st.integers(-2, len(path) - 1))
    changed = [flipped(item, bit) if place == at else item for at, item in enumerate(path)]
    leaf = flipped(row[index], bit) if place == -1 else row[index]
    other = flipped(root, bit) if place == -2 else root

    assert not merkle.proves_inclusion(leaf, index, size, changed, other)
    assert not merkle.proves_inclusion(row[index], index, size, [*path, root], root)
    if path:
        assert not merkle.proves_inclusion(row[index], index, size, path[:-1], root)


@given(SIZES, st.data())
def test_growth_is_proved_and_nothing_else_is(size: int, data: st.DataObject) -> None:
    row, old = leaves(size), data.draw(st.integers(1, size))
    path = proof(row, merkle.consistency(old, size))
    before, after = defined(row[:old]), defined(row)
    bit, place = data.draw(st.integers(0, 2**16)), data.draw(st.integers(-2, len(path) - 1))
    changed = [flipped(item, bit) if place == at else item for at, item in enumerate(path)]
    one = flipped(before, bit) if place == -1 else before
    two = flipped(after, bit) if place == -2 else after

    assert merkle.proves_consistency(old, size, before, after, path)
    assert not merkle.proves_consistency(old, size, one, two, changed)
    assert not merkle.proves_consistency(old, size, before, after, [*path, after])


@given(SIZES, SIZES, st.data())
def test_a_rewritten_log_does_not_pass_for_a_grown_one(
    old: int, more: int, data: st.DataObject
) -> None:
    size, edited = old + more, data.draw(st.integers(0, old - 1))
    row, forged = leaves(size), leaves(size)
    forged[edited] = merkle.leaf_hash(b"forged")
    assume(forged != row)
    path = proof(forged, merkle.consistency(old, size))

    assert not merkle.proves_consistency(old, size, defined(row[:old]), defined(forged), path)


@pytest.mark.parametrize(("old", "size"), [(-1, 3), (4, 3)])
def test_a_log_does_not_grow_backwards(old: int, size: int) -> None:
    assert not merkle.proves_consistency(old, size, merkle.EMPTY, merkle.EMPTY, [])
