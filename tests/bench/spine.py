"""The spine against what it cannot beat, in one run on one machine.

``python -m tests.bench.spine [--quick]`` prints a report and, as its last line, one JSON object;
it exits 0 if the bounds hold and 1 if not. Ratios compare rates measured in turns (A B A B) by
the same load generator, so that a slow or busy machine moves both sides; no process is pinned.
"""

import argparse
import os
import platform
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from tests.bench.champion import NAMES, Crowned, crown
from tests.bench.conclusion import conclude, within
from tests.bench.servers import (
    BenchFailed,
    Helper,
    Served,
    bare,
    cpu_seconds,
    helper,
    rss_mb,
    serve,
)

BOUNDS = {
    "route_ratio": ("at least", 0.4),
    "ingest_ratio": ("at least", 0.25),
    "ready_seconds": ("at most", 5.0),
    "api_rss_mb": ("at most", 250.0),
}
BATCH, ARROW_BATCH = 1_000, 4_000
"""Events a call of JSON, and of Arrow, which is for who sends many."""
ROUTE_LANES = 24
INGEST_LANES = 8
"""Connections that batches come on: so many that nobody waits for who sends them."""
RUN_SECONDS = 175
FASTEST = 60_000
"""Requests prepared for a second of routing; more than this machine answers."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    starts: int
    route_pairs: int
    route_seconds: float
    ingest_pairs: int
    batches: int

    def ingest(self, *, arrow: bool) -> tuple[str, int, int]:
        """Return what a round of ingest is called, of how many events a batch, how many batches."""
        return ("arrow", ARROW_BATCH, self.batches // 2) if arrow else ("json", BATCH, self.batches)


FULL = Plan(starts=3, route_pairs=9, route_seconds=1.5, ingest_pairs=5, batches=48)
QUICK = Plan(starts=1, route_pairs=2, route_seconds=1.0, ingest_pairs=2, batches=4)


@dataclass(slots=True)
class Pairs:
    """Rates of two contestants, taken in turns."""

    ours: list[float] = field(default_factory=list)
    yardstick: list[float] = field(default_factory=list)
    extra: dict[str, list[float]] = field(default_factory=dict)

    @property
    def ratios(self) -> list[float]:
        """Ours by the yardstick's, pair by pair."""
        return [mine / its for mine, its in zip(self.ours, self.yardstick, strict=True)]

    def note(self, name: str, value: float) -> None:
        """Keep a figure beside the rates."""
        self.extra.setdefault(name, []).append(value)

    def of(self, name: str) -> float:
        """Return the median of such a figure."""
        return median(self.extra[name])


def measure_starts(plan: Plan) -> list[float]:
    """Start on empty directories all but the last time; the last start stays for the load."""
    found = []
    for _ in range(plan.starts - 1):
        with serve() as served:
            found.append(served.ready_seconds)
    return found


def measure_routes(plan: Plan, gun: Helper, served: Served, yardstick: Served) -> Pairs:
    """Take turns: the bare endpoint, then decisions about units never seen before."""
    pairs = Pairs()
    _shoot(gun, yardstick, 0.5)
    _shoot(gun, served, 0.5)
    for _ in range(plan.route_pairs):
        for side, server, rates in (
            ("bare", yardstick, pairs.yardstick), ("route", served, pairs.ours),
        ):  # fmt: skip
            spent = cpu_seconds(server.pid)
            shot = _shoot(gun, server, plan.route_seconds, keep=server is served)
            answered = shot["answered"]
            rates.append(answered / shot["seconds"])
            pairs.note(f"{side}_cpu_us", (cpu_seconds(server.pid) - spent) / answered * 1e6)
            pairs.note(f"{side}_load_share", shot["load_cpu"] / shot["seconds"])
        print(_row(pairs, "routes", "bare/s", "routes/s"), flush=True)
    return pairs


def _shoot(gun: Helper, server: Served, seconds: float, *, keep: bool = False) -> Any:
    most = int(seconds * FASTEST)
    shot = gun.ask(
        "route", port=server.port, lanes=ROUTE_LANES, seconds=seconds, most=most, keep=keep
    )
    if shot["refused"] or shot["broken"] or not shot["answered"]:
        raise BenchFailed(f"A route round went wrong: {shot}")
    return shot


def gather_decisions(
    plan: Plan, gun: Helper, served: Served, have: int, *, arrow: bool = False
) -> None:
    """Ask for as many decisions as ingest will report on and routing has not kept."""
    _, size, batches = plan.ingest(arrow=arrow)
    missing = (plan.ingest_pairs + 1) * batches * size - have
    while missing > 0:
        shot = gun.ask(
            "route", port=served.port, lanes=ROUTE_LANES, seconds=20, most=missing, keep=True
        )
        missing -= shot["answered"]


