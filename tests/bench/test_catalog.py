import json
import subprocess
import sys

import pytest

from tests.bench.catalog import BOUNDS
from tests.bench.servers import ROOT


@pytest.mark.slow
def test_a_quick_run_ends_with_one_line_of_figures() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.catalog", "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )

    assert done.returncode in {0, 1}, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert set(BOUNDS) == set(figures["bounds"])
    names = ("register_version", "alias_lookup", "champion_lookup")
    for name in [*BOUNDS, *(f"{name}_per_second" for name in names)]:
        assert figures[name] > 0
    assert figures["ok"] is (done.returncode == 0)
