"""The catalog: registrations, look-ups and searches a second, over HTTP.

``python -m tests.bench.catalog [--quick] [--mlflow]`` prints a report and, as its last line, one
JSON object; it exits 0 if the bounds hold and 1 if not.

One server process (with its worker) on its embedded Postgres, all over loopback, nothing pinned.
Rates are of ``LANES`` keep-alive connections, each sending its next request when answered: as many
as keep both servers busy. ``register_version_of_few`` is the same with ``FEW`` of them, where ours
waits for its callers a third of the time; it has no bound.
``register_version`` publishes versions of as many models as there are connections: with its key
checked, decision right, audit entry, outbox event and search row in one transaction. The look-ups
ask for the version behind an alias, and for the champion of a decision point with who approved it.
``search_p95_ms`` is the time of one caller's search at 100,000 versions, over all kinds of query
in turns: common words, rare ones, words that are in the older half only, prefixes, none, each
filter, and combinations; each kind's own is printed.

With ``--mlflow`` the yardstick is an MLflow tracking server, as ``pip install`` gives it, in a
virtual environment of its own, with one worker process, on the same Postgres server (a database of
its own). It gets the same connections from the same load generator, in turns with ours in the same
run: ``model-versions/create`` for registrations, of as many registered models, and
``registered-models/alias`` for look-ups. It checks no key and no right and writes no audit entry;
its versions have a source and tags. ``lookup_vs_mlflow`` is of the alias look-up, which both have.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.champion import NAMES, Crowned, crown
from tests.bench.conclusion import conclude, within
from tests.bench.queries import searches
from tests.bench.rival import rival
from tests.bench.servers import BenchFailed, Helper, Served, helper, serve
from tests.bench.shop import VERSION, Shop, open_shop, version_of

BOUNDS = {"search_p95_ms": ("at most", 20.0)}
BESIDE_MLFLOW = {"register_vs_mlflow": ("at least", 10.0), "lookup_vs_mlflow": ("at least", 20.0)}
LANES, FEW = 48, 12
ALIAS = "stable"
RUN_SECONDS = 1_200
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "modelward-bench/mlflow"
Rate = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int
    seconds: float
    versions: int
    searches: int


FULL = Plan(rounds=5, seconds=3.0, versions=100_000, searches=40)
QUICK = Plan(rounds=1, seconds=1.0, versions=3_000, searches=3)


def shoot(gun: Helper, port: int, seconds: float, *, lanes: int = LANES, **call: Any) -> float:
    """Return answers a second of one round; every one must be good."""
    shot = gun.ask("ask", port=port, lanes=lanes, seconds=seconds, **call)
    if shot["refused"] or shot["broken"] or not shot["answered"]:
        raise BenchFailed(f"A round of {call['targets'][0][0]} went wrong: {shot}")
    return float(shot["answered"] / shot["seconds"])


def ours(gun: Helper, served: Served, shop: Shop, plan: Plan) -> dict[str, Rate]:
    """Return our four measurements."""

    def rate(method: str, targets: list[tuple[str, str | None]], lanes: int = LANES) -> Rate:
        call = {"method": method, "targets": targets, "keys": list(shop.keys)}
        return lambda: shoot(gun, served.port, plan.seconds, lanes=lanes, **call)

    paths = [f"/v1/models/{name}" for name in shop.models]
    published = [
        (f"{path}/versions", json.dumps(version_of(number))) for number, path in enumerate(paths)
    ]
    return {
        "register_version": rate("POST", [*published]),
        "register_version_of_few": rate("POST", [*published[:FEW]], FEW),
        "alias_lookup": rate("GET", [(f"{path}/aliases/{ALIAS}", None) for path in paths]),
        "champion_lookup": rate("GET", [(f"/v1/decision-points/{NAMES.point}/champion", None)]),
    }


def theirs(gun: Helper, port: int, plan: Plan) -> dict[str, Rate]:
    """Make MLflow's models and aliases; return its three measurements."""
    api = "/api/2.0/mlflow"

    def once(path: str, body: Any) -> None:
        shot = gun.ask(
            "once", port=port, method="POST", path=f"{api}/{path}", body=json.dumps(body)
        )
        if not shot["answered"]:
            raise BenchFailed(f"MLflow refuses {path}: {shot}")

    names = [f"bench-{number}" for number in range(LANES)]
    bodies = [
        {"name": name, "source": VERSION["source"], "tags": [{"key": "team", "value": "bench"}]}
        for name in names
    ]
    for name, body in zip(names, bodies, strict=True):
        once("registered-models/create", {"name": name})
        once("model-versions/create", body)
        once("registered-models/alias", {"name": name, "alias": ALIAS, "version": "1"})
    asked = [f"{api}/registered-models/alias?name={name}&alias={ALIAS}" for name in names]
    created = [(f"{api}/model-versions/create", json.dumps(body)) for body in bodies]
    return {
        "register_version": lambda: shoot(
            gun, port, plan.seconds, method="POST", keys=[None], targets=created
        ),
        "register_version_of_few": lambda: shoot(
            gun, port, plan.seconds, lanes=FEW, method="POST", keys=[None], targets=created[:FEW]
        ),
        "alias_lookup": lambda: shoot(
            gun, port, plan.seconds, method="GET", keys=[None],
            targets=[(path, None) for path in asked],
        ),
    }  # fmt: skip


