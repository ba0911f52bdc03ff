"""Evidence against what it cannot beat, and against its peers, in one run on one machine.

``python -m tests.bench.evidence [--evidently] [--nannyml]`` prints a report and, as its last line,
one JSON object; it exits 0 if the bounds hold and 1 if not. Ingest is measured in turns with a
COPY of the same rows, once by JSON and once by Arrow streams, which is what who sends much sends;
the profile of a file in turns with DuckDB's own bare histograms. A peer runs in a Python of its own
(``MODELWARD_BENCH_EVIDENTLY``, ``MODELWARD_BENCH_NANNYML`` say which; else one is made and filled
from the package index), over the same Parquet file.
"""

import argparse
import os
import platform
import sys
import time
from contextlib import ExitStack
from statistics import median
from typing import Any

from tests.bench import drifting, lake, peers, spine
from tests.bench.champion import NAMES, crown
from tests.bench.conclusion import conclude, within
from tests.bench.servers import helper, serve

BOUNDS = {
    "ingest_ratio": ("at least", 0.5),
    "drift_from_profiles_ms": ("at most", 20.0),
    "growth": ("at most", 1.2),
    "parquet_ratio": ("at most", 1.5),
    "vs_evidently": ("at least", 50.0),
    "vs_nannyml": ("at least", 8.0),
}
RUN_SECONDS = 1500


def served(plan: spine.Plan) -> dict[str, float]:
    """Measure ingest and drift on a server."""
    with ExitStack() as stack:
        server = stack.enter_context(serve())
        crowned = crown(server.url, server.key)
        gun = stack.enter_context(helper("load", key=crowned.key, point=NAMES.point))
        spine.gather_decisions(plan, gun, server, 0)
        copier = stack.enter_context(
            helper("rawcopy", url=server.database_url, lanes=spine.INGEST_LANES)
        )
        copier.ask("create")
        json, acknowledged = spine.measure_ingest(plan, gun, copier, server, crowned)
        spine.gather_decisions(plan, gun, server, 0, arrow=True)
        arrow, more = spine.measure_ingest(plan, gun, copier, server, crowned, arrow=True)
        return {
            "ingest_ratio": median(arrow.ratios),
            "ingest_json_ratio": median(json.ratios),
            **_rates(arrow),
            **{f"json_{name}": value for name, value in _rates(json).items()},
            "events_acknowledged": acknowledged + more,
            **drifting.measure(server.database_url),
        }


def _rates(ingest: spine.Pairs) -> dict[str, float]:
    return {
        "events_per_second": median(ingest.ours),
        "copy_rows_per_second": median(ingest.yardstick),
        **{name: median(values) for name, values in ingest.extra.items()},
    }


def main() -> int:
    """Run, report, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer turns")
    for name in peers.PEERS:
        parser.add_argument(f"--{name}", action="store_true", help=f"the same job by {name}")
    asked = parser.parse_args()
    began = time.monotonic()
    print(
        f"Modelward's evidence on {os.cpu_count()} cores, Python {platform.python_version()};"
        " nothing is pinned, all processes share them."
    )
    with within(RUN_SECONDS):
        figures: dict[str, Any] = served(spine.QUICK if asked.quick else spine.FULL)
        print(
            f"A day's drift takes {figures['drift_of_few_ms']:.1f} ms after {drifting.FEW:,} events"
            f" and {figures['drift_of_many_ms']:.1f} ms after {drifting.MANY:,}."
        )
        figures |= lake.measure()
        for name in peers.PEERS:
            if getattr(asked, name):
                figures |= peers.measure(name)
    figures["run_seconds"] = time.monotonic() - began
    shown = {
        name: round(value, 3) if isinstance(value, float) else value
        for name, value in figures.items()
    }
    return conclude(shown, BOUNDS)


if __name__ == "__main__":
    sys.exit(main())
