"""Succession: whom a decision point would go back to, as its champions' seats say. Pure.

One rule for all who ask: a rollback, what is kept warm, who stands in. Champions lie on each other
like edits: an activation puts one on top, a rollback takes down everybody above whom it brings
back. Whoever was rolled back from is passed over until he wins again. Undoing a rollback puts all
back as it was before.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

ROLLED_BACK = "rolled_back"
"""Cause of the seat of who came back: whoever sat there until then was thrown out."""
REINSTATED = "reinstated"
"""Cause of the seat of who was thrown out, and came back when that was undone."""


@dataclass(frozen=True, slots=True)
class Reign:
    """A champion's seat, past or present: who sat there, how he came to, and from when to when."""

    seat_id: UUID
    version_id: UUID
    cause: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Line:
    """A point's succession as it stands."""

    reigns: tuple[Reign, ...] = ()
    """Who reigns, or did last, at the end; before him whom he and his predecessors replaced."""
    thrown: frozenset[UUID] = frozenset()
    """Versions that were rolled back from, and did not win since."""
    before: "Line | None" = None
    """How it stood before the rollback that can be undone."""

    def after(self, reign: Reign) -> "Line":
        """Return how it stands once somebody has taken the seat."""
        own = frozenset({reign.version_id})
        if reign.cause == REINSTATED and self.before is not None:
            undone = self.before
            return Line((*undone.reigns[:-1], reign), undone.thrown - own, undone.before)
        if reign.cause == ROLLED_BACK and self.reigns:
            thrown = self.thrown | {self.reigns[-1].version_id}
            return Line((*self._below(reign.version_id), reign), thrown - own, self)
        return Line((*self.reigns, reign), self.thrown - own)

    def _below(self, version_id: UUID) -> tuple[Reign, ...]:
        """Return who lies under a version that is gone back to."""
        earlier = self.reigns[:-1]
        for place in reversed(range(len(earlier))):
            if earlier[place].version_id == version_id:
                return earlier[:place]
        return earlier

    def behind(self, unfit: Collection[UUID] = ()) -> Reign | None:
        """Return whose seat is gone back to: the last before him who is not passed over."""
        passed = {*unfit, *self.thrown, *(one.version_id for one in self.reigns[-1:])}
        earlier = reversed(self.reigns[:-1])
        return next((one for one in earlier if one.version_id not in passed), None)

    def over(self, reign: Reign) -> tuple[UUID, ...]:
        """Return the versions that are passed over on the way back to one, newest first."""
        place = self.reigns.index(reign)
        reigning = self.reigns[-1].version_id
        between = (one.version_id for one in reversed(self.reigns[place + 1 : -1]))
        return tuple(dict.fromkeys(id_ for id_ in between if id_ != reigning))

    def forward(self) -> Reign | None:
        """Return whom the last rollback threw out, if that can be undone."""
        return self.before.reigns[-1] if self.before is not None else None

    def crowning(self, reign: Reign) -> "Line":
        """Return how it would stand had a rollback, or its undoing, brought one back."""
        if self.before is not None and reign == self.forward():
            return self.before
        thrown = self.thrown | {one.version_id for one in self.reigns[-1:]}
        return Line((*self._below(reign.version_id), reign), thrown - {reign.version_id}, self)


def line_of(reigns: Iterable[Reign]) -> Line:
    """Return the succession that reigns at a point make, in whatever order they come."""
    found = Line()
    for reign in sorted(reigns, key=lambda one: (one.since, one.until is None, one.until)):
        found = found.after(reign)
    return found
