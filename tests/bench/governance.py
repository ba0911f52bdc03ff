"""What governance costs: the audit entry, its verification, the key's check, the gate.

``python -m tests.bench.governance [--quick]`` prints a report and, as its last line, one JSON
object; it exits 0 if the bounds hold and 1 if not. Ratios compare rates measured in turns in one
process, the order changing from pair to pair, so that a slow or busy machine moves both sides.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import uvloop

from app.bus import make_bus
from app.kit.actor import Actor
from app.platform import migrations
from app.platform.db import Database
from app.platform.embedded import EmbeddedPostgres
from app.platform.roles import login_url
from app.platform.settings import Settings
from tests.bench import access, acts, judging, longlog
from tests.bench.conclusion import conclude, within
from tests.bench.servers import BenchFailed

BOUNDS = {
    "audit_overhead": ("at least", 0.8),
    "verify_entries_per_second": ("at least", 50_000),
    "auth_overhead": ("at least", 0.9),
    "gate_eval_us": ("at most", 500),
}
RUN_SECONDS = 170
Rate = Callable[[], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    act_pairs: int
    act_seconds: float
    entries: int
    verifications: int
    door_pairs: int
    calls: int
    judgements: int


FULL = Plan(
    act_pairs=15, act_seconds=1.5, entries=120_000, verifications=5,
    door_pairs=41, calls=500, judgements=15,
)  # fmt: skip
QUICK = Plan(
    act_pairs=2, act_seconds=0.5, entries=6_000, verifications=2,
    door_pairs=4, calls=200, judgements=3,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Turns:
    """The rates of two contestants, and the one by the other, pair by pair."""

    ours: list[float]
    bare: list[float]

    @property
    def ratio(self) -> float:
        """Return the median of the pairs' ratios."""
        return median(mine / its for mine, its in zip(self.ours, self.bare, strict=True))


async def take_turns(name: str, pairs: int, ours: Rate, bare: Rate, *, tell: int = 1) -> Turns:
    """Measure both, ``pairs`` times; who begins changes. Each ``tell``-th pair is printed."""
    found = Turns([], [])
    for pair in range(pairs):
        contestants = [(ours, found.ours), (bare, found.bare)]
        for measure, rates in contestants if pair % 2 else contestants[::-1]:
            rates.append(await measure())
        if pair % tell == 0:
            mine, its = found.ours[-1], found.bare[-1]
            print(
                f"  {name} {pair + 1}: {mine:>9,.0f}/s beside {its:>9,.0f}/s bare"
                f"   ratio {mine / its:.3f}",
                flush=True,
            )
    return found


async def measure_acts(plan: Plan, database: Database, by: Actor) -> Turns:
    """Take turns: acts with their entries, the same acts without."""
    await acts.publish(database, by)
    taggers = acts.Taggers(database, by)
    await taggers.rate(plan.act_seconds)  # statements are prepared, connections opened

    async def unrecorded() -> float:
        with acts.unrecorded():
            return await taggers.rate(plan.act_seconds)

    turns = await take_turns(
        "acts", plan.act_pairs, lambda: taggers.rate(plan.act_seconds), unrecorded
    )
    await taggers.require_recorded()
    return turns


async def measure_doors(plan: Plan, database: Database, settings: Settings) -> tuple[Turns, Turns]:
    """Take turns: a route that checks the key, the same route without; typed, then hot."""
    doors = access.Doors(database, settings, await access.reader_key(database))
    await doors.open()
    found = []
    for name, closed, wide, calls in (
        ("typed routes", access.CHECKED, access.OPEN, plan.calls),
        ("hot routes", access.HOT_CHECKED, access.HOT_OPEN, plan.calls * 10),
    ):
        for path in (closed, wide):
            await doors.rate(path, calls)
        found.append(
            await take_turns(
                name,
                plan.door_pairs,
                lambda path=closed, calls=calls: doors.rate(path, calls),  # type: ignore[misc]
                lambda path=wide, calls=calls: doors.rate(path, calls),  # type: ignore[misc]
                tell=10,
            )
        )
    return found[0], found[1]


async def run(plan: Plan, url: str) -> dict[str, Any]:
    """Measure everything on one database, given as its superuser's URL; return the figures."""
    began = time.monotonic()
    # A key's calls are counted as they always are, and never too many: there is but one caller.
    settings = Settings(pool_wait_seconds=10, key_calls_per_second=1e6)
    database = Database(login_url(url), settings, make_bus())
    try:
        print(f"Acts: {acts.CLIENTS} clients, each on a version of its own.")
        developer = await acts.first_actor(database)
        recorded = await measure_acts(plan, database, developer)
        print("Doors: the key's check, called through the edge without sockets.")
        typed, hot = await measure_doors(plan, database, settings)
        gate = median(judging.microseconds(100) for _ in range(plan.judgements))
        print(f"Gates: {judging.RULES} rules over one case's facts in {gate:.0f} µs.")
        print(f"Log: {plan.entries:,} entries in {longlog.STREAMS:,} streams beside those above.")
        await longlog.fill(url, developer, plan.entries)
        spent = time.process_time()
        verified, report = await longlog.verified_per_second(
            database, developer, plan.verifications
        )
        spent = time.process_time() - spent
    finally:
        await database.close()
    if not report.ok or report.size != report.entries or report.entries < plan.entries:
        raise BenchFailed(f"The log does not verify: {report}")
    figures = {
        "audit_overhead": recorded.ratio,
        "verify_entries_per_second": median(verified),
        "auth_overhead": typed.ratio,
        "gate_eval_us": gate,
        "auth_overhead_hot": hot.ratio,
        "auth_hot_us": (1 / median(hot.ours) - 1 / median(hot.bare)) * 1e6,
        "acts_per_second": median(recorded.ours),
        "acts_without_entry_per_second": median(recorded.bare),
        "typed_calls_per_second": median(typed.ours),
        "hot_calls_per_second": median(hot.ours),
        "verify_entries_per_cpu_second": plan.verifications * report.entries / spent,
        "entries": report.entries,
        "signed_checkpoints": report.checkpoints,
        "run_seconds": time.monotonic() - began,
    }
    return {name: round(value, 3) for name, value in figures.items()}


def main() -> int:
    """Run, report, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run of some 10 seconds")
    plan = QUICK if parser.parse_args().quick else FULL
    with within(RUN_SECONDS):
        print(f"Governance on {os.cpu_count()} cores, Python {platform.python_version()}.")
        with tempfile.TemporaryDirectory(prefix="modelward-bench-") as home:
            embedded = EmbeddedPostgres(Path(home))
            try:
                url = embedded.start()
                migrations.upgrade(url)
                figures = uvloop.run(run(plan, url))
            finally:
                embedded.stop()
    return conclude(figures, BOUNDS)


if __name__ == "__main__":
    sys.exit(main())
