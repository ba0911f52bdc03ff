import json
import subprocess
import sys

import pytest

from tests.bench.governance import BOUNDS
from tests.bench.judging import RULES, ten_rules
from tests.bench.servers import ROOT


def test_the_judged_policy_has_ten_different_rules() -> None:
    assert len({rule.when for rule in ten_rules()}) == RULES


@pytest.mark.slow
def test_a_quick_run_ends_with_one_line_of_figures() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.governance", "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )

    assert done.returncode in {0, 1}, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert set(BOUNDS) == set(figures["bounds"])
    for name in BOUNDS:
        assert figures[name] > 0
    assert figures["ok"] is (done.returncode == 0)
    assert figures["entries"] > 6_000