def take_turns(
    plan: Plan, mine: dict[str, Rate], its: dict[str, Rate]
) -> dict[str, tuple[list[float], list[float]]]:
    """Measure both in turns; the first round of each warms up and does not count."""
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in mine}
    for turn in range(plan.rounds + 1):
        for name, (our_rates, its_rates) in found.items():
            ours_now = mine[name]()
            its_now = its[name]() if name in its else 0.0
            if turn:
                our_rates.append(ours_now)
                its_rates.append(its_now)
                print(f"  {name} {turn}: {ours_now:>7,.0f}/s", end="")
                ratio = ours_now / its_now if its_now else 0.0
                print(
                    f"   MLflow {its_now:>7,.0f}/s   ratio {ratio:.1f}" if its_now else "",
                    flush=True,
                )
    return found


def measure_searches(plan: Plan, served: Served, shop: Shop) -> dict[str, float]:
    """Ask every kind of query in turns; return the percentile over all, and the worst kind's."""
    times = searches(served.url, shop, plan.searches)
    everything = sorted(ms for kind in times.values() for ms in kind)
    each = {kind: _p95(sorted(found)) for kind, found in times.items()}
    for kind, ms in each.items():
        print(f"  search {kind:<40} median {median(times[kind]):6.2f} ms   p95 {ms:6.2f} ms")
    return {
        "search_p95_ms": _p95(everything),
        "search_median_ms": median(everything),
        "search_worst_kind_p95_ms": max(each.values()),
    }


def _p95(ordered: list[float]) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]


def run(plan: Plan, rival_home: Path | None) -> dict[str, Any]:
    """Measure everything; return the figures."""
    began = time.monotonic()
    load = os.getloadavg()[0]
    print(
        f"The catalog on {os.cpu_count()} cores, Python {platform.python_version()}, load {load}."
    )
    with ExitStack() as stack:
        served = stack.enter_context(serve())
        crowned: Crowned = crown(served.url, served.key)
        shop = open_shop(served, crowned.cast, LANES, ALIAS)
        gun = stack.enter_context(helper("asking"))
        its: dict[str, Rate] = {}
        if rival_home is not None:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-rival-")))
            other = stack.enter_context(rival(rival_home, served.database_url, scratch))
            print(f"MLflow {other.version}, one worker, on the same Postgres.")
            its = theirs(gun, other.port, plan)
        rates = take_turns(plan, ours(gun, served, shop, plan), its)
        added = shop.fill(plan.versions)
        print(f"{plan.versions:,} versions are there: {added:.0f} s.", flush=True)
        searched = measure_searches(plan, served, shop)
    figures: dict[str, Any] = {
        **{f"{name}_per_second": median(mine) for name, (mine, _) in rates.items()},
        **searched,
        "versions": plan.versions,
        "load_before": load,
        "load_after": os.getloadavg()[0],
        "run_seconds": time.monotonic() - began,
    }
    for name, short in (
        ("register_version", "register"),
        ("register_version_of_few", "register_of_few"),
        ("alias_lookup", "lookup"),
    ):
        mine, theirs_ = rates[name]
        if its:
            figures[f"{short}_vs_mlflow"] = median(
                a / b for a, b in zip(mine, theirs_, strict=True)
            )
            figures[f"mlflow_{name}_per_second"] = median(theirs_)
    return {name: round(value, 3) for name, value in figures.items()}


def main() -> int:
    """Run, report, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run of few versions")
    parser.add_argument("--mlflow", action="store_true", help="measure MLflow beside it")
    parser.add_argument("--mlflow-home", type=Path, default=CACHE, help="its virtual environment")
    given = parser.parse_args()
    with within(RUN_SECONDS):
        figures = run(QUICK if given.quick else FULL, given.mlflow_home if given.mlflow else None)
    return conclude(figures, BOUNDS | BESIDE_MLFLOW)


if __name__ == "__main__":
    sys.exit(main())
