"""The Merkle tree of RFC 6962 over the log's entries: pure.

Nodes are named by the half-open range of leaves beneath them. ``complete`` splits a range into the
complete subtrees it consists of, each named by height and index, so that a store of such nodes
serves every root and proof.
"""

import hashlib
from collections.abc import Iterable, Sequence

Range = tuple[int, int]
Node = tuple[int, int]
"""Height and index: the complete subtree over leaves [index << height, (index + 1) << height)."""

EMPTY = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""


def leaf_hash(data: bytes) -> bytes:
    """Return a leaf's hash; the prefix keeps leaves from passing for nodes."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node over its two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def complete(span: Range) -> list[Node]:
    """Return the complete subtrees that make up ``span``, from left to right."""
    low, high = span
    found = []
    while low < high:
        height = (high - low).bit_length() - 1
        if low:
            height = min(height, (low & -low).bit_length() - 1)
        found.append((height, low >> height))
        low += 1 << height
    return found


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the hash over complete subtrees from left to right, each smaller than the last."""
    if not hashes:
        return EMPTY
    *rest, found = hashes
    for left in reversed(rest):
        found = node_hash(left, found)
    return found


class Frontier:
    """A tree that only grows: the hashes of the complete subtrees along its right edge."""

    def __init__(self) -> None:
        self.size = 0
        self._edge: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Add a leaf's hash."""
        self._edge.append(leaf)
        self.size += 1
        for _ in range((self.size & -self.size).bit_length() - 1):
            right, left = self._edge.pop(), self._edge.pop()
            self._edge.append(node_hash(left, right))

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add the hashes of many leaves, a level of the tree at a time."""
        row, size = list(leaves), self.size
        self.size += len(row)
        edge: list[bytes] = []
        while row:
            if size & 1:
                row.insert(0, self._edge.pop())
            if len(row) & 1:
                edge.append(row.pop())
            pairs = iter(row)
            row = [node_hash(left, right) for left, right in zip(pairs, pairs, strict=True)]
            size >>= 1
        self._edge += reversed(edge)

    @property
    def root(self) -> bytes:
        """The root at the present size."""
        return fold(self._edge)


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    found = Frontier()
    found.extend(list(leaves))
    return found.root


def inclusion(index: int, size: int) -> list[Range]:
    """Return the ranges whose hashes prove a leaf in a tree of ``size``, from the leaf upwards."""
    return _path(index, (0, size))


def _path(index: int, span: Range) -> list[Range]:
    low, high = span
    if high - low == 1:
        return []
    middle = low + _split(high - low)
    if index < middle:
        return [*_path(index, (low, middle)), (middle, high)]
    return [*_path(index, (middle, high)), (low, middle)]


def consistency(old: int, size: int) -> list[Range]:
    """Return the ranges whose hashes prove that the tree of ``old`` leaves grew into ``size``."""
    return _growth(old, (0, size), whole=True) if 0 < old < size else []


def _growth(old: int, span: Range, *, whole: bool) -> list[Range]:
    low, high = span
    if old == high:
        return [] if whole else [span]
    middle = low + _split(high - low)
    if old <= middle:
        return [*_growth(old, (low, middle), whole=whole), (middle, high)]
    return [*_growth(old, (middle, high), whole=False), (low, middle)]


def _split(count: int) -> int:
    """Return the largest power of two below ``count``."""
    return 1 << (count - 1).bit_length() - 1


def proves_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Say whether ``proof`` shows the leaf's hash at ``index`` under ``root`` (RFC 9162, 2.1.3)."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def proves_consistency(
    old: int, size: int, old_root: bytes, root: bytes, proof: Sequence[bytes]
) -> bool:
    """Say whether ``proof`` shows the older tree as the newer one's beginning (RFC 9162, 2.1.4)."""
    if not 0 <= old <= size:
        return False
    if old in {0, size}:
        return not proof and old_root == (root if old else EMPTY)
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    at, last = old - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    before = after = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and before == old_root and after == root
