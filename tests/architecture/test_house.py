"""The shape of the house holds."""

import importlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from inspect import ismodule
from pathlib import Path

import pytest
from sqlalchemy.orm import DeclarativeBase

from app import metadata

ROOT = Path(__file__).parents[2]
MOST_LINES = 400
SHAPELESS = {"utils.py", "helpers.py", "common.py", "crud.py", "models.py"}
TOP_LEVEL = {
    "pyproject.toml", "app", "migrations", "tests", "docker-compose.yml", "Dockerfile", "openapi",
    "README.md", "CONTRIBUTING.md", "LICENSE", "docs",
}  # fmt: skip
CONTEXTS = {
    "activation", "audit", "catalog", "drift", "gates", "identity", "kpi", "notifications",
    "release", "revalidation", "routing", "telemetry",
}  # fmt: skip


def exported() -> Iterator[Path]:
    """The files of a tree without its history: whatever was unpacked, less what tools leave."""
    made = {"__pycache__", "modelward.egg-info", "build"}
    for top in ROOT.iterdir():
        if not top.name.startswith(".") and top.name not in made:
            found = top.rglob("*") if top.is_dir() else [top]
            yield from (path for path in found if path.is_file() and not made & set(path.parts))


def tracked() -> list[Path]:
    found = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        return [path.relative_to(ROOT) for path in exported()]
    return [Path(line) for line in found.stdout.splitlines() if (ROOT / line).exists()]


def python() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py"]


def test_no_file_grows_past_its_end() -> None:
    long = {
        str(path): lines
        for path in python()
        if (lines := len((ROOT / path).read_text().splitlines())) > MOST_LINES
    }

    assert long == {}


def test_no_room_is_named_for_nothing() -> None:
    assert [str(path) for path in python() if path.name in SHAPELESS] == []


def test_the_top_level_holds_what_was_agreed() -> None:
    top = {path.parts[0] for path in tracked()}

    assert {name for name in top if not name.startswith(".")} == TOP_LEVEL


def test_every_tables_module_is_in_the_metadata() -> None:
    modules = {module.__name__ for module in metadata.MODULES}
    tables = {
        ".".join(path.with_suffix("").parts)
        for path in python()
        if path.name == "tables.py" and path.parts[0] == "app"
    }

    assert tables <= modules


def test_every_table_is_named_for_its_context_and_leads_with_the_tenant() -> None:
    for table in metadata.metadata.sorted_tables:
        assert table.name.partition("_")[0] in CONTEXTS | {"platform"}
        if table.name != "identity_tenant" and not table.info.get("view"):
            assert next(iter(table.columns)).name == "tenant_id", table.name
            keyed = [*table.primary_key, *(next(iter(i.columns)) for i in table.indexes)]
            assert keyed[0].name == "tenant_id", table.name


def test_relationships_do_not_cross_contexts() -> None:
    mappers = metadata.Base.registry.mappers if issubclass(metadata.Base, DeclarativeBase) else ()
    for mapper in mappers:
        for relation in mapper.relationships:
            here, there = (m.class_.__module__.split(".")[1] for m in (mapper, relation.mapper))
            assert here == there


def test_no_module_hides_behind_a_name_of_its_rooms_front_door() -> None:
    importlib.import_module("app.main")
    for room in ("activation", "audit", "catalog", "drift", "gates", "identity", "kpi",
                 "notifications", "release", "revalidation", "routing", "telemetry"):  # fmt: skip
        door = importlib.import_module(f"app.{room}")
        assert [name for name in door.__all__ if ismodule(getattr(door, name))] == [], room


def test_a_start_imports_nothing_that_takes_as_long_as_the_rest() -> None:
    code = "import sys, app.cli, app.main, app.worker; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    dear = {"scipy.stats", "scipy.optimize", "pandas", "pyarrow", "hypothesis"}
    assert dear & set(found.stdout.split()) == set()


def test_services_never_commit() -> None:
    allowed = {"app/platform/http/route.py", "app/platform/db.py", "app/telemetry/writer.py",
               "app/telemetry/labelling.py"}  # fmt: skip
    commits = {
        str(path)
        for path in python()
        if path.parts[0] == "app" and ".commit()" in (ROOT / path).read_text()
    }

    assert commits <= allowed


@pytest.mark.parametrize(
    ("room", "line", "contract"),
    [
        ("catalog/service.py", "from app import release as _planted", "Imports run down only"),
        ("drift/rules.py", "import sqlalchemy as _planted", "Rules and kit never see"),
        ("kpi/service.py", "from app.catalog import tables as _planted", "entered by its front"),
        ("client/http.py", "from app.kit import ids as _planted", "imports nothing of the server"),
    ],
)
def test_a_planted_violation_breaks_its_contract(
    tmp_path: Path, room: str, line: str, contract: str
) -> None:
    shutil.copytree(ROOT / "app", tmp_path / "app", ignore=shutil.ignore_patterns("*.pyc", "data"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    planted = tmp_path / "app" / room
    planted.write_text(f"{line}\n{planted.read_text()}")

    linted = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert linted.returncode != 0
    broken = [text for text in linted.stdout.splitlines() if " BROKEN" in text]
    assert any(contract in text for text in broken), linted.stdout
