"""The README's tour works as it stands."""

import asyncio
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app.identity import Role
from tests.live import Live
from tests.tenants import database_of, make_tenant

README = Path(__file__).parents[2] / "README.md"


def tour() -> str:
    """Every shell block of the tour but the one that starts the server."""
    text = README.read_text().partition("## A tour with curl")[2].partition("\n## ")[0]
    return "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)[1:])


@pytest.mark.skipif(
    not (shutil.which("jq") and shutil.which("curl")), reason="the tour uses curl and jq"
)
def test_the_tour_runs_to_its_end(live: Live, tmp_path: Path) -> None:
    nobody_yet = {"administrator": {Role.ADMINISTRATOR}}
    admin = asyncio.run(make_tenant(database_of(live), nobody_yet))["administrator"]
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail\n{tour()}"],
        env={"URL": live.url, "ADMIN": admin, "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert '"urn:modelward:problem' not in done.stdout, done.stdout
    assert done.stderr == ""
    assert '"arm": "champion"' in done.stdout
    assert '"person": "carla"' in done.stdout
    assert '"reward": 2.5' in done.stdout
