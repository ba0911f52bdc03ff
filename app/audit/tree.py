"""The check of a whole log against everything that was ever signed of it: pure."""

from collections.abc import Iterable, Sequence

from app.audit import checkpoint as notes
from app.audit import merkle
from app.audit.chain import Fault
from app.audit.checkpoint import BadNote, Checkpoint

LOG = "log"
"""Stands for a stream in faults of the log as a whole; the number is an entry's, from 1."""
_NONE = (0, b"")


class Grower:
    """Grows the tree leaf by leaf and compares it with each checkpoint as it passes.

    ``heads`` are the streams' last numbers; ``kept`` the checkpoints, each with where it was kept.
    """

    def __init__(
        self, heads: dict[str, tuple[int, bytes]], kept: Iterable[tuple[str, Checkpoint]]
    ) -> None:
        self._heads = heads
        self._tree = merkle.Frontier()
        self._sound = 0
        self._waiting = sorted(set(kept), key=lambda item: item[1].size, reverse=True)
        self._broken = False

    @property
    def size(self) -> int:
        """How many leaves there were."""
        return self._tree.size

    @property
    def root(self) -> bytes:
        """The root over them."""
        return self._tree.root

    def take(self, rows: Sequence[tuple[int, str, int, bytes]]) -> list[Fault]:
        """Go on with the next leaves: index, stream, number and hash of each; say what is wrong."""
        if self._broken:
            return []
        size = self._tree.size
        found = rows[: _in_place([row[0] for row in rows], size)]
        faults = self._grow([row[3] for row in found])
        faults += [
            Fault(stream, seq, "the entry is in the log and gone")
            for _, stream, seq, _ in found[: self._tree.size - size]
            if seq > self._heads.get(stream, _NONE)[0]
        ]
        if len(found) < len(rows) and not self._broken:
            self._broken = True
            number = self._tree.size + 1
            faults.append(Fault(LOG, number, f"entry {number} of the log is missing"))
        return faults

    def end(self) -> list[Fault]:
        """Return what was signed and is no longer there: the log was set back."""
        if self._broken or not self._waiting:
            return []
        where, newest = self._waiting[0]
        first = self._tree.size + 1
        reason = f"entries {first} to {newest.size} are gone: {where} has a checkpoint over them"
        return [Fault(LOG, first, reason)]

    def _grow(self, leaves: list[bytes]) -> list[Fault]:
        """Add leaves from checkpoint to checkpoint, until one of them is not met."""
        faults: list[Fault] = []
        begun, done = self._tree.size, 0
        while done < len(leaves) and not self._broken:
            until = len(leaves)
            if self._waiting:
                until = min(until, self._waiting[-1][1].size - begun)
            self._tree.extend(leaves[done:until])
            done = self._tree.size - begun
            faults += self._compare()
        return faults

    def _compare(self) -> list[Fault]:
        faults = []
        while self._waiting and self._waiting[-1][1].size <= self._tree.size:
            where, signed = self._waiting.pop()
            if signed.root == self._tree.root:
                self._sound = signed.size
            elif not self._broken:
                self._broken = True
                first = self._sound + 1
                reason = f"entries {first} to {signed.size} are not those signed in {where}"
                faults.append(Fault(LOG, first, reason))
        return faults


def _in_place(indexes: list[int], size: int) -> int:
    """Return how many of the next leaves stand where they have to after the first ``size``."""
    expected = range(size, size + len(indexes))
    if indexes == list(expected):
        return len(indexes)
    pairs = enumerate(zip(indexes, expected, strict=True))
    return next(place for place, (index, due) in pairs if index != due)


def signed(
    where: str, written: Iterable[str], key: str | None
) -> tuple[list[tuple[str, Checkpoint]], list[Fault]]:
    """Return the checkpoints of notes that ``key`` signed, and a fault for each of the others."""
    good, faults = [], []
    for note in written:
        try:
            good.append((where, notes.verify(note, key) if key else notes.read(note)))
        except BadNote as error:
            faults.append(Fault(LOG, _size(note), f"a checkpoint in {where}: {error}"))
    return good, faults


def _size(note: str) -> int:
    try:
        return notes.read(note).size
    except BadNote:
        return 0