def measure_ingest(
    plan: Plan,
    gun: Helper,
    copier: Helper,
    served: Served,
    crowned: Crowned,
    *,
    arrow: bool = False,
) -> tuple[Pairs, int]:
    """Take turns: the server stores batches, then COPY stores the same rows again.

    The batches are JSON, or larger ones as Arrow streams. The first pair warms both up. COPY waits
    until the worker has folded what came before.
    """
    pairs, acknowledged = Pairs(), 0
    name, size, batches = plan.ingest(arrow=arrow)
    for turn in range(plan.ingest_pairs + 1):
        spent = cpu_seconds(served.pid)
        shot = gun.ask(
            "ingest",
            port=served.port,
            lanes=INGEST_LANES,
            batches=batches,
            size=size,
            arrow=arrow,
        )
        spent = cpu_seconds(served.pid) - spent
        acknowledged += shot["events"]
        if shot["refused"] or shot["broken"] or shot["events"] != batches * size:
            raise BenchFailed(f"An ingest round went wrong: {shot}")
        crowned.drained()
        copied = copier.ask("copy", size=size)
        if copied["rows"] != shot["events"]:
            raise BenchFailed(f"{shot['events']} events were acknowledged, {copied} found.")
        if turn:
            pairs.ours.append(shot["events"] / shot["seconds"])
            pairs.yardstick.append(copied["rows"] / copied["seconds"])
            pairs.note("copy_lanes_rows_per_second", copied["rows"] / copied["lanes_seconds"])
            pairs.note("ingest_cpu_us", spent / shot["events"] * 1e6)
            pairs.note("copy_client_cpu_us", copied["load_cpu"] / copied["rows"] * 1e6)
            pairs.note("ingest_load_share", shot["load_cpu"] / shot["seconds"])
            pairs.note("batch_kb", shot["body_bytes"] / 1024)
            print(_row(pairs, name, "COPY rows/s", "events/s"), flush=True)
    return pairs, acknowledged


def _row(pairs: Pairs, name: str, yardstick: str, ours: str) -> str:
    return (
        f"  {name} {len(pairs.ours)}: {pairs.yardstick[-1]:>9,.0f} {yardstick}"
        f" {pairs.ours[-1]:>9,.0f} {ours}   ratio {pairs.ratios[-1]:.3f}"
    )


def run(plan: Plan) -> dict[str, Any]:
    """Measure everything; return the figures."""
    began = time.monotonic()
    print(
        f"Modelward's spine on {os.cpu_count()} cores, Python {platform.python_version()};"
        " nothing is pinned, all processes share them."
    )
    starts = measure_starts(plan)
    with ExitStack() as stack:
        served = stack.enter_context(serve())
        starts.append(served.ready_seconds)
        print("Ready after", ", ".join(f"{seconds:.2f} s" for seconds in starts))
        crowned = crown(served.url, served.key)
        gun = stack.enter_context(helper("load", key=crowned.key, point=NAMES.point))
        size = _shoot(gun, served, 0.2)["answer_bytes"]
        print(f"Routes: {ROUTE_LANES} connections, answers of {size} bytes, in turns.")
        with bare(size) as yardstick:
            routes = measure_routes(plan, gun, served, yardstick)
        kept = int(sum(routes.ours) * plan.route_seconds * 0.9)
        gather_decisions(plan, gun, served, kept)
        copier = stack.enter_context(helper("rawcopy", url=served.database_url, lanes=INGEST_LANES))
        facts = copier.ask("create")
        print(
            f"Ingest: {INGEST_LANES} connections, {BATCH:,} events a batch and commit,"
            f" Postgres {facts['postgres']}, synchronous_commit {facts['synchronous_commit']}."
        )
        ingest, acknowledged = measure_ingest(plan, gun, copier, served, crowned)
        stored = copier.ask("count")
        figures = {
            "route_ratio": median(routes.ratios),
            "ingest_ratio": median(ingest.ratios),
            "ingest_lanes_ratio": median(ingest.ours) / ingest.of("copy_lanes_rows_per_second"),
            "ready_seconds": median(starts),
            "api_rss_mb": rss_mb(served.pid),
            "api_rss_peak_mb": rss_mb(served.pid, "VmHWM"),
            "routes_per_second": median(routes.ours),
            "bare_per_second": median(routes.yardstick),
            "events_per_second": median(ingest.ours),
            "copy_rows_per_second": median(ingest.yardstick),
            **{name: median(values) for name, values in (routes.extra | ingest.extra).items()},
            "events_acknowledged": acknowledged,
            "events_stored": stored["events"],
            "receipts_stored": stored["receipts"],
            "run_seconds": time.monotonic() - began,
        }
    return {name: round(value, 3) for name, value in figures.items()}


def main() -> int:
    """Run, report, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run of some 25 seconds")
    plan = QUICK if parser.parse_args().quick else FULL
    with within(RUN_SECONDS):
        figures = run(plan)
    print(
        f"A decision costs {figures['route_cpu_us']:.0f} µs of the server's processor time, the"
        f" bare answer {figures['bare_cpu_us']:.0f} µs. The load generator used"
        f" {figures['route_load_share']:.0%} of a core against decisions and"
        f" {figures['bare_load_share']:.0%} against the bare endpoint."
    )
    print(
        f"COPY over {INGEST_LANES} connections writes"
        f" {figures['copy_lanes_rows_per_second']:,.0f} rows/s: beside that the server's rate is"
        f" {figures['ingest_lanes_ratio']:.3f}."
    )
    print(
        f"An event costs {figures['ingest_cpu_us']:.0f} µs of the API process, a COPY row"
        f" {figures['copy_client_cpu_us']:.0f} µs of its client."
    )
    return conclude(figures, BOUNDS)


if __name__ == "__main__":
    sys.exit(main())
