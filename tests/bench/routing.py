"""Routing against what it cannot beat, and against flagd's own evaluation, in one run.

``python -m tests.bench.routing [--quick]`` prints a report and, as its last line, one JSON object;
it exits 0 if the bounds hold and 1 if not. ``route_ratio`` is of rates measured in turns (A B A B)
by the same load generator over as many keep-alive connections: decisions with authentication,
validation, conditions, token and metrics at a thousand decision points in turns, each about a unit
never named before, against a raw ASGI endpoint that answers as many fixed bytes. ``p99_ratio`` is
of the slowest hundredth in the same rounds. ``evaluate_us`` is the evaluation itself, in process:
unit and context to arm, in a plan of four segments; ``contextual_us`` that of a unit that has
chances of its own, which has no bound: two arms, four numbers of the context. ``vs_flagd_core`` is
how many times faster that is than ``openfeature-flagd-core`` with the same plan, exported, in
turns.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any

from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext

from app.routing.engine import cbor_text
from app.routing.flagd import flag_of
from tests.bench.champion import NAMES, crown
from tests.bench.conclusion import conclude, within
from tests.bench.points import CONTEXT, PLAN, load_points
from tests.bench.servers import BenchFailed, Helper, Served, bare, helper, serve
from tests.routing.test_contextual import learnt
from tests.routing.test_contextual import plan as contextual_plan
from tests.routing.test_parity import compiled

BOUNDS = {
    "route_ratio": ("at least", 0.6),
    "p99_ratio": ("at most", 2.0),
    "evaluate_us": ("at most", 4.0),
    "vs_flagd_core": ("at least", 4.0),
}
LANES, BATCH_LANES, BATCH = 24, 4, 1_000
RUN_SECONDS = 175
FASTEST = 40_000
"""Requests prepared for a second; more than this machine answers."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    points: int
    pairs: int
    seconds: float
    batches: int
    evaluations: int


FULL = Size(points=1_000, pairs=9, seconds=1.5, batches=60, evaluations=40_000)
QUICK = Size(points=50, pairs=2, seconds=1.0, batches=6, evaluations=4_000)


def shoot(gun: Helper, server: Served, size: Size, seconds: float) -> Any:
    """Let the load generator ask for a while; every answer must be good."""
    shot = gun.ask(
        "at_points", port=server.port, lanes=LANES, seconds=seconds,
        most=int(seconds * FASTEST), points=size.points, context=CONTEXT,
    )  # fmt: skip
    if shot["refused"] or shot["broken"] or not shot["answered"]:
        raise BenchFailed(f"A round went wrong: {shot}")
    return shot


def measure_routes(size: Size, gun: Helper, served: Served, yardstick: Served) -> dict[str, float]:
    """Take turns: the bare endpoint, then decisions."""
    rates: dict[str, list[float]] = {"bare": [], "routes": []}
    slowest: dict[str, list[float]] = {"bare": [], "routes": []}
    for turn in range(size.pairs + 1):
        for name, server in (("bare", yardstick), ("routes", served)):
            shot = shoot(gun, server, size, size.seconds)
            if turn:  # the first warms up
                rates[name].append(shot["answered"] / shot["seconds"])
                slowest[name].append(shot["p99_ms"])
        if turn:
            print(
                f"  {turn}: {rates['bare'][-1]:>8,.0f} bare/s {rates['routes'][-1]:>8,.0f} routes/s"
                f"   p99 {slowest['bare'][-1]:.2f} and {slowest['routes'][-1]:.2f} ms",
                flush=True,
            )
    return {
        "route_ratio": _ratio(rates["routes"], rates["bare"]),
        "p99_ratio": _ratio(slowest["routes"], slowest["bare"]),
        "routes_per_second": median(rates["routes"]),
        "bare_per_second": median(rates["bare"]),
        "route_p99_ms": median(slowest["routes"]),
    }


def _ratio(ours: list[float], its: list[float]) -> float:
    return median(mine / yardstick for mine, yardstick in zip(ours, its, strict=True))


def measure_batches(size: Size, gun: Helper, served: Served) -> float:
    """Return decisions a second, a thousand units a call."""
    shot = gun.ask(
        "many", port=served.port, lanes=BATCH_LANES, seconds=60, most=size.batches, size=BATCH,
        context=CONTEXT,
    )  # fmt: skip
    if shot["refused"] or shot["broken"] or shot["answered"] != size.batches:
        raise BenchFailed(f"The batches went wrong: {shot}")
    return float(shot["answered"] * BATCH / shot["seconds"])


def measure_evaluation(size: Size) -> dict[str, float]:
    """Evaluate the same units in turns: here, and by flagd's own core."""
    plan = compiled("bench", PLAN)
    flagd = FlagdCore()
    flagd.set_flags({"flags": {"bench": flag_of(plan)}})
    units = [f"unit-{number}" for number in range(size.evaluations // 10)]

    def ours() -> list[str | None]:
        return [plan.assign(unit, cbor_text(unit), CONTEXT).name for unit in units]

    def its() -> list[str | None]:
        return [
            flagd.resolve_object_value("bench", {}, EvaluationContext(unit, CONTEXT)).variant
            for unit in units
        ]

    if ours() != its():
        raise BenchFailed("flagd gives other arms.")
    own = contextual_plan(learnt())

    def chances() -> list[str]:
        known = {"age": 44, "region": "vic"}
        return [own.assign(unit, cbor_text(unit), known).name for unit in units[:1_000]]

    rounds = [(_spent(ours) / len(units), _spent(its) / len(units)) for _ in range(10)]
    return {
        "evaluate_us": median(mine for mine, _ in rounds) * 1e6,
        "flagd_core_us": median(other for _, other in rounds) * 1e6,
        "vs_flagd_core": median(other / mine for mine, other in rounds),
        "contextual_us": _spent(chances) / len(units[:1_000]) * 1e6,
    }


def _spent(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def run(size: Size) -> dict[str, Any]:
    """Measure everything; return the figures."""
    began = time.monotonic()
    print(
        f"Routing on {os.cpu_count()} cores, Python {platform.python_version()}; nothing is"
        " pinned, all processes share them."
    )
    found = measure_evaluation(size)
    print(
        f"An evaluation costs {found['evaluate_us']:.2f} µs, by flagd's core"
        f" {found['flagd_core_us']:.1f} µs."
    )
    with ExitStack() as stack:
        served = stack.enter_context(serve())
        crowned = crown(served.url, served.key)
        load_points(served, crowned.key, size.points)
        print(f"{size.points:,} decision points are loaded.")
        gun = stack.enter_context(helper("load", key=crowned.key, point=NAMES.point))
        answer = shoot(gun, served, size, 0.2)["answer_bytes"]
        print(f"Routes: {LANES} connections, answers of {answer} bytes, in turns.")
        with bare(answer) as yardstick:
            found |= measure_routes(size, gun, served, yardstick)
        found["batch_decisions_per_second"] = measure_batches(size, gun, served)
    found["run_seconds"] = time.monotonic() - began
    return {name: round(value, 3) for name, value in found.items()}


def main() -> int:
    """Run, report, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run of some 25 seconds")
    size = QUICK if parser.parse_args().quick else FULL
    with within(RUN_SECONDS):
        figures = run(size)
    return conclude(figures, BOUNDS)


if __name__ == "__main__":
    sys.exit(main())
