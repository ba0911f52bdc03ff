"""Courses: how far each experiment of a plan has come, as a round writes it down. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from datetime import datetime
from typing import Any, Self

from app.routing import rewards
from app.routing.arms import Rewarded
from app.routing.ramping import Position, Status
from app.routing.rewards import Earned
from app.telemetry import Hour


@dataclass(frozen=True, slots=True)
class Course:
    """One segment's experiment: since when its evidence counts, and what was made of it.

    ``before`` is what the hour of ``since`` held already at that moment, by arm.
    """

    since: datetime
    at: datetime
    """When its last round was."""
    shuffled: datetime
    """Since when its units have been shuffled as they are; a ramp's steps do not shuffle them."""
    before: Mapping[str, Earned] = field(default_factory=dict)
    past: Mapping[str, Earned] = field(default_factory=dict)
    """What all hours before that held, of a bandit: what comes in with an older time counts."""
    found: Mapping[str, Any] = field(default_factory=dict)
    """What the last round found: of a bandit its chances, of a ramp its position."""

    @classmethod
    def begun(
        cls,
        at: datetime,
        before: Mapping[str, Earned] | None = None,
        past: Mapping[str, Earned] | None = None,
    ) -> Self:
        """Return the course of what begins now."""
        return cls(at, at, at, before or {}, past or {})

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Return a course as it was stored."""
        since, at = (datetime.fromisoformat(stored[name]) for name in ("since", "at"))
        before = {arm: Earned(*numbers) for arm, numbers in stored["before"].items()}
        past = {arm: Earned(*numbers) for arm, numbers in stored.get("past", {}).items()}
        shuffled = datetime.fromisoformat(stored.get("shuffled", stored["since"]))
        return cls(since, at, shuffled, before, past, stored["found"])

    def stored(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "since": self.since.isoformat(),
            "at": self.at.isoformat(),
            "shuffled": self.shuffled.isoformat(),
            "before": {arm: list(astuple(earned)) for arm, earned in self.before.items()},
            "past": {arm: list(astuple(earned)) for arm, earned in self.past.items()},
            "found": dict(self.found),
        }

    def earned(
        self,
        name: str,
        hours: Sequence[Hour],
        terms: Rewarded,
        *,
        now: datetime,
        until: datetime | None = None,
        half_life: int | None = None,
    ) -> Earned:
        """Return what an arm has earned since it began, or by its end."""
        return rewards.earned(
            hours, terms, since=self.since, now=now, until=until, half_life=half_life,
            before=self.before.get(name), past=self.past.get(name),
        )  # fmt: skip

    def by_day(
        self,
        name: str,
        hours: Sequence[Hour],
        terms: Rewarded,
        *,
        now: datetime,
        until: datetime | None = None,
    ) -> dict[int, Earned]:
        """Return the same by the end of each day on which something came."""
        return rewards.by_day(
            hours, terms, since=self.since, now=now, until=until, before=self.before.get(name)
        )

    @property
    def position(self) -> Position:
        """Where a ramp stands by it."""
        found = self.found
        if "status" not in found:
            return Position()
        return Position(found["step"], Status(found["status"]), tuple(found["why"]))

    def at_position(self, position: Position, **more: Any) -> "Course":
        """Return it with a ramp at a position."""
        found = {"step": position.step, "status": position.status.value, "why": list(position.why)}
        return replace(self, found={**found, **more})


def read_all(learnt: Mapping[str, Any]) -> dict[str, Course]:
    """Return the courses that a round wrote down; none of rounds that are older than they."""
    return {name: Course.read(stored) for name, stored in learnt.get("segments", {}).items()}
