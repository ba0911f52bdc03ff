"""A bench's quick run, as its test looks at it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from tests.bench.servers import ROOT


def quick_run(bench: str, bounds: Mapping[str, object]) -> dict[str, Any]:
    """Run a bench quickly; return its last line, which says of each bound whether all hold."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{bench}", "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )

    assert done.returncode in {0, 1}, done.stderr
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert set(bounds) == set(figures["bounds"])
    assert all(figures[name] > 0 for name in bounds), figures
    assert figures["ok"] is (done.returncode == 0)
    return figures
