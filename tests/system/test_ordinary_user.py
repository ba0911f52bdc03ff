"""The demo's shorter form, as whoever runs the tests and as a user without any rights."""

import gzip
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from tests.system.processes import family, nothing_left

ROOT = Path(__file__).parents[2]
ROWS = 17_000
SECONDS = 240
EXPECTED = {
    "rows", "self_approval", "first_alert", "kpi_outcome", "decisions", "acknowledged_events",
    "stored_events", "champion", "accuracy", "audit_ok", "tamper_found", "seconds",
}  # fmt: skip
UNMOVED = {"transfer", "vicprice", "vicdemand"}


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory with a short name, so that the database's socket may lie in it."""
    found = Path(tempfile.mkdtemp(prefix="mw-", dir="/tmp"))
    with nothing_left(found):
        yield found
    shutil.rmtree(found, ignore_errors=True)


@pytest.fixture
def market(home: Path) -> Path:
    """The first half-hours of the market, before interstate transfer begins."""
    raw = (files("app.demo") / "data" / "elec2.csv.gz").read_bytes()
    lines = gzip.decompress(raw).decode().splitlines(keepends=True)
    found = home / "short.csv"
    found.write_text("".join(lines[: ROWS + 1]))
    return found


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MODELWARD_")}
    return {**kept, "HOME": str(home), "TMPDIR": str(home), **more}


def check_short_story(done: "subprocess.CompletedProcess[str]", home: Path) -> None:
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found.keys() >= EXPECTED
    assert found["rows"] == ROWS
    assert not found["first_alert"].keys() & UNMOVED
    assert found["acknowledged_events"] == found["stored_events"] == found["decisions"]
    assert found["self_approval"] == "refused"
    assert found["audit_ok"]
    assert found["tamper_found"]
    assert family(home) == set()
    assert [path.name for path in home.iterdir() if path.name.startswith("modelward")] == []


def test_the_market_before_the_change_raises_no_alert_about_it(home: Path, market: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app", "demo", "--json", "--data", str(market)],
        cwd=ROOT,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    check_short_story(done, home)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_user_without_rights_needs_none(home: Path, market: Path) -> None:
    user = pwd.getpwnam("nobody")
    python, more = interpreter(home, user)
    for path in (home, market):
        os.chown(path, user.pw_uid, user.pw_gid)

    done = subprocess.run(
        [python, "-m", "app", "demo", "--json", "--data", str(market)],
        cwd=ROOT,
        env=environment(home, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
    )

    check_short_story(done, home)


def interpreter(home: Path, user: pwd.struct_passwd) -> tuple[str, dict[str, str]]:
    """A Python that the user may run: this one, or the system's of the same version."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))
    candidates: list[tuple[str | None, dict[str, str]]] = [
        (sys.executable, {}),
        (shutil.which(version, path="/usr/bin:/usr/local/bin"), {"PYTHONPATH": packages}),
    ]
    for python, more in candidates:
        if python is not None and runs(python, more, home, user):
            return python, more
    pytest.skip(f"{user.pw_name} may not run {sys.executable}, and there is no other {version}")


def runs(python: str, more: dict[str, str], home: Path, user: pwd.struct_passwd) -> bool:
    try:
        tried = subprocess.run(
            [python, "-c", "import app.main"],
            cwd=ROOT,
            env=environment(home, **more),
            capture_output=True,
            timeout=60,
            check=False,
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
        )
    except PermissionError:
        return False
    return tried.returncode == 0
