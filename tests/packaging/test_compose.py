"""The container files say what is true: of the Compose schema, of the CLI, of the metrics."""

import json
import re
import shlex
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.routing import APIRoute
from jsonschema import Draft7Validator
from typer.testing import CliRunner

from app.cli.commands import cli
from app.identity.rules import Role
from app.main import make_api
from app.platform.http.metrics import HttpMetrics
from app.platform.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PORT = Settings.model_fields["port"].default
OURS = ("migrate", "api", "worker")

PINNED = re.compile(r"[a-z0-9./-]+:v?\d[\w.-]*")
REQUIRED = re.compile(r"\$\{\w+:\?[^}]+\}")
INTERPOLATED = re.compile(r"(?<!\$)\$\{(\w+)([^}]*)\}")
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|_KEY", re.IGNORECASE)
URL_PASSWORD = re.compile(r"\w+://[^:/@\s]*:((?:\$\{[^}]*\}|[^@/\s])*)@")


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, continuation lines joined, comments left out."""
    lines = [
        line
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]
    whole = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(line.split(None, 1)[0], line.split(None, 1)[1].strip()) for line in whole]


def of_last_stage(name: str) -> list[str]:
    """Return the arguments of an instruction in the stage that becomes the image."""
    found: list[str] = []
    for instruction, argument in instructions():
        if instruction == "FROM":
            found = []
        elif instruction == name:
            found.append(argument)
    return found


def config(name: str) -> str:
    """Return a configuration as the container gets it."""
    given: dict[str, str] = COMPOSE["configs"][name]
    if "file" in given:
        return (ROOT / given["file"]).read_text()
    return given["content"].replace("$$", "$")


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(config("grafana-dashboard"))
    return found


def registered() -> set[str]:
    """Return the names of every series the API process offers to Prometheus."""
    registry = make_api(Settings(), "postgresql://nobody@localhost/none")[2]
    HttpMetrics(registry)
    endings = {
        "counter": ("_total",),
        "histogram": ("_bucket", "_sum", "_count"),
        "summary": ("", "_sum", "_count"),
    }
    return {
        family.name + ending
        for family in registry.collect()
        for ending in endings.get(family.type, ("",))
    }


def understands(words: list[str]) -> bool:
    """Return whether the CLI knows a command line's commands and options.

    Options are parsed before ``--help`` ends the run, so nothing is carried out.
    """
    if words[0] != PROJECT["name"]:
        return False
    return CliRunner().invoke(cli, [*words[1:], "--help"]).exit_code == 0


def command_lines() -> list[list[str]]:
    """Return each ``modelward`` command of the container files, comments included."""
    found = [json.loads(argument) for argument in of_last_stage("CMD")]
    found += [SERVICES[name]["command"] for name in OURS]
    comments = TEXT + (ROOT / "Dockerfile").read_text()
    found += [
        shlex.split(words)
        for words in re.findall(r"^#  +.*?\b(modelward [a-z].*)$", comments, re.MULTILINE)
    ]
    return found


def fault(document: dict[str, Any]) -> str | None:
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    Draft7Validator.check_schema(schema)
    errors = sorted(Draft7Validator(schema).iter_errors(document), key=lambda e: e.json_path)
    return f"{errors[0].json_path}: {errors[0].message}" if errors else None


def test_the_compose_file_fits_the_specification() -> None:
    assert fault(COMPOSE) is None


def test_the_specification_notices_a_misspelt_key() -> None:
    broken = yaml.safe_load(TEXT)
    broken["services"]["api"]["health_check"] = {}
    assert "health_check" in str(fault(broken))


def test_what_a_service_refers_to_exists() -> None:
    for name, service in SERVICES.items():
        assert set(service.get("depends_on", ())) <= set(SERVICES), name
        assert set(service.get("networks", ())) <= set(COMPOSE["networks"]), name
        assert {each["source"] for each in service.get("configs", ())} <= set(COMPOSE["configs"]), (
            name
        )


def test_a_service_waited_for_can_satisfy_the_condition() -> None:
    for service in SERVICES.values():
        for name, dependency in service.get("depends_on", {}).items():
            if dependency["condition"] == "service_healthy":
                assert SERVICES[name]["healthcheck"]["test"]
            if dependency["condition"] == "service_completed_successfully":
                assert SERVICES[name]["restart"] == "no"


def test_mounts_are_named_volumes_or_files_that_exist() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = volume["source"] if isinstance(volume, dict) else volume.split(":")[0]
            if source.startswith((".", "/", "~")):
                assert (ROOT / source).is_file(), source
            else:
                assert source in COMPOSE["volumes"]
    for name, given in COMPOSE["configs"].items():
        assert "content" in given or (ROOT / given["file"]).is_file(), name


def test_no_secret_has_a_default() -> None:
    for name, rest in INTERPOLATED.findall(TEXT):
        assert not SECRET.search(name) or rest.startswith(":?"), name
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert not SECRET.search(name) or REQUIRED.fullmatch(value), name
            for password in URL_PASSWORD.findall(str(value)):
                assert REQUIRED.fullmatch(password), name


def test_only_who_migrates_has_the_owners_password() -> None:
    holders = {name for name in SERVICES if "MODELWARD_POSTGRES_PASSWORD" in str(SERVICES[name])}

    assert holders == {"postgres", "migrate"}


def test_the_image_carries_no_secret() -> None:
    for instruction, argument in instructions():
        if instruction in {"ENV", "ARG"}:
            assert not SECRET.search(argument)


def test_images_are_pinned_to_a_tag() -> None:
    stages: set[str] = set()
    for instruction, argument in instructions():
        if instruction == "FROM":
            image, _, stage = argument.partition(" AS ")
            assert image in stages or PINNED.fullmatch(image), image
            stages.add(stage)
    for service in SERVICES.values():
        assert PINNED.fullmatch(service["image"]), service["image"]


def test_our_image_bears_the_projects_version() -> None:
    assert {SERVICES[name]["image"] for name in OURS} == {f"modelward:{PROJECT['version']}"}
    assert f"VERSION={PROJECT['version']}" in of_last_stage("ARG")


def test_no_service_is_privileged() -> None:
    for name, service in SERVICES.items():
        assert not {"privileged", "cap_add", "devices", "pid", "ipc"} & service.keys(), name
        assert service.get("network_mode") is None, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["restart"] == ("no" if name == "migrate" else "unless-stopped"), name
        # Compose refuses to write an inline configuration into a read-only container.
        assert service.get("read_only", False) is ("configs" not in service), name


def test_ports_are_published_on_this_machine_alone() -> None:
    published = {port for service in SERVICES.values() for port in service.get("ports", ())}
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert f"127.0.0.1:{PORT}:{PORT}" in published
    assert "ports" not in SERVICES["postgres"]


def test_prometheus_scrapes_the_api() -> None:
    (job,) = yaml.safe_load(config("prometheus"))["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"api:{PORT}"]}]
    assert job["metrics_path"] in routes()


def test_grafana_reads_that_prometheus() -> None:
    (source,) = yaml.safe_load(config("grafana-datasource"))["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert {panel["datasource"]["uid"] for panel in dashboard()["panels"]} == {source["uid"]}


def test_grafana_finds_its_dashboard() -> None:
    (provider,) = yaml.safe_load(config("grafana-provider"))["providers"]
    targets = {Path(each["target"]) for each in SERVICES["grafana"]["configs"]}
    environment = SERVICES["grafana"]["environment"]
    home = Path(environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert home in targets
    assert home.parent == Path(provider["options"]["path"])


def test_a_counter_is_known_by_its_full_name_alone() -> None:
    assert "modelward_decisions_total" in registered()
    assert "modelward_decisions" not in registered()


def test_the_image_does_not_run_as_root() -> None:
    (user,) = of_last_stage("USER")
    assert all(part.isdecimal() and int(part) > 0 for part in user.split(":"))


def test_the_image_stops_on_sigterm_and_names_its_port() -> None:
    assert of_last_stage("STOPSIGNAL") == ["SIGTERM"]
    assert of_last_stage("EXPOSE") == [str(PORT)]


def routes() -> set[str]:
    api = make_api(Settings(), "postgresql://nobody@localhost/none")[0]
    return {route.path for route in api.routes if isinstance(route, APIRoute)}


def test_health_is_asked_where_it_is_answered() -> None:
    (image,) = of_last_stage("HEALTHCHECK")
    checks = {"/livez": json.loads(image.partition("CMD ")[2])}
    checks["/readyz"] = SERVICES["api"]["healthcheck"]["test"][1:]
    for path, (python, flag, code) in checks.items():
        assert (python, flag) == ("python", "-c")
        compile(code, "healthcheck", "exec")
        assert f"'{path}'" in code
        assert f"'127.0.0.1', {PORT}" in code
        assert path in routes()


@pytest.mark.parametrize("words", command_lines(), ids=" ".join)
def test_commands_are_the_clis(words: list[str]) -> None:
    assert understands(words)
    if "--role" in words:
        assert words[words.index("--role") + 1] in set(Role)


def test_a_command_the_cli_lacks_is_noticed() -> None:
    assert not understands(["modelward", "serve", "--no-such-option"])
    assert not understands(["modelward", "no-such-command"])


def test_the_environment_is_made_of_settings() -> None:
    known = {f"MODELWARD_{name.upper()}" for name in Settings.model_fields}
    for name in OURS:
        assert set(SERVICES[name]["environment"]) <= known
    ours = re.findall(r"\b(MODELWARD_\w+)=", " ".join(of_last_stage("ENV")))
    assert set(ours) <= known


def test_what_is_copied_enters_the_build() -> None:
    """The .dockerignore leaves everything out but what it names after an exclamation mark."""
    rules = (ROOT / ".dockerignore").read_text().split("\n")
    assert "*" in rules
    for instruction, argument in instructions():
        if instruction == "COPY" and not argument.startswith("--from"):
            for source in argument.split()[:-1]:
                assert f"!{source}" in rules
                assert (ROOT / source).exists()
    assert not [rule for rule in rules if rule.startswith("!") and fnmatch(".env", rule[1:])]
