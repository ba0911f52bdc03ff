"""How every bench ends: within its time, with its bounds judged, and with one line of JSON."""

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from app.cli.run import stop_on_sigterm
from tests.bench.servers import BenchFailed

Bounds = Mapping[str, tuple[str, float]]


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Stop a run that takes longer; what it began ends, as on SIGTERM."""

    def too_long(*_: object) -> None:
        raise BenchFailed(f"The run took longer than {seconds} s.")

    stop_on_sigterm()
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(seconds)
    yield
    signal.alarm(0)


def conclude(figures: dict[str, Any], bounds: Bounds) -> int:
    """Judge the bounds of what was measured, print all of it; return the exit code."""
    judged = {}
    for name, (way, bound) in bounds.items():
        if name in figures:
            found = figures[name]
            holds = found >= bound if way == "at least" else found <= bound
            judged[name] = {"bound": f"{way} {bound:g}", "holds": holds}
            print(f"  {'holds' if holds else 'FAILS'}  {name} {found:g}, {way} {bound:g}")
    ok = all(bound["holds"] for bound in judged.values())
    print(json.dumps({**figures, "bounds": judged, "ok": ok}))
    return 0 if ok else 1
