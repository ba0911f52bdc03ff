"""A server process and short ways to what tests need from it."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from app.client import Client, redeem

READY_SECONDS = 60
FOLD_SECONDS = 30
SIGNED_SECONDS = 30
BASELINE_ROWS = 400

EVERYBODY: dict[str, dict[str, Any]] = {
    # The first one there agrees to all who decide after him.
    "com": {"roles": ["committee"]},
    "dev": {"roles": ["developer", "committee"]},
    "val": {"roles": ["validator"]},
    "ops": {"roles": ["operator"]},
    "aud": {"roles": ["auditor"]},
    "app": {"roles": ["application"], "kind": "service", "owner": "ops"},
    "bot": {"roles": ["committee"], "kind": "service", "owner": "dev"},
}
EQUIPPED_BY = {"app": "admin", "bot": "dev"}


@dataclass
class Live:
    """A running server. ``people`` are clients by name, ``keys`` their API keys."""

    url: str
    admin_key: str
    data_dir: Path
    process: "subprocess.Popen[bytes]"
    log: Path
    people: dict[str, Client] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Client:
        return self.people[name]

    @property
    def admin(self) -> Client:
        return self.people["admin"]

    def assemble(self) -> None:
        """Make everybody, once."""
        admin = self.people["admin"] = Client(self.url, self.admin_key)
        known = {person["name"]: person for person in admin.pages("/v1/principals")}
        for name, fields in EVERYBODY.items():
            made = known.get(name) or admin.post("/v1/principals", {"name": name, **fields})
            if made["kind"] == "person":
                key = self.invited(made["id"])
                self.agree(made)
            else:
                self.agree(made)
                key = self.equipped(made["id"], by=EQUIPPED_BY[name])
            self.keys[name], self.people[name] = key, Client(self.url, key)

    def agree(self, made: Any) -> None:
        """Have the committee agree to the roles that somebody is to have."""
        if made["change_id"] is not None:
            self["com"].post(f"/v1/changes/{made['change_id']}:approve", {"reason": "known to us"})

    def invited(self, person_id: str) -> str:
        """A person's key, out of an invitation."""
        code: str = self.admin.post(f"/v1/principals/{person_id}:invite")["code"]
        return redeem(self.url, code)

    def equipped(self, account_id: str, *, by: str = "admin") -> str:
        """A service account's key."""
        path = f"/v1/principals/{account_id}/keys"
        return str(self[by].post(path, {"days": 1})["key"])

    def newcomer(self, *roles: str) -> tuple[str, str]:
        """A person nobody has met: id and key."""
        body = {"name": unique("person"), "roles": list(roles)}
        made = self.admin.post("/v1/principals", body)
        key = self.invited(made["id"])
        self.agree(made)
        return made["id"], key


@contextmanager
def start(home: Path, *, port: int = 0, **settings: str) -> Iterator[Live]:
    """Run ``modelward serve`` on ``home``; end it, by process id, whatever happens."""
    process, log, announced = spawn(home, port=port, **settings)
    try:
        live = wait_ready(process, log, announced, home)
        live.assemble()
        yield live
    finally:
        for client in getattr(locals().get("live"), "people", {}).values():
            client.__exit__(None, None, None)
        end(process)


def spawn(
    home: Path, *options: str, port: int = 0, **settings: str
) -> tuple["subprocess.Popen[bytes]", Path, Path]:
    """Start a server process; its announcement file appears when it is ready."""
    announced, log = home / f"announced-{uuid.uuid4().hex[:6]}.json", home / "server.log"
    environment = {
        **os.environ,
        "MODELWARD_PULSE_SECONDS": "1",
        "MODELWARD_AUDIT_SECONDS": "1",
        "MODELWARD_LOG_LEVEL": "WARNING",
        # Tests that share a server send it wrong keys by the hundred, all from one address.
        "MODELWARD_WRONG_CREDENTIALS_BURST": "1000000",
        **{f"MODELWARD_{name.upper()}": value for name, value in settings.items()},
    }
    if "database_url" not in settings:
        environment.pop("MODELWARD_DATABASE_URL", None)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "app", "serve", "--data-dir", str(home / "data"),
                "--port", str(port), "--announce", str(announced), *options,
            ],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    return process, log, announced


def wait_ready(process: "subprocess.Popen[bytes]", log: Path, announced: Path, home: Path) -> Live:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if announced.exists():
            found = json.loads(announced.read_text())
            return Live(found["url"], found["key"] or "", home / "data", process, log)
        time.sleep(0.02)
    raise RuntimeError(f"not ready:\n{log.read_text(errors='replace')[-3000:]}")


