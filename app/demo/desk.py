"""The bidding desk: an application that asks for a route every half-hour and reports back."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.client import AsyncClient, Client
from app.demo.market import ROWS_A_DAY, ROWS_A_WEEK, Market, row_of, when
from app.demo.narrator import Bar
from app.demo.scorers import Floats

_CHUNK = 2 * ROWS_A_DAY
_LAG = 2 * ROWS_A_WEEK
_LANES = 3
_PATIENCE = 90.0
RULE_INPUT = "last_rise"
EVEN = 0.5

Scorer = Callable[[int], float]


@dataclass(slots=True)
class Ledger:
    """What the desk has done so far."""

    decisions: int = 0
    acknowledged: int = 0
    last_row: int = 0
    arms: dict[str, int] = field(default_factory=dict)


class Desk:
    """Plays half-hours: route, score, report, and later the outcome."""

    def __init__(self, client: AsyncClient, watcher: Client, market: Market, point: str) -> None:
        self._client = client
        self._point = point
        self._watcher = watcher
        self._market = market
        self._scorers: dict[tuple[str, int], Scorer] = {}
        self._owed: list[dict[str, Any]] = []
        self.ledger = Ledger()
        self.sample: str | None = None
        """A recent decision, for the trace."""

    def deploy(self, model: str, version: int, scores: Floats, first_row: int) -> None:
        """Make a version's scores available: ``scores[0]`` is row ``first_row``'s."""
        self._scorers[model, version] = lambda row: float(scores[row - first_row])

    def deploy_rule(self, model: str, version: int) -> None:
        """Make the rule available: the price does what it did half an hour ago."""
        self._scorers[model, version] = lambda row: float(self._market.rises[row - 1])

    async def ready(self) -> None:
        """Wait until a version answers at the decision point."""
        for _ in range(200):
            try:
                await self._client.route(self._point, "probe")
            except Exception:  # noqa: BLE001 - any refusal means: not yet
                await asyncio.sleep(0.05)
            else:
                return

    async def play(self, start: int, end: int, bar: Bar) -> None:
        """Play the half-hours ``[start, end)``; never run far ahead of the worker."""
        for row in range(start, end, _CHUNK):
            rows = range(row, min(row + _CHUNK, end))
            lanes = await asyncio.gather(
                *(self._lane(rows[lane::_LANES]) for lane in range(_LANES))
            )
            decided = [pair for lane in lanes for pair in lane]
            events = [event for pair in decided for event in pair[0]]
            answer = await self._client.events(events)
            self.ledger.acknowledged += answer["accepted"]
            await self._settle()
            self._owed = [pair[1] for pair in decided]
            self.ledger.last_row = rows[-1]
            bar.advance(len(rows))
            if row % ROWS_A_WEEK < _CHUNK:
                await self._pace(row)
        await self._settle()

    async def _lane(self, rows: Sequence[int]) -> list[tuple[list[dict[str, Any]], dict[str, Any]]]:
        """Decide some half-hours one after the other, on one connection."""
        return [await self._decide(row) for row in rows]

    async def _decide(self, row: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        route = await self._client.route(self._point, f"half-hour-{row}")
        self.ledger.decisions += 1
        arm = route["arm"]
        self.ledger.arms[arm] = self.ledger.arms.get(arm, 0) + 1
        score = self._scorers[route["model"], route["version"]](row)
        events = [self._event(route["token"], row, score, self._market.features(row))]
        for shadow in route["shadows"]:
            last = self._scorers[shadow["model"], shadow["version"]](row)
            events.append(self._event(shadow["token"], row, last, {RULE_INPUT: last}))
        self.sample = route["decision_id"]
        rises = int(self._market.rises[row])
        return events, outcome(route["decision_id"], row, score, rises)

    def _event(
        self, token: str, row: int, score: float, features: dict[str, float]
    ) -> dict[str, Any]:
        return {
            "token": token,
            "at": when(row).isoformat(),
            "features": features,
            "score": score,
        }

    async def _settle(self) -> None:
        """Report what became of the chunk before: the outcome is known half an hour later."""
        if self._owed:
            await self._client.outcomes(self._owed)
            self._owed = []

    async def _pace(self, row: int) -> None:
        """Wait for the worker: event time runs a thousand times faster here than in the market."""
        for _ in range(int(_PATIENCE / 0.1)):
            found = self.telemetry(figures=False)
            through = [
                row_of(_time(series["through"]))
                for series in found["series"]
                if series["through"] and series["arm"] != "rehearsal"
            ]
            if not through or max(through) >= row - _LAG:
                return
            await asyncio.sleep(0.1)

    def telemetry(self, *, figures: bool = True) -> Any:
        """Return what the server has of the decision point."""
        asked = {} if figures else {"figures": "false"}
        return self._watcher.get(f"/v1/decision-points/{self._point}/telemetry", **asked)

    async def drained(self) -> Any:
        """Wait until the worker has folded everything; return the telemetry."""
        for _ in range(int(_PATIENCE / 0.2)):
            found = self.telemetry(figures=False)
            if not found["waiting_deltas"] and not found["waiting_outcomes"]:
                return self.telemetry()
            await asyncio.sleep(0.2)
        return self.telemetry()


async def rehearse(
    client: AsyncClient,
    market: Market,
    scores: Floats,
    start: int,
    **place: str | int,
) -> None:
    """Send real half-hours through the guarded perimeter: no decision hangs on them.

    ``place`` names model, version and decision_point.
    """
    for first in range(0, len(scores), 500):
        events, outcomes = [], []
        for offset in range(first, min(first + 500, len(scores))):
            row, name, score = start + offset, str(uuid.uuid4()), float(scores[offset])
            rises = int(market.rises[row])
            events.append(
                {
                    "event_id": name,
                    "at": when(row).isoformat(),
                    "features": market.features(row),
                    "score": score,
                }
            )
            outcomes.append(outcome(name, row, score, rises))
        await client.events(events, **place)
        await client.outcomes(outcomes, **place)


def outcome(decision_id: str, row: int, score: float, rises: int) -> dict[str, Any]:
    """Return what became of a call: right earns a point, wrong costs one."""
    right = (score >= EVEN) == bool(rises)
    return {
        "decision_id": decision_id,
        "label": rises,
        "reward": 1.0 if right else -1.0,
        "at": when(row + 1).isoformat(),
    }


def _time(text: str) -> Any:
    return type(when(0)).fromisoformat(text)
