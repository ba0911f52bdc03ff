"""The demo to its end, as the README promises it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.processes import family, nothing_left

ROOT = Path(__file__).parents[2]
CHANGE, LATEST = 17_424, 19_500
"""Row of 2 May 1997, when interstate transfer begins to move, and the last that may pass."""
SECONDS = 180

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mw-", dir="/tmp") as found, nothing_left(found):
        yield Path(found)


@pytest.fixture(scope="module")
def done(home: Path) -> "subprocess.CompletedProcess[str]":
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MODELWARD_")}
    return subprocess.run(
        [sys.executable, "-m", "app", "demo", "--json"],
        cwd=ROOT,
        env={**kept, "TMPDIR": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=3 * SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def found(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    last: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return last


@pytest.mark.parametrize("variable", ["transfer", "vicprice", "vicdemand"])
def test_the_change_of_the_market_is_noticed_after_it_happened_and_soon(
    found: dict[str, Any], variable: str
) -> None:
    assert CHANGE <= found["first_alert"][variable] <= LATEST


def test_the_cycle_goes_back_for_data_and_on(found: dict[str, Any]) -> None:
    assert found["kpi_outcome"] == "data_drift"
    assert found["self_approval"] == "refused"


def test_every_acknowledged_event_is_stored(found: dict[str, Any]) -> None:
    assert found["acknowledged_events"] == found["stored_events"] > found["decisions"] > 30_000


def test_the_edit_of_the_audit_log_is_found(found: dict[str, Any]) -> None:
    assert found["audit_ok"] is True
    assert found["tamper_found"] is True
    assert found["offline_ok"] is True


def test_it_is_told_in_three_minutes(found: dict[str, Any]) -> None:
    assert found["seconds"] < SECONDS


def test_nothing_is_left_of_it(found: dict[str, Any], home: Path) -> None:
    assert found
    assert list(home.glob("modelward*")) == []
    assert family(home) == set()