def end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def unique(word: str) -> str:
    return f"{word}-{uuid.uuid4().hex[:10]}"


@dataclass(frozen=True)
class Place:
    """A model, a decision point, and the version in its seat."""

    model: str
    point: str
    version: int


def make_model(live: Live, *, tier: str = "low") -> str:
    name = unique("model")
    live["dev"].post(
        "/v1/models",
        {"name": name, "risk_tier": tier, "owner": "dev", "purpose": "A test of the server."},
    )
    return name


def make_point(live: Live, *, velocity: float = 1.0, **more: Any) -> str:
    key = unique("point")
    live["ops"].post(
        "/v1/decision-points",
        {
            "key": key,
            "kind": "application",
            "owner": "ops",
            "contract": {
                "inputs": [{"name": "x"}],
                "events_per_minute": velocity,
                "latency_ms": 50,
                **more,
            },
        },
    )
    return key


def make_version(live: Live, model: str, *, digest: str = "sha256:" + "0" * 64, **more: Any) -> int:
    """Publish a version with one numeric input and a baseline of standard normal rows."""
    found = live["dev"].post(
        f"/v1/models/{model}/versions",
        {
            "source": f"urn:model:{model}",
            "digest": digest,
            "signature": {"inputs": [{"name": "x"}]},
            "training_data": {"reference": "made here"},
            "card": {"summary": "A test.", "intended_use": "A test."},
            **more,
        },
    )
    rng = np.random.default_rng(1)
    x = rng.normal(size=BASELINE_ROWS)
    label = rng.random(BASELINE_ROWS) < 1 / (1 + np.exp(-x))
    columns = {
        "x": x.tolist(),
        "score": (1 / (1 + np.exp(-x))).tolist(),
        "label": label.astype(int).tolist(),
    }
    number = int(found["number"])
    live["dev"].put(f"/v1/models/{model}/versions/{number}/baseline", {"columns": columns})
    return number


def validate(live: Live, model: str, number: int) -> None:
    """The bridge, as the low tier asks for it."""
    case = live["dev"].post("/v1/validations", {"model": model, "version": number})
    step = "technical_validation"
    payload = {"holdout_rows": 200, "reproducible": True}
    evidence(live["val"], case, step, "technical", payload)
    approve(live["val"], case, step)
    assert live["val"].post(f"/v1/validations/{case['id']}/steps/{step}:judge")["passed"]


def rehearse(
    live: Live, place: Place, *, rows: int = 600, shift: float = 0.0, seed: int = 2
) -> None:
    """Send traffic through the perimeter, at the contract's velocity, with outcomes."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows) + shift
    score = 1 / (1 + np.exp(-x))
    ids = [str(uuid.uuid4()) for _ in range(rows)]
    at = [f"2026-01-{1 + i // 1440:02d}T{i // 60 % 24:02d}:{i % 60:02d}:00Z" for i in range(rows)]
    named = {
        "model": place.model,
        "version": place.version,
        "decision_point": place.point,
    }
    live["dev"].post(
        "/v1/events",
        {
            **named,
            "events": [
                {"event_id": e, "at": a, "features": {"x": float(v)}, "score": float(s)}
                for e, a, v, s in zip(ids, at, x, score, strict=True)
            ],
        },
    )
    outcomes = [
        {"decision_id": e, "label": int(rng.random() < s), "reward": 1.0, "at": a}
        for e, a, s in zip(ids, at, score, strict=True)
    ]
    live["dev"].post("/v1/outcomes", {**named, "outcomes": outcomes})
    wait_folded(live, place.point)


def release(live: Live, place: Place) -> Any:
    """The release steps that the low tier asks for; return the last verdict."""
    body = {"model": place.model, "version": place.version, "decision_point": place.point}
    case = live["dev"].post("/v1/releases", body)
    verdict: Any = None
    for step in (
        "model_release", "endpoint_identification", "parameter_testing", "kpi_validation",
    ):  # fmt: skip
        verdict = live["ops"].post(f"/v1/releases/{case['id']}/steps/{step}:judge")
        assert verdict["passed"] or step == "kpi_validation", verdict["results"]
    return verdict


def open_activation(live: Live, place: Place, *, role: str = "champion") -> Any:
    """Ask for the seat; everything before the swap is supplied but the committee's word."""
    case = live["ops"].post(
        "/v1/activations",
        {
            "model": place.model,
            "version": place.version,
            "decision_point": place.point,
            "role": role,
        },
    )
    deployed = {"digest": "sha256:" + "0" * 64}
    evidence(live["ops"], case, "model_deployment", "deployment", deployed)
    return case


