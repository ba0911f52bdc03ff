"""The check of a whole log against everything that was ever signed of it: pure."""

from collections.abc import Iterable
from typing import NamedTuple

from app.audit import checkpoint as notes
from app.audit import merkle
from app.audit.chain import Fault
from app.audit.checkpoint import BadNote, Checkpoint

LOG = "log"
"""Stands for a stream in faults of the log as a whole; the number is an entry's, from 1."""


class Place(NamedTuple):
    """One leaf as it is stored."""

    position: int
    stream: str
    seq: int
    hash: bytes


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

    def take(self, places: Iterable[Place]) -> list[Fault]:
        """Go on with the next leaves; return what is wrong."""
        faults = []
        for place in places:
            if self._broken:
                break
            if place.position != self._tree.size:
                self._broken = True
                number = self._tree.size + 1
                faults.append(Fault(LOG, number, f"entry {number} of the log is missing"))
                break
            if place.seq > self._heads.get(place.stream, (0,))[0]:
                faults.append(Fault(place.stream, place.seq, "the entry is in the log and gone"))
            self._tree.append(place.hash)
            if self._waiting and self._waiting[-1][1].size <= self._tree.size:
                faults += self._compare()
        return faults

    def end(self) -> list[Fault]:
        """Return what was signed and is no longer there: the log was set back."""
        if self._broken or not self._waiting:
            return []
        where, newest = self._waiting[0]
        first = self._tree.size + 1
        reason = f"entries {first} to {newest.size} are gone: {where} has a checkpoint over them"
        return [Fault(LOG, first, reason)]

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
