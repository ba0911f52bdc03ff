import json
import subprocess
import sys

import pytest

from tests.bench.servers import ROOT
from tests.bench.spine import BOUNDS


@pytest.mark.slow
def test_a_quick_run_ends_with_one_line_of_figures() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.spine", "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )

    assert done.returncode in {0, 1}, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert set(BOUNDS) == set(figures["bounds"])
    rates = {"routes_per_second", "bare_per_second", "events_per_second", "copy_rows_per_second"}
    for name in rates | set(BOUNDS):
        assert figures[name] > 0
    assert figures["ok"] is (done.returncode == 0)
    assert figures["events_acknowledged"] <= figures["events_stored"]
    assert figures["events_stored"] == figures["receipts_stored"]
