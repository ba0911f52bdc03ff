"""A decision point with a champion, his predecessor and a challenger, and plans among them."""

from dataclasses import dataclass
from typing import Any

from app.client import Problem
from tests.live import Live, Place, champion, open_activation, ready_to_commit, released


@dataclass(frozen=True)
class Cast:
    """Who may be an arm at one decision point."""

    live: Live
    former: Place
    champion: Place
    challenger: Place

    @property
    def path(self) -> str:
        """The decision point's address."""
        return f"/v1/decision-points/{self.champion.point}"

    def arm(self, who: str, name: str, **more: Any) -> dict[str, Any]:
        """An arm of one of the cast."""
        place: Place = getattr(self, who)
        return {"name": name, "model": place.model, "version": place.version, **more}

    def put(self, plan: dict[str, Any]) -> Any:
        """Replace the plan; it answers from then on."""
        row = self.live["ops"].put(f"{self.path}/plan", plan, revision=self.revision)
        if "expires_at" in row:  # a change that waits for agreement
            self.live["com"].post(f"/v1/changes/{row['id']}:approve", {"reason": "agreed"})
        return row

    def refused(self, plan: dict[str, Any]) -> Any:
        """Return the problem with which a plan is refused."""
        try:
            self.live["ops"].put(f"{self.path}/plan", plan, revision=self.revision)
        except Problem as problem:
            return problem.document
        raise AssertionError("the plan was taken")

    @property
    def revision(self) -> int:
        """The plan's present revision."""
        return int(self.live["ops"].get(f"{self.path}/plan")["revision"])

    def route(self, unit: str, **more: Any) -> Any:
        """Ask who answers for a unit."""
        return self.live["app"].post(f"{self.path}/route", {"unit": unit, **more})


def cast(live: Live) -> Cast:
    """Make a decision point with everybody seated."""
    former = champion(live)
    present = champion(live, point=former.point)
    challenger = released(live, point=former.point)
    case = open_activation(live, challenger, role="challenger")
    ready_to_commit(live, case)
    live["ops"].post(f"/v1/activations/{case['id']}:commit")
    return Cast(live, former, present, challenger)


def split(at: Cast, *, champion: int = 9, challenger: int = 1) -> dict[str, Any]:
    """A test of the challenger against the champion."""
    return {
        "kind": "split",
        "arms": [
            at.arm("champion", "old", weight=champion),
            at.arm("challenger", "new", weight=challenger),
        ],
    }