def ready_to_commit(live: Live, case: Any) -> None:
    approve(live["com"], case, "management_and_governance")
    for step in ("management_and_governance", "model_deployment"):
        verdict = live["ops"].post(f"/v1/activations/{case['id']}/steps/{step}:judge")
        assert verdict["passed"], verdict["results"]


def released(live: Live, *, point: str | None = None) -> Place:
    """A version that has passed its release."""
    model = make_model(live)
    place = Place(model, point or make_point(live), make_version(live, model))
    validate(live, model, place.version)
    rehearse(live, place)
    assert release(live, place)["passed"]
    return place


def champion(live: Live, *, point: str | None = None) -> Place:
    """A version that answers at its decision point."""
    return crown(live, released(live, point=point))


def crown(live: Live, place: Place) -> Place:
    """Have a released version answer."""
    case = open_activation(live, place)
    ready_to_commit(live, case)
    live["ops"].post(f"/v1/activations/{case['id']}:commit")
    wait_routed(live, place)
    return place


def enthroned(live: Live, point: str) -> str:
    """The id of the version that is champion of a point."""
    return str(live["ops"].get(f"/v1/decision-points/{point}/champion")["version_id"])


def roll_back(live: Live, point: str, **more: Any) -> Any:
    """The champion goes, whoever it is now; the one before comes back."""
    body = {"instead_of": enthroned(live, point), "reason": "a test", **more}
    return live["ops"].post(f"/v1/decision-points/{point}:rollback", body)


def evidence(client: Client, case: Any, step: str, kind: str, payload: dict[str, Any]) -> Any:
    path = f"/v1/cases/{case['id']}/steps/{step}/evidence"
    return client.post(path, {"kind": kind, "payload": payload})


def approve(client: Client, case: Any, step: str) -> Any:
    path = f"/v1/cases/{case['id']}/steps/{step}/approvals"
    return client.post(path, {"approved": True, "reason": "looked at it"})


def route(live: Live, point: str, unit: str) -> Any:
    return live["app"].post(f"/v1/decision-points/{point}/route", {"unit": unit})


def telemetry(live: Live, point: str) -> Any:
    return live["ops"].get(f"/v1/decision-points/{point}/telemetry")


def wait_folded(live: Live, point: str) -> Any:
    """Wait until the worker has folded everything of a point; return its telemetry."""
    deadline = time.monotonic() + FOLD_SECONDS
    while time.monotonic() < deadline:
        found = live["ops"].get(f"/v1/decision-points/{point}/telemetry", figures="false")
        if not found["waiting_deltas"] and not found["waiting_outcomes"]:
            return telemetry(live, point)
        time.sleep(0.1)
    raise TimeoutError(f"not folded within {FOLD_SECONDS} s: {found}")


def wait_routed(live: Live, place: Place) -> None:
    """Wait until the table in memory answers with this version; five seconds are promised."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        seats = live["ops"].pages(f"/v1/decision-points/{place.point}/seats")
        champion = next(s for s in seats if s["role"] == "champion" and not s["until"])
        try:
            if route(live, place.point, "probe")["version_id"] == champion["version_id"]:
                return
        except Exception:  # noqa: BLE001, S110 - not routed yet, whatever it says
            pass
        time.sleep(0.02)
    raise TimeoutError("the new champion was not routed within 5 s")


def wait_signed(live: Live) -> None:
    """Wait until everything that was done up to now is signed."""
    deadline = time.monotonic() + SIGNED_SECONDS
    while time.monotonic() < deadline:
        found = live["aud"].get("/v1/audit/log")
        if not found["waiting"] and found["signed_size"] == found["size"]:
            return
        time.sleep(0.1)
    raise TimeoutError(f"not signed within {SIGNED_SECONDS} s: {found}")


def lift_control(live: Live, kind: str) -> None:
    """Let ``kind`` be edited without approval from now on, which itself takes an approval."""
    rights = live.admin.get("/v1/decision-rights")
    control = {name: how for name, how in rights["body"]["change_control"].items() if name != kind}
    body = {"body": {**rights["body"], "change_control": control}}
    change = live.admin.put("/v1/decision-rights", body, revision=rights["revision"])
    live["com"].post(f"/v1/changes/{change['id']}:approve", {"reason": "agreed"})
