"""How good alarms are where it is known what changed, and where people said so."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

HORIZON = 10_000
"""Rows after a change within which an alarm is its discovery, and another one no falsehood."""
MARGIN = 5
"""Places about an annotated change within which it counts as found (van den Burg, Williams)."""


@dataclass
class Score:
    """Alarms against changes, over streams."""

    changes: int = 0
    false: int = 0
    delays: list[int] = field(default_factory=list)
    """Rows from a change to its first alarm, of those found."""

    def take(self, alarms: Sequence[int], change: int | None) -> None:
        """Count a stream's alarms; ``change`` is the row it has one at."""
        if change is None:
            self.false += len(alarms)
            return
        self.changes += 1
        inside = [at for at in alarms if change < at <= change + HORIZON]
        self.false += len(alarms) - len(inside)
        if inside:
            self.delays.append(min(inside) - change)

    def add(self, other: "Score") -> None:
        """Take another's in."""
        self.changes += other.changes
        self.false += other.false
        self.delays += other.delays

    @property
    def found(self) -> int:
        """Changes that were found."""
        return len(self.delays)

    @property
    def missed(self) -> int:
        """Changes that were not."""
        return self.changes - self.found

    @property
    def delay(self) -> float | None:
        """Mean rows to an alarm, of the changes found."""
        return sum(self.delays) / self.found if self.found else None

    @property
    def f1(self) -> float:
        """F1 of the alarms: found ones, false ones, missed ones."""
        whole = 2 * self.found + self.false + self.missed
        return 2 * self.found / whole if whole else 1.0


def annotated_f1(found: Iterable[int], annotations: Mapping[str, Sequence[int]]) -> float:
    """Return F1 as the Turing Change Point Dataset's authors define it (2020).

    Precision against the union of the annotators, recall as their mean; the first place is a
    change of everybody's.
    """
    ours = {0, *found}
    theirs = [{0, *places} for places in annotations.values()]
    precision = len(_hits(set().union(*theirs), ours)) / len(ours)
    recall = sum(len(_hits(one, ours)) / len(one) for one in theirs) / len(theirs)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _hits(true: set[int], found: set[int]) -> set[int]:
    """Return the true places that are found, each found place used once."""
    left, hits = set(found), set()
    for place in sorted(true):
        near = [one for one in left if abs(one - place) <= MARGIN]
        if near:
            left.discard(min(near, key=lambda one: abs(one - place)))
            hits.add(place)
    return hits
